//! The paths of packages: packuments, single manifests and tarballs.

use artifact_core::{
    Class, DocumentKind, Origin, Owner, PackageRequest, Reject, RepoPath, Route, Shape, Target,
    Variant,
};

use super::{JSON, accept, canonical, nothing_here};
use crate::name::{PackageName, is_label, is_tarball_file};

/// The one kind of document of this type.
pub(crate) const PACKUMENT: DocumentKind = DocumentKind("packument");
/// The packument with everything in it.
pub(crate) const FULL: Variant = Variant::new("full");
/// The packument with what an installation needs.
pub(crate) const ABBREVIATED: Variant = Variant::new("abbreviated");
/// The tags of a packument alone.
pub(crate) const DIST_TAGS: Variant = Variant::new("dist-tags");
/// What precedes a version or tag in the name of the variant that holds its manifest.
pub(crate) const VERSION_PREFIX: &str = "version:";

pub(crate) const ABBREVIATED_TYPE: &str = "application/vnd.npm.install-v1+json";

const TARBALL_TYPE: &str = "application/octet-stream";

/// Finds the route of a path that begins with the name of a package.
pub(super) fn classify(request: &PackageRequest<'_>, segments: &[&str]) -> Result<Route, Reject> {
    let (owned_name, tail) = split_name(segments).ok_or_else(|| nothing_here(request.path))?;
    let name = PackageName::parse(&owned_name)
        .ok_or_else(|| Reject::not_found(format!("\"{owned_name}\" cannot be a package name")))?;
    let target = match *tail {
        [] => packument(name, accept::packument_form(request.headers))?,
        [label] if is_label(label) => manifest(name, label)?,
        ["-", file] => tarball(name, file, request.path)?,
        // Publish bodies repeat the scope in the file name, and so do links made from them.
        ["-", scope, file] if name.scope() == Some(scope) => tarball(name, file, request.path)?,
        _ => return Err(nothing_here(request.path)),
    };
    Ok(Route::Serve(target))
}

/// Cuts the name of a package, of one or two segments, off the front.
pub(super) fn split_name<'s, 'p>(segments: &'s [&'p str]) -> Option<(String, &'s [&'p str])> {
    match segments {
        [scope, bare, tail @ ..] if scope.starts_with('@') => {
            Some((format!("{scope}/{bare}"), tail))
        }
        [scope] if scope.starts_with('@') => None,
        [bare, tail @ ..] => Some(((*bare).to_owned(), tail)),
        [] => None,
    }
}

/// The packument of `name` in one of its forms. Upstream is always asked for the full
/// form; everything else is made of it.
pub(super) fn packument(name: PackageName<'_>, variant: Variant) -> Result<Target, Reject> {
    let content_type = if variant == ABBREVIATED { ABBREVIATED_TYPE } else { JSON };
    Ok(Target {
        path: canonical(name.as_str())?,
        source: Variant::SOURCE,
        class: Class::Mutable,
        shape: Shape::Document { kind: PACKUMENT, variant },
        origin: Origin::Upstream(name.to_segment()),
        package: Some(name.to_string()),
        owner: Owner::First,
        content_type: Some(content_type),
        accept: Some(JSON),
        html_allowed: false,
    })
}

fn manifest(name: PackageName<'_>, label: &str) -> Result<Target, Reject> {
    packument(name, Variant::named(format!("{VERSION_PREFIX}{label}")))
}

fn tarball(name: PackageName<'_>, file: &str, requested: &RepoPath) -> Result<Target, Reject> {
    if !is_tarball_file(file) {
        return Err(nothing_here(requested));
    }
    Ok(Target {
        path: canonical(&name.tarball_path(file))?,
        source: Variant::SOURCE,
        class: Class::Immutable,
        shape: Shape::File,
        origin: Origin::listed(packument(name, FULL)?),
        package: Some(name.to_string()),
        owner: Owner::First,
        content_type: Some(TARBALL_TYPE),
        accept: None,
        html_allowed: false,
    })
}

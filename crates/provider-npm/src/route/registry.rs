//! The registry's own paths, which begin with `-`.

use artifact_core::{
    Class, ErrorKind, Forward, Origin, Owner, PackageRequest, Reject, Route, Shape, Target, Variant,
};
use bytes::Bytes;
use http::Method;

use super::{JSON, canonical, nothing_here, package, require_read, search};
use crate::name::{PackageName, is_label};

/// Finds the route of what follows the leading `-`.
pub(super) fn classify(request: &PackageRequest<'_>, rest: &[&str]) -> Result<Route, Reject> {
    if *request.method == Method::POST
        && let ["npm", "v1", "security", question @ ..] = rest
    {
        return audit(question).ok_or_else(|| nothing_here(request.path));
    }
    // Web login is off. 404 makes npm fall back to the classic login; 405 would not be understood.
    if let ["v1", "login", ..] = rest {
        return Err(Reject::not_found("web login is not offered here"));
    }
    require_read(request)?;
    match rest {
        ["ping"] => Ok(Route::Answer { content_type: JSON, body: Bytes::from_static(b"{}") }),
        ["whoami"] => {
            Err(Reject::new(ErrorKind::Unauthorized, "nobody is logged in to this repository"))
        }
        ["v1", "search"] => search::target(request.query).map(Route::Serve),
        ["npm", "v1", "keys"] => document("-/npm/v1/keys", None).map(Route::Serve),
        ["npm", "v1", "attestations", subject @ ..] => attestations(request, subject),
        ["package", subject @ ..] => dist_tags(request, subject),
        _ => Err(nothing_here(request.path)),
    }
}

/// A JSON document that is passed on as it is.
fn document(path: &str, name: Option<PackageName<'_>>) -> Result<Target, Reject> {
    Ok(Target {
        path: canonical(path)?,
        source: Variant::SOURCE,
        class: Class::Mutable,
        shape: Shape::File,
        origin: Origin::Upstream(path.to_owned()),
        package: name.map(|name| name.to_string()),
        owner: Owner::First,
        content_type: Some(JSON),
        accept: Some(JSON),
        html_allowed: false,
    })
}

/// The three questions about known vulnerabilities. Never cached, never made up.
fn audit(question: &[&str]) -> Option<Route> {
    let reference = match question {
        ["advisories", "bulk"] => "-/npm/v1/security/advisories/bulk",
        ["audits", "quick"] => "-/npm/v1/security/audits/quick",
        ["audits"] => "-/npm/v1/security/audits",
        _ => return None,
    };
    Some(Route::Forward(Forward { reference: reference.to_owned(), method: Method::POST }))
}

/// `{package}@{version}`.
fn attestations(request: &PackageRequest<'_>, subject: &[&str]) -> Result<Route, Reject> {
    let subject = subject.join("/");
    let (name, version) = subject
        .rsplit_once('@')
        .and_then(|(name, version)| Some((PackageName::parse(name)?, version)))
        .filter(|(_, version)| is_label(version))
        .ok_or_else(|| nothing_here(request.path))?;
    let mut target = document(&format!("-/npm/v1/attestations/{subject}"), Some(name))?;
    let encoded = artifact_core::encode_path(version);
    target.origin =
        Origin::Upstream(format!("-/npm/v1/attestations/{}@{encoded}", name.to_segment()));
    Ok(Route::Serve(target))
}

/// `{package}/dist-tags`: told from the packument, so that hidden versions stay hidden.
fn dist_tags(request: &PackageRequest<'_>, subject: &[&str]) -> Result<Route, Reject> {
    let (name, ["dist-tags"]) =
        package::split_name(subject).ok_or_else(|| nothing_here(request.path))?
    else {
        return Err(nothing_here(request.path));
    };
    let name = PackageName::parse(&name).ok_or_else(|| nothing_here(request.path))?;
    package::packument(name, package::DIST_TAGS).map(Route::Serve)
}

//! What a request means.

mod mirror;
mod module;
mod provider;

use artifact_core::{
    Class, DocumentKind, ErrorKind, Origin, Owner, PackageRequest, Reject, RepoPath, Route, Shape,
    Target, Variant,
};
use http::Method;

pub(crate) use mirror::host_of;
pub(crate) use provider::{signature, sums};

/// Where upstream's registries are.
pub(crate) const DISCOVERY: DocumentKind = DocumentKind("discovery");
/// The versions of a provider.
pub(crate) const VERSIONS: DocumentKind = DocumentKind("versions");
/// Where the package of one platform is.
pub(crate) const DOWNLOAD: DocumentKind = DocumentKind("download");
/// The packages of a version for all platforms.
pub(crate) const ARCHIVES: DocumentKind = DocumentKind("archives");
/// The checksums of a version.
pub(crate) const SUMS: DocumentKind = DocumentKind("sums");
/// The signature of the checksums.
pub(crate) const SIGNATURE: DocumentKind = DocumentKind("signature");
/// The versions of a module.
pub(crate) const MODULE_VERSIONS: DocumentKind = DocumentKind("module-versions");
/// Where a module is.
pub(crate) const MODULE_DOWNLOAD: DocumentKind = DocumentKind("module-download");

/// A document as the registry protocols have it.
pub(crate) const REGISTRY: Variant = Variant::new("registry");
/// A document as the network mirror protocol has it.
pub(crate) const MIRROR: Variant = Variant::new("mirror");

const JSON: &str = "application/json";

pub(crate) fn classify(request: &PackageRequest<'_>) -> Result<Route, Reject> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(Reject::new(
            ErrorKind::MethodNotAllowed,
            "this terraform repository is read-only",
        ));
    }
    if request.path.is_directory() {
        return Err(nothing_here());
    }
    let segments: Vec<&str> = request.path.segments().collect();
    let target = match segments.as_slice() {
        [".well-known", "terraform.json"] => discovery(),
        ["v1", "providers", namespace, kind, rest @ ..] => provider::target(namespace, kind, rest),
        ["v1", "modules", namespace, name, system, rest @ ..] => {
            module::target([namespace, name, system], rest)
        }
        ["mirror", host, namespace, kind, file] if mirror::serves(request, host) => {
            mirror::target(namespace, kind, file)
        }
        _ => None,
    };
    target.map(Route::Serve).ok_or_else(nothing_here)
}

fn nothing_here() -> Reject {
    Reject::not_found("there is nothing under this path in a terraform registry")
}

fn discovery() -> Option<Target> {
    let path = ".well-known/terraform.json";
    let document = Document { kind: DISCOVERY, variant: REGISTRY, class: Class::Mutable };
    document.at(path, Origin::Upstream(path.to_owned()), None)
}

/// A document of a registry: its place is what discovery says, or the usual one where upstream
/// has no discovery.
fn discovered(document: Document, path: &str, package: String) -> Option<Target> {
    let unlisted = Some(artifact_core::encode_path(path));
    let origin = Origin::Index { index: Box::new(discovery()?), unlisted };
    document.at(path, origin, Some(package))
}

/// What documents differ in.
struct Document {
    kind: DocumentKind,
    variant: Variant,
    class: Class,
}

impl Document {
    /// Fails only on paths that are too long.
    fn at(self, path: &str, origin: Origin, package: Option<String>) -> Option<Target> {
        let is_json = !matches!(self.kind, SUMS | SIGNATURE);
        Some(Target {
            path: RepoPath::from_decoded(path).ok()?,
            source: Variant::SOURCE,
            class: self.class,
            shape: Shape::Document { kind: self.kind, variant: self.variant },
            origin,
            package,
            owner: Owner::First,
            content_type: is_json.then_some(JSON),
            accept: (is_json && self.kind != MODULE_DOWNLOAD).then_some(JSON),
            html_allowed: false,
        })
    }
}

/// A file whose place `index` names.
fn file(
    path: &str,
    index: Target,
    package: String,
    content_type: Option<&'static str>,
) -> Option<Target> {
    Some(Target {
        path: RepoPath::from_decoded(path).ok()?,
        source: Variant::SOURCE,
        class: Class::Immutable,
        shape: Shape::File,
        origin: Origin::listed(index),
        package: Some(package),
        owner: Owner::First,
        content_type,
        accept: None,
        html_allowed: false,
    })
}

/// `target` comes from the member that owns the name or, where versions are united, the version:
/// packages of one version never come from two members.
fn owned(target: Option<Target>, name: Option<Target>, version: Option<Target>) -> Option<Target> {
    let owner = Owner::Witnessed { name: Some(Box::new(name?)), version: Some(Box::new(version?)) };
    Some(Target { owner, ..target? })
}

//! What a request means.

mod checksums;
pub(crate) mod escape;
mod module;

use artifact_core::{DocumentKind, ErrorKind, PackageRequest, Reject, Route, Variant};
use http::Method;

pub(crate) use self::module::{File, file_path};

/// The list of a module's versions.
pub(crate) const LIST: DocumentKind = DocumentKind("list");
/// What is known of a module's latest version.
pub(crate) const LATEST: DocumentKind = DocumentKind("latest");
/// What a proxy has that passes a checksum database on; nothing is written in it.
pub(crate) const OFFER: DocumentKind = DocumentKind("offer");
/// The one rendition of any.
pub(crate) const PLAIN: Variant = Variant::new("plain");

pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
pub(crate) const JSON: &str = "application/json";

/// The first segment of paths that concern a checksum database. No module's path can begin so: its first
/// segment has a dot.
const CHECKSUMS: &str = "sumdb";

pub(crate) fn classify(request: &PackageRequest<'_>) -> Result<Route, Reject> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(Reject::new(ErrorKind::MethodNotAllowed, "modules cannot be uploaded here"));
    }
    if request.path.is_directory() {
        return Err(not_found());
    }
    match request.path.as_str().strip_prefix(CHECKSUMS).and_then(|rest| rest.strip_prefix('/')) {
        Some(below) => checksums::classify(below, request),
        None => Ok(Route::Serve(module::classify(request.path.as_str())?)),
    }
}

fn not_found() -> Reject {
    Reject::not_found("nothing of the GOPROXY protocol is under this path")
}

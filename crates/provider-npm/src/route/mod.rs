//! What a request means.

mod accept;
mod package;
mod registry;
mod search;

use artifact_core::{ErrorKind, PackageRequest, Reject, RepoPath, Route};
use http::Method;

pub(crate) use package::{
    ABBREVIATED, ABBREVIATED_TYPE, DIST_TAGS, FULL, PACKUMENT, VERSION_PREFIX,
};

/// The media type of everything that is neither an abbreviated packument nor a tarball.
pub(crate) const JSON: &str = "application/json";

/// Finds the route of a request. The registry's own paths begin with `-`, which no
/// package name does, so that the two can never be taken for one another.
pub(crate) fn classify(request: &PackageRequest<'_>) -> Result<Route, Reject> {
    let segments: Vec<&str> = request.path.segments().collect();
    if let ["-", rest @ ..] = segments.as_slice() {
        return registry::classify(request, rest);
    }
    require_read(request)?;
    package::classify(request, &segments)
}

/// Refuses every method that is no read.
fn require_read(request: &PackageRequest<'_>) -> Result<(), Reject> {
    if matches!(*request.method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    Err(Reject::new(ErrorKind::MethodNotAllowed, "this npm repository is read-only"))
}

/// The refusal of a path under which nothing can be.
fn nothing_here(path: &RepoPath) -> Reject {
    Reject::not_found(format!("there is nothing under \"{path}\" in an npm registry"))
}

/// A path that we put together. It is checked again, because parts of it are the client's.
fn canonical(path: &str) -> Result<RepoPath, Reject> {
    RepoPath::from_decoded(path).map_err(|invalid| Reject::not_found(invalid.to_string()))
}

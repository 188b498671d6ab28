//! One request on its way through the engine.

use std::sync::Arc;

use artifact_core::{Definition, PackageRequest, Remote, RepoPath, Result, Target};
use http::HeaderMap;

use crate::answer::Asking;
use crate::mount::{Mount, REGISTRY_ROOT};
use crate::request::Request;
use crate::snapshot::{Mounted, Snapshot};

/// The request, the repository that it addresses and the configuration that is in force for it.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) request: &'a RequestParts<'a>,
    pub(crate) snapshot: &'a Arc<Snapshot>,
    /// The repository that was addressed.
    pub(crate) mounted: &'a Arc<Mounted>,
    pub(crate) path: &'a RepoPath,
}

/// A request without its body.
#[derive(Clone, Copy)]
pub(crate) struct RequestParts<'a> {
    pub(crate) mount: Mount,
    pub(crate) method: &'a http::Method,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    /// The origin that links lead to.
    pub(crate) origin: &'a str,
}

impl<'a> RequestParts<'a> {
    pub(crate) fn of(request: &'a Request<'_>, public_url: Option<&'a str>) -> Self {
        Self {
            mount: request.mount,
            method: request.method,
            query: request.query,
            headers: request.headers,
            origin: public_url.unwrap_or(request.origin),
        }
    }
}

impl<'a> Call<'a> {
    pub(crate) fn asking(&self) -> Asking<'a> {
        Asking {
            method: self.request.method,
            headers: self.request.headers,
            repository: self.mounted.id(),
            counters: &self.mounted.counters,
        }
    }

    /// What the provider gets to see.
    pub(crate) fn package_request(&self) -> PackageRequest<'a> {
        PackageRequest {
            kind: self.mounted.kind(),
            method: self.request.method,
            path: self.path,
            query: self.request.query,
            headers: self.request.headers,
            remote: remote_of(self.mounted),
        }
    }

    /// The path of the addressed repository as the client sees it, without a trailing slash.
    pub(crate) fn mount_path(&self) -> String {
        match self.request.mount {
            Mount::Root => REGISTRY_ROOT.to_owned(),
            Mount::Package(_) | Mount::Registry => self.mounted.path(),
        }
    }

    /// The URL of the addressed repository, which the links in its documents begin with.
    pub(crate) fn base_url(&self) -> String {
        format!("{}{}", self.request.origin.trim_end_matches('/'), self.mount_path())
    }

    /// Whether clients reach us by https.
    pub(crate) fn is_secure(&self) -> bool {
        self.request.origin.starts_with("https://")
    }
}

/// The definition of a remote.
pub(crate) fn remote_of(mounted: &Mounted) -> Option<&Remote> {
    match &mounted.repository.definition {
        Definition::Remote(remote) => Some(remote),
        Definition::Local(_) | Definition::Virtual(_) => None,
    }
}

/// Refuses what the operator's rules on `mounted` refuse.
pub(crate) fn admit(mounted: &Mounted, target: &Target) -> Result<()> {
    match mounted.denial(target.path.as_str()) {
        Some(denial) => Err(denial.to_error(mounted.name())),
        None => Ok(()),
    }
}

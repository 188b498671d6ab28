//! The network mirror protocol: other forms of the same documents.

use artifact_core::{PackageRequest, Remote, RepositoryKind, Target};
use url::Url;

use super::{MIRROR, provider};
use crate::name::ProviderName;

/// The documents of a provider in the mirror's form.
pub(super) fn target(namespace: &str, kind: &str, file: &str) -> Option<Target> {
    let name = ProviderName::parse(namespace, kind)?;
    match file.strip_suffix(".json")? {
        "index" => provider::versions(&name, MIRROR),
        version => provider::archives(&name.release(version)?),
    }
}

/// Whether providers of `host` are mirrored: the host of the remote's own URL, and hosts that
/// the operator names. A virtual repository has what one of its members has.
pub(super) fn serves(request: &PackageRequest<'_>, host: &str) -> bool {
    match request.remote {
        Some(remote) => {
            let mut hosts = remote.allowed_hosts.iter().map(String::as_str);
            own_host(remote).is_some_and(|own| own.eq_ignore_ascii_case(host))
                || hosts.any(|allowed| allowed.eq_ignore_ascii_case(host))
        }
        None => request.kind == RepositoryKind::Virtual,
    }
}

fn own_host(remote: &Remote) -> Option<String> {
    host_of(&remote.base_url)
}

/// The host of a URL as provider addresses have it: with its port unless that is the usual one.
pub(crate) fn host_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

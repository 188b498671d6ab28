//! Whether a URL may be asked at all, and how far its connection may reach.
//!
//! Where a URL came from widens nothing: a URL that claims to be configured but leads away from
//! the `base_url` is judged like one out of an index.

use artifact_core::ports::UpstreamTarget;
use url::Url;

use crate::Allowance;

/// Why a URL is not asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the URL scheme is neither http nor https")]
    Scheme,
    #[error("the URL leads from https to http")]
    Downgrade,
    #[error("the URL carries user information")]
    UserInformation,
    #[error("the URL has no host")]
    Host,
    #[error("the URL names a port that is not listed")]
    Port,
}

/// How far the connection for `url` may reach on behalf of `target`.
pub(crate) fn check(target: &UpstreamTarget, url: &Url) -> Result<Allowance, Refusal> {
    check_scheme(target, url)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::UserInformation);
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(Refusal::Host)?;
    let port = url.port_or_known_default().ok_or(Refusal::Port)?;
    if is_own(target, host, port) || is_listed(&target.allowed_hosts, host, port) {
        return Ok(Allowance::Private);
    }
    match port {
        80 | 443 => Ok(Allowance::Public),
        _ => Err(Refusal::Port),
    }
}

fn check_scheme(target: &UpstreamTarget, url: &Url) -> Result<(), Refusal> {
    match (url.scheme(), target.base_url.scheme()) {
        ("https", _) | ("http", "http") => Ok(()),
        ("http", _) => Err(Refusal::Downgrade),
        _ => Err(Refusal::Scheme),
    }
}

fn is_own(target: &UpstreamTarget, host: &str, port: u16) -> bool {
    let base = &target.base_url;
    base.host_str().is_some_and(|own| same_host(own, host))
        && base.port_or_known_default() == Some(port)
}

/// An entry without a port lists every port of its host.
fn is_listed(entries: &[String], host: &str, port: u16) -> bool {
    entries.iter().any(|entry| {
        let (listed, listed_port) = split_port(entry.trim());
        same_host(listed, host) && listed_port.is_none_or(|listed| listed == port)
    })
}

fn split_port(entry: &str) -> (&str, Option<u16>) {
    let is_bare_ipv6 = !entry.starts_with('[') && entry.matches(':').count() > 1;
    if is_bare_ipv6 {
        return (entry, None);
    }
    match entry.rsplit_once(':') {
        Some((host, port)) => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        None => (entry, None),
    }
}

fn same_host(one: &str, other: &str) -> bool {
    plain(one).eq_ignore_ascii_case(plain(other))
}

fn plain(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use artifact_core::RepositoryId;

    use super::*;

    fn target(base_url: &str, allowed_hosts: &[&str]) -> UpstreamTarget {
        UpstreamTarget {
            id: RepositoryId(1),
            revision: 1,
            name: "remote".parse().unwrap(),
            base_url: base_url.parse().unwrap(),
            credential: None,
            allowed_hosts: allowed_hosts.iter().map(|&host| host.to_owned()).collect(),
            ca_certificates: String::new(),
        }
    }

    #[test]
    fn urls_are_judged_by_scheme_host_and_port() {
        use Allowance::{Private, Public};
        let https = target("https://registry.example/npm", &["files.example", "cdn.example:8443"]);
        let http = target("http://10.0.0.1:8080/", &["::1", "[fd00::1]:9000"]);
        for (target, url, expected) in [
            (&https, "https://registry.example/npm/x", Ok(Private)),
            (&https, "https://REGISTRY.example.:443/x", Ok(Private)),
            (&https, "https://registry.example:8443/x", Err(Refusal::Port)),
            (&https, "https://other.example/x", Ok(Public)),
            (&https, "https://other.example:80/x", Ok(Public)),
            (&https, "https://other.example:6379/x", Err(Refusal::Port)),
            (&https, "http://registry.example/x", Err(Refusal::Downgrade)),
            (&https, "http://other.example/x", Err(Refusal::Downgrade)),
            (&https, "https://files.example:8081/x", Ok(Private)),
            (&https, "https://cdn.example:8443/x", Ok(Private)),
            (&https, "https://cdn.example/x", Ok(Public)),
            (&https, "https://user@registry.example/x", Err(Refusal::UserInformation)),
            (&https, "https://:secret@registry.example/x", Err(Refusal::UserInformation)),
            (&https, "ftp://registry.example/x", Err(Refusal::Scheme)),
            (&https, "file:///etc/passwd", Err(Refusal::Scheme)),
            (&http, "http://10.0.0.1:8080/x", Ok(Private)),
            (&http, "http://10.0.0.1:8081/x", Err(Refusal::Port)),
            (&http, "http://0x0a.1:8080/x", Ok(Private)),
            (&http, "https://other.example/x", Ok(Public)),
            (&http, "http://other.example/x", Ok(Public)),
            (&http, "http://[::1]:1234/x", Ok(Private)),
            (&http, "http://[fd00::1]:9000/x", Ok(Private)),
            (&http, "http://[fd00::1]:9001/x", Err(Refusal::Port)),
        ] {
            assert_eq!(check(target, &url.parse().unwrap()), expected, "{url}");
        }
    }
}

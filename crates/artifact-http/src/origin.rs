//! Under which address a client reached us, and who that client is.
//!
//! Invariant: nothing that a client can write freely reaches a link in a stored document. The
//! configured public URL wins always; a `Host` header is used only for the answer to its own
//! request and only if it is a plain `host[:port]`; forwarding headers count only when the
//! connection comes from a configured proxy. A host that stands for a repository is configured, too,
//! and so is safe to repeat.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use artifact_core::{Error, ErrorKind, Result};
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use crate::network::Network;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// The other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Peer {
    /// Its address, if the transport has one.
    pub address: Option<SocketAddr>,
    /// Whether the connection to us is encrypted.
    pub encrypted: bool,
}

impl Peer {
    /// A plain TCP connection from `address`.
    pub const fn plain(address: SocketAddr) -> Self {
        Self { address: Some(address), encrypted: false }
    }

    /// A transport without addresses.
    pub const fn unknown() -> Self {
        Self { address: None, encrypted: false }
    }

    /// The address; an IPv4 client of an IPv6 listener is an IPv4 client.
    fn ip(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip().to_canonical())
    }

    const fn scheme(&self) -> &'static str {
        if self.encrypted { "https" } else { "http" }
    }
}

/// How the origin of a request is found.
#[derive(Clone, Debug, Default)]
pub struct OriginSettings {
    /// The address under which clients reach us, without a trailing slash.
    pub public_url: Option<String>,
    /// Proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<Network>,
}

impl OriginSettings {
    /// Scheme, host and path prefix under which the client reached us, without a trailing
    /// slash. Fails where no public URL is configured and the request names no usable host.
    pub fn origin(&self, parts: &Parts, peer: Peer) -> Result<Cow<'_, str>> {
        if let Some(public_url) = &self.public_url {
            return Ok(Cow::Borrowed(public_url));
        }
        let prefix = self.forwarded(parts, peer, &FORWARDED_PREFIX).unwrap_or_default();
        let prefix = prefix.trim_end_matches('/');
        if !is_prefix(prefix) {
            return Err(bad("the forwarded prefix is not a plain path"));
        }
        let (scheme, host) = (self.scheme(parts, peer)?, self.host(parts, peer)?);
        Ok(Cow::Owned([scheme, "://", host, prefix].concat()))
    }

    /// The same for a client whose host stands for a repository: that host even if a public URL is configured, of which
    /// only the scheme counts then. Not for hosts that are not configured, which a client can make up.
    pub(crate) fn origin_at_host(&self, parts: &Parts, peer: Peer) -> Result<String> {
        let public_scheme = self.public_url.as_deref().and_then(|url| url.split_once("://"));
        let scheme = match public_scheme {
            Some((scheme, _)) => scheme,
            None => self.scheme(parts, peer)?,
        };
        Ok([scheme, "://", self.host(parts, peer)?].concat())
    }

    /// The host, with its port where it has one, that the client asked.
    pub(crate) fn host<'p>(&self, parts: &'p Parts, peer: Peer) -> Result<&'p str> {
        self.forwarded(parts, peer, &FORWARDED_HOST).map_or_else(|| own_host(parts), checked)
    }

    fn scheme(&self, parts: &Parts, peer: Peer) -> Result<&'static str> {
        match self.forwarded(parts, peer, &FORWARDED_PROTO) {
            Some("https") => Ok("https"),
            Some("http") => Ok("http"),
            Some(_) => Err(bad("the forwarded scheme is neither http nor https")),
            None => Ok(peer.scheme()),
        }
    }

    /// The address of the client: the peer, or what a trusted proxy says about it.
    pub fn client(&self, headers: &HeaderMap, peer: Peer) -> Option<IpAddr> {
        let peer = peer.ip()?;
        if !self.trusts(Some(peer)) {
            return Some(peer);
        }
        // From the right: every hop appends the address it saw, what lies further left is hearsay.
        let mut client = peer;
        for hop in headers.get_all(FORWARDED_FOR).iter().rev() {
            for address in hop.to_str().unwrap_or_default().rsplit(',') {
                let Ok(address) = address.trim().parse() else { return Some(client) };
                client = address;
                if !self.trusts(Some(address)) {
                    return Some(client);
                }
            }
        }
        Some(client)
    }

    /// What a trusted proxy says in the header `name`.
    fn forwarded<'p>(&self, parts: &'p Parts, peer: Peer, name: &HeaderName) -> Option<&'p str> {
        self.trusts(peer.ip()).then(|| last(&parts.headers, name)).flatten()
    }

    fn trusts(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| {
            self.trusted_proxies.iter().any(|network| network.contains(address))
        })
    }
}

/// The value that the nearest proxy wrote.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    line.rsplit(',').next().map(str::trim)
}

/// The host that the request itself names. In HTTP/2 and in absolute form it is part of the
/// target, which outranks the header (RFC 9112, section 3.2.2).
fn own_host(parts: &Parts) -> Result<&str> {
    if let Some(authority) = parts.uri.authority() {
        return checked(authority.as_str());
    }
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let host = hosts.next().ok_or_else(|| bad("the request names no host"))?;
    if hosts.next().is_some() {
        return Err(bad("the request names more than one host"));
    }
    checked(host.to_str().unwrap_or_default())
}

fn checked(host: &str) -> Result<&str> {
    if is_host(host) { Ok(host) } else { Err(bad("the host is not of the form host[:port]")) }
}

fn bad(text: &'static str) -> Error {
    Error::new(ErrorKind::BadRequest, text)
}

/// `host[:port]` with a DNS name, an IPv4 address or an IPv6 address in brackets.
pub(crate) fn is_host(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, port)| {
            address.parse::<std::net::Ipv6Addr>().is_ok()
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        });
    }
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    is_name(name) && port.is_none_or(is_port)
}

fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=253).contains(&name.len())
        && name.bytes().all(is_plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !name.contains("..")
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_prefix(prefix: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    prefix.is_empty()
        || (prefix.starts_with('/')
            && prefix.len() <= 256
            && prefix.bytes().all(is_plain)
            && !prefix.contains("//")
            && !prefix.split('/').any(|segment| segment == ".." || segment == "."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri("/x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn peer() -> Peer {
        Peer::plain("127.0.0.1:1".parse().unwrap())
    }

    fn behind_proxy() -> OriginSettings {
        let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        OriginSettings { public_url: None, trusted_proxies }
    }

    #[test]
    fn plain_hosts_are_accepted_and_anything_else_is_refused() {
        let good =
            ["localhost", "a.example:8000", "127.0.0.1:80", "[::1]", "[::1]:8000", "a_b", "a."];
        for host in good {
            assert!(is_host(host), "{host}");
        }
        let bad = [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:8x",
            "a b",
            "a/b",
            "a@b",
            "u:p@h",
            "a?b",
            "a#b",
            "\"><script>",
            "[::1",
            "[x]",
            "[::1]x",
            "[::1]:",
            "a:80:80",
            "..",
            "a..b",
            "ä",
            "a\\b",
        ];
        for host in bad {
            assert!(!is_host(host), "{host}");
        }
    }

    #[test]
    fn the_host_header_names_the_origin_unless_a_public_url_is_configured() {
        let asked = parts(&[("host", "cache.example:8000")]);
        let open = OriginSettings::default();
        assert_eq!(open.origin(&asked, peer()).unwrap(), "http://cache.example:8000");
        let encrypted = Peer { encrypted: true, ..peer() };
        assert_eq!(open.origin(&asked, encrypted).unwrap(), "https://cache.example:8000");
        let fixed = OriginSettings { public_url: Some("https://p.example".into()), ..open };
        assert_eq!(fixed.origin(&asked, peer()).unwrap(), "https://p.example");
        assert_eq!(fixed.origin(&parts(&[("host", "<x>")]), peer()).unwrap(), "https://p.example");
    }

    #[test]
    fn a_missing_doubled_or_broken_host_is_a_bad_request() {
        let cases: [&[(&str, &str)]; 3] =
            [&[], &[("host", "a"), ("host", "b")], &[("host", "a/<script>")]];
        for headers in cases {
            let error = OriginSettings::default().origin(&parts(headers), peer()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadRequest, "{headers:?}");
        }
    }

    #[test]
    fn forwarding_headers_count_only_from_a_trusted_proxy() {
        let asked = parts(&[
            ("host", "inner"),
            ("x-forwarded-host", "spoofed, outer.example"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "/artifacts/"),
            ("x-forwarded-for", "203.0.113.9"),
        ]);
        let open = OriginSettings::default();
        assert_eq!(open.origin(&asked, peer()).unwrap(), "http://inner");
        assert_eq!(open.client(&asked.headers, peer()), peer().ip());
        let trusting = behind_proxy();
        let origin = trusting.origin(&asked, peer()).unwrap();
        assert_eq!(origin, "https://outer.example/artifacts");
        let client = trusting.client(&asked.headers, peer()).unwrap();
        assert_eq!(client, "203.0.113.9".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn an_ipv4_client_of_an_ipv6_listener_is_an_ipv4_client() {
        let mapped = Peer::plain("[::ffff:192.0.2.7]:1".parse().unwrap());
        let client = OriginSettings::default().client(&HeaderMap::new(), mapped).unwrap();
        assert_eq!(client.to_string(), "192.0.2.7");
    }

    #[test]
    fn a_host_that_stands_for_a_repository_is_kept_whatever_is_configured() {
        let asked = parts(&[
            ("host", "hub.example:5000"),
            ("x-forwarded-host", "outer.example"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "/artifacts"),
        ]);
        let open = OriginSettings::default();
        let public = |url: &str, settings: &OriginSettings| OriginSettings {
            public_url: Some(url.to_owned()),
            ..settings.clone()
        };
        for (settings, expected) in [
            (open.clone(), "http://hub.example:5000"),
            (public("https://p.example/artifacts", &open), "https://hub.example:5000"),
            (behind_proxy(), "https://outer.example"),
            (public("http://p.example", &behind_proxy()), "http://outer.example"),
        ] {
            assert_eq!(settings.origin_at_host(&asked, peer()).unwrap(), expected);
        }
    }

    #[test]
    fn broken_forwarding_headers_are_a_bad_request() {
        for (name, value) in [
            ("x-forwarded-proto", "gopher"),
            ("x-forwarded-host", "a b"),
            ("x-forwarded-prefix", "/a/../b"),
            ("x-forwarded-prefix", "//evil"),
        ] {
            let asked = parts(&[("host", "inner"), (name, value)]);
            assert!(behind_proxy().origin(&asked, peer()).is_err(), "{name}: {value}");
        }
    }

    #[test]
    fn the_client_is_the_nearest_address_that_is_not_a_proxy() {
        let cases = [
            ("198.51.100.1, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
            ("garbage, 10.1.1.1", "10.1.1.1"),
            ("10.2.2.2", "10.2.2.2"),
            ("", "127.0.0.1"),
        ];
        for (header, expected) in cases {
            let asked = parts(&[("x-forwarded-for", header)]);
            let client = behind_proxy().client(&asked.headers, peer()).unwrap();
            assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{header}");
        }
    }
}

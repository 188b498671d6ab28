//! What an operator says about the store.

use std::fmt;
use std::time::Duration;

use artifact_core::Secret;
use http::Uri;
use http::uri::Scheme;

use crate::StoreError;

/// Whether the connection is encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Security {
    /// `http`.
    Plain,
    /// `https`, trusting the authorities of the system.
    Tls,
}

/// How a request names the bucket.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Addressing {
    /// `host/bucket/key`, which every server understands.
    #[default]
    Path,
    /// `bucket.host/key`, which some insist on.
    VirtualHost,
}

/// How long a silent server is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct S3Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For any progress: the first byte of an answer, a further one, or that one of ours is taken.
    pub first_byte: Duration,
    /// For one upload or one part of it, and for the server to put parts together.
    pub part: Duration,
}

impl Default for S3Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_byte: Duration::from_secs(5),
            part: Duration::from_secs(60),
        }
    }
}

/// Where the bucket is and who asks.
#[derive(Clone, Debug)]
pub struct S3Settings {
    /// `host`, `host:port` or a URL without a path. The scheme of a URL decides over `security`.
    pub endpoint: String,
    /// Whether the connection is encrypted.
    pub security: Security,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket. It must exist.
    pub bucket: String,
    /// Who asks.
    pub access_key: String,
    /// What requests are signed with.
    pub secret_key: Secret,
    /// How a request names the bucket.
    pub addressing: Addressing,
    /// How long a silent server is waited for.
    pub timeouts: S3Timeouts,
}

impl S3Settings {
    /// The bucket `bucket` at `endpoint`, unencrypted, by path, in the region that servers without
    /// regions expect.
    pub fn new(endpoint: &str, bucket: &str, access_key: &str, secret_key: Secret) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            security: Security::Plain,
            region: "us-east-1".to_owned(),
            bucket: bucket.to_owned(),
            access_key: access_key.to_owned(),
            secret_key,
            addressing: Addressing::default(),
            timeouts: S3Timeouts::default(),
        }
    }
}

/// A server: whether it is spoken to in the clear, and its host with its port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Endpoint {
    pub(super) security: Security,
    pub(super) authority: String,
}

impl Endpoint {
    pub(super) fn parse(text: &str, security: Security) -> Result<Self, StoreError> {
        let unusable = || StoreError::S3Settings { problem: "the endpoint is no host:port or URL" };
        let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| unusable())?;
        let security = match uri.scheme() {
            None => security,
            Some(scheme) if *scheme == Scheme::HTTPS => Security::Tls,
            Some(scheme) if *scheme == Scheme::HTTP => Security::Plain,
            Some(_) => return Err(unusable()),
        };
        let has_path = uri.path_and_query().is_some_and(|path| path.as_str() != "/");
        match uri.authority() {
            Some(authority) if !has_path && !authority.as_str().contains('@') => {
                Ok(Self { security, authority: authority.to_string() })
            }
            _ => Err(unusable()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.security {
            Security::Plain => "http",
            Security::Tls => "https",
        };
        write!(f, "{scheme}://{}", self.authority)
    }
}

/// The name of a bucket goes into paths and host names as it is.
pub(super) fn check_bucket(name: &str) -> Result<(), StoreError> {
    let is_usable = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if name.bytes().any(|byte| byte.is_ascii_alphanumeric()) && name.bytes().all(is_usable) {
        return Ok(());
    }
    Err(StoreError::S3Settings { problem: "the bucket has no name that a bucket can have" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_with_a_port_or_a_url() {
        let table = [
            ("127.0.0.1:9000", Security::Plain, Some("http://127.0.0.1:9000")),
            ("minio", Security::Plain, Some("http://minio")),
            ("minio:9000", Security::Tls, Some("https://minio:9000")),
            ("https://s3.example.com", Security::Plain, Some("https://s3.example.com")),
            ("http://s3.example.com:81/", Security::Tls, Some("http://s3.example.com:81")),
            ("[::1]:9000", Security::Plain, Some("http://[::1]:9000")),
            ("ftp://example.com", Security::Plain, None),
            ("http://example.com/path", Security::Plain, None),
            ("http://user:word@example.com", Security::Plain, None),
            ("", Security::Plain, None),
            ("not a host", Security::Plain, None),
        ];
        for (text, security, expected) in table {
            let found = Endpoint::parse(text, security).ok().map(|endpoint| endpoint.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_bucket_cannot_lead_elsewhere() {
        for name in ["artifacts", "my-bucket.v2", "Old_Bucket"] {
            assert!(check_bucket(name).is_ok(), "{name}");
        }
        for name in ["", "..", "a/b", "a?b", "a b", "ä", "a:b", "a@b", "a%2f"] {
            assert!(check_bucket(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_secret_key_is_not_printed() {
        let settings = S3Settings::new("minio:9000", "b", "key", Secret::new("hunter2"));
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}

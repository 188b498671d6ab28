//! The way out: one client towards every upstream.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, Method, StatusCode};
use serde::{Deserialize, Serialize};

use crate::{ByteStream, Credential, Error, ErrorKind, RepositoryId, RepositoryName};

/// The part of a remote's configuration that concerns the wire. Two targets with the same
/// `id` and `revision` are the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpstreamTarget {
    /// The repository's number.
    pub id: RepositoryId,
    /// Changes whenever any field does.
    pub revision: i64,
    /// The repository's name, for logs and metrics.
    pub name: RepositoryName,
    /// The configured root.
    pub base_url: url::Url,
    /// The credential, bound to the origin of `base_url`.
    pub credential: Option<Credential>,
    /// Hosts that may be reached although their address is private.
    pub allowed_hosts: Vec<String>,
    /// Additional certificate authorities, PEM.
    pub ca_certificates: String,
}

/// Where a URL came from, which decides what addresses it may lead to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trust {
    /// Below the operator's `base_url`.
    Configured,
    /// Out of an index: must lead to public addresses, unless the host is the `base_url`'s own or listed.
    Index,
}

/// What is fetched, which decides the timeouts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Intent {
    /// An index or another small document.
    Metadata,
    /// A file of any size.
    Artifact,
}

/// Which redirects are followed; others are answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Redirects {
    /// All.
    #[default]
    All,
    /// All but "see other" (303), which leads to something else than what was asked for.
    Moves,
}

/// Validators of a copy that we hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Conditions {
    /// `If-None-Match`.
    pub etag: Option<String>,
    /// `If-Modified-Since`.
    pub last_modified: Option<String>,
}

/// A request to upstream. Its headers are built from nothing but these fields.
#[derive(Clone, Debug)]
pub struct UpstreamRequest {
    /// Whose upstream.
    pub target: Arc<UpstreamTarget>,
    /// `GET` or `HEAD`; `POST` where a provider forwards a query.
    pub method: Method,
    /// The absolute URL.
    pub url: url::Url,
    /// Where the URL came from.
    pub trust: Trust,
    /// What is fetched.
    pub intent: Intent,
    /// Which redirects are followed.
    pub redirects: Redirects,
    /// `Accept`, if the provider names one.
    pub accept: Option<&'static str>,
    /// Whether upstream may compress the body in transit; the body arrives decoded all the same.
    pub compressed: bool,
    /// Validators, if we hold a copy.
    pub conditions: Conditions,
    /// Resume from this byte, with the strong validator that must still hold (`If-Range`).
    pub resume: Option<(u64, String)>,
    /// A single range to pass on, for downloads that are not stored: first and last byte.
    pub range: Option<(u64, Option<u64>)>,
    /// A body with its `Content-Type` and `Content-Encoding`, for forwarded queries.
    pub body: Option<(Bytes, HeaderMap)>,
}

impl UpstreamRequest {
    /// A plain `GET` of `url`.
    pub fn get(target: Arc<UpstreamTarget>, url: url::Url, trust: Trust, intent: Intent) -> Self {
        Self {
            target,
            method: Method::GET,
            url,
            trust,
            intent,
            redirects: Redirects::All,
            accept: None,
            compressed: false,
            conditions: Conditions::default(),
            resume: None,
            range: None,
            body: None,
        }
    }
}

/// The head of upstream's answer and its body on the way. Redirects are already followed.
pub struct UpstreamResponse {
    /// Any status but a redirect that was followed.
    pub status: StatusCode,
    /// Upstream's headers, hop-by-hop ones removed.
    pub headers: HeaderMap,
    /// The URL that finally answered.
    pub url: url::Url,
    /// The length the body must have; absent when chunked, compressed in transit or close-delimited.
    pub length: Option<u64>,
    /// Whether the framing proves that the body is complete when it ends without an error:
    /// false only for close-delimited HTTP/1 bodies.
    pub framed: bool,
    /// The body. An incomplete body ends with an error.
    pub body: ByteStream,
}

impl fmt::Debug for UpstreamResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamResponse")
            .field("status", &self.status)
            .field("url", &self.url.as_str())
            .field("length", &self.length)
            .field("framed", &self.framed)
            .finish_non_exhaustive()
    }
}

/// Which step towards upstream failed; the label of the error metric.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum UpstreamReason {
    /// The name did not resolve.
    Dns,
    /// No TCP connection.
    Connect,
    /// No TLS session.
    Tls,
    /// No answer in time.
    Timeout,
    /// The address or URL is not allowed.
    Refused,
    /// Broken HTTP, a broken body or too many redirects.
    Protocol,
    /// The body ended early.
    Truncated,
    /// The circuit is open; nothing was sent.
    CircuitOpen,
    /// Upstream asked us to wait; nothing was sent.
    CoolDown,
    /// Too many requests of ours are already under way.
    Overloaded,
}

impl UpstreamReason {
    /// The lower-case word for labels, logs and `Cache-Status` details.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Protocol => "protocol",
            Self::Truncated => "truncated",
            Self::CircuitOpen => "circuit_open",
            Self::CoolDown => "rate_limited",
            Self::Overloaded => "overloaded",
        }
    }
}

/// Upstream gave no answer that could be passed on.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct UpstreamError {
    /// Which step failed.
    pub reason: UpstreamReason,
    /// What failed, for the log; may name the host.
    pub message: String,
    /// When asking again makes sense, if that is known.
    pub retry_after: Option<Duration>,
}

impl From<UpstreamError> for Error {
    fn from(error: UpstreamError) -> Self {
        let (kind, public) = match error.reason {
            UpstreamReason::Timeout => {
                (ErrorKind::UpstreamTimeout, "the upstream registry did not answer in time")
            }
            UpstreamReason::CircuitOpen => (
                ErrorKind::CircuitOpen,
                "the upstream registry keeps failing and is not asked at the moment",
            ),
            UpstreamReason::CoolDown => {
                (ErrorKind::UpstreamRateLimited, "the upstream registry asked us to slow down")
            }
            UpstreamReason::Overloaded => {
                (ErrorKind::Overloaded, "too many requests to the upstream registry are under way")
            }
            UpstreamReason::Refused => (
                ErrorKind::Upstream,
                "the upstream registry pointed at an address that is not allowed",
            ),
            UpstreamReason::Truncated => {
                (ErrorKind::Upstream, "the upstream registry sent an incomplete body")
            }
            UpstreamReason::Dns
            | UpstreamReason::Connect
            | UpstreamReason::Tls
            | UpstreamReason::Protocol => {
                (ErrorKind::Upstream, "the upstream registry could not be reached")
            }
        };
        let retry_after = error.retry_after;
        let shared = Self::new(kind, public).with_source(error);
        match retry_after {
            Some(after) => shared.with_retry_after(after),
            None => shared,
        }
    }
}

/// How an origin is doing, as far as this process knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OriginState {
    /// Asked normally.
    Closed,
    /// Not asked for another `retry_after`.
    Open {
        /// Until the next probe.
        retry_after: Duration,
    },
    /// One probe is under way.
    HalfOpen,
    /// It asked us to wait for `retry_after`.
    CoolDown {
        /// Until we may ask again.
        retry_after: Duration,
    },
}

/// The one HTTP client: pools, timeouts, retries before the first byte, redirects,
/// origin-bound credentials, address rules, breaker and cool-down are inside.
#[async_trait]
pub trait Upstream: fmt::Debug + Send + Sync {
    /// Sends `request` and resolves when the head of the final answer is there. Every status
    /// is an answer; an error means that there was none. Failures of the client that reads the
    /// body are never held against the origin.
    async fn send(&self, request: UpstreamRequest) -> Result<UpstreamResponse, UpstreamError>;

    /// How the origin of the target's `base_url` is doing.
    fn state(&self, target: &UpstreamTarget) -> OriginState;

    /// What this process finds out from now on that other replicas should know.
    fn warnings(&self) -> Warnings;

    /// Takes over what another replica found out, as if this process had: a pause is never
    /// shortened, and nothing of it is told on.
    fn heed(&self, warning: &OriginWarning);
}

/// An origin should be left alone for a while.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct OriginWarning {
    /// The remote.
    pub remote: RepositoryId,
    /// The origin, such as `https://registry.example:8443`.
    pub origin: String,
    /// Why.
    pub reason: WarningReason,
    /// For how long, in milliseconds from now.
    pub pause_ms: u64,
}

/// Why an origin should be left alone.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningReason {
    /// It keeps failing: its circuit is open.
    Failing,
    /// It asked us to slow down.
    RateLimited,
}

/// A stream of warnings; a receiver that lags loses the oldest. It ends with the client.
pub type Warnings = Pin<Box<dyn Stream<Item = OriginWarning> + Send>>;

/// The other replicas of this server, as far as they share a download.
#[async_trait]
pub trait Peers: fmt::Debug + Send + Sync {
    /// Joins the download `flight` of the replica at `address` (an `http` or `https` URL) from its first
    /// byte. The answer is upstream's, as that replica received it; its body breaks off with an error where the
    /// other replica's download does.
    async fn follow(&self, address: &str, flight: &str) -> Result<UpstreamResponse, UpstreamError>;
}

//! Following a download of another replica.
//!
//! A replica proves itself with the HMAC-SHA256 of the download's id under a key that only replicas
//! have. So whoever makes a replica ask at a wrong address learns the proof for one download and
//! never the key.
//!
//! Invariant: what a peer does wrong is held against no origin.

use std::fmt;
use std::time::Duration;

use artifact_core::ports::{Peers, UpstreamError, UpstreamReason, UpstreamResponse};
use artifact_core::{ByteStream, Error, Secret};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderName, USER_AGENT};
use http::response::Parts;
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::{BodyDataStream, Full};
use hyper::body::Incoming;
use ring::hmac;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::body::{Guards, guarded};
use crate::client::{Client, Clients};
use crate::failure::{Failure, error};
use crate::{Allowance, Settings, SetupError, Timeouts, headers};

/// Below the address of every replica.
const FLIGHTS: [&str; 3] = ["internal", "v1", "flights"];
/// `false` if upstream's framing did not prove that the body is complete.
const FRAMED: HeaderName = HeaderName::from_static("x-artifactapi-framed");
/// The URL that answered upstream.
const ANSWERED_BY: HeaderName = HeaderName::from_static("x-artifactapi-url");
/// A download is never longer than this, here as there.
const TOTAL: Duration = Duration::from_secs(6 * 60 * 60);

/// How long another replica may take.
#[derive(Clone, Copy, Debug)]
pub struct PeerTimeouts {
    /// For a connection, and again for TLS.
    pub connect: Duration,
    /// From the request to the head.
    pub head: Duration,
    /// From one chunk of the body to the next.
    pub body_idle: Duration,
}

impl Default for PeerTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            head: Duration::from_secs(5),
            body_idle: Duration::from_secs(30),
        }
    }
}

/// The replicas as they are reached over HTTP. Needs a Tokio runtime.
pub struct HttpPeers {
    client: Client,
    key: hmac::Key,
    user_agent: HeaderValue,
    timeouts: PeerTimeouts,
}

impl fmt::Debug for HttpPeers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpPeers").field("timeouts", &self.timeouts).finish_non_exhaustive()
    }
}

impl HttpPeers {
    /// A client that proves with `secret`, which all replicas share, to be one of them. It believes the same certificate
    /// authorities as [`HttpUpstream`](crate::HttpUpstream).
    pub fn new(secret: &Secret, timeouts: PeerTimeouts) -> Result<Self, SetupError> {
        let settings = Settings {
            timeouts: Timeouts {
                resolve: timeouts.connect,
                connect: timeouts.connect,
                tls: timeouts.connect,
                body_idle: timeouts.body_idle,
                ..Timeouts::default()
            },
            ..Settings::default()
        };
        Ok(Self {
            client: Clients::new(&settings)?.get("", Allowance::Private)?,
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()),
            user_agent: HeaderValue::from_static(crate::settings::USER_AGENT),
            timeouts,
        })
    }

    async fn answer(&self, url: &Url, flight: &str) -> Result<UpstreamResponse, UpstreamError> {
        let host = url.host_str().unwrap_or_default();
        let request = self.request(url, flight)?;
        let answered = timeout(self.timeouts.head, self.client.request(request))
            .await
            .map_err(|_| {
                let message = format!("no answer from the replica at {host} in time");
                error(UpstreamReason::Timeout, message)
            })?
            .map_err(|failed| Failure::of_client(&failed, host).error)?;
        let (head, body) = answered.into_parts();
        if head.status != StatusCode::OK {
            let message = format!("the replica at {host} answers {}", head.status);
            return Err(error(UpstreamReason::Protocol, message));
        }
        self.hand_out(head, body).ok_or_else(|| {
            let message = format!("the replica at {host} does not say which URL answered");
            error(UpstreamReason::Protocol, message)
        })
    }

    fn request(&self, url: &Url, flight: &str) -> Result<Request<Full<Bytes>>, UpstreamError> {
        let uri: Uri = url.as_str().parse().map_err(|_| not_an_address())?;
        let mut request = Request::new(Full::default());
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, self.user_agent.clone());
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(AUTHORIZATION, self.proof(flight)?);
        Ok(request)
    }

    fn proof(&self, flight: &str) -> Result<HeaderValue, UpstreamError> {
        let tag = hmac::sign(&self.key, flight.as_bytes());
        let bearer = format!("Bearer {}", hex::encode(tag));
        let mut value = HeaderValue::from_str(&bearer).map_err(|_| not_an_address())?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The answer as the port promises it, unless it does not say which URL answered.
    fn hand_out(&self, head: Parts, body: Incoming) -> Option<UpstreamResponse> {
        let Parts { status, version, mut headers, .. } = head;
        let framing = headers::framing(version, &headers, body.size_hint().exact(), false);
        headers::strip_hop_by_hop(&mut headers);
        let url = text(headers.remove(ANSWERED_BY).as_ref())?.parse().ok()?;
        let framed = framing.is_proof && text(headers.remove(FRAMED).as_ref()) != Some("false");
        let body = self.stream(body, framing.length);
        Some(UpstreamResponse { status, headers, url, length: framing.length, framed, body })
    }

    fn stream(&self, body: Incoming, length: Option<u64>) -> ByteStream {
        let guards = Guards {
            idle: self.timeouts.body_idle,
            rate_window: TOTAL,
            // How slow upstream may be is judged by the replica that asked it.
            bytes_per_second: 0,
            deadline: Instant::now() + TOTAL,
            length,
        };
        Box::pin(guarded(BodyDataStream::new(body), guards).map_err(Error::from))
    }
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value?.to_str().ok()
}

#[async_trait]
impl Peers for HttpPeers {
    async fn follow(&self, address: &str, flight: &str) -> Result<UpstreamResponse, UpstreamError> {
        let url = flight_url(address, flight).ok_or_else(not_an_address)?;
        Box::pin(self.answer(&url, flight)).await
    }
}

fn not_an_address() -> UpstreamError {
    error(UpstreamReason::Refused, "the address of a replica or of its download is not usable")
}

/// Where `flight` of the replica at `address` is. An address with a query, a fragment or
/// credentials is not one of a replica.
fn flight_url(address: &str, flight: &str) -> Option<Url> {
    let mut url = Url::parse(address).ok()?;
    let is_http = matches!(url.scheme(), "http" | "https");
    let is_plain = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !is_http || !is_plain || matches!(flight, "" | "." | "..") {
        return None;
    }
    url.path_segments_mut().ok()?.pop_if_empty().extend(FLIGHTS).push(flight);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flight_is_below_the_address() {
        for (address, flight, expected) in [
            ("http://10.0.0.1:8080", "f1", Some("http://10.0.0.1:8080/internal/v1/flights/f1")),
            ("https://a.example/", "f1", Some("https://a.example/internal/v1/flights/f1")),
            ("http://[fd00::1]/api/", "f", Some("http://[fd00::1]/api/internal/v1/flights/f")),
            ("http://a", "../x?y#z", Some("http://a/internal/v1/flights/..%2Fx%3Fy%23z")),
            ("http://a", "", None),
            ("http://a", "..", None),
            ("http://a?b", "f", None),
            ("http://a#b", "f", None),
            ("http://me@a", "f", None),
            ("http://:secret@a", "f", None),
            ("ftp://a", "f", None),
            ("file:///etc", "f", None),
            ("a:8080", "f", None),
            ("", "f", None),
        ] {
            let url = flight_url(address, flight);
            assert_eq!(url.as_ref().map(Url::as_str), expected, "{address} {flight}");
        }
    }
}

//! Following a download of another replica.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use std::time::Duration;

use artifact_core::Secret;
use artifact_core::ports::{Peers, UpstreamReason, UpstreamResponse};
use common::{cause, read};
use futures_util::StreamExt;
use http::header::{AUTHORIZATION, CONNECTION, ETAG, HeaderName};
use http::{HeaderValue, Method, StatusCode};
use testkit::{Origin, Script};
use upstream::{HttpPeers, PeerTimeouts};

const FLIGHT: &str = "/internal/v1/flights/f1";
const FRAMED: HeaderName = HeaderName::from_static("x-artifactapi-framed");
const ANSWERED_BY: HeaderName = HeaderName::from_static("x-artifactapi-url");

fn peers() -> HttpPeers {
    HttpPeers::new(&Secret::new("t0ken"), PeerTimeouts::default()).unwrap()
}

fn impatient() -> HttpPeers {
    let short = Duration::from_millis(100);
    let timeouts = PeerTimeouts { head: short, body_idle: short, ..PeerTimeouts::default() };
    HttpPeers::new(&Secret::new("t0ken"), timeouts).unwrap()
}

fn download(script: Script) -> Script {
    script.header(ANSWERED_BY, "https://files.example/a?b")
}

async fn peer(script: Script) -> Origin {
    let origin = Origin::start().await;
    origin.on(FLIGHT, script);
    origin
}

async fn followed(peers: &HttpPeers, peer: &Origin) -> UpstreamResponse {
    peers.follow(&peer.url("/"), "f1").await.unwrap()
}

async fn refused(peers: &HttpPeers, peer: &Origin) -> UpstreamReason {
    peers.follow(&peer.url("/"), "f1").await.unwrap_err().reason
}

#[tokio::test]
async fn the_answer_is_the_one_that_upstream_gave() {
    let script = download(Script::ok("content")).etag("\"1\"").header(CONNECTION, "x-hop");
    let peer = peer(script.header(HeaderName::from_static("x-hop"), "1")).await;
    let response = followed(&peers(), &peer).await;
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(response.url.as_str(), "https://files.example/a?b");
    assert_eq!(response.length, Some(7));
    assert!(response.framed);
    assert_eq!(response.headers.get(ETAG), Some(&HeaderValue::from_static("\"1\"")));
    for private in ["x-artifactapi-url", "x-artifactapi-framed", "connection", "x-hop"] {
        assert!(!response.headers.contains_key(private), "{private}");
    }
    assert_eq!(read(response).await.unwrap(), b"content");
}

#[tokio::test]
async fn each_download_is_proved_by_itself_and_the_secret_is_never_sent_or_printed() {
    let peer = peer(download(Script::ok("content"))).await;
    let peers = peers();
    followed(&peers, &peer).await;
    let requests = peer.requests();
    assert_eq!(requests[0].method, Method::GET);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"t0ken");
    let proof = hex::encode(ring::hmac::sign(&key, b"f1"));
    assert_eq!(requests[0].headers[AUTHORIZATION], format!("Bearer {proof}"));
    assert!(!format!("{peers:?}").contains("t0ken"));
}

#[tokio::test]
async fn a_length_that_upstream_did_not_tell_is_not_told() {
    let peer = peer(download(Script::ok("content")).chunked()).await;
    let response = followed(&peers(), &peer).await;
    assert_eq!(response.length, None);
    assert!(response.framed);
    assert_eq!(read(response).await.unwrap(), b"content");
}

#[tokio::test]
async fn what_upstream_did_not_frame_is_not_framed() {
    let unframed = download(Script::ok("content")).chunked().header(FRAMED, "false");
    let framed = download(Script::ok("content")).chunked().header(FRAMED, "true");
    let undelimited = download(Script::ok("content")).close_delimited();
    for (script, expected) in [(unframed, false), (framed, true), (undelimited, false)] {
        let peer = peer(script).await;
        let response = followed(&peers(), &peer).await;
        assert_eq!(response.framed, expected);
        assert_eq!(read(response).await.unwrap(), b"content");
    }
}

#[tokio::test]
async fn any_other_status_is_no_answer() {
    for status in [204, 206, 304, 401, 404, 410, 500, 503] {
        let status = StatusCode::from_u16(status).unwrap();
        let peer = peer(download(Script::status(status))).await;
        let error = peers().follow(&peer.url("/"), "f1").await.unwrap_err();
        assert_eq!(error.reason, UpstreamReason::Protocol);
        assert!(error.message.contains(status.as_str()), "{}", error.message);
        assert_eq!(peer.count(FLIGHT), 1, "asked once");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Origin::start().await;
    let peer = peer(Script::redirect(&elsewhere.url(FLIGHT))).await;
    assert_eq!(refused(&peers(), &peer).await, UpstreamReason::Protocol);
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn an_answer_without_a_usable_url_is_refused() {
    for script in [Script::ok("content"), Script::ok("content").header(ANSWERED_BY, "nowhere")] {
        let peer = peer(script).await;
        assert_eq!(refused(&peers(), &peer).await, UpstreamReason::Protocol);
    }
}

#[tokio::test]
async fn a_peer_that_is_gone_or_silent_is_given_up() {
    let mut gone = peer(Script::hang()).await;
    gone.stop().await;
    assert_eq!(refused(&peers(), &gone).await, UpstreamReason::Connect);
    let silent = peer(Script::hang()).await;
    assert_eq!(refused(&impatient(), &silent).await, UpstreamReason::Timeout);
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_before_anything_is_sent() {
    for address in ["", "peer", "ftp://127.0.0.1", "http://me@127.0.0.1", "http://169.254.169.254"]
    {
        let error = peers().follow(address, "f1").await.unwrap_err();
        assert_eq!(error.reason, UpstreamReason::Refused, "{address}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_ends_with_an_error() {
    for script in [Script::ok("content"), Script::ok("content").chunked()] {
        let peer = peer(download(script).truncate_at(3)).await;
        let error = read(followed(&peers(), &peer).await).await.unwrap_err();
        assert_eq!(cause(&error), UpstreamReason::Truncated);
    }
}

#[tokio::test]
async fn a_peer_that_stops_ends_its_downloads() {
    let (script, gate) = Script::gated("content", 3);
    let mut peer = peer(download(script)).await;
    gate.release_head();
    gate.release(1);
    let mut response = followed(&peers(), &peer).await;
    assert_eq!(response.body.next().await.unwrap().unwrap(), "con");
    peer.stop().await;
    assert!(response.body.next().await.unwrap().is_err());
    assert!(response.body.next().await.is_none());
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let (script, gate) = Script::gated("content", 3);
    let peer = peer(download(script)).await;
    gate.release_head();
    gate.release(1);
    let mut response = followed(&impatient(), &peer).await;
    assert_eq!(response.body.next().await.unwrap().unwrap(), "con");
    let error = response.body.next().await.unwrap().unwrap_err();
    assert_eq!(cause(&error), UpstreamReason::Timeout);
}

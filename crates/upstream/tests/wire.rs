//! What goes over the wire and what comes back, against a real socket.

mod common;

use std::io::Write;

use artifact_core::ports::{Trust, Upstream, UpstreamReason};
use bytes::Bytes;
use common::{cause, client, fetch, get, read};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use testkit::{Origin, Script, pattern};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).and_then(|()| encoder.finish()).unwrap_or_default()
}

#[tokio::test]
async fn a_body_arrives_whole_and_its_length_is_known() {
    let origin = Origin::start().await;
    origin.on("/a", Script::generated(3_000_000).etag("\"1\""));
    let response = client().send(get(&origin, "/a")).await.unwrap();
    assert_eq!((response.status, response.length), (StatusCode::OK, Some(3_000_000)));
    assert!(response.framed);
    assert_eq!(response.headers["etag"], "\"1\"");
    assert_eq!(read(response).await.unwrap(), pattern(0, 3_000_000));
}

#[tokio::test]
async fn the_request_carries_nothing_but_what_the_port_names() {
    let origin = Origin::start().await;
    let mut request = get(&origin, "/a?b=c");
    request.accept = Some("application/json");
    client().send(request).await.unwrap();
    let seen = &origin.requests()[0];
    assert_eq!(seen.query.as_deref(), Some("b=c"));
    let mut names: Vec<_> = seen.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "accept-encoding", "host", "user-agent"]);
    assert_eq!(seen.headers["accept"], "application/json");
    assert_eq!(seen.headers["accept-encoding"], "identity");
    assert_eq!(seen.headers["host"], origin.address().to_string());
    assert!(seen.headers["user-agent"].to_str().unwrap().starts_with("artifactapi/"));
}

#[tokio::test]
async fn connections_are_reused() {
    let origin = Origin::start().await;
    origin.on("/a", Script::ok("x"));
    let client = client();
    for trust in [Trust::Configured, Trust::Index, Trust::Configured] {
        let mut request = get(&origin, "/a");
        request.trust = trust;
        fetch(&client, request).await;
    }
    assert_eq!(origin.count("/a"), 3);
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn validators_make_a_conditional_request() {
    let origin = Origin::start().await;
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    origin.on("/a", Script::ok("x").etag("W/\"1\"").last_modified(date));
    let mut request = get(&origin, "/a");
    request.conditions.etag = Some("W/\"1\"".to_owned());
    request.conditions.last_modified = Some(date.to_owned());
    let response = client().send(request).await.unwrap();
    assert_eq!(response.status, StatusCode::NOT_MODIFIED);
    assert_eq!(read(response).await.unwrap(), b"");
    assert_eq!(origin.requests()[0].headers["if-modified-since"], date);
}

#[tokio::test]
async fn resuming_asks_for_the_rest_under_a_condition() {
    let origin = Origin::start().await;
    origin.on("/a", Script::ok("0123456789").etag("\"1\"").ranges());
    let mut request = get(&origin, "/a");
    request.resume = Some((4, "\"1\"".to_owned()));
    request.compressed = true;
    let response = client().send(request.clone()).await.unwrap();
    assert_eq!(response.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(response.headers["content-range"], "bytes 4-9/10");
    assert_eq!(read(response).await.unwrap(), b"456789");
    assert_eq!(origin.requests()[0].headers["if-range"], "\"1\"");
    assert_eq!(origin.requests()[0].headers["accept-encoding"], "identity");
    request.resume = Some((4, "\"0\"".to_owned()));
    assert_eq!(client().send(request).await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn a_single_range_is_passed_on() {
    let origin = Origin::start().await;
    origin.on("/a", Script::ok("0123456789").ranges());
    for (range, expected) in [((2, Some(4)), &b"234"[..]), ((8, None), b"89")] {
        let mut request = get(&origin, "/a");
        request.range = Some(range);
        assert_eq!(fetch(&client(), request).await, expected);
    }
}

#[tokio::test]
async fn head_tells_the_length_without_a_body() {
    let origin = Origin::start().await;
    origin.on("/a", Script::ok("0123456789"));
    let mut request = get(&origin, "/a");
    request.method = Method::HEAD;
    let response = client().send(request).await.unwrap();
    assert_eq!(response.length, Some(10));
    assert_eq!(read(response).await.unwrap(), b"");
}

#[tokio::test]
async fn a_forwarded_query_keeps_its_body_and_its_description() {
    let origin = Origin::start().await;
    origin.on("/a", Script::ok("{}"));
    let mut described = HeaderMap::new();
    described.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    described.insert("authorization", HeaderValue::from_static("Bearer of-the-client"));
    let mut request = get(&origin, "/a");
    request.method = Method::POST;
    request.body = Some((Bytes::from_static(b"{\"a\":1}"), described));
    fetch(&client(), request).await;
    let seen = &origin.requests()[0];
    assert_eq!((seen.method.clone(), seen.body.clone()), (Method::POST, "{\"a\":1}".into()));
    assert_eq!(seen.headers["content-type"], "application/json");
    assert!(!seen.headers.contains_key("authorization"));
}

#[tokio::test]
async fn transit_compression_is_undone() {
    let origin = Origin::start().await;
    let plain = pattern(0, 200_000);
    origin.on("/a", Script::ok(gzip(&plain)).header(CONTENT_ENCODING, "gzip"));
    let mut request = get(&origin, "/a");
    request.compressed = true;
    let response = client().send(request).await.unwrap();
    assert_eq!(response.length, None);
    assert!(response.framed);
    assert!(!response.headers.contains_key("content-encoding"));
    assert!(!response.headers.contains_key("content-length"));
    assert_eq!(read(response).await.unwrap(), plain);
    assert_eq!(origin.requests()[0].headers["accept-encoding"], "gzip");
}

#[tokio::test]
async fn the_coding_of_a_file_is_opaque() {
    let origin = Origin::start().await;
    origin.on("/a.tgz", Script::ok("raw").header(CONTENT_ENCODING, "gzip"));
    let response = client().send(get(&origin, "/a.tgz")).await.unwrap();
    assert_eq!(response.headers["content-encoding"], "gzip");
    assert_eq!(read(response).await.unwrap(), b"raw");
}

#[tokio::test]
async fn chunked_bodies_have_no_length_but_a_provable_end() {
    let origin = Origin::start().await;
    origin.on("/a", Script::ok("0123456789").chunked());
    let response = client().send(get(&origin, "/a")).await.unwrap();
    assert_eq!((response.length, response.framed), (None, true));
    assert!(!response.headers.contains_key("transfer-encoding"));
    assert_eq!(read(response).await.unwrap(), b"0123456789");
}

#[tokio::test]
async fn close_delimited_bodies_are_flagged() {
    let origin = Origin::start().await;
    origin.on("/a", Script::ok("0123456789").close_delimited());
    let response = client().send(get(&origin, "/a")).await.unwrap();
    assert_eq!((response.length, response.framed), (None, false));
    assert_eq!(read(response).await.unwrap(), b"0123456789");
}

#[tokio::test]
async fn short_bodies_end_with_an_error() {
    let origin = Origin::start().await;
    for script in [
        Script::ok("0123456789").truncate_at(4),
        Script::ok("0123456789").chunked().truncate_at(4),
        Script::ok("0123").announce_length(10),
    ] {
        origin.on("/a", script);
        let response = client().send(get(&origin, "/a")).await.unwrap();
        assert_eq!(response.status, StatusCode::OK);
        let error = read(response).await.unwrap_err();
        assert_eq!(cause(&error), UpstreamReason::Truncated);
    }
}

#[tokio::test]
async fn every_status_is_an_answer() {
    let origin = Origin::start().await;
    for status in [201, 204, 300, 401, 403, 404, 410, 451, 501] {
        let status = StatusCode::from_u16(status).unwrap();
        origin.on("/a", Script::status(status));
        assert_eq!(client().send(get(&origin, "/a")).await.unwrap().status, status);
    }
}

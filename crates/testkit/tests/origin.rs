//! The scripted origin, seen from a raw socket.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::time::Duration;

use testkit::{Origin, Script};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn open(origin: &Origin, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(origin.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn exchange(origin: &Origin, path: &str, headers: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: o\r\nConnection: close\r\n{headers}\r\n");
    let mut answer = String::new();
    open(origin, &request).await.read_to_string(&mut answer).await.unwrap();
    answer.to_ascii_lowercase()
}

#[tokio::test]
async fn unscripted_paths_are_missing_and_every_request_is_recorded() {
    let origin = Origin::start().await;
    assert!(exchange(&origin, "/a?x=1", "X-Probe: yes\r\n").await.starts_with("http/1.1 404"));
    assert_eq!(origin.count("/a"), 1);
    let request = &origin.requests()[0];
    assert_eq!(request.query.as_deref(), Some("x=1"));
    assert_eq!(request.headers["x-probe"], "yes");
}

#[tokio::test]
async fn a_matching_validator_gets_304_without_a_body() {
    let origin = Origin::start().await;
    origin.on("/a", Script::ok("hello").etag("\"1\""));
    let answer = exchange(&origin, "/a", "If-None-Match: \"1\"\r\n").await;
    assert!(answer.starts_with("http/1.1 304"), "{answer}");
    assert!(!answer.contains("hello"));
    assert!(exchange(&origin, "/a", "If-None-Match: \"2\"\r\n").await.ends_with("hello"));
}

#[tokio::test]
async fn ranges_are_cut_and_if_range_is_honoured() {
    let origin = Origin::start().await;
    origin.on("/a", Script::ok("0123456789").etag("\"1\"").ranges());
    let answer = exchange(&origin, "/a", "Range: bytes=4-\r\nIf-Range: \"1\"\r\n").await;
    assert!(answer.starts_with("http/1.1 206"), "{answer}");
    assert!(answer.contains("content-range: bytes 4-9/10") && answer.ends_with("456789"));
    let changed = exchange(&origin, "/a", "Range: bytes=4-\r\nIf-Range: \"0\"\r\n").await;
    assert!(changed.starts_with("http/1.1 200") && changed.ends_with("0123456789"));
    assert!(exchange(&origin, "/a", "Range: bytes=10-\r\n").await.starts_with("http/1.1 416"));
}

#[tokio::test]
async fn a_truncated_answer_announces_more_than_it_sends() {
    let origin = Origin::start().await;
    origin.on("/a", Script::ok("0123456789").truncate_at(4));
    let answer = exchange(&origin, "/a", "").await;
    assert!(answer.contains("content-length: 10") && answer.ends_with("\r\n\r\n0123"), "{answer}");
}

#[tokio::test]
async fn a_close_delimited_answer_names_no_length() {
    let origin = Origin::start().await;
    origin.on("/a", Script::ok("0123").close_delimited());
    let answer = exchange(&origin, "/a", "").await;
    assert!(answer.ends_with("\r\n\r\n0123"), "{answer}");
    assert!(!answer.contains("content-length") && !answer.contains("transfer-encoding"));
}

#[tokio::test]
async fn a_sequence_repeats_its_last_script() {
    let origin = Origin::start().await;
    origin.on("/a", Script::sequence([Script::ok("one"), Script::ok("two"), Script::ok("three")]));
    for expected in ["one", "two", "three", "three"] {
        assert!(exchange(&origin, "/a", "").await.ends_with(expected));
    }
}

#[tokio::test]
async fn a_gate_sees_the_request_and_the_client_that_leaves() {
    let origin = Origin::start().await;
    let (script, gate) = Script::gated("0123456789", 4);
    origin.on("/a", script);
    let mut stream = open(&origin, "GET /a HTTP/1.1\r\nHost: o\r\n\r\n").await;
    gate.arrived(1).await;
    gate.release_head();
    gate.release(1);
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n0123") {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
    }
    drop(stream);
    gate.release(1);
    tokio::time::timeout(Duration::from_secs(5), gate.abandoned()).await.unwrap();
}

#[tokio::test]
async fn a_stopped_origin_drops_its_connections_and_listens_no_more() {
    let mut origin = Origin::start().await;
    origin.on("/a", Script::hang());
    let mut stream = open(&origin, "GET /a HTTP/1.1\r\nHost: o\r\n\r\n").await;
    while origin.count("/a") == 0 {
        tokio::task::yield_now().await;
    }
    origin.stop().await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    assert!(TcpStream::connect(origin.address()).await.is_err());
}

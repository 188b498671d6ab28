//! Origins that fail, and what is held against them.

mod common;

use std::time::Duration;

use artifact_core::ErrorKind;
use artifact_core::ports::{Intent, OriginState, Upstream, UpstreamReason};
use common::{
    client, client_with, fetch, get, get_from, impatient, read, refusal, refused, target,
};
use futures_util::StreamExt;
use http::{Method, StatusCode};
use testkit::{Origin, Script};

fn is_open(state: OriginState) -> bool {
    matches!(state, OriginState::Open { .. })
}

#[tokio::test]
async fn transient_failures_are_retried_before_the_head() {
    let origin = Origin::start().await;
    let broken = Script::broken(UpstreamReason::Protocol);
    let unavailable = Script::status(StatusCode::BAD_GATEWAY);
    origin.on("/a", Script::sequence([broken, unavailable, Script::ok("third time")]));
    assert_eq!(fetch(&client(), get(&origin, "/a")).await, b"third time");
    assert_eq!(origin.count("/a"), 3);
}

#[tokio::test]
async fn the_last_answer_stands_when_retries_are_used_up() {
    let origin = Origin::start().await;
    origin.on("/a", Script::status(StatusCode::INTERNAL_SERVER_ERROR).body("sorry"));
    let response = client().send(get(&origin, "/a")).await.unwrap();
    assert_eq!(response.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(read(response).await.unwrap(), b"sorry");
    assert_eq!(origin.count("/a"), 3);
}

#[tokio::test]
async fn lasting_answers_and_posts_are_not_retried() {
    let origin = Origin::start().await;
    for status in [StatusCode::NOT_FOUND, StatusCode::NOT_IMPLEMENTED] {
        origin.on("/a", Script::status(status));
        client().send(get(&origin, "/a")).await.unwrap();
    }
    assert_eq!(origin.count("/a"), 2);
    origin.on("/b", Script::status(StatusCode::BAD_GATEWAY));
    let mut request = get(&origin, "/b");
    request.method = Method::POST;
    client().send(request).await.unwrap();
    assert_eq!(origin.count("/b"), 1);
}

#[tokio::test]
async fn an_origin_that_refuses_connections_opens_its_circuit() {
    let mut origin = Origin::start().await;
    origin.stop().await;
    let client = client();
    let request = get(&origin, "/a");
    assert_eq!(refused(&client, request.clone()).await, UpstreamReason::Connect);
    assert_eq!(client.state(&request.target), OriginState::Closed);
    // Two failures are missing, and the third attempt meets the open circuit.
    assert_eq!(refused(&client, request.clone()).await, UpstreamReason::CircuitOpen);
    let error = refusal(&client, request.clone()).await;
    assert_eq!(error.reason, UpstreamReason::CircuitOpen);
    assert!(error.retry_after.unwrap() > Duration::from_secs(5));
    assert!(is_open(client.state(&request.target)));
}

#[tokio::test]
async fn an_open_circuit_sends_nothing_and_a_new_revision_starts_afresh() {
    let origin = Origin::start().await;
    origin.on("/a", Script::status(StatusCode::NOT_IMPLEMENTED));
    let client = client();
    for _ in 0..5 {
        client.send(get(&origin, "/a")).await.unwrap();
    }
    assert_eq!(refused(&client, get(&origin, "/b")).await, UpstreamReason::CircuitOpen);
    assert_eq!(origin.count("/b"), 0);
    let repaired = target(origin.base_url());
    let request = get_from(artifact_core::ports::UpstreamTarget { revision: 2, ..repaired }, "/b");
    client.send(request).await.unwrap();
    assert_eq!(origin.count("/b"), 1);
}

#[tokio::test]
async fn truncated_bodies_open_the_circuit() {
    let origin = Origin::start().await;
    origin.on("/a", Script::ok("0123456789").truncate_at(4));
    let client = client();
    for _ in 0..5 {
        let response = client.send(get(&origin, "/a")).await.unwrap();
        read(response).await.unwrap_err();
    }
    assert!(is_open(client.state(&target(origin.base_url()))));
}

#[tokio::test]
async fn clients_that_go_away_are_not_held_against_the_origin() {
    let origin = Origin::start().await;
    let (script, gate) = Script::gated("0123456789", 4);
    origin.on("/a", script);
    gate.release_head();
    gate.release(1);
    let client = client();
    for _ in 0..10 {
        let mut response = client.send(get(&origin, "/a")).await.unwrap();
        assert_eq!(response.body.next().await.unwrap().unwrap(), "0123");
    }
    let (script, gate) = Script::gated("0123456789", 4);
    origin.on("/b", script);
    for round in 1..=10 {
        let sent = client.send(get(&origin, "/b"));
        tokio::select! {
            _ = sent => panic!("the gate is closed"),
            () = gate.arrived(round) => {}
        }
    }
    assert_eq!(client.state(&target(origin.base_url())), OriginState::Closed);
}

#[tokio::test]
async fn missing_files_and_refused_credentials_are_no_failures() {
    let origin = Origin::start().await;
    let client = client();
    for status in [401, 403, 404, 410, 418] {
        let status = StatusCode::from_u16(status).unwrap();
        origin.on("/a", Script::status(status));
        for _ in 0..5 {
            client.send(get(&origin, "/a")).await.unwrap();
        }
    }
    assert_eq!(client.state(&target(origin.base_url())), OriginState::Closed);
}

#[tokio::test]
async fn a_silent_origin_times_out_without_a_retry() {
    let origin = Origin::start().await;
    origin.on("/a", Script::hang());
    assert_eq!(refused(&impatient(), get(&origin, "/a")).await, UpstreamReason::Timeout);
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn a_body_that_stops_times_out() {
    let origin = Origin::start().await;
    let (script, gate) = Script::gated("0123456789", 4);
    origin.on("/a", script);
    gate.release_head();
    gate.release(1);
    let response = impatient().send(get(&origin, "/a")).await.unwrap();
    assert_eq!(read(response).await.unwrap_err().kind(), ErrorKind::UpstreamTimeout);
}

#[tokio::test]
async fn the_total_of_metadata_covers_its_body() {
    let origin = Origin::start().await;
    origin.on("/a", Script::generated(1 << 20).drip(1, Duration::from_millis(5)));
    let client = client_with(|settings| {
        settings.timeouts.metadata_total = Duration::from_millis(200);
    });
    let mut request = get(&origin, "/a");
    request.intent = Intent::Metadata;
    let response = client.send(request).await.unwrap();
    assert_eq!(read(response).await.unwrap_err().kind(), ErrorKind::UpstreamTimeout);
}

#[tokio::test]
async fn being_told_to_slow_down_is_passed_on_once_and_then_obeyed() {
    let origin = Origin::start().await;
    origin.on("/a", Script::too_many_requests("120"));
    let client = client();
    let response = client.send(get(&origin, "/a")).await.unwrap();
    assert_eq!(response.status, StatusCode::TOO_MANY_REQUESTS);
    let error = refusal(&client, get(&origin, "/b")).await;
    assert_eq!(error.reason, UpstreamReason::CoolDown);
    let left = error.retry_after.unwrap();
    assert!(left > Duration::from_secs(110) && left <= Duration::from_secs(120), "{left:?}");
    assert_eq!(origin.requests().len(), 1);
    let state = client.state(&target(origin.base_url()));
    assert!(matches!(state, OriginState::CoolDown { .. }), "{state:?}");
}

#[tokio::test]
async fn unavailable_with_a_time_is_a_cool_down_and_not_retried() {
    let origin = Origin::start().await;
    let script = Script::status(StatusCode::SERVICE_UNAVAILABLE);
    origin.on("/a", script.header(http::header::RETRY_AFTER, "60"));
    let client = client();
    client.send(get(&origin, "/a")).await.unwrap();
    assert_eq!(origin.count("/a"), 1);
    assert_eq!(refused(&client, get(&origin, "/a")).await, UpstreamReason::CoolDown);
}

#[tokio::test]
async fn a_body_under_way_takes_room_until_it_is_dropped() {
    let origin = Origin::start().await;
    let (script, gate) = Script::gated("0123456789", 4);
    origin.on("/slow", script);
    origin.on("/a", Script::ok("x"));
    gate.release_head();
    let client = client_with(|settings| {
        settings.limits.per_host = 1;
        settings.timeouts.queue = Duration::from_millis(50);
    });
    let under_way = client.send(get(&origin, "/slow")).await.unwrap();
    assert_eq!(refused(&client, get(&origin, "/a")).await, UpstreamReason::Overloaded);
    assert_eq!(origin.count("/a"), 0);
    drop(under_way);
    assert_eq!(fetch(&client, get(&origin, "/a")).await, b"x");
    // The room is free as soon as the body has been read, although the response still lives.
    let mut response = client.send(get(&origin, "/a")).await.unwrap();
    while response.body.next().await.is_some() {}
    assert_eq!(fetch(&client, get(&origin, "/a")).await, b"x");
}

//! The scripted upstream keeps what the port promises.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use artifact_core::RepositoryId;
use artifact_core::ports::{
    Intent, OriginState, Trust, Upstream, UpstreamError, UpstreamReason, UpstreamRequest,
    UpstreamResponse, UpstreamTarget,
};
use futures_util::{StreamExt, TryStreamExt};
use http::StatusCode;
use testkit::{Script, ScriptedUpstream, pattern};

fn request(path: &str) -> UpstreamRequest {
    let base_url = url::Url::parse("https://registry.example/").unwrap();
    let target = UpstreamTarget {
        id: RepositoryId(1),
        revision: 1,
        name: "remote".parse().unwrap(),
        base_url: base_url.clone(),
        credential: None,
        allowed_hosts: Vec::new(),
        ca_certificates: String::new(),
    };
    let url = base_url.join(path).unwrap();
    UpstreamRequest::get(Arc::new(target), url, Trust::Configured, Intent::Artifact)
}

async fn read(response: UpstreamResponse) -> Result<Vec<u8>, artifact_core::Error> {
    let chunks: Vec<_> = response.body.try_collect().await?;
    Ok(chunks.concat())
}

#[tokio::test]
async fn answers_by_path_and_counts() {
    let upstream = ScriptedUpstream::new();
    upstream.on("/a", Script::generated(40_000));
    let response = upstream.send(request("a")).await.unwrap();
    assert_eq!(response.length, Some(40_000));
    assert_eq!(read(response).await.unwrap(), pattern(0, 40_000));
    assert_eq!(upstream.send(request("b")).await.unwrap().status, StatusCode::NOT_FOUND);
    assert_eq!((upstream.count("/a"), upstream.count("/b")), (1, 1));
}

#[tokio::test]
async fn resumes_with_the_rest_only_while_the_validator_holds() {
    let upstream = ScriptedUpstream::new();
    upstream.on("/a", Script::ok("0123456789").etag("\"1\"").ranges());
    let mut resumed = request("a");
    resumed.resume = Some((4, "\"1\"".to_owned()));
    let response = upstream.send(resumed.clone()).await.unwrap();
    assert_eq!(response.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(read(response).await.unwrap(), b"456789");
    resumed.resume = Some((4, "\"0\"".to_owned()));
    assert_eq!(upstream.send(resumed).await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn a_truncated_or_misannounced_body_ends_with_an_error() {
    let upstream = ScriptedUpstream::new();
    for script in [
        Script::ok("0123456789").truncate_at(4),
        Script::ok("0123456789").chunked().truncate_at(4),
        Script::ok("0123").announce_length(10),
    ] {
        upstream.on("/a", script);
        let error = read(upstream.send(request("a")).await.unwrap()).await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        let source = source.downcast_ref::<UpstreamError>().unwrap();
        assert_eq!(source.reason, UpstreamReason::Truncated);
    }
    upstream.on("/a", Script::ok("0123456789").close_delimited().truncate_at(4));
    let response = upstream.send(request("a")).await.unwrap();
    assert!(!response.framed);
    assert_eq!(read(response).await.unwrap(), b"0123");
}

#[tokio::test(start_paused = true)]
async fn a_hanging_origin_times_out_in_paused_time() {
    let upstream = ScriptedUpstream::new();
    upstream.on("/a", Script::hang());
    let error = upstream.send(request("a")).await.unwrap_err();
    assert_eq!(error.reason, UpstreamReason::Timeout);
}

#[tokio::test]
async fn a_gate_releases_the_head_and_then_chunk_by_chunk() {
    let upstream = Arc::new(ScriptedUpstream::new());
    let (script, gate) = Script::gated("0123456789", 4);
    upstream.on("/a", script);
    let sender = Arc::clone(&upstream);
    let sent = tokio::spawn(async move { sender.send(request("a")).await });
    gate.arrived(1).await;
    assert!(!sent.is_finished());
    gate.release_head();
    let mut body = sent.await.unwrap().unwrap().body;
    gate.release(1);
    assert_eq!(body.next().await.unwrap().unwrap(), "0123");
    drop(body);
    gate.abandoned().await;
}

#[tokio::test]
async fn follows_redirects_and_gives_up_on_loops() {
    let upstream = ScriptedUpstream::new();
    upstream.on("/a", Script::redirect("https://cdn.example/b?signed"));
    upstream.on("/b", Script::ok("moved"));
    let response = upstream.send(request("a")).await.unwrap();
    assert_eq!(response.url.as_str(), "https://cdn.example/b?signed");
    upstream.on("/b", Script::redirect("/b"));
    assert_eq!(upstream.send(request("b")).await.unwrap_err().reason, UpstreamReason::Protocol);
}

#[tokio::test]
async fn a_set_state_refuses_without_counting() {
    let upstream = ScriptedUpstream::new();
    let retry_after = Duration::from_secs(7);
    upstream.set_state(RepositoryId(1), OriginState::Open { retry_after });
    let error = upstream.send(request("a")).await.unwrap_err();
    assert_eq!((error.reason, error.retry_after), (UpstreamReason::CircuitOpen, Some(retry_after)));
    assert_eq!(upstream.count("/a"), 0);
}

#[tokio::test]
async fn a_broken_script_fails_with_its_reason() {
    let upstream = ScriptedUpstream::new();
    upstream.on("/a", Script::broken(UpstreamReason::Dns).then(Script::ok("back")));
    assert_eq!(upstream.send(request("a")).await.unwrap_err().reason, UpstreamReason::Dns);
    assert_eq!(read(upstream.send(request("a")).await.unwrap()).await.unwrap(), b"back");
}

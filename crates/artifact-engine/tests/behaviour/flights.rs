//! One fetch for everybody: followers, verification, broken transfers, clients that leave.

use std::sync::Arc;
use std::time::Duration;

use artifact_core::{Definition, ErrorKind};
use artifact_engine::{CacheResult, ReplyBody, Settings};
use cas_store::Quota;
use futures_util::StreamExt;
use http::StatusCode;
use testkit::{Script, pattern};

use crate::world::{World, on_remote, remote};

const LARGE: u64 = 3 << 20;

async fn generic() -> Arc<World> {
    let world = World::new().await;
    world.remote("r", "generic").await;
    Arc::new(world)
}

fn large() -> bytes::Bytes {
    pattern(0, usize::try_from(LARGE).unwrap())
}

/// The error of a download that must break: before its head or visibly within its body.
async fn broken(world: &World, path: &str) -> artifact_core::Error {
    match world.get(&on_remote(path)).await {
        Ok(answer) => answer.body.unwrap_err(),
        Err(error) => error,
    }
}

#[tokio::test]
async fn fifty_clients_cost_one_fetch_and_stream_from_the_growing_file() {
    let world = generic().await;
    let (script, gate) = Script::generated(LARGE).with_gate(64 * 1024);
    world.upstream.on("/big.bin", script);
    gate.release_head();
    let mut streams = Vec::new();
    gate.release(4);
    for _ in 0..50 {
        let ReplyBody::Stream(mut stream) = world.open("big.bin").await.body else {
            panic!("a stream")
        };
        // The first bytes arrive although most of the body is still at upstream.
        let first = stream.next().await.unwrap().unwrap();
        assert!(!first.is_empty());
        streams.push((first.len(), stream));
    }
    gate.release_all();
    for (read, stream) in streams {
        let rest = stream.fold(0, |sum, chunk| async move { sum + chunk.unwrap().len() }).await;
        assert_eq!((read + rest) as u64, LARGE);
    }
    assert_eq!(world.upstream.count("/big.bin"), 1);
}

#[tokio::test]
async fn a_small_file_is_fetched_once_for_a_crowd() {
    let world = generic().await;
    let (script, gate) = Script::ok("small").with_gate(16);
    world.upstream.on("/a.bin", script);
    let crowd: Vec<_> = (0..20)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.get(&on_remote("a.bin")).await.unwrap() })
        })
        .collect();
    gate.arrived(1).await;
    gate.release_all();
    let mut collapsed = 0;
    for client in crowd {
        let answer = client.await.unwrap();
        assert_eq!(answer.text(), "small");
        collapsed += usize::from(answer.cache_status().contains("collapsed"));
    }
    assert!(collapsed >= 1);
    assert_eq!(world.upstream.count("/a.bin"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_truncated_body_never_ends_cleanly_and_is_never_stored() {
    let world = generic().await;
    world.upstream.on("/big.bin", Script::generated(LARGE).truncate_at(2 << 20));
    broken(&world, "big.bin").await;
    tokio::time::advance(Duration::from_secs(3)).await;
    world.upstream.on("/big.bin", Script::generated(LARGE));
    let answer = world.get(&on_remote("big.bin")).await.unwrap();
    assert_eq!(answer.result(), CacheResult::Miss);
    assert_eq!(answer.body.unwrap(), large());
}

#[tokio::test(start_paused = true)]
async fn a_small_truncated_body_is_fetched_again_before_anybody_saw_it() {
    let world = generic().await;
    let script = Script::ok("whole body").truncate_at(4).then(Script::ok("whole body"));
    world.upstream.on("/a.bin", script);
    let answer = world.get(&on_remote("a.bin")).await.unwrap();
    assert_eq!(answer.text(), "whole body");
    assert_eq!(world.upstream.count("/a.bin"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_broken_transfer_is_resumed_where_that_is_sound() {
    let world = generic().await;
    let whole = Script::generated(LARGE).etag("\"v1\"").ranges();
    world.upstream.on("/big.bin", whole.clone().truncate_at(1 << 20).then(whole));
    let answer = world.get(&on_remote("big.bin")).await.unwrap();
    assert_eq!(answer.body.unwrap(), large());
    let requests = world.upstream.requests();
    assert_eq!(requests.len(), 2);
    let (from, validator) = requests[1].resume.clone().unwrap();
    assert_eq!((from, validator.as_str()), (1 << 20, "\"v1\""));
    world.engine.shutdown(Duration::from_secs(60)).await;
    assert_eq!(world.get(&on_remote("big.bin")).await.unwrap().result(), CacheResult::Hit);
}

#[tokio::test(start_paused = true)]
async fn a_transfer_is_not_continued_with_another_version() {
    let world = generic().await;
    let one = Script::generated(LARGE).etag("\"v1\"").ranges().truncate_at(1 << 20);
    let two = Script::generated(LARGE).etag("\"v2\"").ranges();
    world.upstream.on("/big.bin", one.then(two));
    broken(&world, "big.bin").await;
}

#[tokio::test(start_paused = true)]
async fn bytes_that_contradict_a_stated_digest_are_refused() {
    let world = generic().await;
    let wrong = "0".repeat(64);
    let name = http::HeaderName::from_static("x-checksum-sha256");
    world.upstream.on("/a.bin", Script::ok("bytes").header(name.clone(), &wrong));
    let error = world.get(&on_remote("a.bin")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert!(!world.stored_blob(b"bytes").await);
    // A large body is already on its way when the digest is known: it must break.
    world.upstream.on("/big.bin", Script::generated(LARGE).header(name, &wrong));
    assert_eq!(broken(&world, "big.bin").await.kind(), ErrorKind::Integrity);
    assert!(!world.stored_blob(&large()).await);
}

#[tokio::test(start_paused = true)]
async fn a_body_whose_end_proves_nothing_is_delivered_and_not_stored() {
    let world = generic().await;
    world.upstream.on("/a.bin", Script::ok("unframed").close_delimited());
    for _ in 0..2 {
        let answer = world.get(&on_remote("a.bin")).await.unwrap();
        assert_eq!((answer.text(), answer.result()), ("unframed", CacheResult::Miss));
        assert!(!answer.cache_status().contains("stored"));
    }
    assert_eq!(world.upstream.count("/a.bin"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_web_page_is_never_taken_for_a_package() {
    let world = World::new().await;
    world.remote("r", "npm").await;
    let packument = r#"{"name":"a","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{"name":"a","version":"1.0.0","dist":{"tarball":"http://upstream.example/a/-/a-1.0.0.tgz"}}}}"#;
    world.upstream.on("/a", Script::ok(packument));
    world.upstream.on("/a/-/a-1.0.0.tgz", Script::html("<html>please log in</html>"));
    let error = world.get(&on_remote("a/-/a-1.0.0.tgz")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Upstream);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_stop_a_download_that_pays() {
    let world = generic().await;
    let (script, gate) = Script::generated(LARGE).with_gate(64 * 1024);
    world.upstream.on("/big.bin", script);
    gate.release_head();
    gate.release(4);
    drop(world.open("big.bin").await);
    gate.release_all();
    let answer = world.get(&on_remote("big.bin")).await.unwrap();
    assert_eq!(answer.body.unwrap(), large());
    assert_eq!(world.upstream.count("/big.bin"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_download_that_nobody_waits_for_and_does_not_pay_is_given_up() {
    let world = generic().await;
    let (script, gate) = Script::generated(1 << 30).with_gate(64 * 1024);
    world.upstream.on("/huge.bin", script);
    gate.release_head();
    gate.release(4);
    drop(world.open("huge.bin").await);
    gate.abandoned().await;
}

#[tokio::test(start_paused = true)]
async fn a_range_near_the_beginning_waits_for_the_download() {
    let world = generic().await;
    world.upstream.on("/big.bin", Script::generated(LARGE).ranges());
    let part =
        world.get_with(&on_remote("big.bin"), &[("range", "bytes=1000000-1000009")]).await.unwrap();
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.header("content-range"), Some("bytes 1000000-1000009/3145728"));
    assert_eq!(part.body.unwrap(), pattern(1_000_000, 10));
    assert!(
        world.upstream.requests()[0].range.is_none(),
        "a range is never forwarded for a file that is stored"
    );
}

#[tokio::test]
async fn a_range_far_ahead_passes_by_while_the_download_goes_on() {
    let world = generic().await;
    let length = 20 << 20;
    let (script, gate) = Script::generated(length).ranges().with_gate(64 * 1024);
    let free = Script::generated(length).ranges();
    world.upstream.on("/big.bin", script.then(free));
    gate.release_head();
    gate.release(4);
    let part = world
        .get_with(&on_remote("big.bin"), &[("range", "bytes=20000000-20000009")])
        .await
        .unwrap();
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.cache_status(), "artifactapi; fwd=bypass; detail=range");
    assert_eq!(part.body.unwrap(), pattern(20_000_000, 10));
    gate.release_all();
    world.engine.shutdown(Duration::from_secs(60)).await;
    assert_eq!(world.get(&on_remote("big.bin")).await.unwrap().result(), CacheResult::Hit);
    assert_eq!(world.upstream.count("/big.bin"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_spool_passes_the_download_through() {
    let world = World::with(Settings::default(), Quota { bytes: 1024, reserve: 0 }).await;
    world.remote("r", "generic").await;
    world.upstream.on("/big.bin", Script::generated(LARGE));
    for _ in 0..2 {
        let answer = world.get(&on_remote("big.bin")).await.unwrap();
        assert_eq!(answer.cache_status(), "artifactapi; fwd=bypass; detail=no-room");
        assert_eq!(answer.body.unwrap(), large());
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_over_the_limit_passes_through() {
    let settings = Settings { object_limit: 1 << 20, ..Settings::default() };
    let world = World::with(settings, Quota { bytes: 1 << 30, reserve: 0 }).await;
    world.remote("r", "generic").await;
    world.upstream.on("/big.bin", Script::generated(LARGE));
    let answer = world.get(&on_remote("big.bin")).await.unwrap();
    assert_eq!(answer.cache_status(), "artifactapi; fwd=bypass; detail=too-large");
    assert_eq!(answer.body.unwrap(), large());
}

#[tokio::test(start_paused = true)]
async fn with_verify_before_serve_nothing_is_seen_of_a_wrong_file() {
    let world = World::new().await;
    let mut remote = remote();
    remote.verify_before_serve = true;
    world.put("r", "generic", Definition::Remote(Box::new(remote))).await;
    let name = http::HeaderName::from_static("x-checksum-sha256");
    world.upstream.on("/big.bin", Script::generated(LARGE).header(name, &"0".repeat(64)));
    let error = world.get(&on_remote("big.bin")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_for_a_moment() {
    let world = generic().await;
    world.upstream.on("/a.bin", Script::status(StatusCode::BAD_GATEWAY));
    for _ in 0..5 {
        world.get(&on_remote("a.bin")).await.unwrap_err();
    }
    assert_eq!(world.upstream.count("/a.bin"), 1);
    tokio::time::advance(Duration::from_secs(3)).await;
    world.get(&on_remote("a.bin")).await.unwrap_err();
    assert_eq!(world.upstream.count("/a.bin"), 2);
}

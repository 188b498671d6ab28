//! The states of the cache, one after the other.

use std::time::Duration;

use artifact_core::ports::{OriginState, UpstreamReason};
use artifact_core::{Definition, ErrorKind, Remote};
use artifact_engine::CacheResult;
use http::{Method, StatusCode};
use testkit::Script;

use crate::world::{World, on_remote, remote};

async fn generic() -> World {
    let world = World::new().await;
    world.remote("r", "generic").await;
    world
}

/// A generic remote on which everything under `index` is mutable.
async fn mutable() -> World {
    let world = World::new().await;
    world.put("r", "generic", with(|remote| remote.mutable_patterns = vec!["index".into()])).await;
    world
}

fn with(change: impl FnOnce(&mut Remote)) -> Definition {
    let mut remote = remote();
    change(&mut remote);
    Definition::Remote(Box::new(remote))
}

#[tokio::test(start_paused = true)]
async fn a_miss_is_stored_and_then_hit() {
    let world = generic().await;
    world.upstream.on("/a.bin", Script::ok("bytes").etag("\"up\""));
    let miss = world.get(&on_remote("a.bin")).await.unwrap();
    assert_eq!(miss.text(), "bytes");
    assert_eq!(miss.cache_status(), "artifactapi; fwd=miss; fwd-status=200; stored");
    world.pass(10);
    let hit = world.get(&on_remote("a.bin")).await.unwrap();
    assert_eq!(hit.text(), "bytes");
    assert_eq!(hit.cache_status(), "artifactapi; hit");
    assert_eq!(hit.header("age"), Some("10"));
    assert_eq!(hit.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert!(hit.header("etag").unwrap().starts_with("\"sha256:"));
    assert_eq!(hit.header("content-length"), Some("5"));
    assert_eq!(world.upstream.count("/a.bin"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_warm_hit_asks_no_metadata_store() {
    let world = generic().await;
    world.upstream.on("/a.bin", Script::ok("bytes"));
    world.get(&on_remote("a.bin")).await.unwrap();
    world.get(&on_remote("a.bin")).await.unwrap();
    let before = world.meta.calls();
    for _ in 0..10 {
        assert_eq!(world.get(&on_remote("a.bin")).await.unwrap().result(), CacheResult::Hit);
    }
    assert_eq!(world.meta.calls(), before);
}

#[tokio::test(start_paused = true)]
async fn a_matching_entity_tag_is_answered_without_the_store() {
    let world = generic().await;
    world.upstream.on("/a.bin", Script::ok("bytes"));
    world.get(&on_remote("a.bin")).await.unwrap();
    let etag = world.get(&on_remote("a.bin")).await.unwrap().header("etag").unwrap().to_owned();
    let answer = world.get_with(&on_remote("a.bin"), &[("if-none-match", &etag)]).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
    assert_eq!(answer.text(), "");
    assert_eq!(answer.header("etag"), Some(etag.as_str()));
}

#[tokio::test(start_paused = true)]
async fn head_equals_get_without_the_body() {
    let world = generic().await;
    world.upstream.on("/a.bin", Script::ok("bytes"));
    let cold = world.send(&Method::HEAD, &on_remote("a.bin"), &[], None).await.unwrap();
    assert_eq!((cold.status, cold.text()), (StatusCode::OK, ""));
    assert_eq!(cold.header("content-length"), Some("5"));
    assert!(!world.stored_blob(b"bytes").await, "HEAD stores nothing");
    world.get(&on_remote("a.bin")).await.unwrap();
    let get = world.get(&on_remote("a.bin")).await.unwrap();
    let head = world.send(&Method::HEAD, &on_remote("a.bin"), &[], None).await.unwrap();
    assert_eq!(head.headers, get.headers);
    assert_eq!(head.text(), "");
}

#[tokio::test(start_paused = true)]
async fn ranges_are_cut_from_the_stored_file() {
    let world = generic().await;
    world.upstream.on("/a.bin", Script::ok("0123456789"));
    world.get(&on_remote("a.bin")).await.unwrap();
    let part = world.get_with(&on_remote("a.bin"), &[("range", "bytes=2-4")]).await.unwrap();
    assert_eq!((part.status, part.text()), (StatusCode::PARTIAL_CONTENT, "234"));
    assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
    let error = world.get_with(&on_remote("a.bin"), &[("range", "bytes=10-")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RangeNotSatisfiable { size: 10 });
}

#[tokio::test(start_paused = true)]
async fn an_expired_document_is_served_while_it_is_revalidated_behind() {
    let world = mutable().await;
    world.upstream.on("/index", Script::ok("one").etag("\"1\""));
    world.get(&on_remote("index")).await.unwrap();
    world.upstream.on("/index", Script::ok("two").etag("\"2\""));
    world.pass(331);
    let stale = world.get(&on_remote("index")).await.unwrap();
    assert_eq!((stale.text(), stale.result()), ("one", CacheResult::Stale));
    world.engine.shutdown(Duration::from_secs(60)).await;
    let fresh = world.get(&on_remote("index")).await.unwrap();
    assert_eq!((fresh.text(), fresh.result()), ("two", CacheResult::Hit));
    assert_eq!(world.upstream.count("/index"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_long_expired_document_is_confirmed_before_it_is_served() {
    let world = mutable().await;
    world.upstream.on("/index", Script::ok("one").etag("\"1\""));
    world.get(&on_remote("index")).await.unwrap();
    world.pass(1000);
    let confirmed = world.get(&on_remote("index")).await.unwrap();
    assert_eq!((confirmed.text(), confirmed.result()), ("one", CacheResult::Revalidated));
    assert_eq!(confirmed.cache_status(), "artifactapi; fwd=stale; fwd-status=304");
    let requests = world.upstream.requests();
    assert_eq!(requests.last().unwrap().conditions.etag.as_deref(), Some("\"1\""));
    assert_eq!(world.get(&on_remote("index")).await.unwrap().result(), CacheResult::Hit);
}

#[tokio::test(start_paused = true)]
async fn a_changed_document_replaces_the_copy() {
    let world = mutable().await;
    world.upstream.on("/index", Script::ok("one").etag("\"1\""));
    world.get(&on_remote("index")).await.unwrap();
    world.upstream.on("/index", Script::ok("two").etag("\"2\""));
    world.pass(1000);
    let replaced = world.get(&on_remote("index")).await.unwrap();
    assert_eq!(replaced.text(), "two");
    assert_eq!(replaced.cache_status(), "artifactapi; fwd=stale; fwd-status=200; stored");
}

#[tokio::test(start_paused = true)]
async fn a_failing_upstream_leaves_the_stale_copy_in_service() {
    for (script, detail) in [
        (Script::status(StatusCode::BAD_GATEWAY), "upstream-error"),
        (Script::status(StatusCode::UNAUTHORIZED), "upstream-auth"),
        (Script::too_many_requests("60"), "upstream-rate-limited"),
        (Script::broken(UpstreamReason::Connect), "upstream-error"),
        (Script::broken(UpstreamReason::Timeout), "upstream-timeout"),
        (Script::ok("trunc").truncate_at(2), "upstream-error"),
        (Script::hang(), "revalidation-slow"),
    ] {
        let world = mutable().await;
        world.upstream.on("/index", Script::ok("one").etag("\"1\""));
        world.get(&on_remote("index")).await.unwrap();
        world.upstream.on("/index", script);
        world.pass(1000);
        let stale = world.get(&on_remote("index")).await.unwrap();
        assert_eq!((stale.text(), stale.result()), ("one", CacheResult::Stale), "{detail}");
        assert_eq!(stale.cache_status(), format!("artifactapi; fwd=stale; detail={detail}"));
        assert_eq!(stale.header("age"), Some("1000"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_strict_remote_fails_instead_of_serving_stale() {
    let world = World::new().await;
    let definition = with(|remote| {
        remote.mutable_patterns = vec!["index".into()];
        remote.strict_freshness = true;
    });
    world.put("r", "generic", definition).await;
    world.upstream.on("/index", Script::ok("one"));
    world.get(&on_remote("index")).await.unwrap();
    world.upstream.on("/index", Script::status(StatusCode::BAD_GATEWAY));
    world.pass(1000);
    let error = world.get(&on_remote("index")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Upstream);
}

#[tokio::test(start_paused = true)]
async fn upstream_failures_without_a_copy_are_never_an_absence() {
    for (script, kind) in [
        (Script::status(StatusCode::INTERNAL_SERVER_ERROR), ErrorKind::Upstream),
        (Script::status(StatusCode::FORBIDDEN), ErrorKind::UpstreamAuth),
        (Script::too_many_requests("60"), ErrorKind::UpstreamRateLimited),
        (Script::broken(UpstreamReason::Dns), ErrorKind::Upstream),
        (Script::broken(UpstreamReason::Timeout), ErrorKind::UpstreamTimeout),
        (Script::hang(), ErrorKind::UpstreamTimeout),
    ] {
        let world = generic().await;
        world.upstream.on("/a.bin", script);
        let error = world.get(&on_remote("a.bin")).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

#[tokio::test(start_paused = true)]
async fn an_absence_is_remembered_for_a_while() {
    let world = generic().await;
    let first = world.get(&on_remote("a.bin")).await.unwrap_err();
    assert_eq!((first.kind(), first.is_remembered()), (ErrorKind::NotFound, false));
    let second = world.get(&on_remote("a.bin")).await.unwrap_err();
    assert_eq!((second.kind(), second.is_remembered()), (ErrorKind::NotFound, true));
    assert_eq!(world.upstream.count("/a.bin"), 1);
    tokio::time::advance(Duration::from_secs(61)).await;
    world.upstream.on("/a.bin", Script::ok("now it is there"));
    assert_eq!(world.get(&on_remote("a.bin")).await.unwrap().text(), "now it is there");
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_file_stays_withdrawn() {
    let world = generic().await;
    world.upstream.on("/a.bin", Script::status(StatusCode::GONE));
    for _ in 0..2 {
        assert_eq!(world.get(&on_remote("a.bin")).await.unwrap_err().kind(), ErrorKind::Gone);
    }
    assert_eq!(world.upstream.count("/a.bin"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_document_must_be_missing_twice_before_it_is_given_up() {
    let world = mutable().await;
    world.upstream.on("/index", Script::ok("one").etag("\"1\""));
    world.get(&on_remote("index")).await.unwrap();
    world.upstream.on("/index", Script::status(StatusCode::NOT_FOUND));
    world.pass(1000);
    assert_eq!(world.get(&on_remote("index")).await.unwrap().text(), "one");
    world.pass(10);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(world.get(&on_remote("index")).await.unwrap().text(), "one");
    world.pass(300);
    tokio::time::advance(Duration::from_secs(300)).await;
    let gone = world.get(&on_remote("index")).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_asks_nobody() {
    let world = World::new().await;
    let id = world
        .put("r", "generic", with(|remote| remote.mutable_patterns = vec!["index".into()]))
        .await;
    world.upstream.on("/index", Script::ok("one"));
    world.get(&on_remote("index")).await.unwrap();
    world.upstream.set_state(id, OriginState::Open { retry_after: Duration::from_secs(7) });
    world.pass(1000);
    assert_eq!(world.get(&on_remote("index")).await.unwrap().result(), CacheResult::Stale);
    let error = world.get(&on_remote("other")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(world.upstream.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_offline_remote_serves_what_it_has_at_any_age() {
    let world = mutable().await;
    world.upstream.on("/index", Script::ok("one"));
    world.get(&on_remote("index")).await.unwrap();
    let offline = with(|remote| {
        remote.mutable_patterns = vec!["index".into()];
        remote.offline = true;
    });
    world.put("r", "generic", offline).await;
    world.pass(100 * 24 * 3600);
    assert_eq!(world.get(&on_remote("index")).await.unwrap().text(), "one");
    let error = world.get(&on_remote("other")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Offline);
    assert_eq!(world.upstream.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_cached_for_a_deleted_repository_never_answers_for_its_successor() {
    let world = generic().await;
    world.upstream.on("/a.bin", Script::ok("old"));
    world.get(&on_remote("a.bin")).await.unwrap();
    let name = "r".parse().unwrap();
    let any = artifact_core::ports::Precondition::Any;
    artifact_core::ports::RepositoryStore::delete_repository(world.meta.as_ref(), &name, any)
        .await
        .unwrap();
    world.upstream.on("/a.bin", Script::ok("new"));
    world.remote("r", "generic").await;
    assert_eq!(world.get(&on_remote("a.bin")).await.unwrap().text(), "new");
}

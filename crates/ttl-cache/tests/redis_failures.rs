//! Redis that is not there, hangs, comes back or forgets: a hint that fails, and fast.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use std::error::Error as _;
use std::time::Duration;

use artifact_core::ErrorKind;
use artifact_core::ports::{Lease, LeaseOutcome, TtlCache};
use bytes::Bytes;
use common::{PATIENCE, connected, is_heard, leisurely, server, settings, until_it_answers};
use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout};
use ttl_cache::{RedisError, RedisSettings, RedisTtlCache};

const MINUTE: Duration = Duration::from_secs(60);

/// Why each of the operations fails, one after the other.
async fn failures(cache: &RedisTtlCache) -> Vec<RedisFailure> {
    let lease = Lease { key: "a".to_owned(), owner: "one".to_owned() };
    let outcomes = [
        cache.get("a").await.map(drop),
        cache.set("a", Bytes::new(), MINUTE).await,
        cache.remove("a").await,
        cache.acquire("a", "one", MINUTE).await.map(drop),
        cache.renew(&lease, Bytes::new(), MINUTE).await.map(drop),
        cache.release(&lease).await.map(drop),
        cache.announce("rows", "a").await,
    ];
    outcomes.into_iter().map(|outcome| failure(&outcome.unwrap_err())).collect()
}

/// What a failed operation has cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum RedisFailure {
    /// Nothing: there was no connection.
    Disconnected,
    /// Nothing: the server is left alone.
    LeftAlone,
    /// The budget.
    Slow,
    /// A connection that broke, or an answer that is an error.
    Other,
}

fn failure(error: &artifact_core::Error) -> RedisFailure {
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    match error.source().unwrap().downcast_ref().unwrap() {
        RedisError::Disconnected => RedisFailure::Disconnected,
        RedisError::LeftAlone => RedisFailure::LeftAlone,
        RedisError::Slow(_) => RedisFailure::Slow,
        _ => RedisFailure::Other,
    }
}

#[tokio::test]
async fn a_cache_is_made_without_a_server_and_fails_at_once() {
    let cache = RedisTtlCache::new(&settings("redis://127.0.0.1:1")).unwrap();
    assert_eq!(failures(&cache).await, [RedisFailure::Disconnected; 7]);
    assert!(matches!(cache.check().await, Err(RedisError::Unreachable { .. })));
}

#[tokio::test]
async fn a_server_that_comes_later_is_found() {
    let Some(server) = server() else { return };
    server.stop();
    let cache = RedisTtlCache::new(&leisurely(&server.url())).unwrap();
    let mut changes = cache.changes();
    failures(&cache).await;
    server.restart();
    until_it_answers(&cache).await;
    is_heard(&cache, &mut changes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_costs_five_budgets_and_then_nothing() {
    let Some(server) = server() else { return };
    let cache = connected(settings(&server.url())).await;
    server.freeze();
    let began = Instant::now();
    let (slow, rest) = ([RedisFailure::Slow; 5], [RedisFailure::LeftAlone; 2]);
    assert_eq!(failures(&cache).await, [&slow[..], &rest[..]].concat());
    // Five budgets are 250 ms; the machine may be busy.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_short_freeze_the_cache_works_again() {
    let Some(server) = server() else { return };
    let cache = connected(settings(&server.url())).await;
    let mut changes = cache.changes();
    server.freeze();
    failures(&cache).await;
    server.thaw();
    let took = until_it_answers(&cache).await;
    assert!(took < Duration::from_secs(6), "{took:?}");
    is_heard(&cache, &mut changes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_long_freeze_the_cache_works_again() {
    let Some(server) = server() else { return };
    let cache = connected(settings(&server.url())).await;
    let mut changes = cache.changes();
    server.freeze();
    let began = Instant::now();
    let is_dropped = async {
        loop {
            let asked = Instant::now();
            let failure = failure(&cache.get("a").await.unwrap_err());
            assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
            if failure == RedisFailure::Disconnected {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, is_dropped).await.expect("a connection that hangs is given up");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    server.thaw();
    let took = until_it_answers(&cache).await;
    assert!(took < Duration::from_secs(7), "{took:?}");
    is_heard(&cache, &mut changes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_and_comes_back_is_used_again() {
    let Some(server) = server() else { return };
    let cache = connected(leisurely(&server.url())).await;
    let mut changes = cache.changes();
    for _ in 0..2 {
        server.stop();
        failures(&cache).await;
        server.restart();
        until_it_answers(&cache).await;
        is_heard(&cache, &mut changes).await;
        // The scripts are gone with the server.
        assert!(matches!(
            cache.acquire("a", "one", MINUTE).await,
            Ok(LeaseOutcome::Acquired(_) | LeaseOutcome::Held(_))
        ));
    }
}

#[tokio::test]
async fn a_server_that_forgets_everything_leaves_leases_free() {
    let Some(server) = server() else { return };
    let cache = connected(leisurely(&server.url())).await;
    cache.set("a", Bytes::from_static(b"1"), MINUTE).await.unwrap();
    let LeaseOutcome::Acquired(lease) = cache.acquire("a", "one", MINUTE).await.unwrap() else {
        panic!("not acquired");
    };
    common::say(&server, &["FLUSHALL", "SCRIPT FLUSH"]);
    assert_eq!(cache.get("a").await.unwrap(), None);
    assert!(!cache.renew(&lease, Bytes::new(), MINUTE).await.unwrap());
    assert!(!cache.release(&lease).await.unwrap());
    assert!(matches!(cache.acquire("a", "two", MINUTE).await.unwrap(), LeaseOutcome::Acquired(_)));
}

#[tokio::test]
async fn two_caches_exclude_and_hear_each_other() {
    let Some(server) = server() else { return };
    let one = connected(leisurely(&server.url())).await;
    let other = connected(leisurely(&server.url())).await;
    let LeaseOutcome::Acquired(lease) = one.acquire("a", "one", MINUTE).await.unwrap() else {
        panic!("not acquired");
    };
    one.renew(&lease, Bytes::from_static(b"half"), MINUTE).await.unwrap();
    let held = other.acquire("a", "other", MINUTE).await.unwrap();
    assert_eq!(held, LeaseOutcome::Held(Bytes::from_static(b"half")));
    let mut heard = [one.changes(), other.changes()];
    other.announce("rows", "b").await.unwrap();
    for heard in &mut heard {
        assert_eq!(heard.next().await.unwrap().message, "b");
    }
}

#[tokio::test]
async fn name_spaces_and_databases_are_apart() {
    let Some(server) = server() else { return };
    let plain = connected(leisurely(&server.url())).await;
    let named = RedisSettings { name_space: Some("b".into()), ..leisurely(&server.url()) };
    let named = connected(named).await;
    let numbered = connected(leisurely(&format!("{}/1", server.url()))).await;
    plain.set("a", Bytes::from_static(b"1"), MINUTE).await.unwrap();
    assert!(plain.get("a").await.unwrap().is_some());
    assert_eq!(named.get("a").await.unwrap(), None);
    assert_eq!(numbered.get("a").await.unwrap(), None);
    let mut heard = named.changes();
    plain.announce("rows", "plain").await.unwrap();
    named.announce("rows", "named").await.unwrap();
    assert_eq!(heard.next().await.unwrap().message, "named");
}

#[tokio::test]
async fn nothing_outlives_the_cache() {
    let Some(server) = server() else { return };
    let cache = connected(leisurely(&server.url())).await;
    let mut changes = cache.changes();
    let ours = common::connections(&server);
    assert_eq!(ours, 2);
    drop(cache);
    assert!(timeout(PATIENCE, changes.next()).await.unwrap().is_none());
    let began = Instant::now();
    while common::connections(&server) > 0 {
        assert!(began.elapsed() < PATIENCE, "connections stay");
        sleep(Duration::from_millis(10)).await;
    }
}

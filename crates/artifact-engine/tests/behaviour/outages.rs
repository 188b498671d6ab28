//! Dependencies of ours that fail.

use std::sync::Arc;
use std::time::Duration;

use artifact_core::ports::BlobStore;
use artifact_core::{Definition, ErrorKind, RepositoryKind};
use artifact_engine::{CacheResult, Settings};
use cas_store::Quota;
use testkit::Script;
use testkit::contract::blob_store::id_of;

use crate::slow_store::SlowStore;
use crate::world::{World, at, on_remote, remote};

const PAGE: &str = r#"<!DOCTYPE html><html><body><a href="p-1.0.tar.gz">p</a></body></html>"#;

#[tokio::test(start_paused = true)]
async fn without_metadata_hot_files_are_served_and_others_pass_through() {
    let world = World::new().await;
    world.remote("r", "generic").await;
    world.upstream.on("/a.bin", Script::ok("hot"));
    world.upstream.on("/b.bin", Script::ok("cold"));
    world.get(&on_remote("a.bin")).await.unwrap();
    world.meta.fail_with(Some(ErrorKind::Unavailable));
    assert_eq!(world.get(&on_remote("a.bin")).await.unwrap().result(), CacheResult::Hit);
    let cold = world.get(&on_remote("b.bin")).await.unwrap();
    assert_eq!(cold.text(), "cold");
    assert_eq!(cold.cache_status(), "artifactapi; fwd=bypass; detail=metadata-unavailable");
    world.meta.fail_with(None);
    assert_eq!(world.get(&on_remote("b.bin")).await.unwrap().result(), CacheResult::Miss);
}

#[tokio::test(start_paused = true)]
async fn a_lost_blob_is_fetched_again_under_its_old_hash() {
    let world = World::new().await;
    world.remote("r", "generic").await;
    world.upstream.on("/a.bin", Script::ok("bytes"));
    world.get(&on_remote("a.bin")).await.unwrap();
    assert!(world.blobs.delete(id_of(b"bytes")).await.unwrap());
    let healed = world.get(&on_remote("a.bin")).await.unwrap();
    assert_eq!((healed.text(), healed.result()), ("bytes", CacheResult::Miss));
    assert_eq!(world.get(&on_remote("a.bin")).await.unwrap().result(), CacheResult::Hit);
    assert_eq!(world.upstream.count("/a.bin"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_blob_is_not_replaced_by_other_bytes() {
    let world = World::new().await;
    world.remote("r", "generic").await;
    world.upstream.on("/a.bin", Script::ok("bytes"));
    world.get(&on_remote("a.bin")).await.unwrap();
    world.blobs.delete(id_of(b"bytes")).await.unwrap();
    world.upstream.on("/a.bin", Script::ok("other"));
    let error = world.get(&on_remote("a.bin")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
}

#[tokio::test(start_paused = true)]
async fn a_failed_publish_costs_a_refetch_and_no_client() {
    let world = World::new().await;
    world.remote("r", "generic").await;
    let (script, gate) = Script::ok("bytes").with_gate(16);
    world.upstream.on("/a.bin", script);
    let path = on_remote("a.bin");
    let (answer, ()) = tokio::join!(world.get(&path), async {
        gate.arrived(1).await;
        world.meta.fail_with(Some(ErrorKind::Unavailable));
        gate.release_all();
    });
    assert_eq!(answer.unwrap().text(), "bytes");
    world.meta.fail_with(None);
    assert_eq!(world.get(&path).await.unwrap().text(), "bytes");
    assert_eq!(world.upstream.count("/a.bin"), 2);
}

#[tokio::test(start_paused = true)]
async fn small_files_and_documents_do_not_wait_for_a_store_that_hangs() {
    let world = World::new().await;
    world.remote("r", "pypi").await;
    world.remote("g", "generic").await;
    let store = SlowStore::frozen();
    let replica = world.beside_with_store(Arc::clone(&store) as _).await;
    replica.upstream.on("/simple/p/", Script::html(PAGE));
    replica.upstream.on("/a.bin", Script::ok("bytes"));
    let file = at(RepositoryKind::Remote, "g", "a.bin");
    for path in [on_remote("simple/p/"), file] {
        let began = tokio::time::Instant::now();
        let first = replica.get(&path).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "{path}: {:?}", began.elapsed());
        assert_eq!(first.cache_status(), "artifactapi; fwd=miss; fwd-status=200", "{path}");
        let second = replica.get(&path).await.unwrap();
        assert_eq!(second.body.unwrap(), first.body.unwrap(), "{path}");
        assert!(second.headers["cache-status"].to_str().unwrap().ends_with("; collapsed"));
        store.thaw();
        while replica.get(&path).await.unwrap().result() != CacheResult::Hit {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(replica.upstream.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_changed_document_is_answered_although_the_store_hangs() {
    let world = World::new().await;
    let definition = artifact_core::Remote { mutable_ttl: Duration::ZERO, ..remote() };
    world.put("r", "pypi", Definition::Remote(Box::new(definition))).await;
    let store = SlowStore::frozen();
    let replica = world.beside_with_store(Arc::clone(&store) as _).await;
    replica.upstream.on("/simple/p/", Script::html(PAGE).etag("\"1\""));
    store.thaw();
    let path = on_remote("simple/p/");
    assert!(replica.get(&path).await.unwrap().cache_status().ends_with("; stored"));
    replica.upstream.on("/simple/p/", Script::html(PAGE.replace("1.0", "2.0")).etag("\"2\""));
    let changed = replica.get(&path).await.unwrap();
    assert!(changed.text().contains("p-2.0.tar.gz"), "{}", changed.text());
    assert_eq!(changed.cache_status(), "artifactapi; fwd=stale; fwd-status=200");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_does_not_stop_documents() {
    let world = World::with(Settings::default(), Quota { bytes: 16, reserve: 0 }).await;
    let definition = artifact_core::Remote { mutable_ttl: Duration::ZERO, ..remote() };
    world.put("r", "pypi", Definition::Remote(Box::new(definition))).await;
    world.upstream.on("/simple/p/", Script::html(PAGE));
    world.upstream.on("/simple/q/", Script::html(PAGE.replace("p-", "q-")).chunked());
    for name in ["p", "p", "q"] {
        let page = world.get(&on_remote(&format!("simple/{name}/"))).await.unwrap();
        assert!(page.text().contains(&format!("{name}-1.0.tar.gz")), "{}", page.text());
        assert_eq!(page.cache_status(), "artifactapi; fwd=bypass; detail=not-storable");
    }
    assert_eq!(world.upstream.count("/simple/p/"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_document_too_large_for_memory_and_disk_is_refused_and_a_stale_copy_served() {
    let world = World::with(Settings::default(), Quota { bytes: 4096, reserve: 0 }).await;
    let definition = artifact_core::Remote { mutable_ttl: Duration::ZERO, ..remote() };
    world.put("r", "pypi", Definition::Remote(Box::new(definition))).await;
    world.upstream.on("/simple/p/", Script::html(PAGE).etag("\"1\""));
    world.get(&on_remote("simple/p/")).await.unwrap();
    let huge = format!("{PAGE}<!--{}-->", "x".repeat(17 << 20));
    for name in ["p", "q"] {
        world.upstream.on(&format!("/simple/{name}/"), Script::html(huge.clone()).chunked());
    }
    let stale = world.get(&on_remote("simple/p/")).await.unwrap();
    assert_eq!(stale.cache_status(), "artifactapi; fwd=stale; detail=no-room");
    let error = world.get(&on_remote("simple/q/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InsufficientStorage);
}

//! Dependencies of ours that fail.

use artifact_core::ErrorKind;
use artifact_core::ports::BlobStore;
use artifact_engine::CacheResult;
use testkit::Script;
use testkit::contract::blob_store::id_of;

use crate::world::{World, on_remote};

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

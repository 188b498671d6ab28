//! Races of those who read with the collector.

use std::time::Duration;

use artifact_engine::CollectorSettings;
use bytes::Bytes;
use testkit::{Script, pattern};

use crate::client::{first, rest};
use crate::storage::Kind;
use crate::world::{DAY, HOUR, Haste, Places, World};
use crate::writers::end_doubt;

/// More than any buffer between a store and a reader holds.
const LARGE: usize = 24 << 20;
/// No download takes longer.
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(6 * 3600);

/// Race 6. The delay of a deletion is longer than any reader needs to open what it has looked up.
pub(crate) async fn condemned_before_open(places: Places) {
    assert!(CollectorSettings::default().delete_delay > LONGEST_DOWNLOAD);
    let world = World::open(places, Haste::Usual).await;
    let body = Bytes::from_static(b"looked up, not yet opened");
    world.upstream.on("/x.bin", Script::ok(body.clone()));
    world.client.get("r/x.bin").await.unwrap();
    let id = world.fetched("x.bin").await.blob;
    world.settle().await;

    world.blobs.reading().close();
    let reader = world.client.begin_get("r/x.bin");
    world.blobs.reading().knocked().await;
    world.evict(world.remote, "x.bin").await;
    world.pass(DAY);
    assert_eq!(world.collect().await.reviewed.condemned, 1);
    world.pass(LONGEST_DOWNLOAD);
    assert_eq!(world.collect().await.reclaimed.blobs, 0);
    world.blobs.reading().open();
    assert_eq!(reader.await.unwrap().unwrap(), body);
    assert_eq!(world.upstream.count("/x.bin"), 1);

    world.pass(18 * HOUR);
    assert_eq!(world.collect().await.reclaimed.blobs, 1);
    assert!(!world.has_bytes(id).await);
}

/// Race 7. Cannot happen within the delay of a deletion; without it, no reader is deceived.
pub(crate) async fn deleted_while_streaming(places: Places) {
    let world = World::open(places, Haste::Reckless).await;
    let body = pattern(0, LARGE);
    world.upstream.on("/x.bin", Script::generated(body.len() as u64));
    assert_eq!(world.client.get("r/x.bin").await.unwrap(), body);
    let id = world.fetched("x.bin").await.blob;
    world.settle().await;

    let mut stream = world.client.open("r/x.bin").await;
    let begun = first(&mut stream).await;
    world.evict(world.remote, "x.bin").await;
    world.pass(HOUR);
    let deleted_under_way = world.run_collector().await.reclaimed.blobs;
    let is_file = world.places.storage.kind() == Kind::Files;
    match rest(stream).await {
        Ok(rest) => assert_eq!([begun, rest].concat(), body, "a short body that ended cleanly"),
        Err(error) => assert!(!is_file, "an open file outlives its name: {error}"),
    }
    if deleted_under_way == 0 {
        assert!(!is_file);
        // A server may let a deletion wait for readers, for longer than the collector does.
        end_doubt(&world).await;
        assert_eq!(world.collect().await.reclaimed.blobs, 1);
    }
    assert!(!world.has_bytes(id).await);

    // This process still remembers the row.
    assert_eq!(world.client.get("r/x.bin").await.unwrap(), body);
    assert_eq!(world.upstream.count("/x.bin"), 2);
    world.fetched("x.bin").await;
    world.settle().await;
    assert!(world.has_bytes(id).await);
    world.collect().await;
    assert_eq!(world.client.get("r/x.bin").await.unwrap(), body);
    assert_eq!(world.upstream.count("/x.bin"), 2);
}

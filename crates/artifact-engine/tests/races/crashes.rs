//! Crashes of downloads and uploads: nothing half-written is left, and the next request succeeds.

use artifact_core::{Error, ErrorKind};
use bytes::Bytes;
use http::StatusCode;
use testkit::contract::blob_store::id_of;
use testkit::{Script, pattern};
use tokio::task::JoinHandle;

use crate::world::{Haste, Places, World};

/// A chunk of the bodies, of which there are several.
const CHUNK: usize = 64 * 1024;

/// Where it ends and how.
#[derive(Clone, Copy, Debug)]
struct Crash {
    point: &'static str,
    /// What the point does: as [`fail::cfg`] reads it.
    action: &'static str,
    traces: Traces,
}

/// What a crash may leave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Traces {
    Nothing,
    /// Bytes that no row refers to.
    Orphan,
}

/// The answer of the head has come, or was judged.
pub(crate) async fn after_head(places: Places) {
    crash_in_turn(places, "after-head", ["return", "panic"], Traces::Nothing).await;
}

/// The first chunk of the body is spooled.
pub(crate) async fn mid_body(places: Places) {
    let second = ["1*off->return", "1*off->panic"];
    crash_in_turn(places, "mid-body", second, Traces::Nothing).await;
}

/// The whole body is spooled.
pub(crate) async fn before_hash_check(places: Places) {
    crash_in_turn(places, "before-hash-check", ["return", "panic"], Traces::Nothing).await;
}

/// The bytes are stored, the database knows nothing of them.
pub(crate) async fn after_bytes_before_database(places: Places) {
    let point = "after-bytes-before-database";
    crash_in_turn(places, point, ["return", "panic"], Traces::Orphan).await;
}

/// The blob is entered, the row is not written.
pub(crate) async fn inside_publish(places: Places) {
    crash_in_turn(places, "inside-publish-tx", ["return"], Traces::Orphan).await;
}

async fn crash_in_turn(
    places: Places,
    point: &'static str,
    actions: impl IntoIterator<Item = &'static str>,
    traces: Traces,
) {
    let mut world = World::open(places, Haste::Usual).await;
    for action in actions {
        let crash = Crash { point, action, traces };
        world = crash_download(world, crash).await;
        world = crash_upload(world, crash).await;
    }
}

/// A body of several chunks that nobody else has.
fn body(seed: u64) -> Bytes {
    pattern(seed << 20, 5 * CHUNK)
}

async fn crash_download(world: World, crash: Crash) -> World {
    let body = body(1);
    let (script, gate) = Script::ok(body.clone()).with_gate(CHUNK);
    gate.release_all();
    world.upstream.on("/d.bin", script);
    fail::cfg(crash.point, crash.action).unwrap();
    let got = world.client.get("r/d.bin").await;
    match crash.traces {
        Traces::Nothing => assert!(got.is_err(), "{crash:?}"),
        // The client has its bytes, or knows that it has not.
        Traces::Orphan => assert!(got.is_err() || got.unwrap() == body, "{crash:?}"),
    }
    assert_traces(&world, &body, crash).await;
    fail::remove(crash.point);
    let world = if crash.action.ends_with("panic") { world } else { world.restart().await };
    assert_eq!(world.client.get("r/d.bin").await.unwrap(), body, "{crash:?}");
    let row = world.fetched("d.bin").await;
    assert_eq!((row.blob, row.size), (id_of(&body), body.len() as u64));
    let world = world.restart().await;
    assert_eq!(world.client.get("r/d.bin").await.unwrap(), body, "{crash:?}");
    world.assert_no_temporary_file().await;
    world.evict(world.remote, "d.bin").await;
    clear(world).await
}

async fn crash_upload(world: World, crash: Crash) -> World {
    let body = body(2);
    fail::cfg(crash.point, crash.action).unwrap();
    assert_refused(world.client.begin_put("l/u.bin", &body), crash).await;
    assert_traces(&world, &body, crash).await;
    fail::remove(crash.point);
    let absent = world.client.get("l/u.bin").await.unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
    assert_eq!(world.client.put("l/u.bin", &body).await.unwrap(), StatusCode::CREATED);
    let world = world.restart().await;
    assert_eq!(world.client.get("l/u.bin").await.unwrap(), body, "{crash:?}");
    world.assert_no_temporary_file().await;
    world.client.delete("l/u.bin").await.unwrap();
    clear(world).await
}

async fn assert_refused(upload: JoinHandle<Result<StatusCode, Error>>, crash: Crash) {
    match upload.await {
        Ok(Ok(status)) => panic!("{status} after {crash:?}"),
        Ok(Err(error)) => assert!(!error.is_absent(), "{error}"),
        Err(error) => assert!(error.is_panic()),
    }
}

/// Asserts that nothing was written that says more than is true.
async fn assert_traces(world: &World, body: &Bytes, crash: Crash) {
    world.assert_no_temporary_file().await;
    let database = &world.places.database;
    assert_eq!(database.number("SELECT count(*) FROM artifact").await, 0, "{crash:?}");
    assert_eq!(database.number("SELECT count(*) FROM blob").await, 0, "{crash:?}");
    let stored = match crash.traces {
        Traces::Nothing => Vec::new(),
        Traces::Orphan => vec![id_of(body)],
    };
    assert_eq!(world.stored().await, stored, "{crash:?}");
}

/// Collects what the last crash and its repair left, pins that nobody could take away included.
async fn clear(world: World) -> World {
    world.collect_all().await;
    world.collect_all().await;
    world.assert_nothing_left().await;
    world
}

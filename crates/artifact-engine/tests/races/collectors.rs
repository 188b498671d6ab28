//! Races of collectors with each other, with those who let go, and with crashes and restores.

use artifact_core::ErrorKind;
use artifact_core::ports::{BlobStore, CollectorRun, RunOutcome};
use artifact_engine::CollectionRequest;
use bytes::Bytes;
use http::StatusCode;
use testkit::contract::blob_store::id_of;

use crate::database::Kind;
use crate::door::Event;
use crate::hold::Hold;
use crate::world::{DAY, HOUR, Haste, Places, World};
use crate::writers::end_doubt;

const X: Bytes = Bytes::from_static(b"what nobody needs");
const Y: Bytes = Bytes::from_static(b"what somebody needs");

/// Race 8. One of them is in the middle of its deletions when the other one begins.
pub(crate) async fn two_at_once(places: Places) {
    let world = World::open(places, Haste::Usual).await;
    let other = world.beside().await;
    let bodies: Vec<_> = (0..8).map(|n| Bytes::from(format!("garbage {n}"))).collect();
    for body in &bodies {
        world.abandon(body).await;
    }
    world.pass(DAY);
    let (one, two) = tokio::join!(world.collect(), other.collect());
    assert_eq!(one.reviewed.condemned + two.reviewed.condemned, 8);

    world.pass(DAY);
    let mut deletion = Hold::at("t2-after-delete");
    let first = world.begin_collection();
    deletion.reached().await;
    let second = other.begin_collection();
    // Either skips what is locked or waits.
    world.still_waits(&second).await;
    deletion.release();
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!((first.reclaimed.blobs, second.reclaimed.blobs), (8, 0));
    assert_eq!((first.outcome, second.outcome), (RunOutcome::Completed, RunOutcome::Completed));
    for body in &bodies {
        assert_eq!(world.blobs.count(Event::DeletionBegan(id_of(body))), 1);
    }
    world.assert_nothing_left().await;
    assert_eq!(world.meta.history().await.unwrap().reclaimed_blobs, 8);
}

/// Race 9. The loss of the last reference is never overlooked, whoever is first.
pub(crate) async fn reference_removed_beside_review(places: Places) {
    let world = World::open(places, Haste::Usual).await;
    world.client.put("l/a", &X).await.unwrap();
    world.settle().await;
    world.pass(DAY);
    let mut review = Hold::at("t1-before-commit");
    let run = world.begin_collection();
    review.reached().await;
    let deletion = world.client.begin_delete("l/a");
    assert!(world.still_waits(&deletion).await, "the deletion does not wait for the review");
    review.release();
    assert_eq!(run.await.unwrap().reviewed.kept, 1);
    deletion.await.unwrap().unwrap();
    world.assert_nothing_left().await;

    world.client.put("l/b", &Y).await.unwrap();
    world.settle().await;
    world.pass(DAY);
    let deleting = world.places.database.connect().await;
    let begin = match world.places.database.kind() {
        Kind::Sqlite => "BEGIN IMMEDIATE",
        Kind::Postgres => "BEGIN",
    };
    deleting.execute(&format!("{begin}; DELETE FROM artifact WHERE path = 'b'")).await.unwrap();
    let run = world.begin_collection();
    // Either skips what is locked or waits.
    world.still_waits(&run).await;
    assert!(world.has_bytes(id_of(&Y)).await);
    deleting.execute("COMMIT").await.unwrap();
    assert_eq!(run.await.unwrap().outcome, RunOutcome::Completed);
    world.assert_nothing_left().await;
}

/// Race 11. The bytes are gone, and the process with them.
pub(crate) async fn crash_after_deletion(places: Places) {
    let mut world = World::open(places, Haste::Usual).await;
    let id = world.condemn(&X).await;
    world = crash_in_deletion(world).await;
    assert!(!world.has_bytes(id).await);
    assert_eq!((world.survey().await.blobs, world.survey().await.condemned), (1, 1));
    assert_eq!(world.collect().await.reclaimed.blobs, 1, "not there is as good as deleted");
    world.assert_nothing_left().await;

    let id = world.condemn(&Y).await;
    world = crash_in_deletion(world).await;
    assert!(!world.has_bytes(id).await);
    if world.places.database.kind() == Kind::Postgres {
        // The collector of a replica that cannot be reached may still be deleting.
        let error = world.client.put("l/a", &Y).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        end_doubt(&world).await;
    }
    assert_eq!(world.client.put("l/a", &Y).await.unwrap(), StatusCode::CREATED);
    assert!(world.has_bytes(id).await, "the writer did not look for the bytes");
    world.assert_kept("l/a", &Y).await;
}

async fn crash_in_deletion(world: World) -> World {
    fail::cfg("t2-after-delete", "return").unwrap();
    assert!(matches!(world.run_collector().await.outcome, RunOutcome::Failed(_)));
    fail::remove("t2-after-delete");
    world.restart().await
}

/// Race 13. What was stored after the backup is garbage to the metadata, and must not be deleted
/// before somebody has looked.
pub(crate) async fn restored_metadata(places: Places) {
    let world = World::open(places, Haste::Usual).await;
    let doomed = world.abandon(&X).await;
    let places = std::sync::Arc::clone(&world.places);
    let stopped = world.stop().await;
    let backup = places.database.backup(places.directory()).await;
    let world = stopped.start(places, Haste::Usual).await;

    // After the backup: the garbage is needed again, and some other garbage was deleted.
    world.client.put("l/a", &X).await.unwrap();
    world.condemn(&Y).await;
    assert_eq!(world.collect().await.reclaimed.blobs, 1);
    let epoch = world.blobs.epoch().await.unwrap();
    assert_eq!(epoch, 1);

    let world = world.restart_with(backup).await;
    assert_eq!(world.client.get("l/a").await.unwrap_err().kind(), ErrorKind::NotFound);
    world.pass(DAY);
    assert_eq!(world.collect().await.reviewed.condemned, 1);
    world.pass(DAY);
    assert_is_stopped(&world.run_collector().await, "restored");
    assert!(world.has_bytes(doomed).await);
    assert_eq!(world.client.put("l/b", &X).await.unwrap(), StatusCode::CREATED);
    world.settle().await;

    world.client.delete("l/b").await.unwrap();
    world.pass(DAY);
    world.collect().await;
    world.pass(DAY);
    assert_is_stopped(&world.run_collector().await, "restored");
    let confirmed = world.engine.collector().run(CollectionRequest::Confirmed).await.unwrap();
    assert_eq!((confirmed.outcome, confirmed.reclaimed.blobs), (RunOutcome::Completed, 1));
    assert!(world.blobs.epoch().await.unwrap() > epoch);
    world.assert_nothing_left().await;
}

/// Race 13 again. References that were lost otherwise show as much garbage at once.
pub(crate) async fn too_much_at_once(places: Places) {
    let world = World::open(places, Haste::Usual).await;
    let id = world.abandon(&X).await;
    world.pass(DAY);
    let (id_text, database) = (world.places.database.literal(id), &world.places.database);
    let (numbers, hash) = match database.kind() {
        Kind::Sqlite => (
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 1000)",
            "unhex(printf('%064x', n))",
        ),
        Kind::Postgres => (
            "WITH numbers (n) AS (SELECT generate_series(1, 1000))",
            "decode(lpad(to_hex(n), 64, '0'), 'hex')",
        ),
    };
    let many = format!("{numbers} INSERT INTO blob (sha256, size) SELECT {hash}, 1 FROM numbers");
    let insert = match database.kind() {
        Kind::Sqlite => {
            format!("INSERT INTO blob (sha256, size) {numbers} SELECT {hash}, 1 FROM numbers")
        }
        Kind::Postgres => many,
    };
    database.execute(&insert).await.unwrap();
    let condemn = format!(
        "UPDATE blob SET state = 'condemned', condemned_at = 1
         WHERE sha256 = {id_text} OR sha256 IN (SELECT sha256 FROM blob WHERE size = 1 LIMIT 300)"
    );
    database.execute(&condemn).await.unwrap();
    database.execute("DELETE FROM gc_queue").await.unwrap();
    world.pass(HOUR);
    // Counting ends where the share is known to be too large.
    assert_is_stopped(&world.run_collector().await, "201 of 1001 blobs");
    assert!(world.has_bytes(id).await);
    let confirmed = world.engine.collector().run(CollectionRequest::Confirmed).await.unwrap();
    assert_eq!((confirmed.outcome, confirmed.reclaimed.blobs), (RunOutcome::Completed, 301));
    assert!(!world.has_bytes(id).await);
}

fn assert_is_stopped(run: &CollectorRun, why: &str) {
    assert!(
        matches!(&run.outcome, RunOutcome::Stopped(reason) if reason.contains(why)),
        "{:?}",
        run.outcome
    );
    assert_eq!(run.reclaimed.blobs, 0);
}

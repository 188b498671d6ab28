//! Races of those who store files with the collector.

use artifact_core::ErrorKind;
use artifact_core::ports::{EvictionPass, RunOutcome};
use bytes::Bytes;
use http::StatusCode;
use testkit::Script;
use testkit::contract::blob_store::id_of;

use crate::database::Kind;
use crate::door::Event;
use crate::hold::Hold;
use crate::world::{DAY, HOUR, Haste, Places, WEEK, World};

const X: Bytes = Bytes::from_static(b"what everybody stores");
const Y: Bytes = Bytes::from_static(b"what comes afterwards");
/// How often contestants are let loose on each other.
const ROUNDS: usize = 4;

/// Race 1. Whoever is first, the writer or the review, the other one sees what it did.
pub(crate) async fn publish_beside_review(places: Places) {
    let world = World::open(places, Haste::Usual).await;
    world.abandon(&X).await;
    world.pass(DAY);
    let mut review = Hold::at("t1-before-commit");
    let run = world.begin_collection();
    review.reached().await;
    let upload = world.client.begin_put("l/a", &X);
    assert!(world.still_waits(&upload).await, "the writer does not wait for the review");
    review.release();
    assert_eq!(run.await.unwrap().reviewed.condemned, 1);
    assert_eq!(upload.await.unwrap().unwrap(), StatusCode::CREATED);
    world.assert_kept("l/a", &X).await;

    world.client.delete("l/a").await.unwrap();
    world.settle().await;
    world.pass(DAY);
    let mut publish = Hold::at("inside-publish-tx");
    let upload = world.client.begin_put("l/b", &X);
    publish.reached().await;
    let run = world.begin_collection();
    // Either skips what is locked or waits.
    world.still_waits(&run).await;
    publish.release();
    assert_eq!(run.await.unwrap().reviewed.condemned, 0);
    upload.await.unwrap().unwrap();
    world.assert_kept("l/b", &X).await;
}

/// Race 2. The bytes are gone and the deletion is not committed yet.
pub(crate) async fn publish_beside_deletion(places: Places) {
    let world = World::open(places, Haste::Usual).await;
    let id = world.condemn(&X).await;
    let stored = world.blobs.count(Event::PutBegan(id));
    let mut deletion = Hold::at("t2-after-delete");
    let run = world.begin_collection();
    deletion.reached().await;
    assert!(!world.has_bytes(id).await);
    let upload = world.client.begin_put("l/a", &X);
    assert!(world.still_waits(&upload).await, "the writer does not wait for the deletion");
    assert_eq!(world.blobs.count(Event::PutBegan(id)), stored, "stored before it was allowed to");
    deletion.release();
    assert_eq!(run.await.unwrap().reclaimed.blobs, 1);
    upload.await.unwrap().unwrap();
    world.assert_kept("l/a", &X).await;
}

/// Race 3. Who stores bytes has been told that nothing is there, and nobody deletes then.
pub(crate) async fn bytes_after_absent(places: Places) {
    let world = World::open(places, Haste::Usual).await;
    let other = world.beside().await;
    for round in 0..ROUNDS {
        let id = world.condemn(&X).await;
        let upload = async {
            if round % 2 == 1 {
                // Lets the collectors begin.
                world.meta.history().await.unwrap();
            }
            world.client.put("l/a", &X).await.unwrap()
        };
        let (first, second, _) = tokio::join!(world.collect(), other.collect(), upload);
        assert!(first.reclaimed.blobs + second.reclaimed.blobs <= 1);
        world.blobs.assert_no_overlap(id);
        world.assert_kept("l/a", &X).await;
        world.client.delete("l/a").await.unwrap();
        world.assert_nothing_left().await;
    }
}

/// Race 3 again. The collector lost its patience, but its request is still on its way.
pub(crate) async fn deletion_in_doubt(places: Places) {
    let world = World::open(places, Haste::Usual).await;
    let id = world.condemn(&X).await;
    let stored = world.blobs.count(Event::PutBegan(id));
    world.blobs.deleting().close();
    let run = world.begin_collection();
    world.blobs.deleting().knocked().await;
    let upload = world.client.begin_put("l/a", &X);
    assert!(matches!(run.await.unwrap().outcome, RunOutcome::Failed(_)));
    assert_eq!(upload.await.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
    let refused = world.client.put("l/a", &X).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert_eq!(world.blobs.count(Event::PutBegan(id)), stored, "stored in spite of the doubt");

    world.blobs.deleting().open();
    let is_gone = || async { (!world.has_bytes(id).await).then_some(()) };
    crate::world::at_last("the late deletion arrives", is_gone).await;
    end_doubt(&world).await;
    assert_eq!(world.client.put("l/a", &X).await.unwrap(), StatusCode::CREATED);
    world.assert_kept("l/a", &X).await;
}

/// Lets the minute pass in which a deletion may still arrive: by the clock of the database.
pub(crate) async fn end_doubt(world: &World) {
    let database = &world.places.database;
    let failed = "UPDATE blob SET delete_failed_at = 1 WHERE delete_failed_at IS NOT NULL";
    database.execute(failed).await.unwrap();
    if database.kind() == Kind::Postgres {
        database.execute("UPDATE deletion_attempt SET begun_at = 1").await.unwrap();
    }
}

/// Race 4. The bytes are stored and nothing says so.
pub(crate) async fn dead_upload(places: Places) {
    let world = World::open(places, Haste::Usual).await;
    fail::cfg("after-bytes-before-database", "panic").unwrap();
    assert!(world.client.begin_put("l/a", &X).await.unwrap_err().is_panic());
    fail::remove("after-bytes-before-database");
    let world = world.restart().await;
    let id = id_of(&X);
    assert!(world.has_bytes(id).await);
    assert_eq!(world.client.get("l/a").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(world.survey().await.blobs, 0);

    assert_eq!(world.collect().await.adopted, 0, "too young to be an orphan");
    world.pass(WEEK);
    assert_eq!(world.collect().await.adopted, 1);
    assert_eq!(world.collect().await.reclaimed.blobs, 0);
    assert!(world.has_bytes(id).await, "deleted before its time");
    world.pass(DAY);
    assert_eq!(world.collect().await.reclaimed.blobs, 1);
    world.assert_nothing_left().await;
}

/// Race 5. A writer finds the bytes of an orphan, and the sweeper finds them before its row is there.
pub(crate) async fn adopted_before_publish(places: Places) {
    let world = World::open(places, Haste::Reckless).await;
    for (path, body, is_due) in [("l/a", X, true), ("l/b", Y, false)] {
        let id = world.leave_orphan(&body).await;
        world.pass(WEEK);
        let mut writer = Hold::at("after-bytes-before-database");
        let upload = world.client.begin_put(path, &body);
        writer.reached().await;
        assert_eq!(world.collect().await.adopted, 1);
        assert_eq!(world.survey().await.condemned, 1);
        if is_due {
            let run = world.collect().await;
            assert_eq!((run.reclaimed.blobs, run.reclaimed.revived), (0, 1));
        }
        assert!(world.has_bytes(id).await);
        writer.release();
        upload.await.unwrap().unwrap();
        world.assert_kept(path, &body).await;
    }
}

/// Race 12. The row goes while a download that replaces it is being stored.
pub(crate) async fn eviction_beside_publish(places: Places) {
    let world = World::open(places, Haste::Usual).await;
    let (first, second) = (
        Script::ok(X).etag("\"1\""),
        Script::ok(Y).etag("\"2\"").then(Script::ok(X).etag("\"3\"")),
    );
    world.upstream.on("/x.txt", first.then(second));
    let evict = || {
        let (meta, remote) = (std::sync::Arc::clone(&world.meta), world.remote);
        let unused_since = world.now().plus(DAY);
        let pass = EvictionPass { repositories: vec![remote], bytes: 1, unused_since, limit: 10 };
        tokio::spawn(async move { meta.evict_least_used(&pass).await.unwrap().objects })
    };
    assert_eq!(world.client.get("r/x.txt").await.unwrap(), X);
    world.fetched("x.txt").await;
    world.settle().await;

    world.pass(DAY);
    let mut storing = Hold::at("after-bytes-before-database");
    let reader = world.client.begin_get("r/x.txt");
    storing.reached().await;
    assert_eq!(evict().await.unwrap(), 1);
    storing.release();
    assert_eq!(reader.await.unwrap().unwrap(), Y);
    assert_eq!(world.fetched("x.txt").await.blob, id_of(&Y));
    world.settle().await;
    assert!(world.has_bytes(id_of(&Y)).await);

    world.pass(DAY);
    let mut publishing = Hold::at("inside-publish-tx");
    let reader = world.client.begin_get("r/x.txt");
    publishing.reached().await;
    let eviction = evict();
    world.still_waits(&eviction).await;
    publishing.release();
    eviction.await.unwrap();
    assert_eq!(reader.await.unwrap().unwrap(), X);
    assert_eq!(world.client.get("r/x.txt").await.unwrap(), X);
    world.settle().await;
    let row = world.row(world.remote, "x.txt").await;
    world.pass(HOUR);
    assert!(row.is_none_or(|row| row.blob == id_of(&X)));
    world.collect_all().await;
    assert_eq!(world.client.get("r/x.txt").await.unwrap(), X);
    world.fetched("x.txt").await;
    evict().await.unwrap();
    world.assert_nothing_left().await;
}

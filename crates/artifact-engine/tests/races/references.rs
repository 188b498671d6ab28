//! References that come late, or past the code of this version.

use artifact_core::ErrorKind;
use artifact_core::ports::Pinned;
use bytes::Bytes;

use crate::database::Kind;
use crate::hold::Hold;
use crate::world::{DAY, HOUR, Haste, Places, World};

const X: Bytes = Bytes::from_static(b"what is referred to");
const Y: Bytes = Bytes::from_static(b"what is referred to later");

/// Race 10. A client was told that a blob exists and comes back with what refers to it.
pub(crate) async fn promised(places: Places) {
    let world = World::open(places, Haste::Reckless).await;
    let id = world.abandon(&X).await;
    world.pass(HOUR);
    let review = artifact_core::ports::GarbagePass {
        now: world.now(),
        review_delay: std::time::Duration::ZERO,
        delete_delay: DAY,
        limit: 10,
    };
    assert_eq!(world.meta.review(review).await.unwrap().condemned, 1);
    let pinned = world.meta.pin(id, "promise", world.now().plus(DAY)).await.unwrap();
    assert_eq!(pinned, Pinned::Revived);
    for _ in 0..4 {
        world.pass(6 * HOUR);
        world.collect().await;
        assert!(world.has_bytes(id).await, "the promise is broken");
    }
    world.client.put("l/a", &X).await.unwrap();
    world.assert_kept("l/a", &X).await;

    // A promise that nobody comes back to.
    let id = world.abandon(&Y).await;
    world.meta.pin(id, "promise", world.now().plus(DAY)).await.unwrap();
    world.collect().await;
    assert!(world.has_bytes(id).await);
    world.client.delete("l/a").await.unwrap();
    world.pass(DAY);
    world.assert_nothing_left().await;
}

/// Columns that say nothing about references.
const COLUMNS: &str = "'', 'generic', NULL, NULL, NULL, NULL, '[]', 0, 0, NULL, 1";

/// The statement with which a replica that knows nothing of pins refers to a blob.
fn refer(world: &World, path: &str, blob: &str) -> String {
    let size = X.len();
    let columns = "repository, path, sha256, size, variant, class, content_type, upstream_etag,
        upstream_last_modified, upstream_url, checksums, fetched_at, validated_at, expires_at,
        generation";
    let local = world.local.0;
    format!(
        "INSERT INTO artifact ({columns}) VALUES ({local}, '{path}', {blob}, {size}, {COLUMNS})"
    )
}

/// Race 14. The rules are the database's, so a writer of any version obeys them.
pub(crate) async fn older_replica(places: Places) {
    let world = World::open(places, Haste::Usual).await;
    let id = world.condemn(&X).await;
    let (database, blob) = (&world.places.database, world.places.database.literal(id));
    database.execute(&refer(&world, "old/a", &blob)).await.unwrap();
    assert_eq!(world.survey().await.condemned, 0, "a reference revives");
    assert_eq!(world.collect().await.reclaimed.blobs, 0);
    assert_eq!(world.client.get("l/old/a").await.unwrap(), X);

    let delete = format!("DELETE FROM blob WHERE sha256 = {blob}");
    assert!(database.execute(&delete).await.is_err(), "a blob that is referred to was deleted");
    let unknown = database.literal(artifact_core::BlobId::from_bytes([9; 32]));
    let dangling = database.execute(&refer(&world, "old/b", &unknown)).await;
    assert!(dangling.is_err(), "a reference to nothing was written");

    // The reference moves to another blob, and later goes.
    let other = database.literal(world.condemn(&Y).await);
    let repoint = format!("UPDATE artifact SET sha256 = {other}, size = {}", Y.len());
    database.execute(&repoint).await.unwrap();
    assert_eq!(world.survey().await.condemned, 0);
    world.collect_all().await;
    assert!(!world.has_bytes(id).await, "the blob that is no longer referred to is left");
    let parent = format!("INSERT INTO blob (sha256, size) VALUES ({unknown}, 1)");
    database.execute(&parent).await.unwrap();
    let child = format!("INSERT INTO blob_reference (parent, child) VALUES ({unknown}, {other})");
    database.execute(&child).await.unwrap();
    database.execute(&refer(&world, "old/parent", &unknown)).await.unwrap();
    database.execute("DELETE FROM artifact WHERE path = 'old/a'").await.unwrap();
    world.collect_all().await;
    assert_eq!(world.survey().await.blobs, 2, "a child is needed as long as its parent");
    database.execute("DELETE FROM artifact").await.unwrap();
    world.collect_all().await;
    world.assert_nothing_left().await;
}

/// Race 14 again. A deletion is under way, and a replica that knows nothing of pins comes along.
pub(crate) async fn older_replica_beside_deletion(places: Places) {
    let world = World::open(places, Haste::Usual).await;
    let id = world.condemn(&X).await;
    let mut deletion = Hold::at("t2-after-delete");
    let run = world.begin_collection();
    deletion.reached().await;
    let database = &world.places.database;
    let refer = refer(&world, "old/a", &database.literal(id));
    let writer = database.connect().await.begin(refer);
    assert!(world.still_waits(&writer).await, "the reference does not wait for the deletion");
    deletion.release();
    assert_eq!(run.await.unwrap().reclaimed.blobs, 1);
    let refused = writer.await.unwrap().unwrap_err();
    let word = match database.kind() {
        Kind::Sqlite => "FOREIGN KEY",
        Kind::Postgres => "foreign key",
    };
    assert!(refused.contains(word), "{refused}");
    assert_eq!(world.client.get("l/old/a").await.unwrap_err().kind(), ErrorKind::NotFound);
    world.assert_nothing_left().await;
}

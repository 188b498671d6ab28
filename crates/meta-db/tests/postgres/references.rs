//! Rules about references that live in the database, whoever writes.

use artifact_core::ports::{
    BlobIndex, EraseBytes, GarbagePass, Pinned, Precondition, Reclaimed, RepositoryStore, Reviewed,
    RowStore, Selector,
};
use artifact_core::{BlobId, Clock, ErrorKind, SystemClock};
use async_trait::async_trait;
use std::time::Duration;
use tokio_postgres::Client;

use crate::support::{Database, create, id, local, publish, row};

fn at_once() -> GarbagePass {
    GarbagePass {
        now: SystemClock.now().plus(Duration::from_secs(1)),
        review_delay: Duration::ZERO,
        delete_delay: Duration::ZERO,
        limit: 100,
    }
}

async fn state(client: &Client, blob: u8) -> String {
    let sql = "SELECT state FROM blob WHERE sha256 = $1";
    client.query_one(sql, &[&[blob; 32].as_slice()]).await.unwrap().get(0)
}

async fn is_queued(client: &Client, blob: u8) -> bool {
    let sql = "SELECT changed_at FROM gc_queue WHERE sha256 = $1";
    client.query_opt(sql, &[&[blob; 32].as_slice()]).await.unwrap().is_some()
}

async fn enter(client: &Client, blob: u8) {
    let sql = "INSERT INTO blob (sha256, size) VALUES ($1, 10)";
    client.execute(sql, &[&[blob; 32].as_slice()]).await.unwrap();
}

async fn refer(client: &Client, parent: u8, child: u8) {
    let sql = "INSERT INTO blob_reference (parent, child) VALUES ($1, $2)";
    let (parent, child) = ([parent; 32], [child; 32]);
    client.execute(sql, &[&parent.as_slice(), &child.as_slice()]).await.unwrap();
}

/// Erases everything it is told to.
#[derive(Debug)]
struct Everything;

#[async_trait]
impl EraseBytes for Everything {
    async fn erase(&self, ids: &[BlobId]) -> Vec<BlobId> {
        ids.to_vec()
    }
}

#[tokio::test]
async fn a_blob_that_another_blob_names_is_needed_as_long_as_that_one() {
    let Some(database) = Database::migrated().await else { return };
    let (store, client) = (database.store(), database.client().await);
    let repository = create(&store, local("a")).await;
    publish(&store, row(repository, "x", 1)).await;
    enter(&client, 2).await;
    let condemned = store.review(at_once()).await.unwrap();
    assert_eq!(condemned, Reviewed { kept: 1, condemned: 1 });
    refer(&client, 1, 2).await;
    assert_eq!(state(&client, 2).await, "live", "a reference revives");
    assert!(is_queued(&client, 2).await);
    assert_eq!(store.review(at_once()).await.unwrap(), Reviewed { kept: 1, condemned: 0 });
    assert_eq!(store.reclaim(at_once(), &Everything).await.unwrap(), Reclaimed::default());

    store.evict(repository, &Selector::Prefix(String::new()), false).await.unwrap();
    for expected in [1, 1] {
        assert_eq!(store.review(at_once()).await.unwrap().condemned, expected);
        assert_eq!(store.reclaim(at_once(), &Everything).await.unwrap().blobs, expected);
    }
}

#[tokio::test]
async fn a_reference_between_blobs_is_never_changed_and_keeps_its_child() {
    let Some(database) = Database::migrated().await else { return };
    let client = database.client().await;
    enter(&client, 1).await;
    enter(&client, 2).await;
    refer(&client, 1, 2).await;
    assert!(client.execute("UPDATE blob_reference SET child = parent", &[]).await.is_err());
    let delete = "DELETE FROM blob WHERE sha256 = $1";
    assert!(client.execute(delete, &[&[2_u8; 32].as_slice()]).await.is_err());
    client.execute("DELETE FROM gc_queue", &[]).await.unwrap();
    client.execute(delete, &[&[1_u8; 32].as_slice()]).await.unwrap();
    assert!(is_queued(&client, 2).await, "the child lost its parent");
}

#[tokio::test]
async fn a_change_is_moved_forward_and_never_back() {
    let Some(database) = Database::migrated().await else { return };
    let (store, client) = (database.store(), database.client().await);
    let repository = create(&store, local("a")).await;
    publish(&store, row(repository, "x", 1)).await;
    let far = "UPDATE gc_queue SET changed_at = changed_at + 1000000000";
    client.execute(far, &[]).await.unwrap();
    let changed_at = "SELECT changed_at FROM gc_queue";
    let before: i64 = client.query_one(changed_at, &[]).await.unwrap().get(0);
    store.evict(repository, &Selector::Prefix(String::new()), false).await.unwrap();
    let after: i64 = client.query_one(changed_at, &[]).await.unwrap().get(0);
    assert_eq!(before, after);
}

#[tokio::test]
async fn deleting_a_repository_queues_its_blobs_and_takes_its_counters_along() {
    let Some(database) = Database::migrated().await else { return };
    let (store, client) = (database.store(), database.client().await);
    let repository = create(&store, local("a")).await;
    publish(&store, row(repository, "x", 1)).await;
    client.execute("DELETE FROM gc_queue", &[]).await.unwrap();
    store.delete_repository(&"a".parse().unwrap(), Precondition::Any).await.unwrap();
    assert!(is_queued(&client, 1).await);
    let counters = "SELECT count(*) FROM repository_usage";
    assert_eq!(client.query_one(counters, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_blob_that_is_referred_to_cannot_be_deleted() {
    let Some(database) = Database::migrated().await else { return };
    let (store, client) = (database.store(), database.client().await);
    let repository = create(&store, local("a")).await;
    publish(&store, row(repository, "x", 1)).await;
    assert!(client.execute("DELETE FROM blob", &[]).await.is_err());
    store.evict(repository, &Selector::Prefix(String::new()), false).await.unwrap();
    assert_eq!(client.execute("DELETE FROM blob", &[]).await.unwrap(), 1);
    assert_eq!(store.usage().await.unwrap().1, 0);
}

/// Deletes bytes and has the collector's connection killed meanwhile.
#[derive(Debug)]
struct Killer(Client);

#[async_trait]
impl EraseBytes for Killer {
    async fn erase(&self, ids: &[BlobId]) -> Vec<BlobId> {
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND state = 'idle in transaction'";
        let killed: i64 = self.0.query_one(kill, &[]).await.unwrap().get(0);
        assert_eq!(killed, 1);
        ids.to_vec()
    }
}

#[tokio::test]
async fn a_deletion_whose_collector_vanished_is_in_doubt_for_a_minute() {
    let Some(database) = Database::migrated().await else { return };
    let (store, client) = (database.store(), database.client().await);
    enter(&client, 1).await;
    store.review(at_once()).await.unwrap();
    let killer = Killer(database.client().await);
    assert!(store.reclaim(at_once(), &killer).await.is_err());
    assert_eq!(state(&client, 1).await, "condemned");
    let until = SystemClock.now().plus(Duration::from_secs(60));
    let error = store.pin(id(1), "writer", until).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);

    let age = "UPDATE deletion_attempt SET begun_at = begun_at - 60000";
    client.execute(age, &[]).await.unwrap();
    assert_eq!(store.pin(id(1), "writer", until).await.unwrap(), Pinned::Revived);
    // Nobody has stored the bytes yet, so nobody else may rely on them.
    assert_eq!(store.pin(id(1), "other", until).await.unwrap(), Pinned::Revived);
    let repository = create(&store, local("a")).await;
    publish(&store, row(repository, "x", 1)).await;
    assert_eq!(store.pin(id(1), "late", until).await.unwrap(), Pinned::Live);
}

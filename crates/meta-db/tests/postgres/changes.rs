//! What replicas are told of each other's changes.

use std::time::Duration;

use artifact_core::ports::{
    ChangeFeed, ChangedRows, Precondition, RepositoryStore, RowStore, Selector,
};
use artifact_core::{RepoPath, RepositoryId, Timestamp};
use meta_db::PostgresStore;
use tokio_postgres::Client;

use crate::support::{Database, create, local, publish, row};

fn path(text: &str) -> Selector {
    Selector::Path(RepoPath::from_decoded(text).unwrap())
}

async fn told(store: &PostgresStore, since: Timestamp) -> Vec<(RepositoryId, Selector)> {
    match store.changes(Some(since)).await.unwrap().rows {
        ChangedRows::Listed(changes) => {
            changes.into_iter().map(|change| (change.repository, change.selector)).collect()
        }
        ChangedRows::Any => panic!("anything may have changed"),
    }
}

/// Rows `1` to `count` of one blob, past the store.
async fn fill(client: &Client, repository: RepositoryId, count: i32) {
    let blob = "INSERT INTO blob (sha256, size) VALUES (decode(repeat('09', 32), 'hex'), 10)";
    client.execute(blob, &[]).await.unwrap();
    let fill = "INSERT INTO artifact
        SELECT $1, n::text, '', decode(repeat('09', 32), 'hex'), 10, 'immutable', NULL, NULL, NULL,
               NULL, '[]', 0, 0, NULL, 1
        FROM generate_series(1, $2::integer) AS n";
    client.execute(fill, &[&repository.0, &count]).await.unwrap();
}

#[tokio::test]
async fn rows_that_were_removed_or_point_to_other_bytes_are_told_and_no_others() {
    let Some(database) = Database::migrated().await else { return };
    let (store, other) = (database.store(), database.store());
    let repository = create(&store, local("a")).await;
    let since = other.changes(None).await.unwrap().until;
    publish(&store, row(repository, "new", 1)).await;
    publish(&store, row(repository, "same", 1)).await;
    publish(&store, row(repository, "same", 1)).await;
    assert_eq!(told(&other, since).await, []);
    publish(&store, row(repository, "same", 2)).await;
    let new = row(repository, "new", 1).key;
    store.remove(&new, Precondition::Any).await.unwrap();
    assert_eq!(told(&other, since).await, [(repository, path("same")), (repository, path("new"))]);
}

#[tokio::test]
async fn a_thousand_rows_are_told_one_by_one_and_more_as_a_whole() {
    let Some(database) = Database::migrated().await else { return };
    let store = database.store();
    let (few, many) = (create(&store, local("few")).await, create(&store, local("many")).await);
    let since = store.changes(None).await.unwrap().until;
    let client = database.client().await;
    fill(&client, few, 1000).await;
    let everything = Selector::Prefix(String::new());
    store.evict(few, &everything, false).await.unwrap();
    assert_eq!(told(&store, since).await.len(), 1000);
    client.execute("DELETE FROM blob", &[]).await.unwrap();
    fill(&client, many, 20_000).await;
    store.delete_repository(&"many".parse().unwrap(), Precondition::Any).await.unwrap();
    assert_eq!(told(&store, since).await.last(), Some(&(many, everything)));
    assert_eq!(told(&store, since).await.len(), 1001);
}

#[tokio::test]
async fn a_change_that_was_not_yet_committed_is_told_the_next_time() {
    let Some(database) = Database::migrated().await else { return };
    let store = database.store();
    let repository = create(&store, local("a")).await;
    publish(&store, row(repository, "x", 1)).await;
    let first = store.changes(None).await.unwrap().until;
    let mut client = database.client().await;
    let transaction = client.transaction().await.unwrap();
    transaction.execute("DELETE FROM artifact", &[]).await.unwrap();
    let second = store.changes(Some(first)).await.unwrap();
    assert_eq!(second.rows, ChangedRows::Listed(Vec::new()));
    transaction.commit().await.unwrap();
    assert_eq!(told(&store, second.until).await, [(repository, path("x"))]);
}

#[tokio::test]
async fn too_many_changes_and_a_moment_long_ago_mean_any_row() {
    let Some(database) = Database::migrated().await else { return };
    let store = database.store();
    let now = store.changes(None).await.unwrap().until;
    let day = Timestamp::from_millis(now.as_millis() - 23 * 3_600_000 - 60_000);
    assert_eq!(store.changes(Some(day)).await.unwrap().rows, ChangedRows::Any);
    let hours = Timestamp::from_millis(now.as_millis() - 22 * 3_600_000);
    assert_eq!(store.changes(Some(hours)).await.unwrap().rows, ChangedRows::Listed(Vec::new()));
    let fill = "INSERT INTO row_change (repository, path, changed_at)
        SELECT 1, n::text, present_millis() FROM generate_series(1, $1::integer) AS n";
    let client = database.client().await;
    client.execute(fill, &[&10_000]).await.unwrap();
    assert_eq!(told(&store, now).await.len(), 10_000);
    client.execute(fill, &[&1]).await.unwrap();
    assert_eq!(store.changes(Some(now)).await.unwrap().rows, ChangedRows::Any);
}

#[tokio::test]
async fn changes_are_forgotten_after_a_day() {
    let Some(database) = Database::migrated().await else { return };
    let store = database.store();
    let age = "INSERT INTO row_change (repository, path, changed_at)
        VALUES (1, 'old', present_millis() - 86400001), (1, 'new', present_millis() - 86000000)";
    let client = database.client().await;
    client.execute(age, &[]).await.unwrap();
    store.forget_changes().await.unwrap();
    let left = client.query_one("SELECT string_agg(path, ' ') FROM row_change", &[]).await.unwrap();
    assert_eq!(left.get::<_, &str>(0), "new");
}

#[tokio::test]
async fn the_server_s_clock_counts() {
    let Some(database) = Database::migrated().await else { return };
    let store = database.store();
    let client = database.client().await;
    let now = "SELECT present_millis()";
    let before: i64 = client.query_one(now, &[]).await.unwrap().get(0);
    let until = store.changes(None).await.unwrap().until;
    let after: i64 = client.query_one(now, &[]).await.unwrap().get(0);
    assert!((before..=after).contains(&until.as_millis()));
    assert!(after - before < i64::try_from(Duration::from_secs(60).as_millis()).unwrap());
}

//! Row sets of two replicas, all at once, and what the others are told of them.

use std::sync::Arc;
use std::time::Duration;

use artifact_core::ports::{
    Absence, Afterwards, ChangeFeed, ChangedRows, GivingUp, Need, Precondition, Published,
    PublishedSet, Removal, Removed, RepositoryStore, RowSet, RowSets, RowStore, Selector,
};
use artifact_core::{ArtifactRow, Clock, RepositoryId, RowKey, SystemClock};
use meta_db::PostgresStore;
use tokio_postgres::Client;

use crate::support::{Database, PATIENCE, create, local, publish, row};

const PUBLISHERS: u8 = 8;
const ROUNDS: usize = 12;
const PARTS: [(&str, u8); 4] =
    [("parts/1", 101), ("parts/2", 102), ("parts/3", 103), ("parts/4", 104)];

fn of_rows(rows: Vec<ArtifactRow>) -> RowSet {
    let rows = rows.into_iter().map(|row| (row, Precondition::Any)).collect();
    RowSet { rows, ..RowSet::default() }
}

/// A document that needs every part, and an alias of it that all documents want.
fn document(repository: RepositoryId, number: u8) -> RowSet {
    let path = format!("documents/{number}");
    let need = |(path, blob)| Need {
        any_of: vec![row(repository, path, blob).key],
        absence: Absence::Refused,
        afterwards: Afterwards::GivenUp,
    };
    RowSet {
        needs: PARTS.into_iter().map(need).collect(),
        ..of_rows(vec![row(repository, &path, number), row(repository, "aliases/latest", number)])
    }
}

fn removal(key: RowKey) -> Removal {
    Removal { key, aliases: Some("aliases/".to_owned()), precondition: Precondition::Any }
}

/// Everything that was promised until now.
fn everything() -> GivingUp {
    GivingUp { promised_before: SystemClock.now().plus(Duration::from_secs(1)), limit: 100 }
}

/// Stores what is missing and then the document, as a client does.
async fn push(store: &PostgresStore, repository: RepositoryId, number: u8) -> RowKey {
    let key = row(repository, &format!("documents/{number}"), number).key;
    loop {
        for (path, blob) in PARTS {
            let part = row(repository, path, blob);
            let now = SystemClock.now();
            if !store.promise(&part.key, now).await.unwrap() {
                let set = RowSet { promised_at: Some(now), ..of_rows(vec![part]) };
                let published = store.publish_set(set).await.unwrap();
                assert!(matches!(published, PublishedSet::Stored(_)));
            }
        }
        match store.publish_set(document(repository, number)).await.unwrap() {
            PublishedSet::Stored(_) => return key,
            PublishedSet::Missing(_) => {}
            conflict @ PublishedSet::Conflict { .. } => panic!("{conflict:?}"),
        }
    }
}

/// Takes away what may go. Not more often than somebody has published: nobody would ever be done.
async fn tidy_up(store: &PostgresStore, repository: RepositoryId) {
    let remove_parts = async {
        for (path, blob) in PARTS {
            let part = row(repository, path, blob).key;
            store.remove_unneeded(&removal(part)).await.unwrap();
        }
    };
    let (evicted, ()) = tokio::join!(store.give_up(everything()), remove_parts);
    evicted.unwrap();
}

async fn push_and_remove(store: &PostgresStore, repository: RepositoryId, number: u8) {
    for _ in 0..ROUNDS {
        let key = push(store, repository, number).await;
        tidy_up(store, repository).await;
        for (path, blob) in PARTS {
            let part = row(repository, path, blob).key;
            assert!(store.row(&part).await.unwrap().is_some(), "a needed row is gone");
        }
        let removed = store.remove_unneeded(&removal(key)).await.unwrap();
        assert!(matches!(removed, Removed::Rows(_)), "{removed:?}");
        tidy_up(store, repository).await;
    }
}

/// How often the server had to end a circle of transactions.
async fn deadlocks(client: &Client) -> i64 {
    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn publishers_and_removers_of_two_replicas_lose_nothing_and_never_wait_in_a_circle() {
    let Some(database) = Database::migrated().await else { return };
    let stores = [Arc::new(database.store()), Arc::new(database.store())];
    let repository = create(&stores[0], local("a")).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 1..=PUBLISHERS {
        let store = Arc::clone(&stores[usize::from(number % 2)]);
        tasks.spawn(async move { push_and_remove(&store, repository, number).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    stores[0].give_up(everything()).await.unwrap();
    let client = database.client().await;
    let left = "SELECT (SELECT count(*) FROM artifact) + (SELECT count(*) FROM need)
        + (SELECT count(*) FROM promise) + (SELECT count(*) FROM relation)";
    assert_eq!(client.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
    let (usages, _) = stores[1].usage().await.unwrap();
    assert_eq!((usages[0].1.objects, usages[0].1.logical_bytes), (0, 0));
    assert_eq!(deadlocks(&client).await, 0);
}

#[tokio::test]
async fn what_a_set_changed_is_told_and_what_it_added_is_not() {
    let Some(database) = Database::migrated().await else { return };
    let (store, other) = (database.store(), database.store());
    let repository = create(&store, local("a")).await;
    publish(&store, row(repository, "moved", 1)).await;
    publish(&store, row(repository, "described", 2)).await;
    publish(&store, row(repository, "same", 3)).await;
    let since = other.changes(None).await.unwrap().until;
    let content_type = Some("text/plain".to_owned());
    let set = of_rows(vec![
        row(repository, "new", 4),
        row(repository, "moved", 4),
        ArtifactRow { content_type, ..row(repository, "described", 2) },
        row(repository, "same", 3),
    ]);
    assert!(matches!(store.publish_set(set).await.unwrap(), PublishedSet::Stored(_)));
    let ChangedRows::Listed(changes) = other.changes(Some(since)).await.unwrap().rows else {
        panic!("anything may have changed");
    };
    let path = |text| Selector::Path(row(repository, text, 0).key.path);
    let told: Vec<_> = changes.into_iter().map(|change| change.selector).collect();
    assert_eq!(told, [path("moved"), path("described")]);
}

#[tokio::test]
async fn giving_up_leaves_what_somebody_is_busy_with() {
    let Some(database) = Database::migrated().await else { return };
    let store = database.store();
    let repository = create(&store, local("a")).await;
    for (path, blob) in PARTS {
        let promised_at = Some(SystemClock.now());
        let set = RowSet { promised_at, ..of_rows(vec![row(repository, path, blob)]) };
        assert!(matches!(store.publish_set(set).await.unwrap(), PublishedSet::Stored(_)));
    }
    let mut client = database.client().await;
    let busy = client.transaction().await.unwrap();
    let lock = "SELECT FROM artifact WHERE path = 'parts/1' FOR KEY SHARE";
    busy.execute(lock, &[]).await.unwrap();
    let lock = "SELECT FROM promise WHERE path = 'parts/2' FOR UPDATE";
    busy.execute(lock, &[]).await.unwrap();
    assert_eq!(store.give_up(everything()).await.unwrap().objects, 2);
    busy.rollback().await.unwrap();
    assert_eq!(store.give_up(everything()).await.unwrap().objects, 2);
}

#[tokio::test]
async fn a_removal_waits_for_somebody_who_is_about_to_need_the_row() {
    let Some(database) = Database::migrated().await else { return };
    let store = Arc::new(database.store());
    let repository = create(&store, local("a")).await;
    publish(&store, row(repository, "part", 1)).await;
    let mut client = database.client().await;
    let publisher = client.transaction().await.unwrap();
    let lock = "SELECT FROM artifact WHERE path = 'part' FOR KEY SHARE";
    publisher.execute(lock, &[]).await.unwrap();
    let removing = {
        let (store, part) = (Arc::clone(&store), row(repository, "part", 1).key);
        tokio::spawn(async move { store.remove(&part, Precondition::Any).await })
    };
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let watcher = database.client().await;
    let wait = async {
        while watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
    let need = "INSERT INTO need SELECT repository, 'user', '', path, variant, FALSE FROM artifact";
    publisher.execute(need, &[]).await.unwrap();
    publisher.commit().await.unwrap();
    let removed = removing.await.unwrap().unwrap();
    let Published::Conflict(Some(kept)) = removed else {
        panic!("removed: {removed:?}");
    };
    assert_eq!(store.row(&kept.key).await.unwrap(), Some(kept));
}

#[tokio::test]
async fn a_repository_is_deleted_with_everything_that_belongs_to_its_rows() {
    let Some(database) = Database::migrated().await else { return };
    let store = database.store();
    let repository = create(&store, local("a")).await;
    push(&store, repository, 1).await;
    store.delete_repository(&"a".parse().unwrap(), Precondition::Any).await.unwrap();
    let left = "SELECT (SELECT count(*) FROM need) + (SELECT count(*) FROM promise)";
    let client = database.client().await;
    assert_eq!(client.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
}

//! Access counters and usage.

use artifact_core::ports::{AccessRecord, MetaStore, Precondition, RowQuery, Selector, Usage};
use artifact_core::{ArtifactRow, RepositoryId, RowKey, Timestamp};

use super::{blob, create, key, path, publish, publish_all, row, variant};

const HOUR: i64 = 3600;

fn hour(n: i64) -> Timestamp {
    Timestamp::from_seconds(500_000 * HOUR + n * HOUR)
}

fn access(key: &RowKey, hits: u64, accessed_at: Timestamp) -> AccessRecord {
    AccessRecord { key: key.clone(), hits, accessed_at }
}

async fn accesses(
    store: &dyn MetaStore,
    repository: RepositoryId,
) -> Vec<(u64, Option<Timestamp>)> {
    let query = RowQuery {
        repository,
        prefix: String::new(),
        delimiter: None,
        after: None,
        state: None,
        limit: 100,
        summed: 0,
    };
    let page = store.list(&query).await.unwrap();
    page.rows.iter().map(|listed| (listed.hits, listed.accessed_at)).collect()
}

async fn usage(store: &dyn MetaStore, repository: RepositoryId) -> (u64, u64) {
    let (usages, _) = store.usage().await.unwrap();
    let (_, usage) = usages.iter().find(|(id, _)| *id == repository).unwrap();
    let Usage { objects, logical_bytes } = *usage;
    (objects, logical_bytes)
}

/// Hits add up, the latest access counts, and a refetch forgets neither.
pub async fn accesses_add_up_and_survive_a_new_publish(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["x", "y"]).await;
    assert_eq!(accesses(store, repository).await, [(0, None), (0, None)]);
    let x = key(repository, "x");
    let late = access(&x, 2, hour(5));
    let early = access(&x, 3, hour(4));
    store.record_accesses(vec![late, early]).await.unwrap();
    store.record_accesses(vec![access(&x, 1, hour(3))]).await.unwrap();
    publish(store, row(repository, "x")).await;
    assert_eq!(accesses(store, repository).await, [(6, Some(hour(5))), (0, None)]);
}

/// The counters flow late: a row may be gone by then, and comes back with none.
pub async fn accesses_of_a_row_that_is_gone_are_dropped(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["x", "y"]).await;
    let (x, y) = (key(repository, "x"), key(repository, "y"));
    store.record_accesses(vec![access(&x, 1, hour(1))]).await.unwrap();
    store.remove(&x, Precondition::Any).await.unwrap();
    store.record_accesses(vec![access(&x, 1, hour(1)), access(&y, 1, hour(1))]).await.unwrap();
    assert_eq!(accesses(store, repository).await, [(1, Some(hour(1)))]);
    publish(store, row(repository, "x")).await;
    assert_eq!(accesses(store, repository).await[0], (0, None));
}

/// Publish, replace, validate, remove, evict, delete: usage is never wrong.
pub async fn usage_follows_every_change(store: &dyn MetaStore) {
    let (one, two) = (create(store, "one").await, create(store, "two").await);
    assert_eq!(usage(store, one).await, (0, 0));
    publish_all(store, one, &["a", "b", "c/1", "c/2"]).await;
    publish(store, variant(row(one, "a"), "short")).await;
    publish(store, row(two, "a")).await;
    assert_eq!((usage(store, one).await, usage(store, two).await), ((5, 50), (1, 10)));
    publish(store, ArtifactRow { blob: blob("other"), size: 7, ..row(one, "a") }).await;
    assert_eq!(usage(store, one).await, (5, 47));
    store.remove(&key(one, "a"), Precondition::Any).await.unwrap();
    assert_eq!(usage(store, one).await, (4, 40));
    store.evict(one, &Selector::Prefix("c/".to_owned()), false).await.unwrap();
    store.evict(one, &Selector::Path(path("b")), false).await.unwrap();
    assert_eq!((usage(store, one).await, usage(store, two).await), ((1, 10), (1, 10)));
    store.delete_repository(&"one".parse().unwrap(), Precondition::Any).await.unwrap();
    let (usages, _) = store.usage().await.unwrap();
    assert_eq!(usages, [(two, Usage { objects: 1, logical_bytes: 10 })]);
}

/// Bytes are stored once, and until somebody collects them.
pub async fn stored_bytes_count_a_shared_blob_once(store: &dyn MetaStore) {
    let (one, two) = (create(store, "one").await, create(store, "two").await);
    publish_all(store, one, &["x", "y"]).await;
    publish_all(store, two, &["x"]).await;
    publish(store, ArtifactRow { blob: blob("y"), ..row(two, "z") }).await;
    assert_eq!(store.usage().await.unwrap().1, 20);
    assert_eq!((usage(store, one).await, usage(store, two).await), ((2, 20), (2, 20)));
}

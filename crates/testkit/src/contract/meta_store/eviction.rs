//! Many rows at once.

use artifact_core::ports::{AccessRecord, Evicted, EvictionPass, MetaStore, RowQuery, Selector};
use artifact_core::{ArtifactRow, RepositoryId, Timestamp};

use super::{at, create, key, path, publish, publish_all, row, variant};

async fn paths(store: &dyn MetaStore, repository: RepositoryId) -> Vec<String> {
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
    page.rows.iter().map(|listed| listed.row.key.path.to_string()).collect()
}

fn prefix(text: &str) -> Selector {
    Selector::Prefix(text.to_owned())
}

/// A path is meant exactly, not what lies below it.
pub async fn evicting_a_path_takes_every_variant_and_nothing_else(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["x", "x/y", "xy"]).await;
    publish(store, variant(row(repository, "x"), "short")).await;
    let evicted = store.evict(repository, &Selector::Path(path("x")), false).await.unwrap();
    assert_eq!(evicted, Evicted { objects: 2, bytes: 20 });
    assert_eq!(paths(store, repository).await, ["x/y", "xy"]);
    let again = store.evict(repository, &Selector::Path(path("x")), false).await.unwrap();
    assert_eq!(again, Evicted::default());
}

/// No character of a prefix is a wild card.
pub async fn evicting_a_prefix_is_literal_and_minds_the_case(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let all = ["A_b/1", "a%b/1", "a_b/1", "a_b/2", "a_b0", "axb/1", "a\u{10FFFF}b"];
    publish_all(store, repository, &all).await;
    let evicted = store.evict(repository, &prefix("a_b/"), false).await.unwrap();
    assert_eq!(evicted, Evicted { objects: 2, bytes: 20 });
    assert_eq!(paths(store, repository).await, ["A_b/1", "a%b/1", "a_b0", "axb/1", "a\u{10FFFF}b"]);
    assert_eq!(store.evict(repository, &prefix("a%"), false).await.unwrap().objects, 1);
    let last = store.evict(repository, &prefix("a\u{10FFFF}"), false).await.unwrap();
    assert_eq!(last.objects, 1);
    assert_eq!(paths(store, repository).await, ["A_b/1", "a_b0", "axb/1"]);
}

/// The empty prefix means every row of one repository.
pub async fn evicting_everything_stays_within_the_repository(store: &dyn MetaStore) {
    let (one, two) = (create(store, "one").await, create(store, "two").await);
    publish_all(store, one, &["", "x", "\u{10FFFF}"]).await;
    publish_all(store, two, &["x"]).await;
    let evicted = store.evict(one, &prefix(""), false).await.unwrap();
    assert_eq!(evicted, Evicted { objects: 3, bytes: 30 });
    assert!(paths(store, one).await.is_empty());
    assert_eq!(paths(store, two).await, ["x"]);
}

/// A dry run tells what an eviction would do.
pub async fn a_dry_run_counts_and_removes_nothing(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["a/1", "a/2", "b"]).await;
    let counted = store.evict(repository, &prefix("a/"), true).await.unwrap();
    assert_eq!(counted, Evicted { objects: 2, bytes: 20 });
    let one = store.evict(repository, &Selector::Path(path("b")), true).await.unwrap();
    assert_eq!(one.objects, 1);
    assert_eq!(paths(store, repository).await, ["a/1", "a/2", "b"]);
}

const HOUR: i64 = 3600;

fn pass(repositories: &[RepositoryId]) -> EvictionPass {
    EvictionPass {
        repositories: repositories.to_vec(),
        bytes: u64::MAX,
        unused_since: at(1000 * HOUR),
        limit: 100,
    }
}

/// A row that was stored at one moment and perhaps served at another.
async fn publish_used(
    store: &dyn MetaStore,
    repository: RepositoryId,
    text: &str,
    stored_at: Timestamp,
    served_at: Option<Timestamp>,
) {
    publish(store, ArtifactRow { fetched_at: stored_at, ..row(repository, text) }).await;
    let accesses = served_at.map(|accessed_at| {
        let key = key(repository, text);
        AccessRecord { key, hits: 1, accessed_at }
    });
    store.record_accesses(accesses.into_iter().collect()).await.unwrap();
}

/// Rows that were used in the order e, b, d, a, c.
async fn publish_five(store: &dyn MetaStore, repository: RepositoryId) {
    for (text, stored, served) in
        [("a", 4, None), ("b", 0, Some(2)), ("c", 3, Some(5)), ("d", 1, Some(3)), ("e", 1, None)]
    {
        let served_at = served.map(|hours| at(hours * HOUR));
        publish_used(store, repository, text, at(stored * HOUR), served_at).await;
    }
}

/// What was served counts by its last time, everything else by when it was stored.
pub async fn the_rows_unused_for_longest_are_evicted_first(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_five(store, repository).await;
    let one = EvictionPass { limit: 1, ..pass(&[repository]) };
    for left in ["abcd", "acd", "ac", "c", ""] {
        let evicted = store.evict_least_used(&one).await.unwrap();
        assert_eq!(evicted, Evicted { objects: 1, bytes: 10 });
        assert_eq!(paths(store, repository).await.concat(), left);
    }
    assert_eq!(store.evict_least_used(&one).await.unwrap(), Evicted::default());
}

/// However little room there is: nothing that was stored or served lately goes.
pub async fn rows_that_were_used_lately_are_not_evicted(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_five(store, repository).await;
    // Fetched again lately although nobody asked for it.
    publish_used(store, repository, "f", at(9 * HOUR), Some(at(0))).await;
    let since = EvictionPass { unused_since: at(3 * HOUR), limit: 2, ..pass(&[repository]) };
    assert_eq!(store.evict_least_used(&since).await.unwrap().objects, 2);
    assert_eq!(paths(store, repository).await.concat(), "acdf");
}

/// Hosted files are nobody's cache.
pub async fn only_rows_of_the_named_repositories_are_evicted(store: &dyn MetaStore) {
    let (one, two, three) =
        (create(store, "one").await, create(store, "two").await, create(store, "three").await);
    for repository in [one, two, three] {
        publish_all(store, repository, &["x", "y"]).await;
    }
    let nothing = store.evict_least_used(&pass(&[])).await.unwrap();
    assert_eq!(nothing, Evicted::default());
    let evicted = store.evict_least_used(&pass(&[three, one])).await.unwrap();
    assert_eq!(evicted, Evicted { objects: 4, bytes: 40 });
    assert_eq!(paths(store, two).await, ["x", "y"]);
}

/// It stops with the row that makes enough room, and without a wish it does nothing.
pub async fn an_eviction_stops_when_there_is_room_enough(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_five(store, repository).await;
    for (bytes, objects) in [(0, 0), (10, 1), (11, 2)] {
        let some = EvictionPass { bytes, ..pass(&[repository]) };
        let evicted = store.evict_least_used(&some).await.unwrap();
        assert_eq!(evicted, Evicted { objects, bytes: objects * 10 }, "{bytes}");
    }
    assert_eq!(paths(store, repository).await.concat(), "ac");
}

/// Many rows go in several passes, each no longer than wanted.
pub async fn an_eviction_takes_no_more_rows_than_its_limit(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_five(store, repository).await;
    for (limit, objects) in [(0, 0), (2, 2), (100, 3)] {
        let some = EvictionPass { limit, ..pass(&[repository]) };
        assert_eq!(store.evict_least_used(&some).await.unwrap().objects, objects, "{limit}");
    }
}

/// Every variant is a row of its own.
pub async fn variants_are_evicted_one_by_one(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "x")).await;
    publish(store, ArtifactRow { fetched_at: at(-1), ..variant(row(repository, "x"), "short") })
        .await;
    let one = EvictionPass { limit: 1, ..pass(&[repository]) };
    assert_eq!(store.evict_least_used(&one).await.unwrap().objects, 1);
    assert!(store.row(&key(repository, "x")).await.unwrap().is_some());
}

/// What was evicted counts no more, and its blobs are garbage.
pub async fn evicted_rows_leave_the_usage_and_their_blobs_to_the_collector(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_five(store, repository).await;
    let two = EvictionPass { limit: 2, ..pass(&[repository]) };
    store.evict_least_used(&two).await.unwrap();
    let (usages, bytes) = store.usage().await.unwrap();
    let usage = usages.iter().find(|(id, _)| *id == repository).unwrap().1;
    assert_eq!((usage.objects, usage.logical_bytes, bytes), (3, 30, 50));
    let found = store.survey(super::garbage::at_once()).await.unwrap();
    assert_eq!((found.due_for_review, found.unreferenced), (5, 2));
}

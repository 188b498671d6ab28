//! Many rows at once.

use artifact_core::RepositoryId;
use artifact_core::ports::{Evicted, MetaStore, RowQuery, Selector};

use super::{create, path, publish, publish_all, row, variant};

async fn paths(store: &dyn MetaStore, repository: RepositoryId) -> Vec<String> {
    let query = RowQuery {
        repository,
        prefix: String::new(),
        delimiter: None,
        after: None,
        state: None,
        limit: 100,
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

//! Pages of rows and folded prefixes.

use artifact_core::ports::{Listing, MetaStore, Prefix, RowQuery, StateFilter};
use artifact_core::{ArtifactRow, RepositoryId};

use super::{at, create, publish, publish_all, row, variant};

fn query(repository: RepositoryId) -> RowQuery {
    RowQuery {
        repository,
        prefix: String::new(),
        delimiter: None,
        after: None,
        state: None,
        limit: 100,
        summed: 1000,
    }
}

fn folded(repository: RepositoryId, prefix: &str) -> RowQuery {
    RowQuery { prefix: prefix.to_owned(), delimiter: Some('/'), ..query(repository) }
}

/// How far the rows of a group were added up.
#[derive(Clone, Copy)]
enum Counted {
    ToTheEnd,
    AtLeast,
}

/// A group of rows of ten bytes.
fn group(prefix: &str, objects: u64, counted: Counted) -> Prefix {
    let at_least = matches!(counted, Counted::AtLeast);
    Prefix { prefix: prefix.to_owned(), objects, bytes: objects * 10, at_least }
}

fn paths(page: &Listing) -> Vec<&str> {
    page.rows.iter().map(|listed| listed.row.key.path.as_str()).collect()
}

fn prefixes(page: &Listing) -> Vec<&str> {
    page.prefixes.iter().map(|group| group.prefix.as_str()).collect()
}

/// Every page, with at most `limit` entries each; checked to make progress.
async fn pages(store: &dyn MetaStore, mut query: RowQuery, limit: usize) -> Vec<Listing> {
    query.limit = limit;
    let mut pages = Vec::new();
    loop {
        let page = store.list(&query).await.unwrap();
        assert!(pages.len() < 100, "the listing does not end");
        query.after.clone_from(&page.next);
        pages.push(page);
        if query.after.is_none() {
            return pages;
        }
    }
}

/// The order of a path's bytes, whatever any language thinks of it.
pub async fn a_listing_is_in_order_of_bytes(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let ordered = ["", "A", "a", "a-1", "a/", "a/b", "a0", "z", "ä", "\u{FFFD}", "\u{10000}"];
    let mut shuffled = ordered;
    shuffled.reverse();
    publish_all(store, repository, &shuffled).await;
    let page = store.list(&query(repository)).await.unwrap();
    assert_eq!(paths(&page), ordered);
    assert_eq!((page.prefixes.len(), page.next), (0, None));
}

/// Variants of a path follow each other.
pub async fn a_listing_shows_every_variant(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["x", "y"]).await;
    publish(store, variant(row(repository, "x"), "short")).await;
    let page = store.list(&query(repository)).await.unwrap();
    let variants: Vec<_> = page.rows.iter().map(|listed| listed.row.key.variant.as_str()).collect();
    assert_eq!(paths(&page), ["x", "x", "y"]);
    assert_eq!(variants, ["", "short", ""]);
}

/// No character of a prefix is a wild card, and case matters.
pub async fn a_prefix_of_a_listing_is_literal(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["A_b", "a%b", "a_b", "a_b/c", "axb"]).await;
    let of = |prefix: &str| RowQuery { prefix: prefix.to_owned(), ..query(repository) };
    assert_eq!(paths(&store.list(&of("a_b")).await.unwrap()), ["a_b", "a_b/c"]);
    assert_eq!(paths(&store.list(&of("a%")).await.unwrap()), ["a%b"]);
    assert!(paths(&store.list(&of("b")).await.unwrap()).is_empty());
}

/// Every row once, whatever the page size; the last page says that it is the last.
pub async fn a_listing_pages_without_gaps_or_repeats(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let all = ["a", "a/b", "a/c", "b", "c"];
    publish_all(store, repository, &all).await;
    for limit in 1..=6 {
        let pages = pages(store, query(repository), limit).await;
        let shown: Vec<_> = pages.iter().flat_map(paths).collect();
        assert_eq!(shown, all, "limit {limit}");
        assert_eq!(pages.len(), all.len().div_ceil(limit), "limit {limit}");
    }
    let behind = RowQuery { after: Some("a/bb".to_owned()), ..query(repository) };
    assert_eq!(paths(&store.list(&behind).await.unwrap()), ["a/c", "b", "c"]);
    let before =
        RowQuery { prefix: "b".to_owned(), after: Some("a".to_owned()), ..query(repository) };
    assert_eq!(paths(&store.list(&before).await.unwrap()), ["b"]);
}

/// The next page continues behind a path, so a path is shown whole or not at all; only a path
/// alone on its page may exceed the limit.
pub async fn a_page_never_ends_between_the_variants_of_a_path(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["a", "b", "c"]).await;
    publish(store, variant(row(repository, "b"), "one")).await;
    publish(store, variant(row(repository, "b"), "two")).await;
    let pages = pages(store, query(repository), 2).await;
    let shown: Vec<_> = pages.iter().map(paths).collect();
    assert_eq!(shown, [vec!["a"], vec!["b", "b", "b"], vec!["c"]]);
}

/// Everything behind the next delimiter becomes one entry with its sums.
pub async fn groups_are_folded_and_summed(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["a", "b/1", "b/2/3", "b-1", "c/1", "é/1"]).await;
    publish(store, variant(row(repository, "b/1"), "short")).await;
    let top = store.list(&folded(repository, "")).await.unwrap();
    assert_eq!(paths(&top), ["a", "b-1"]);
    let group = |prefix, objects| group(prefix, objects, Counted::ToTheEnd);
    assert_eq!(top.prefixes, [group("b/", 3), group("c/", 1), group("é/", 1)]);
    let below = store.list(&folded(repository, "b/")).await.unwrap();
    assert_eq!(paths(&below), ["b/1", "b/1"]);
    assert_eq!(below.prefixes, [group("b/2/", 1)]);
    let dashes = RowQuery { delimiter: Some('-'), ..query(repository) };
    assert_eq!(prefixes(&store.list(&dashes).await.unwrap()), ["b-"]);
}

/// A folder of a million files costs no more than one of a few.
pub async fn sums_end_at_an_equal_share_for_each_group(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["a", "b/1", "b/2", "b/3", "b/4", "c/1", "c/2"]).await;
    let summed = async |summed, limit| {
        let query = RowQuery { summed, limit, ..folded(repository, "") };
        store.list(&query).await.unwrap().prefixes
    };
    let (all, some) = (Counted::ToTheEnd, Counted::AtLeast);
    assert_eq!(summed(10, 100).await, [group("b/", 4, all), group("c/", 2, all)]);
    assert_eq!(summed(6, 100).await, [group("b/", 3, some), group("c/", 2, all)]);
    assert_eq!(summed(3, 100).await, [group("b/", 1, some), group("c/", 1, some)]);
    assert_eq!(summed(1, 100).await, [group("b/", 1, some), group("c/", 1, some)]);
    assert_eq!(summed(0, 100).await, [group("b/", 0, some), group("c/", 0, some)]);
    assert_eq!(summed(5, 2).await, [group("b/", 4, all)], "a page of one group");
}

/// Rows and groups share pages in order of path.
pub async fn folded_pages_continue_behind_a_group(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["a/1", "a/2", "a0", "b/1", "b/2", "c", "d/1"]).await;
    for limit in 1..=6 {
        let pages = pages(store, folded(repository, ""), limit).await;
        let rows: Vec<_> = pages.iter().flat_map(paths).collect();
        let groups: Vec<_> = pages.iter().flat_map(prefixes).collect();
        assert_eq!(rows, ["a0", "c"], "limit {limit}");
        assert_eq!(groups, ["a/", "b/", "d/"], "limit {limit}");
        assert_eq!(pages.len(), 5_usize.div_ceil(limit), "limit {limit}");
    }
    let first = store.list(&RowQuery { limit: 2, ..folded(repository, "") }).await.unwrap();
    assert_eq!(first.next.as_deref(), Some("a0"));
}

/// The path of a directory ends in the delimiter: from above it is part of its group.
pub async fn a_directory_is_folded_above_itself_and_shown_below(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["d/", "d/x", "e"]).await;
    let top = store.list(&folded(repository, "")).await.unwrap();
    assert_eq!((paths(&top), prefixes(&top)), (vec!["e"], vec!["d/"]));
    assert_eq!(top.prefixes[0].objects, 2);
    let below = pages(store, folded(repository, "d/"), 1).await;
    let shown: Vec<_> = below.iter().flat_map(paths).collect();
    assert_eq!(shown, ["d/", "d/x"]);
}

/// A row without an end is fresh; at its very end a row is stale.
pub async fn a_listing_can_be_restricted_to_fresh_or_stale_rows(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    for (path, expires_at) in
        [("forever", None), ("past", Some(at(-1))), ("now", Some(at(0))), ("g/soon", Some(at(1)))]
    {
        publish(store, ArtifactRow { expires_at, ..row(repository, path) }).await;
    }
    let in_state = |state| RowQuery { state: Some(state), ..query(repository) };
    let fresh = store.list(&in_state(StateFilter::FreshAt(at(0)))).await.unwrap();
    assert_eq!(paths(&fresh), ["forever", "g/soon"]);
    let stale = store.list(&in_state(StateFilter::StaleAt(at(0)))).await.unwrap();
    assert_eq!(paths(&stale), ["now", "past"]);
    let state = Some(StateFilter::StaleAt(at(0)));
    let folded = store.list(&RowQuery { state, ..folded(repository, "") }).await.unwrap();
    assert!(folded.prefixes.is_empty(), "a group without a row in that state is shown");
}

/// Equal paths of other repositories stay out.
pub async fn a_listing_knows_only_its_repository(store: &dyn MetaStore) {
    let (one, two) = (create(store, "one").await, create(store, "two").await);
    publish_all(store, one, &["x", "y"]).await;
    publish_all(store, two, &["x/1", "z"]).await;
    assert_eq!(paths(&store.list(&query(one)).await.unwrap()), ["x", "y"]);
    assert_eq!(prefixes(&store.list(&folded(two, "")).await.unwrap()), ["x/"]);
    let nothing = store.list(&query(RepositoryId(4711))).await.unwrap();
    assert_eq!(nothing, Listing::default());
}

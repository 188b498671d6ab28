//! Publishing, removing and giving up, all at once.

use artifact_core::ports::{
    Afterwards, MetaStore, Precondition, Published, PublishedSet, Removal, Removed, RowSet,
    Selector,
};
use artifact_core::{ArtifactRow, ErrorKind, RepositoryId};
use futures_util::future::join_all;
use tokio::task::yield_now;

use super::super::garbage::at_once;
use super::super::{blob, key, path};
use super::{
    HOUR, ago, create, give_up, give_up_all, is_there, needed_by, needing, now, promised,
    publish_set, removal, remove, row, those_there,
};

/// How often contestants are let loose on each other.
const ROUNDS: usize = 20;
/// How many do the same at once.
const MANY: usize = 16;

const PARTS: [&str; 4] = ["parts/1", "parts/2", "parts/3", "parts/4"];

/// A document that needs every part, and an alias of it.
fn document(repository: RepositoryId, number: usize, alias: &str) -> RowSet {
    let path = format!("documents/{number}");
    let mut set = needing(repository, &[&path, alias], &PARTS, Afterwards::GivenUp);
    set.rows[1].0.blob = blob(&path);
    set
}

/// The removal of a document with its aliases.
fn removal_of(repository: RepositoryId, number: usize) -> Removal {
    let document = key(repository, &format!("documents/{number}"));
    Removal { aliases: Some("aliases/".to_owned()), ..removal(document) }
}

/// They share what they need and wait for nobody for good.
pub async fn sets_that_need_the_same_rows_are_published_at_once(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_set(store, promised(repository, &PARTS, ago(HOUR))).await;
    let sets = (0..MANY).map(|n| document(repository, n, &format!("aliases/{n}")));
    join_all(sets.map(|set| publish_set(store, set))).await;
    assert_eq!(give_up_all(store).await.objects, 0);
    for part in PARTS {
        assert!(matches!(remove(store, repository, part).await, Removed::Needed(_)));
    }
    let removals = (0..MANY).map(|n| removal_of(repository, n));
    for removed in join_all(removals.map(async |it| store.remove_unneeded(&it).await)).await {
        assert!(matches!(removed.unwrap(), Removed::Rows(keys) if keys.len() == 2));
    }
    assert_eq!(give_up_all(store).await.objects, 4);
}

/// An alias is what the last of them said, and every document is there.
pub async fn sets_with_the_same_alias_are_published_one_after_the_other(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_set(store, promised(repository, &PARTS, ago(HOUR))).await;
    let sets = (0..MANY).map(|n| document(repository, n, "aliases/latest"));
    let published = join_all(sets.map(|set| publish_set(store, set))).await;
    let mut generations: Vec<_> = published.iter().map(|rows| rows[1].generation).collect();
    generations.sort_unstable();
    assert_eq!(generations, (1..=16).collect::<Vec<_>>());
    let alias = store.row(&key(repository, "aliases/latest")).await.unwrap().unwrap();
    let last = published.iter().find(|rows| rows[1].generation == alias.generation).unwrap();
    assert_eq!(last[1], alias);
    for rows in &published {
        assert_eq!(store.row(&rows[0].key).await.unwrap().as_ref(), Some(&rows[0]));
    }
}

/// Nothing of the others is left.
pub async fn of_many_sets_with_an_absent_alias_exactly_one_is_stored(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_set(store, promised(repository, &PARTS, ago(HOUR))).await;
    let attempts = (0..MANY).map(|n| {
        let mut set = document(repository, n, "aliases/latest");
        set.rows[1].1 = Precondition::Absent;
        store.publish_set(set)
    });
    let outcomes: Vec<_> = join_all(attempts).await.into_iter().map(Result::unwrap).collect();
    let alias = store.row(&key(repository, "aliases/latest")).await.unwrap().unwrap();
    let mut stored = 0;
    for (number, outcome) in outcomes.iter().enumerate() {
        let document = format!("documents/{number}");
        let is_winner = alias.blob == blob(&document);
        stored += usize::from(is_winner);
        assert_eq!(is_there(store, repository, &document).await, is_winner, "{outcome:?}");
        match outcome {
            PublishedSet::Stored(rows) => assert_eq!(rows.last(), Some(&alias)),
            conflict => {
                let stored = Some(Box::new(alias.clone()));
                assert_eq!(*conflict, PublishedSet::Conflict { index: 1, stored });
            }
        }
    }
    assert_eq!(stored, 1);
}

/// Either the document has all its parts or its client is told what is missing.
pub async fn a_set_beside_giving_up_has_what_it_needs_or_is_not_stored(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    for round in 0..ROUNDS {
        publish_set(store, promised(repository, &PARTS, ago(HOUR))).await;
        let set = store.publish_set(document(repository, round, "aliases/latest"));
        let (published, evicted) = if round % 2 == 0 {
            tokio::join!(set, give_up(store, now()))
        } else {
            let (evicted, published) = tokio::join!(give_up(store, now()), set);
            (published, evicted)
        };
        let there = those_there(store, repository, &PARTS).await;
        match published.unwrap() {
            PublishedSet::Stored(_) => assert_eq!(there, PARTS),
            PublishedSet::Missing(missing) => {
                assert_eq!((missing.len(), evicted.objects, there.len()), (4, 4, 0));
            }
            conflict @ PublishedSet::Conflict { .. } => panic!("{conflict:?}"),
        }
        store.remove_unneeded(&removal_of(repository, round)).await.unwrap();
        give_up_all(store).await;
    }
}

/// A client that was told of a row before it goes can rely on it.
pub async fn a_promise_beside_giving_up_holds_or_is_refused(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    for round in 0..ROUNDS {
        publish_set(store, promised(repository, &["x"], ago(HOUR))).await;
        let (before, x) = (ago(HOUR / 2), key(repository, "x"));
        let promise = store.promise(&x, now());
        let promised = if round % 2 == 0 {
            tokio::join!(promise, give_up(store, before)).0
        } else {
            tokio::join!(give_up(store, before), promise).1
        };
        give_up(store, before).await;
        assert_eq!(is_there(store, repository, "x").await, promised.unwrap());
        give_up_all(store).await;
    }
}

/// One of them wins, whoever removes.
pub async fn a_set_beside_the_removal_of_what_it_needs_keeps_it_or_is_not_stored(
    store: &dyn MetaStore,
) {
    let repository = create(store, "a").await;
    let part = key(repository, "part");
    for round in 0..ROUNDS {
        publish_set(store, super::set(repository, &["part"])).await;
        let set = || store.publish_set(needing(repository, &["user"], &["part"], Afterwards::Kept));
        let (published, is_removed) = match round % 4 {
            0 => {
                let (published, removed) = tokio::join!(set(), remove(store, repository, "part"));
                (published, removed != needed_by("user"))
            }
            1 => {
                let (removed, published) = tokio::join!(remove(store, repository, "part"), set());
                (published, removed != needed_by("user"))
            }
            2 => {
                let plain = store.remove(&part, Precondition::Any);
                let (published, removed) = tokio::join!(set(), plain);
                (published, matches!(removed.unwrap(), Published::Stored(_)))
            }
            _ => {
                let plain = store.remove(&part, Precondition::Any);
                let (removed, published) = tokio::join!(plain, set());
                (published, matches!(removed.unwrap(), Published::Stored(_)))
            }
        };
        let is_stored = matches!(published.unwrap(), PublishedSet::Stored(_));
        assert_eq!(is_stored, !is_removed);
        assert_eq!(is_there(store, repository, "part").await, !is_removed);
        assert_eq!(is_there(store, repository, "user").await, !is_removed);
        remove(store, repository, "user").await;
    }
}

/// An alias never outlives the document that was published with it.
pub async fn a_new_alias_beside_the_removal_of_its_row_goes_with_it_or_stays_with_it(
    store: &dyn MetaStore,
) {
    let repository = create(store, "a").await;
    publish_set(store, promised(repository, &PARTS, now().plus(2 * HOUR))).await;
    for round in 0..ROUNDS {
        publish_set(store, document(repository, 0, "aliases/old")).await;
        let set = publish_set(store, document(repository, 0, "aliases/new"));
        let removal = removal_of(repository, 0);
        let remove = store.remove_unneeded(&removal);
        let removed =
            if round % 2 == 0 { tokio::join!(set, remove).1 } else { tokio::join!(remove, set).0 };
        assert!(matches!(removed.unwrap(), Removed::Rows(_)));
        let there = those_there(store, repository, &["documents/0", "aliases/new"]).await;
        assert!(matches!(there.len(), 0 | 2), "{there:?}");
        assert!(!is_there(store, repository, "aliases/old").await);
        store.remove_unneeded(&removal).await.unwrap();
    }
}

/// Nothing is left of what was published into it.
pub async fn a_set_beside_the_deletion_of_its_repository_is_stored_before_or_not_at_all(
    store: &dyn MetaStore,
) {
    for round in 0..ROUNDS {
        let name = format!("r{round}");
        let repository = create(store, &name).await;
        publish_set(store, promised(repository, &PARTS, ago(HOUR))).await;
        publish_set(store, document(repository, 0, "aliases/latest")).await;
        let set = store.publish_set(document(repository, 1, "aliases/latest"));
        let name = name.parse().unwrap();
        let delete = store.delete_repository(&name, Precondition::Any);
        let (published, deleted) = if round % 2 == 0 {
            tokio::join!(set, delete)
        } else {
            let (deleted, published) = tokio::join!(delete, set);
            (published, deleted)
        };
        assert!(matches!(deleted.unwrap(), Published::Stored(_)));
        if let Err(error) = published {
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
        let left = ["documents/0", "documents/1", "aliases/latest", PARTS[0]];
        assert!(those_there(store, repository, &left).await.is_empty());
    }
    assert_eq!(give_up_all(store).await.objects, 0);
}

/// Stores the parts that are not there and then the document, as a client does, until it is stored.
async fn push(store: &dyn MetaStore, repository: RepositoryId, number: usize) {
    loop {
        for part in PARTS {
            if !store.promise(&key(repository, part), now()).await.unwrap() {
                publish_set(store, promised(repository, &[part], now())).await;
            }
            yield_now().await;
        }
        match store.publish_set(document(repository, number, "aliases/latest")).await.unwrap() {
            PublishedSet::Stored(_) => return,
            PublishedSet::Missing(_) => yield_now().await,
            conflict @ PublishedSet::Conflict { .. } => panic!("{conflict:?}"),
        }
    }
}

/// Takes away what may go. Not more often than somebody has published: nobody would ever be done.
async fn tidy_up(store: &dyn MetaStore, repository: RepositoryId) {
    let remove_parts = async {
        for part in PARTS {
            remove(store, repository, part).await;
            store.remove(&key(repository, part), Precondition::Any).await.unwrap();
            yield_now().await;
        }
    };
    tokio::join!(give_up_all(store), remove_parts);
}

async fn push_and_remove(store: &dyn MetaStore, repository: RepositoryId, number: usize) {
    for _ in 0..ROUNDS / 2 {
        push(store, repository, number).await;
        tidy_up(store, repository).await;
        for part in PARTS {
            assert!(is_there(store, repository, part).await, "a needed row is gone");
        }
        let removed = store.remove_unneeded(&removal_of(repository, number)).await.unwrap();
        assert!(matches!(removed, Removed::Rows(_)), "{removed:?}");
        tidy_up(store, repository).await;
    }
}

/// Whoever is at work: what is needed is there, and in the end nothing is left.
pub async fn publishers_removers_and_those_who_give_up_lose_nothing(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    join_all((0..MANY / 2).map(|number| push_and_remove(store, repository, number))).await;
    let latest = Selector::Path(path("aliases/latest"));
    store.evict(repository, &latest, false).await.unwrap();
    give_up_all(store).await;
    let (usages, _) = store.usage().await.unwrap();
    assert_eq!(usages[0].1.objects, 0);
    store.review(at_once()).await.unwrap();
    let found = store.survey(at_once()).await.unwrap();
    assert_eq!((found.due_for_review, found.blobs), (0, found.condemned));
}

/// A row published with a set beside the review of its blob has a live blob.
pub async fn a_set_published_beside_a_review_has_live_blobs(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    for round in 0..ROUNDS {
        publish_set(store, promised(repository, &PARTS, ago(HOUR))).await;
        give_up_all(store).await;
        let rows: Vec<ArtifactRow> = PARTS.iter().map(|part| row(repository, part)).collect();
        let set = publish_set(store, super::of_rows(rows));
        if round % 2 == 0 {
            let _ = tokio::join!(set, store.review(at_once()));
        } else {
            let _ = tokio::join!(store.review(at_once()), set);
        }
        assert_eq!(store.survey(at_once()).await.unwrap().condemned, 0);
        for part in PARTS {
            remove(store, repository, part).await;
        }
    }
}

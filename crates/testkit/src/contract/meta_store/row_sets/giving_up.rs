//! Promises, and what becomes of them.

use std::time::Duration;

use artifact_core::ports::{
    Afterwards, Evicted, GivingUp, MetaStore, Precondition, RowSet, Selector,
};
use artifact_core::{RepositoryId, Timestamp};

use super::super::garbage::at_once;
use super::super::{blob, key, path, publish_all};
use super::{
    HOUR, ago, create, give_up, give_up_all, is_there, needing, now, promised, publish_set, remove,
    set, those_there,
};

async fn promise(store: &dyn MetaStore, repository: RepositoryId, path: &str, at: Timestamp) {
    assert!(store.promise(&key(repository, path), at).await.unwrap());
}

/// Not a moment before, and its blob is left to the collector.
pub async fn a_promised_row_is_given_up_when_its_promise_is_old(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let moment = ago(HOUR);
    publish_set(store, promised(repository, &["x", "y"], moment)).await;
    assert_eq!(give_up(store, moment).await, Evicted::default());
    assert!(is_there(store, repository, "x").await);
    let later = moment.plus(Duration::from_millis(1));
    assert_eq!(give_up(store, later).await, Evicted { objects: 2, bytes: 20 });
    assert!(those_there(store, repository, &["x", "y"]).await.is_empty());
    let found = store.survey(at_once()).await.unwrap();
    assert_eq!((found.due_for_review, found.unreferenced), (2, 2));
    let (usages, _) = store.usage().await.unwrap();
    assert_eq!(usages[0].1.objects, 0);
}

/// Nobody promised it, so nobody gives it up; promising it now changes nothing.
pub async fn a_row_without_a_promise_is_never_given_up(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["x"]).await;
    publish_set(store, set(repository, &["y"])).await;
    promise(store, repository, "x", ago(HOUR)).await;
    promise(store, repository, "y", ago(HOUR)).await;
    publish_set(store, promised(repository, &["y"], ago(HOUR))).await;
    assert_eq!(give_up_all(store).await, Evicted::default());
    assert_eq!(those_there(store, repository, &["x", "y"]).await, ["x", "y"]);
}

/// Whoever promises, and in whatever order.
pub async fn the_latest_promise_counts(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_set(store, promised(repository, &["x", "y"], ago(2 * HOUR))).await;
    promise(store, repository, "x", ago(HOUR)).await;
    promise(store, repository, "x", ago(3 * HOUR)).await;
    publish_set(store, promised(repository, &["y"], ago(HOUR))).await;
    publish_set(store, promised(repository, &["y"], ago(3 * HOUR))).await;
    assert_eq!(give_up(store, ago(HOUR + HOUR / 2)).await, Evicted::default());
    assert_eq!(give_up(store, ago(HOUR / 2)).await.objects, 2);
}

/// Whoever asks has to store it again.
pub async fn a_row_that_is_gone_cannot_be_promised(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let x = key(repository, "x");
    assert!(!store.promise(&x, now()).await.unwrap());
    publish_set(store, promised(repository, &["x"], ago(HOUR))).await;
    assert!(store.promise(&x, ago(HOUR)).await.unwrap());
    give_up_all(store).await;
    assert!(!store.promise(&x, now()).await.unwrap());
    publish_all(store, repository, &["x"]).await;
    assert_eq!(give_up_all(store).await, Evicted::default(), "the promise outlived its row");
}

/// The last word counts.
pub async fn a_promised_row_that_is_published_without_one_stays(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_set(store, promised(repository, &["x", "y"], ago(HOUR))).await;
    let mut replaced = set(repository, &["z", "x", "y"]);
    replaced.rows[1].0.blob = blob("other");
    publish_set(store, replaced).await;
    assert_eq!(give_up_all(store).await, Evicted::default());
}

/// Other bytes are another promise.
pub async fn a_row_with_other_bytes_is_promised_like_a_new_one(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_set(store, set(repository, &["x"])).await;
    let mut replaced = promised(repository, &["x"], ago(HOUR));
    replaced.rows[0].0.blob = blob("other");
    publish_set(store, replaced).await;
    assert_eq!(give_up_all(store).await.objects, 1);
}

/// While it is needed it is not even looked at again; afterwards it has as long as everything else.
pub async fn a_needed_row_is_given_up_a_while_after_it_is_needed_no_more(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    for way in 0..4 {
        publish_set(store, promised(repository, &["x"], ago(2 * HOUR))).await;
        for user in ["user", "user 2"] {
            publish_set(store, needing(repository, &[user], &["x"], Afterwards::GivenUp)).await;
        }
        assert_eq!(give_up_all(store).await, Evicted::default(), "{way}");
        remove(store, repository, "user 2").await;
        assert_eq!(give_up_all(store).await, Evicted::default(), "{way}: one needs it still");
        match way {
            0 => drop(remove(store, repository, "user").await),
            1 => {
                let user = key(repository, "user");
                store.remove(&user, Precondition::Any).await.unwrap();
            }
            2 => {
                let user = Selector::Path(path("user"));
                store.evict(repository, &user, false).await.unwrap();
            }
            _ => {
                let mut other = set(repository, &["user"]);
                other.rows[0].0.blob = blob("other");
                publish_set(store, other).await;
            }
        }
        assert_eq!(give_up(store, ago(HOUR)).await, Evicted::default(), "{way}: promised anew");
        assert_eq!(give_up_all(store).await.objects, 1, "{way}");
        assert!(!is_there(store, repository, "x").await, "{way}");
    }
}

/// It was published to stay.
pub async fn a_row_that_is_to_be_kept_stays_when_it_is_needed_no_more(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["x"]).await;
    publish_set(store, needing(repository, &["user"], &["x"], Afterwards::Kept)).await;
    remove(store, repository, "user").await;
    assert_eq!(give_up_all(store).await, Evicted::default());
    assert!(is_there(store, repository, "x").await);
}

/// Published without a promise, and yet it is given up: whoever needed it said so.
pub async fn a_row_that_was_never_promised_is_given_up_after_it_was_needed(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["x"]).await;
    publish_set(store, needing(repository, &["user"], &["x"], Afterwards::GivenUp)).await;
    remove(store, repository, "user").await;
    assert_eq!(give_up_all(store).await.objects, 1);
}

/// What a row needed has its own time.
pub async fn what_a_row_needed_that_is_given_up_is_promised_anew(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    for user_first in [true, false] {
        let (part_at, user_at) = if user_first { (2, 3) } else { (3, 2) };
        publish_set(store, promised(repository, &["part"], ago(part_at * HOUR))).await;
        let user = needing(repository, &["user"], &["part"], Afterwards::GivenUp);
        publish_set(store, RowSet { promised_at: Some(ago(user_at * HOUR)), ..user }).await;
        assert_eq!(give_up(store, ago(HOUR)).await.objects, 1);
        assert_eq!(those_there(store, repository, &["part", "user"]).await, ["part"]);
        assert_eq!(give_up(store, ago(HOUR)).await, Evicted::default());
        assert_eq!(give_up_all(store).await.objects, 1);
    }
}

/// Whatever they are: rows that are needed take their turn once.
pub async fn the_oldest_promises_are_looked_at_first_and_no_more_than_the_limit(
    store: &dyn MetaStore,
) {
    let repository = create(store, "a").await;
    for (path, hours) in [("c", 2), ("a", 3), ("e", 1), ("b", 5), ("d", 4)] {
        publish_set(store, promised(repository, &[path], ago(hours * HOUR))).await;
    }
    publish_set(store, needing(repository, &["user"], &["d"], Afterwards::GivenUp)).await;
    let pass = |limit| GivingUp { promised_before: now(), limit };
    for (limit, objects, left) in
        [(0, 0, "abcde"), (1, 1, "acde"), (2, 1, "cde"), (1, 1, "de"), (9, 1, "d")]
    {
        assert_eq!(store.give_up(pass(limit)).await.unwrap().objects, objects, "{left}");
        let there = those_there(store, repository, &["a", "b", "c", "d", "e"]).await;
        assert_eq!(there.concat(), left);
    }
}

/// Every repository is looked at.
pub async fn rows_of_all_repositories_are_given_up(store: &dyn MetaStore) {
    for name in ["a", "b", "c"] {
        let repository = create(store, name).await;
        publish_set(store, promised(repository, &["x"], ago(HOUR))).await;
    }
    assert_eq!(give_up_all(store).await.objects, 3);
    let (usages, _) = store.usage().await.unwrap();
    assert!(usages.iter().all(|(_, usage)| usage.objects == 0));
}

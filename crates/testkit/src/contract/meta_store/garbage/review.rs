//! What is condemned, and when.

use artifact_core::ArtifactRow;
use artifact_core::ports::{
    GarbagePass, GarbageSurvey, MetaStore, Precondition, Reviewed, Selector,
};

use super::super::{blob, create, key, path, publish, publish_all, row};
use super::{
    Bytes, DAY, HOUR, MINUTE, abandon, after, almost, at_once, next_millisecond, now, survey,
};

const KEPT: Reviewed = Reviewed { kept: 1, condemned: 0 };
const CONDEMNED: Reviewed = Reviewed { kept: 0, condemned: 1 };

/// Who writes a blob has time to refer to it.
pub async fn a_blob_is_left_alone_until_its_review_is_due(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    abandon(store, repository, "x").await;
    let pass = |span| GarbagePass { review_delay: HOUR, ..after(span) };
    assert_eq!(store.review(pass(almost(HOUR))).await.unwrap(), Reviewed::default());
    assert_eq!(store.review(pass(HOUR + MINUTE)).await.unwrap(), CONDEMNED);
}

/// A review deletes nothing and a condemned blob is not reviewed again.
pub async fn what_nothing_needs_is_condemned_and_still_there(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    abandon(store, repository, "x").await;
    assert_eq!(store.review(at_once()).await.unwrap(), CONDEMNED);
    assert_eq!(store.review(at_once()).await.unwrap(), Reviewed::default());
    let found = survey(store).await;
    assert_eq!((found.blobs, found.condemned, found.condemned_bytes), (1, 1, 10));
    assert_eq!(store.usage().await.unwrap().1, 10);
}

/// One row of any repository is enough.
pub async fn a_referenced_blob_is_never_condemned(store: &dyn MetaStore) {
    let (one, two) = (create(store, "one").await, create(store, "two").await);
    publish(store, row(one, "x")).await;
    publish(store, ArtifactRow { key: key(two, "y"), ..row(one, "x") }).await;
    store.remove(&key(one, "x"), Precondition::Any).await.unwrap();
    assert_eq!(store.review(at_once()).await.unwrap(), KEPT);
    assert_eq!(survey(store).await.condemned, 0);
}

/// What was needed is looked at again when a reference is gone, not before.
pub async fn a_kept_blob_is_reviewed_again_when_it_loses_its_reference(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "x")).await;
    assert_eq!(store.review(at_once()).await.unwrap(), KEPT);
    assert_eq!(store.review(after(DAY)).await.unwrap(), Reviewed::default());
    store.remove(&key(repository, "x"), Precondition::Any).await.unwrap();
    assert_eq!(store.review(at_once()).await.unwrap(), CONDEMNED);
}

/// A row that points to other bytes has lost the old ones.
pub async fn a_replaced_blob_is_reviewed(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "x")).await;
    assert_eq!(store.review(at_once()).await.unwrap(), KEPT);
    publish(store, ArtifactRow { blob: blob("new"), ..row(repository, "x") }).await;
    assert_eq!(store.review(at_once()).await.unwrap(), Reviewed { kept: 1, condemned: 1 });
}

/// The same bytes again are no loss.
pub async fn a_row_published_again_queues_nothing(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "x")).await;
    assert_eq!(store.review(at_once()).await.unwrap(), KEPT);
    publish(store, row(repository, "x")).await;
    assert_eq!(survey(store).await.due_for_review, 0);
}

/// However many rows go at once.
pub async fn evicted_blobs_are_reviewed(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["x", "y", "z"]).await;
    assert_eq!(store.review(at_once()).await.unwrap().kept, 3);
    store.evict(repository, &Selector::Prefix("x".to_owned()), false).await.unwrap();
    store.evict(repository, &Selector::Path(path("y")), false).await.unwrap();
    assert_eq!(store.review(at_once()).await.unwrap(), Reviewed { kept: 0, condemned: 2 });
}

/// The rows go with their repository, and so do their references.
pub async fn deleting_a_repository_queues_its_blobs(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["x", "y"]).await;
    assert_eq!(store.review(at_once()).await.unwrap().kept, 2);
    store.delete_repository(&"a".parse().unwrap(), Precondition::Any).await.unwrap();
    assert_eq!(store.review(at_once()).await.unwrap(), Reviewed { kept: 0, condemned: 2 });
}

/// A long queue is worked off in the order of the last changes.
pub async fn a_review_takes_the_oldest_first_and_no_more_than_its_limit(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let names = ["c", "a", "d", "b"];
    for name in names {
        abandon(store, repository, name).await;
        next_millisecond().await;
    }
    let bytes = Bytes::default();
    for (index, name) in names.iter().enumerate() {
        let one = GarbagePass { limit: 1, ..at_once() };
        assert_eq!(store.review(one).await.unwrap(), CONDEMNED);
        store.reclaim(at_once(), &bytes).await.unwrap();
        assert_eq!((bytes.orders(), bytes.erasures(blob(name))), (index + 1, 1), "{name}");
    }
    let none = GarbagePass { limit: 0, ..at_once() };
    abandon(store, repository, "x").await;
    assert_eq!(store.review(none).await.unwrap(), Reviewed::default());
}

/// Every kind of blob once, and counting them changes nothing.
pub async fn a_survey_counts_and_changes_nothing(store: &dyn MetaStore) {
    assert_eq!(survey(store).await, GarbageSurvey::default());
    let repository = create(store, "a").await;
    abandon(store, repository, "condemned").await;
    store.review(at_once()).await.unwrap();
    publish(store, row(repository, "referenced")).await;
    let pinned = abandon(store, repository, "pinned").await;
    store.pin(pinned, "me", now().plus(DAY)).await.unwrap();
    abandon(store, repository, "unneeded").await;
    let expected = GarbageSurvey {
        blobs: 4,
        bytes: 40,
        due_for_review: 3,
        unreferenced: 1,
        unreferenced_bytes: 10,
        condemned: 1,
        condemned_bytes: 10,
        due_for_deletion: 1,
        due_for_deletion_bytes: 10,
    };
    for _ in 0..2 {
        assert_eq!(survey(store).await, expected);
    }
    let delayed = GarbagePass { review_delay: HOUR, delete_delay: HOUR, ..at_once() };
    let found = store.survey(delayed).await.unwrap();
    assert_eq!((found.due_for_review, found.due_for_deletion, found.condemned), (0, 0, 1));
}

/// A million blobs that are due are counted no longer than the caller cares. All of what is stored
/// is told all the same.
pub async fn a_survey_counts_no_further_than_its_limit(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    for name in ["x", "y", "z"] {
        abandon(store, repository, name).await;
    }
    store.review(at_once()).await.unwrap();
    // The oldest are counted first.
    publish(store, row(repository, "referenced")).await;
    next_millisecond().await;
    for name in ["u", "v"] {
        abandon(store, repository, name).await;
    }
    for limit in [0, 1, 2, 3, 1000] {
        let found = store.survey(GarbagePass { limit, ..at_once() }).await.unwrap();
        let at_most = |count: u64| count.min(u64::try_from(limit).unwrap());
        let unreferenced = at_most(3).saturating_sub(1);
        let expected = GarbageSurvey {
            blobs: 6,
            bytes: 60,
            due_for_review: at_most(3),
            unreferenced,
            unreferenced_bytes: unreferenced * 10,
            condemned: at_most(3),
            condemned_bytes: at_most(3) * 10,
            due_for_deletion: at_most(3),
            due_for_deletion_bytes: at_most(3) * 10,
        };
        assert_eq!(found, expected, "{limit}");
    }
}

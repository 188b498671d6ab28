//! Blobs that somebody is about to refer to.

use std::time::Duration;

use artifact_core::ports::{BlobIndex, MetaStore, Pinned, Reclaimed, Reviewed};
use artifact_core::{BlobId, Timestamp};

use super::super::{blob, create, publish, row};
use super::{Bytes, DAY, HOUR, MINUTE, abandon, after, almost, at_once, condemn, now, survey};

const KEPT: Reviewed = Reviewed { kept: 1, condemned: 0 };
const CONDEMNED: Reviewed = Reviewed { kept: 0, condemned: 1 };

async fn pin(store: &dyn MetaStore, id: BlobId, until: Timestamp) -> Pinned {
    store.pin(id, "me", until).await.unwrap()
}

/// Pinning enters nothing.
pub async fn a_pin_on_an_unknown_blob_finds_it_absent(store: &dyn MetaStore) {
    for _ in 0..2 {
        assert_eq!(pin(store, blob("x"), now().plus(HOUR)).await, Pinned::Absent);
    }
    assert_eq!(survey(store).await.blobs, 0);
    store.unpin(blob("x"), "me").await.unwrap();
}

/// Referenced or not.
pub async fn a_pin_on_an_indexed_blob_finds_it_live(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "x")).await;
    let abandoned = abandon(store, repository, "y").await;
    assert_eq!(pin(store, blob("x"), now().plus(HOUR)).await, Pinned::Live);
    assert_eq!(pin(store, abandoned, now().plus(HOUR)).await, Pinned::Live);
}

/// Also when it is due for deletion; the second pin finds nothing special any more.
pub async fn a_pin_makes_a_condemned_blob_live_again(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let id = condemn(store, repository, "x").await;
    assert_eq!(pin(store, id, now().plus(DAY)).await, Pinned::Revived);
    assert_eq!(pin(store, id, now().plus(DAY)).await, Pinned::Live);
    assert_eq!(survey(store).await.condemned, 0);
    let bytes = Bytes::holding(&[id]);
    assert_eq!(store.reclaim(after(HOUR), &bytes).await.unwrap(), Reclaimed::default());
    assert!(bytes.hold(id));
}

/// The pin is enough, and when it ends the blob is looked at again.
pub async fn a_pinned_blob_is_not_condemned_before_its_pin_ends(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let id = abandon(store, repository, "x").await;
    pin(store, id, now().plus(DAY)).await;
    assert_eq!(store.review(at_once()).await.unwrap(), KEPT);
    assert_eq!(store.review(after(almost(DAY))).await.unwrap(), Reviewed::default());
    assert_eq!(store.review(after(DAY + MINUTE)).await.unwrap(), CONDEMNED);
}

/// The end of a pin is a change: the review delay counts from there.
pub async fn the_review_delay_counts_from_the_end_of_the_last_pin(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let id = abandon(store, repository, "x").await;
    store.pin(id, "one", now().plus(HOUR)).await.unwrap();
    store.pin(id, "two", now().plus(DAY)).await.unwrap();
    assert_eq!(store.review(at_once()).await.unwrap(), KEPT);
    let pass = |span| artifact_core::ports::GarbagePass { review_delay: HOUR, ..after(span) };
    assert_eq!(store.review(pass(DAY + MINUTE)).await.unwrap(), Reviewed::default());
    assert_eq!(store.review(pass(DAY + HOUR + MINUTE)).await.unwrap(), CONDEMNED);
}

/// Who pins first and writes later is as safe.
pub async fn a_pin_that_precedes_its_blob_holds(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    pin(store, blob("x"), now().plus(DAY)).await;
    abandon(store, repository, "x").await;
    assert_eq!(store.review(at_once()).await.unwrap(), KEPT);
}

/// A crashed owner does not keep a blob for ever.
pub async fn a_pin_that_has_ended_protects_nothing(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let id = abandon(store, repository, "x").await;
    let pass = at_once();
    pin(store, id, pass.now).await;
    assert_eq!(store.review(pass).await.unwrap(), CONDEMNED);
}

/// An upload that takes longer extends its pin; an earlier end shortens nothing.
pub async fn a_later_end_of_a_pin_replaces_an_earlier_one(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let id = abandon(store, repository, "x").await;
    for hours in [1, 3, 2] {
        pin(store, id, now().plus(HOUR * hours)).await;
    }
    assert_eq!(store.review(after(almost(HOUR * 3))).await.unwrap(), KEPT);
    assert_eq!(store.review(after(HOUR * 3 + MINUTE)).await.unwrap(), CONDEMNED);
}

/// Taking one away leaves the other.
pub async fn pins_of_two_owners_do_not_touch_each_other(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let id = abandon(store, repository, "x").await;
    store.pin(id, "one", now().plus(DAY)).await.unwrap();
    store.pin(id, "two", now().plus(DAY)).await.unwrap();
    store.unpin(id, "one").await.unwrap();
    assert_eq!(store.review(at_once()).await.unwrap(), KEPT);
    store.unpin(id, "two").await.unwrap();
    assert_eq!(store.review(after(DAY + MINUTE)).await.unwrap(), CONDEMNED);
}

/// An upload that was given up leaves a blob that nobody refers to.
pub async fn taking_a_pin_away_queues_the_blob_for_review(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "x")).await;
    store.review(at_once()).await.unwrap();
    pin(store, blob("x"), now().plus(DAY)).await;
    assert_eq!(survey(store).await.due_for_review, 0);
    store.unpin(blob("x"), "me").await.unwrap();
    assert_eq!(survey(store).await.due_for_review, 1);
}

/// A pin that was meant to last and did not holds nothing up once it is gone.
pub async fn a_review_during_a_pin_puts_nothing_off_for_longer_than_the_pin(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let id = abandon(store, repository, "x").await;
    store.pin(id, "me", now().plus(DAY)).await.unwrap();
    assert_eq!(store.review(at_once()).await.unwrap(), KEPT);
    store.unpin(id, "me").await.unwrap();
    assert_eq!(store.review(at_once()).await.unwrap(), CONDEMNED);
}

/// Neither the blob's nor anybody's.
pub async fn taking_away_a_pin_that_is_not_there_changes_nothing(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "x")).await;
    store.review(at_once()).await.unwrap();
    store.unpin(blob("x"), "me").await.unwrap();
    store.unpin(blob("unknown"), "me").await.unwrap();
    assert_eq!(survey(store).await.due_for_review, 0);
}

/// Whoever is told so can rely on it: one of many is told that it revived the blob.
pub async fn of_many_concurrent_pins_one_revives(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let id = condemn(store, repository, "x").await;
    let owners: Vec<String> = (0..20).map(|n| format!("owner {n}")).collect();
    let until = now().plus(HOUR);
    let pins = owners.iter().map(|owner| BlobIndex::pin(store, id, owner, until));
    let pinned = futures_util::future::try_join_all(pins).await.unwrap();
    assert_eq!(pinned.iter().filter(|pinned| **pinned == Pinned::Revived).count(), 1);
    assert_eq!(pinned.iter().filter(|pinned| **pinned == Pinned::Live).count(), 19);
    let later = after(almost(HOUR));
    assert_eq!(store.review(later).await.unwrap(), KEPT);
    assert_eq!(store.review(after(HOUR + Duration::from_secs(2))).await.unwrap(), CONDEMNED);
}

//! What is deleted, and what happens when that fails.

use std::time::Duration;

use artifact_core::ports::{
    EraseBytes, GarbagePass, MetaStore, Pinned, Precondition, Published, Reclaimed, Selector,
};
use artifact_core::{BlobId, ErrorKind};
use async_trait::async_trait;

use super::super::bytes::{Erasure, HeldBytes};
use super::super::{blob, create, key, publish, row};
use super::{
    Bytes, DAY, HOUR, MINUTE, abandon, after, almost, at_once, condemn, next_millisecond, now,
    survey,
};

const ONE: Reclaimed = Reclaimed { blobs: 1, bytes: 10, revived: 0, failed: 0 };
const FAILED: Reclaimed = Reclaimed { blobs: 0, bytes: 0, revived: 0, failed: 1 };

/// The delay is longer than any transfer and than the time between two backups.
pub async fn a_condemned_blob_is_kept_until_its_deletion_is_due(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let id = condemn(store, repository, "x").await;
    let bytes = Bytes::holding(&[id]);
    let pass = |span| GarbagePass { delete_delay: DAY, ..after(span) };
    let early = store.reclaim(pass(almost(DAY)), &bytes).await.unwrap();
    assert_eq!((early, bytes.hold(id)), (Reclaimed::default(), true));
    let late = store.reclaim(pass(DAY + MINUTE), &bytes).await.unwrap();
    assert_eq!((late, bytes.hold(id)), (ONE, false));
}

/// And what it held is counted no more.
pub async fn a_reclaimed_blob_leaves_neither_bytes_nor_entry(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "kept")).await;
    let id = abandon(store, repository, "x").await;
    store.review(at_once()).await.unwrap();
    let bytes = Bytes::holding(&[id, blob("kept")]);
    assert_eq!(store.usage().await.unwrap().1, 20);
    assert_eq!(store.reclaim(at_once(), &bytes).await.unwrap(), ONE);
    assert_eq!(bytes.stored(), [blob("kept")]);
    assert_eq!(store.usage().await.unwrap().1, 10);
    let found = survey(store).await;
    assert_eq!((found.blobs, found.bytes, found.condemned), (1, 10, 0));
    publish(store, row(repository, "x")).await;
    assert_eq!(store.usage().await.unwrap().1, 20);
}

/// Live blobs are never asked for, and without any other there is nothing to ask.
pub async fn without_a_condemned_blob_nothing_is_erased(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "x")).await;
    abandon(store, repository, "y").await;
    let bytes = Bytes::default();
    assert_eq!(store.reclaim(after(DAY), &bytes).await.unwrap(), Reclaimed::default());
    assert_eq!(bytes.orders(), 0);
}

/// A reference revives, whether its row is new or points to other bytes now.
pub async fn a_condemned_blob_that_is_referred_to_is_live_again(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let bytes = Bytes::default();
    publish(store, row(repository, "other")).await;
    store.review(at_once()).await.unwrap();
    for path in ["new", "other"] {
        let id = condemn(store, repository, "x").await;
        publish(store, artifact_core::ArtifactRow { blob: id, ..row(repository, path) }).await;
        assert_eq!(survey(store).await.condemned, 0, "{path}");
        assert_eq!(store.reclaim(after(DAY), &bytes).await.unwrap().blobs, 0, "{path}");
        store.evict(repository, &Selector::Path(key(repository, path).path), false).await.unwrap();
        store.review(at_once()).await.unwrap();
        store.reclaim(at_once(), &Bytes::default()).await.unwrap();
    }
    assert_eq!(bytes.orders(), 0);
}

/// What was condemned first goes first.
pub async fn a_deletion_takes_the_oldest_first_and_no_more_than_its_limit(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let names = ["c", "a", "d", "b"];
    for name in names {
        condemn(store, repository, name).await;
        next_millisecond().await;
    }
    let bytes = Bytes::default();
    for name in names {
        let one = GarbagePass { limit: 1, ..at_once() };
        assert_eq!(store.reclaim(one, &bytes).await.unwrap(), ONE);
        assert_eq!(bytes.erasures(blob(name)), 1, "{name}");
    }
    assert_eq!(bytes.orders(), 4);
}

/// A store that fails is given time; the bytes and the entry stay meanwhile.
pub async fn bytes_that_were_not_erased_are_left_alone_for_a_minute(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let id = condemn(store, repository, "x").await;
    let bytes = Bytes::holding(&[id]);
    bytes.behave(Erasure::Fails);
    let pass = at_once();
    assert_eq!(store.reclaim(pass, &bytes).await.unwrap(), FAILED);
    let found = survey(store).await;
    assert_eq!((found.blobs, found.condemned, found.due_for_deletion), (1, 1, 0));
    bytes.behave(Erasure::Works);
    let later = |seconds| GarbagePass { now: pass.now.plus(Duration::from_secs(seconds)), ..pass };
    assert_eq!(store.reclaim(later(59), &bytes).await.unwrap(), Reclaimed::default());
    assert_eq!(store.survey(later(61)).await.unwrap().due_for_deletion, 1);
    assert_eq!(store.reclaim(later(61), &bytes).await.unwrap(), ONE);
    assert_eq!((bytes.erasures(id), survey(store).await.blobs), (2, 0));
}

/// A minute, two, four, and so on, but at most a day.
pub async fn every_failure_doubles_the_rest_up_to_a_day(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let id = condemn(store, repository, "x").await;
    let bytes = Bytes::holding(&[id]);
    bytes.behave(Erasure::Fails);
    let mut pass = at_once();
    for failures in 0..40 {
        assert_eq!(store.reclaim(pass, &bytes).await.unwrap(), FAILED, "{failures}");
        let rest = DAY.min(MINUTE.saturating_mul(1 << failures.min(20)));
        let second = Duration::from_secs(1);
        let early = GarbagePass { now: pass.now.plus(rest.saturating_sub(second)), ..pass };
        assert_eq!(store.reclaim(early, &bytes).await.unwrap(), Reclaimed::default());
        pass.now = pass.now.plus(rest + second);
    }
    bytes.behave(Erasure::Works);
    assert_eq!(store.reclaim(pass, &bytes).await.unwrap(), ONE);
}

/// The order to erase may still be on its way: nobody may rely on these bytes now.
pub async fn a_pin_right_after_a_failed_deletion_is_refused(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let id = condemn(store, repository, "x").await;
    let other = abandon(store, repository, "y").await;
    let bytes = Bytes::holding(&[id]);
    bytes.behave(Erasure::Fails);
    assert_eq!(store.reclaim(at_once(), &bytes).await.unwrap(), FAILED);
    let error = store.pin(id, "me", now().plus(HOUR)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    store.pin(other, "me", now().plus(HOUR)).await.unwrap();
    bytes.behave(Erasure::Works);
    let later = store.reclaim(after(2 * MINUTE), &bytes).await.unwrap();
    assert_eq!(later, ONE, "a refused pin holds nothing");
}

/// Erases what it was asked for, or only some, and says that others are gone.
#[derive(Debug)]
struct Answering(Vec<BlobId>);

#[async_trait]
impl EraseBytes for Answering {
    async fn erase(&self, _ids: &[BlobId]) -> Vec<BlobId> {
        self.0.clone()
    }
}

/// Each blob has its own fate.
pub async fn a_deletion_may_fail_for_some_of_its_blobs(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    for name in ["x", "y", "z"] {
        condemn(store, repository, name).await;
    }
    let only = Answering(vec![blob("y")]);
    let expected = Reclaimed { failed: 2, ..ONE };
    assert_eq!(store.reclaim(at_once(), &only).await.unwrap(), expected);
    assert_eq!(survey(store).await.condemned, 2);
    assert_eq!(store.pin(blob("y"), "me", now()).await.unwrap(), Pinned::Absent);
}

/// An answer about blobs that were not asked for means nothing.
pub async fn an_answer_about_other_blobs_deletes_nothing(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "kept")).await;
    abandon(store, repository, "young").await;
    store.review(GarbagePass { limit: 0, ..at_once() }).await.unwrap();
    let id = blob("x");
    store.adopt(&[super::adoption::listing(id, 10)], now()).await.unwrap();
    let bytes = Answering(vec![blob("kept"), blob("young"), blob("unknown"), id, id]);
    assert_eq!(store.reclaim(at_once(), &bytes).await.unwrap(), ONE);
    assert_eq!(survey(store).await.blobs, 2);
}

/// A deletion holds up the writers of its blobs, nobody else's reading.
pub async fn rows_are_read_while_bytes_are_erased(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let published = publish(store, row(repository, "kept")).await;
    let id = abandon(store, repository, "x").await;
    store.review(at_once()).await.unwrap();
    let bytes = HeldBytes::holding(&[id]);
    let read = async {
        bytes.begun().await;
        let read = store.row(&published.key).await.unwrap();
        bytes.release();
        read
    };
    let (reclaimed, read) = tokio::join!(store.reclaim(at_once(), &bytes), read);
    assert_eq!((reclaimed.unwrap(), read), (ONE, Some(published)));
}

/// The writer's row is whole, whichever came first.
pub async fn a_row_published_during_the_deletion_of_its_blob_has_an_entry(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let id = condemn(store, repository, "x").await;
    let bytes = HeldBytes::holding(&[id]);
    let write = async {
        bytes.begun().await;
        let publish = store.publish(row(repository, "x"), Precondition::Absent);
        let release = async { bytes.release() };
        tokio::join!(publish, release).0.unwrap()
    };
    let (reclaimed, published) = tokio::join!(store.reclaim(at_once(), &bytes), write);
    assert_eq!(reclaimed.unwrap(), ONE);
    assert!(matches!(published, Published::Stored(_)));
    assert_eq!((survey(store).await.blobs, survey(store).await.condemned), (1, 0));
    assert_eq!(store.usage().await.unwrap().1, 10);
}

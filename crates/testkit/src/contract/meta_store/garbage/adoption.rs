//! Stored blobs that the index does not know.

use artifact_core::BlobId;
use artifact_core::ports::{BlobListing, GarbagePass, MetaStore, Reclaimed};

use super::super::{blob, create, publish, row};
use super::{Bytes, DAY, HOUR, MINUTE, after, ago, almost, at_once, now, survey};

pub(super) fn listing(id: BlobId, size: u64) -> BlobListing {
    BlobListing { id, size, stored_at: ago(DAY) }
}

/// An upload whose process died is deleted like everything else that nobody needs.
pub async fn a_stored_blob_without_an_entry_is_adopted_and_deleted_when_due(store: &dyn MetaStore) {
    let orphans = [listing(blob("x"), 3), listing(blob("y"), 4)];
    assert_eq!(store.adopt(&orphans, now()).await.unwrap(), 2);
    let found = survey(store).await;
    assert_eq!((found.blobs, found.bytes, found.condemned), (2, 7, 2));
    assert_eq!(found.due_for_review, 0);
    let bytes = Bytes::holding(&[blob("x"), blob("y")]);
    let pass = |span| GarbagePass { delete_delay: DAY, ..after(span) };
    let early = store.reclaim(pass(HOUR), &bytes).await.unwrap();
    assert_eq!(early, Reclaimed::default());
    let late = store.reclaim(pass(DAY + MINUTE), &bytes).await.unwrap();
    assert_eq!(late, Reclaimed { blobs: 2, bytes: 7, ..Reclaimed::default() });
    assert!(bytes.stored().is_empty());
}

/// Whatever its state, size or age is.
pub async fn a_blob_that_is_indexed_is_not_adopted(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "x")).await;
    assert_eq!(store.adopt(&[listing(blob("y"), 5)], ago(HOUR)).await.unwrap(), 1);
    let before = survey(store).await;
    let both = [listing(blob("x"), 99), listing(blob("y"), 99)];
    assert_eq!(store.adopt(&both, now()).await.unwrap(), 0);
    assert_eq!(store.adopt(&[], now()).await.unwrap(), 0);
    assert_eq!(survey(store).await, before);
    let since = GarbagePass { delete_delay: almost(HOUR), ..at_once() };
    let reclaimed = store.reclaim(since, &Bytes::default()).await.unwrap();
    assert_eq!((reclaimed.blobs, reclaimed.bytes), (1, 5));
}

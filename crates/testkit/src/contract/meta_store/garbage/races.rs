//! The races of writers and collectors, each told once.

use artifact_core::ports::{EvictionPass, MetaStore, Pinned, Precondition, Reclaimed};
use artifact_core::{BlobId, RepositoryId};

use super::super::bytes::{Erasure, HeldBytes};
use super::super::{blob, create, key, publish, row};
use super::adoption::listing;
use super::{Bytes, DAY, HOUR, MINUTE, after, ago, at_once, collect, condemn, now, survey};

/// How often two contestants are let loose on each other.
const ROUNDS: usize = 20;

/// What every writer does: pin, store bytes that may be missing, publish, take the pin away.
async fn write(store: &dyn MetaStore, bytes: &Bytes, repository: RepositoryId, text: &str) {
    let id = blob(text);
    let pinned = store.pin(id, "writer", now().plus(DAY)).await.unwrap();
    if pinned != Pinned::Live && !bytes.hold(id) {
        bytes.store(id);
    }
    publish(store, row(repository, text)).await;
    store.unpin(id, "writer").await.unwrap();
}

async fn drop_row(store: &dyn MetaStore, repository: RepositoryId, text: &str) {
    store.remove(&key(repository, text), Precondition::Any).await.unwrap();
}

/// The row that a writer published has a live blob with bytes, and stays so.
async fn assert_whole(store: &dyn MetaStore, bytes: &Bytes, repository: RepositoryId, text: &str) {
    let published = store.row(&key(repository, text)).await.unwrap();
    assert_eq!(published.map(|row| row.blob), Some(blob(text)));
    collect(store, after(2 * DAY), bytes).await;
    assert!(bytes.hold(blob(text)), "the bytes of a row are gone");
}

/// Race 1: either the review sees the row, or the row revives the blob.
pub async fn a_row_published_beside_a_review_has_a_live_blob(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let bytes = Bytes::holding(&[blob("x")]);
    for round in 0..ROUNDS {
        publish(store, row(repository, "x")).await;
        drop_row(store, repository, "x").await;
        let publish = publish(store, row(repository, "x"));
        if round % 2 == 0 {
            let _ = tokio::join!(publish, store.review(at_once()));
        } else {
            let _ = tokio::join!(store.review(at_once()), publish);
        }
        assert_eq!(survey(store).await.condemned, 0);
        assert_whole(store, &bytes, repository, "x").await;
        drop_row(store, repository, "x").await;
    }
}

/// Race 2: the writer waits for the deletion, is told that nothing is there, and stores again.
pub async fn a_writer_waits_for_a_deletion_under_way_and_stores_the_bytes_again(
    store: &dyn MetaStore,
) {
    let repository = create(store, "a").await;
    let id = condemn(store, repository, "x").await;
    let held = HeldBytes::holding(&[id]);
    let writer = async {
        held.begun().await;
        let pin = store.pin(id, "writer", now().plus(DAY));
        let release = async {
            // Round trips that a pin which does not wait would win.
            for _ in 0..20 {
                store.history().await.unwrap();
            }
            held.release();
        };
        let (pinned, ()) = tokio::join!(pin, release);
        assert_eq!(pinned.unwrap(), Pinned::Absent);
        assert!(!held.bytes.hold(id), "the pin did not wait");
        held.bytes.store(id);
        publish(store, row(repository, "x")).await;
        store.unpin(id, "writer").await.unwrap();
    };
    let (reclaimed, ()) = tokio::join!(store.reclaim(at_once(), &held), writer);
    assert_eq!(reclaimed.unwrap().blobs, 1);
    assert_whole(store, &held.bytes, repository, "x").await;
}

/// Race 3: who has seen "absent" stores bytes that no earlier deletion can still reach.
pub async fn bytes_stored_after_absent_was_seen_outlive_every_deletion(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let bytes = Bytes::default();
    for _ in 0..ROUNDS {
        write(store, &bytes, repository, "x").await;
        drop_row(store, repository, "x").await;
        store.review(at_once()).await.unwrap();
        let (first, second, ()) = tokio::join!(
            store.reclaim(at_once(), &bytes),
            store.reclaim(at_once(), &bytes),
            write(store, &bytes, repository, "x"),
        );
        assert!(first.unwrap().blobs + second.unwrap().blobs <= 1);
        assert_whole(store, &bytes, repository, "x").await;
        drop_row(store, repository, "x").await;
    }
}

/// Race 5: the sweeper finds bytes whose writer has not come to its row yet.
pub async fn a_blob_adopted_while_its_writer_is_about_to_publish_survives(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let (id, bytes) = (blob("x"), Bytes::default());
    assert_eq!(store.pin(id, "writer", now().plus(DAY)).await.unwrap(), Pinned::Absent);
    bytes.store(id);
    assert_eq!(store.adopt(&[listing(id, 10)], ago(DAY)).await.unwrap(), 1);
    let revived = Reclaimed { revived: 1, ..Reclaimed::default() };
    assert_eq!(store.reclaim(at_once(), &bytes).await.unwrap(), revived);
    assert_eq!(survey(store).await.condemned, 0);
    publish(store, row(repository, "x")).await;
    store.unpin(id, "writer").await.unwrap();
    assert_whole(store, &bytes, repository, "x").await;
}

/// Race 5 again: the row comes between the sweeper and the deletion.
pub async fn a_row_published_after_its_blob_was_adopted_revives_it(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let bytes = Bytes::holding(&[blob("x")]);
    assert_eq!(store.adopt(&[listing(blob("x"), 10)], ago(DAY)).await.unwrap(), 1);
    publish(store, row(repository, "x")).await;
    assert_eq!(survey(store).await.condemned, 0);
    assert_whole(store, &bytes, repository, "x").await;
}

/// Race 8: what one collector has locked, the other one leaves alone.
pub async fn two_collectors_at_once_delete_each_blob_once(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let names: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    let ids: Vec<BlobId> = names.iter().map(|name| blob(name)).collect();
    for name in &names {
        super::abandon(store, repository, name).await;
    }
    let (one, two) = tokio::join!(store.review(at_once()), store.review(at_once()));
    assert_eq!(one.unwrap().condemned + two.unwrap().condemned, 30);
    let bytes = Bytes::holding(&ids);
    let (one, two) =
        tokio::join!(store.reclaim(at_once(), &bytes), store.reclaim(at_once(), &bytes));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.blobs + two.blobs, one.bytes + two.bytes), (30, 300));
    assert!(ids.iter().all(|id| bytes.erasures(*id) == 1));
    assert_eq!(survey(store).await.blobs, 0);
}

/// Race 8, with one collector in the middle of its deletion.
pub async fn a_second_collector_does_not_touch_a_deletion_under_way(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let id = condemn(store, repository, "x").await;
    let held = HeldBytes::holding(&[id]);
    let second = async {
        held.begun().await;
        let second = store.reclaim(at_once(), &held.bytes);
        let release = async { held.release() };
        tokio::join!(second, release).0.unwrap()
    };
    let (first, second) = tokio::join!(store.reclaim(at_once(), &held), second);
    assert_eq!((first.unwrap().blobs, second), (1, Reclaimed::default()));
    assert_eq!(held.bytes.erasures(id), 1);
}

/// Race 9: the loss of the last reference is never overlooked.
pub async fn a_reference_removed_beside_a_review_is_not_forgotten(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let bytes = Bytes::default();
    for round in 0..ROUNDS {
        write(store, &bytes, repository, "x").await;
        let remove = drop_row(store, repository, "x");
        if round % 2 == 0 {
            let _ = tokio::join!(remove, store.review(at_once()));
        } else {
            let _ = tokio::join!(store.review(at_once()), remove);
        }
        collect(store, after(2 * DAY), &bytes).await;
        assert_eq!((survey(store).await.blobs, bytes.stored().len()), (0, 0));
    }
}

/// Race 10: a client was told that the blob exists and comes back with what refers to it.
pub async fn a_promised_blob_outlives_the_collector_until_its_reference_arrives(
    store: &dyn MetaStore,
) {
    let repository = create(store, "a").await;
    let id = condemn(store, repository, "x").await;
    let bytes = Bytes::holding(&[id]);
    assert_eq!(store.pin(id, "promise", now().plus(DAY)).await.unwrap(), Pinned::Revived);
    for hours in [1, 12, 23] {
        collect(store, after(HOUR * hours), &bytes).await;
    }
    assert!(bytes.hold(id));
    publish(store, row(repository, "x")).await;
    assert_whole(store, &bytes, repository, "x").await;
}

/// Race 11: bytes that were not there count as gone.
pub async fn a_deletion_that_lost_its_answer_is_finished_by_the_next(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let id = condemn(store, repository, "x").await;
    let bytes = Bytes::holding(&[id]);
    bytes.behave(Erasure::LosesTheAnswer);
    assert_eq!(store.reclaim(at_once(), &bytes).await.unwrap().failed, 1);
    assert_eq!((bytes.hold(id), survey(store).await.blobs), (false, 1));
    bytes.behave(Erasure::Works);
    assert_eq!(store.reclaim(after(2 * MINUTE), &bytes).await.unwrap().blobs, 1);
    assert_eq!(survey(store).await.blobs, 0);
}

/// Race 11, with a writer who comes before the next deletion: it is told to look for the bytes.
pub async fn a_writer_after_a_deletion_that_lost_its_answer_looks_for_the_bytes(
    store: &dyn MetaStore,
) {
    let repository = create(store, "a").await;
    let id = blob("x");
    let bytes = Bytes::holding(&[id]);
    store.adopt(&[listing(id, 10)], ago(HOUR)).await.unwrap();
    bytes.behave(Erasure::LosesTheAnswer);
    // Long enough ago that nothing is in doubt any more.
    let pass = artifact_core::ports::GarbagePass { now: ago(2 * MINUTE), ..at_once() };
    assert_eq!(store.reclaim(pass, &bytes).await.unwrap().failed, 1);
    bytes.behave(Erasure::Works);
    assert_eq!(store.pin(id, "writer", now().plus(DAY)).await.unwrap(), Pinned::Revived);
    store.unpin(id, "writer").await.unwrap();
    store.review(at_once()).await.unwrap();
    write(store, &bytes, repository, "x").await;
    assert_whole(store, &bytes, repository, "x").await;
}

/// Race 12: room is made while somebody publishes the row again.
pub async fn an_eviction_beside_a_publish_leaves_a_whole_row_or_none(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let bytes = Bytes::default();
    write(store, &bytes, repository, "x").await;
    for round in 0..ROUNDS {
        let pass = EvictionPass {
            repositories: vec![repository],
            bytes: 10,
            unused_since: now().plus(100 * 365 * DAY),
            limit: 10,
        };
        let (evict, write) = (store.evict_least_used(&pass), write(store, &bytes, repository, "x"));
        if round % 2 == 0 {
            let _ = tokio::join!(evict, write);
        } else {
            let _ = tokio::join!(write, evict);
        }
        collect(store, after(2 * DAY), &bytes).await;
        if store.row(&key(repository, "x")).await.unwrap().is_some() {
            assert!(bytes.hold(blob("x")));
        } else {
            assert_eq!((survey(store).await.blobs, bytes.stored().len()), (0, 0));
        }
    }
}

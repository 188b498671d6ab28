//! Writers and collectors all at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use artifact_core::ports::{MetaStore, Pinned, Precondition};
use artifact_core::{ArtifactRow, RepositoryId};
use futures_util::future::join_all;
use tokio::task::yield_now;

use super::super::{blob, create, key, publish, row};
use super::{Bytes, DAY, after, at_once, now, survey};

const WRITERS: usize = 6;
const ROUNDS: usize = 15;
/// Fewer than writers, so that they share some.
const BLOBS: usize = 3;

/// Writes, checks and removes rows of its own whose blobs others have, too.
async fn work(store: &dyn MetaStore, bytes: &Bytes, repository: RepositoryId, writer: usize) {
    let owner = format!("writer {writer}");
    for round in 0..ROUNDS {
        let id = blob(&((writer + round) % BLOBS).to_string());
        let pinned = store.pin(id, &owner, now().plus(DAY)).await.unwrap();
        yield_now().await;
        if pinned != Pinned::Live {
            bytes.store(id);
        }
        yield_now().await;
        publish(store, ArtifactRow { blob: id, ..row(repository, &owner) }).await;
        store.unpin(id, &owner).await.unwrap();
        for _ in 0..3 {
            yield_now().await;
            assert!(bytes.hold(id), "the bytes of a row are gone");
        }
        store.remove(&key(repository, &owner), Precondition::Any).await.unwrap();
        yield_now().await;
    }
}

async fn collect(store: &dyn MetaStore, bytes: &Bytes, at_work: &AtomicUsize) {
    while at_work.load(Ordering::SeqCst) > 0 {
        store.review(at_once()).await.unwrap();
        yield_now().await;
        store.reclaim(at_once(), bytes).await.unwrap();
        yield_now().await;
    }
}

/// However they interleave, the bytes of a row exist, and at the end nothing is left over.
pub async fn writers_and_collectors_at_once_lose_nothing(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let (bytes, at_work) = (Bytes::default(), AtomicUsize::new(WRITERS));
    let writers = join_all((0..WRITERS).map(|writer| {
        let (bytes, at_work) = (&bytes, &at_work);
        async move {
            work(store, bytes, repository, writer).await;
            at_work.fetch_sub(1, Ordering::SeqCst);
        }
    }));
    tokio::join!(writers, collect(store, &bytes, &at_work), collect(store, &bytes, &at_work));
    super::collect(store, after(2 * DAY), &bytes).await;
    assert_eq!((survey(store).await.blobs, bytes.stored().len()), (0, 0));
    assert_eq!(store.usage().await.unwrap().1, 0);
}

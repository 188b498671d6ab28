//! Deleting bytes while the index holds the locks of their blobs.

use std::sync::Arc;
use std::time::Duration;

use artifact_core::BlobId;
use artifact_core::ports::{BlobStore, EraseBytes};
use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

/// How long a batch may take: writers of its blobs wait meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

/// Erases bytes from a store, within seconds.
#[derive(Debug)]
pub(super) struct Erasing {
    blobs: Arc<dyn BlobStore>,
    at_once: usize,
}

impl Erasing {
    /// With so many deletions under way at once.
    pub(super) fn new(blobs: Arc<dyn BlobStore>, at_once: usize) -> Self {
        Self { blobs, at_once }
    }

    /// Deletes one blob after the other, those that the store deletes together at once; the ids of
    /// those that are certainly gone.
    async fn in_turn(&self, ids: &[BlobId], deadline: Instant) -> Vec<BlobId> {
        let mut gone = Vec::with_capacity(ids.len());
        let mut left = ids;
        while let Some(first) = left.first() {
            let Ok(outcomes) = timeout_at(deadline, self.blobs.delete_some(left)).await else {
                tracing::warn!(blob = %first, blobs = left.len(), "deleting condemned blobs takes too long");
                break;
            };
            // A store that says nothing is taken to have done nothing.
            let (told, rest) = left.split_at(outcomes.len().clamp(1, left.len()));
            for (id, outcome) in told.iter().zip(outcomes) {
                match outcome {
                    Ok(_) => gone.push(*id),
                    Err(error) => {
                        tracing::warn!(%error, blob = %id, "a condemned blob could not be deleted");
                    }
                }
            }
            left = rest;
        }
        gone
    }
}

#[async_trait]
impl EraseBytes for Erasing {
    async fn erase(&self, ids: &[BlobId]) -> Vec<BlobId> {
        let deadline = Instant::now() + PATIENCE;
        let share = ids.len().div_ceil(self.at_once).max(1);
        let turns = ids.chunks(share).map(|ids| self.in_turn(ids, deadline));
        join_all(turns).await.concat()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::path::Path;
    use std::sync::Mutex;

    use artifact_core::ports::{BlobListing, BlobRead, ByteRange, Durability};
    use artifact_core::{Error, ErrorKind, Result};

    use super::*;

    const fn blob(number: u8) -> BlobId {
        BlobId::from_bytes([number; 32])
    }

    fn refused() -> Error {
        Error::new(ErrorKind::Unavailable, "this store only deletes")
    }

    /// Deletes two blobs at a time, refuses one and hangs over another.
    #[derive(Debug, Default)]
    struct Deleting {
        refused: Option<BlobId>,
        hanging: Option<BlobId>,
        calls: Mutex<Vec<Vec<BlobId>>>,
    }

    #[async_trait]
    impl BlobStore for Deleting {
        async fn open(&self, _: BlobId, _: Option<ByteRange>) -> Result<Option<BlobRead>> {
            Err(refused())
        }

        async fn stat(&self, _: BlobId) -> Result<Option<u64>> {
            Err(refused())
        }

        async fn put_file(&self, _: BlobId, _: &Path, _: u64, _: Durability) -> Result<()> {
            Err(refused())
        }

        async fn delete(&self, id: BlobId) -> Result<bool> {
            if self.hanging == Some(id) {
                pending::<()>().await;
            }
            if self.refused == Some(id) { Err(refused()) } else { Ok(true) }
        }

        async fn delete_some(&self, ids: &[BlobId]) -> Vec<Result<bool>> {
            let ids = &ids[..ids.len().min(2)];
            self.calls.lock().unwrap().push(ids.to_vec());
            let mut outcomes = Vec::new();
            for id in ids {
                outcomes.push(self.delete(*id).await);
            }
            outcomes
        }

        async fn list(&self, _: Option<BlobId>, _: usize) -> Result<Vec<BlobListing>> {
            Err(refused())
        }

        async fn epoch(&self) -> Result<u64> {
            Err(refused())
        }

        async fn set_epoch(&self, _: u64) -> Result<()> {
            Err(refused())
        }

        async fn check(&self) -> Result<()> {
            Err(refused())
        }
    }

    async fn erased(store: Deleting, at_once: usize) -> (Vec<BlobId>, Vec<Vec<BlobId>>) {
        let store = Arc::new(store);
        let ids: Vec<_> = (1..=5).map(blob).collect();
        let gone =
            Erasing::new(Arc::clone(&store) as Arc<dyn BlobStore>, at_once).erase(&ids).await;
        let calls = store.calls.lock().unwrap().clone();
        (gone, calls)
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_store_deletes_together_is_asked_for_together() {
        let (gone, calls) = erased(Deleting::default(), 1).await;
        assert_eq!(gone, (1..=5).map(blob).collect::<Vec<_>>());
        assert_eq!(calls, [vec![blob(1), blob(2)], vec![blob(3), blob(4)], vec![blob(5)]]);
        let (gone, calls) = erased(Deleting::default(), 8).await;
        assert_eq!((gone.len(), calls.len()), (5, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_is_certainly_gone_is_told() {
        let refusing = Deleting { refused: Some(blob(2)), ..Deleting::default() };
        assert_eq!(erased(refusing, 1).await.0, [blob(1), blob(3), blob(4), blob(5)]);
        // The call that hangs may have deleted the first of its blobs, and nobody asks for those behind it.
        let hanging = Deleting { hanging: Some(blob(4)), ..Deleting::default() };
        assert_eq!(erased(hanging, 1).await.0, [blob(1), blob(2)]);
        let hanging = Deleting { hanging: Some(blob(1)), ..Deleting::default() };
        assert_eq!(erased(hanging, 2).await.0, [blob(4), blob(5)]);
    }
}

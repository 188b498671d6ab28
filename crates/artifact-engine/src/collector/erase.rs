//! Deleting bytes while the index holds the locks of their blobs.

use std::sync::Arc;
use std::time::Duration;

use artifact_core::BlobId;
use artifact_core::ports::{BlobStore, EraseBytes};
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream;
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

    async fn one(&self, id: BlobId, deadline: Instant) -> Option<BlobId> {
        match timeout_at(deadline, self.blobs.delete(id)).await {
            Ok(Ok(_)) => Some(id),
            Ok(Err(error)) => {
                tracing::warn!(%error, blob = %id, "a condemned blob could not be deleted");
                None
            }
            Err(_) => {
                tracing::warn!(blob = %id, "deleting a condemned blob takes too long");
                None
            }
        }
    }
}

#[async_trait]
impl EraseBytes for Erasing {
    async fn erase(&self, ids: &[BlobId]) -> Vec<BlobId> {
        let deadline = Instant::now() + PATIENCE;
        stream::iter(ids.iter().copied())
            .map(|id| self.one(id, deadline))
            .buffer_unordered(self.at_once)
            .filter_map(|erased| async move { erased })
            .collect()
            .await
    }
}

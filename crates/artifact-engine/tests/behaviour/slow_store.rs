//! A store that takes bytes in only when the test says so, as one that is frozen.

use std::path::Path;
use std::sync::Arc;

use artifact_core::ports::{BlobListing, BlobRead, BlobStore, ByteRange, Durability};
use artifact_core::{BlobId, Result};
use async_trait::async_trait;
use cas_store::MemoryStore;
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct SlowStore {
    inner: MemoryStore,
    thawed: Notify,
}

impl SlowStore {
    pub(crate) fn frozen() -> Arc<Self> {
        Arc::default()
    }

    /// Lets one blob be stored.
    pub(crate) fn thaw(&self) {
        self.thawed.notify_one();
    }
}

#[async_trait]
impl BlobStore for SlowStore {
    async fn open(&self, id: BlobId, range: Option<ByteRange>) -> Result<Option<BlobRead>> {
        self.inner.open(id, range).await
    }

    async fn stat(&self, id: BlobId) -> Result<Option<u64>> {
        self.inner.stat(id).await
    }

    async fn put_file(
        &self,
        id: BlobId,
        source: &Path,
        size: u64,
        durability: Durability,
    ) -> Result<()> {
        self.thawed.notified().await;
        self.inner.put_file(id, source, size, durability).await
    }

    async fn delete(&self, id: BlobId) -> Result<bool> {
        self.inner.delete(id).await
    }

    async fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobListing>> {
        self.inner.list(after, limit).await
    }

    async fn epoch(&self) -> Result<u64> {
        self.inner.epoch().await
    }

    async fn set_epoch(&self, epoch: u64) -> Result<()> {
        self.inner.set_epoch(epoch).await
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }
}

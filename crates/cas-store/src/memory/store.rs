//! A whole store in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use artifact_core::ports::{BlobListing, BlobPayload, BlobRead, BlobStore, ByteRange, Durability};
use artifact_core::{BlobId, Clock, Result, SystemClock, Timestamp};
use async_trait::async_trait;
use bytes::Bytes;

use super::cut;
use super::staging::Uploads;
use crate::blocking::lock;
use crate::error::{IoContext, absent_as_none};
use crate::{StoreError, blocking};

/// A [`BlobStore`] and [`Staging`](artifact_core::ports::Staging) that keeps everything in memory and forgets it when dropped.
/// Unbounded: for tests and for embedding with little data.
#[derive(Default)]
pub struct MemoryStore {
    pub(super) blobs: Arc<Mutex<BTreeMap<BlobId, Stored>>>,
    pub(super) uploads: Uploads,
    epoch: AtomicU64,
}

pub(super) struct Stored {
    pub(super) bytes: Bytes,
    pub(super) stored_at: Timestamp,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("blobs", &lock(&self.blobs).len())
            .finish_non_exhaustive()
    }
}

fn read_source(source: &Path, expected: u64) -> Result<Bytes, StoreError> {
    let bytes = fs::read(source).during("read", source)?;
    let actual = bytes.len() as u64;
    if actual != expected {
        return Err(StoreError::SourceSize { path: source.into(), expected, actual });
    }
    Ok(Bytes::from(bytes))
}

#[async_trait]
impl BlobStore for MemoryStore {
    async fn open(&self, id: BlobId, range: Option<ByteRange>) -> Result<Option<BlobRead>> {
        let blobs = lock(&self.blobs);
        Ok(blobs.get(&id).map(|stored| BlobRead {
            size: stored.bytes.len() as u64,
            payload: BlobPayload::Bytes(cut(&stored.bytes, range)),
        }))
    }

    async fn stat(&self, id: BlobId) -> Result<Option<u64>> {
        Ok(lock(&self.blobs).get(&id).map(|stored| stored.bytes.len() as u64))
    }

    async fn put_file(
        &self,
        id: BlobId,
        source: &Path,
        size: u64,
        _durability: Durability,
    ) -> Result<()> {
        let (blobs, source) = (Arc::clone(&self.blobs), source.to_owned());
        blocking::run(move || {
            let bytes = read_source(&source, size)?;
            lock(&blobs).insert(id, Stored { bytes, stored_at: SystemClock.now() });
            absent_as_none(fs::remove_file(&source)).during("remove", &source)?;
            Ok(())
        })
        .await
    }

    async fn delete(&self, id: BlobId) -> Result<bool> {
        Ok(lock(&self.blobs).remove(&id).is_some())
    }

    async fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobListing>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let listing = |(id, stored): (&BlobId, &Stored)| BlobListing {
            id: *id,
            size: stored.bytes.len() as u64,
            stored_at: stored.stored_at,
        };
        let blobs = lock(&self.blobs);
        Ok(blobs.range((start, Bound::Unbounded)).take(limit).map(listing).collect())
    }

    async fn epoch(&self) -> Result<u64> {
        Ok(self.epoch.load(Ordering::SeqCst))
    }

    async fn set_epoch(&self, epoch: u64) -> Result<()> {
        self.epoch.store(epoch, Ordering::SeqCst);
        Ok(())
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

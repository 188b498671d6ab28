//! Uploads in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use artifact_core::ports::{StagedBytes, Staging, StagingWriter, UploadId};
use artifact_core::{
    Algorithm, BlobId, ByteStream, Clock, Digests, Result, SystemClock, Timestamp,
};
use async_trait::async_trait;
use bytes::Bytes;

use super::store::{MemoryStore, Stored};
use crate::StoreError;
use crate::blocking::lock;
use crate::staging::{Belt, Place, Progress, ResumableHasher, Sink, begin, size_at};

pub(super) type Uploads = Arc<Mutex<BTreeMap<UploadId, Staged>>>;

/// What was flushed of an upload.
#[derive(Debug)]
pub(super) struct Staged {
    bytes: Vec<u8>,
    changed_at: Timestamp,
}

impl MemoryStore {
    /// The first `size` bytes of upload `id`; what is behind them is cut off.
    fn cut_to(&self, id: UploadId, size: u64) -> Result<Vec<u8>, StoreError> {
        let gone = || StoreError::StagingGone { id };
        let length = usize::try_from(size).map_err(|_| gone())?;
        let mut uploads = lock(&self.uploads);
        if length == 0 {
            uploads.remove(&id);
            return Ok(Vec::new());
        }
        let staged = uploads.get_mut(&id).ok_or_else(gone)?;
        if staged.bytes.len() < length {
            return Err(gone());
        }
        staged.bytes.truncate(length);
        Ok(staged.bytes.clone())
    }
}

#[async_trait]
impl Staging for MemoryStore {
    async fn write(
        &self,
        id: UploadId,
        state: &str,
        algorithms: &[Algorithm],
    ) -> Result<Box<dyn StagingWriter>> {
        let (size, hasher) = begin(state, &Place::Memory, algorithms)?;
        let bytes = self.cut_to(id, size)?;
        let uploads = Arc::clone(&self.uploads);
        Ok(Box::new(Writer(Belt::new(Growing { uploads, id, bytes, hasher }))))
    }

    async fn read(&self, id: UploadId, state: &str) -> Result<ByteStream> {
        let bytes = self.cut_to(id, size_at(state, &Place::Memory)?)?;
        Ok(Box::pin(futures_util::stream::iter([Ok(Bytes::from(bytes))])))
    }

    async fn keep(&self, id: UploadId, state: &str, id_of_bytes: BlobId) -> Result<()> {
        let size = size_at(state, &Place::Memory)?;
        let is_stored =
            lock(&self.blobs).get(&id_of_bytes).is_some_and(|it| it.bytes.len() as u64 == size);
        if !is_stored {
            let bytes = Bytes::from(self.cut_to(id, size)?);
            let stored = Stored { bytes, stored_at: SystemClock.now() };
            lock(&self.blobs).insert(id_of_bytes, stored);
        }
        self.discard(id, state).await
    }

    async fn discard(&self, id: UploadId, _state: &str) -> Result<()> {
        lock(&self.uploads).remove(&id);
        Ok(())
    }

    async fn staged(
        &self,
        after: Option<UploadId>,
        limit: usize,
    ) -> Result<Vec<(UploadId, Timestamp)>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let uploads = lock(&self.uploads);
        let found = uploads.range((start, Bound::Unbounded)).take(limit);
        Ok(found.map(|(id, staged)| (*id, staged.changed_at)).collect())
    }
}

#[derive(Debug)]
struct Growing {
    uploads: Uploads,
    id: UploadId,
    bytes: Vec<u8>,
    hasher: ResumableHasher,
}

impl Growing {
    fn flush(&self) -> Progress {
        let staged = Staged { bytes: self.bytes.clone(), changed_at: SystemClock.now() };
        let size = staged.bytes.len() as u64;
        lock(&self.uploads).insert(self.id, staged);
        Progress { size, digests: self.hasher.saved(), place: Place::Memory }
    }
}

impl Sink for Growing {
    fn take(&mut self, chunks: &[Bytes]) -> Result<(), StoreError> {
        for chunk in chunks {
            self.hasher.update(chunk);
            self.bytes.extend_from_slice(chunk);
        }
        Ok(())
    }

    fn hasher(&self) -> &ResumableHasher {
        &self.hasher
    }
}

#[derive(Debug)]
struct Writer(Belt<Growing>);

#[async_trait]
impl StagingWriter for Writer {
    async fn append(&mut self, chunk: Bytes) -> Result<()> {
        self.0.push(chunk).await
    }

    async fn flush(&mut self) -> Result<StagedBytes> {
        self.0
            .arrived(|growing| {
                let progress = growing.flush();
                Ok(StagedBytes { size: progress.size, state: progress.written()? })
            })
            .await
    }

    fn digests(&self) -> Digests {
        self.0.digests()
    }
}

//! The tier as a store.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use artifact_core::ports::{BlobListing, BlobPayload, BlobRead, BlobStore, ByteRange, Durability};
use artifact_core::{BlobId, Result};
use async_trait::async_trait;
use tokio::time::Instant;

use super::claims::{Claim, Claims};
use super::disk::Disk;
use super::fill::{Fill, left_out};
use super::index::Promise;
use super::rebuild::rebuild;
use super::sightings::Sightings;
use crate::blocking::lock;
use crate::opened_file::Opened;
use crate::tasks::Tasks;
use crate::temporary::Temporary;
use crate::{Quota, StoreError};

/// Up to this size a blob is written down when it is read for the first time.
const AT_FIRST_READ: u64 = 4 << 20;
/// One in so many hits is read again to be verified.
const VERIFIED: u64 = 1000;

/// A [`BlobStore`] that keeps files of what passes through it to and from `S`, within a quota.
///
/// Hits ask nobody, so they go on while `S` does not answer. What another process deletes in `S`
/// may stay here for a while: that a blob is here is no promise that it is there.
pub struct DiskTier<S> {
    inner: S,
    disk: Arc<Disk>,
    tasks: Arc<Tasks>,
    claims: Arc<Claims>,
    sightings: Mutex<Sightings>,
    hits: AtomicU64,
}

impl<S: BlobStore> DiskTier<S> {
    /// A tier below `root` before `inner`, making the directory if need be. Refused while another
    /// process has it open. What an earlier process left is found in the background. Must be
    /// called in a tokio runtime.
    pub fn open(inner: S, root: &Path, quota: Quota) -> Result<Self, StoreError> {
        let disk = Arc::new(Disk::open(root, quota)?);
        let found = Arc::downgrade(&disk);
        let tasks = Arc::new(Tasks::default());
        tasks.start(async move { unless_left_out(move || rebuild(&found)).await.unwrap_or(()) });
        let (claims, sightings) = (Arc::default(), Mutex::default());
        Ok(Self { inner, disk, tasks, claims, sightings, hits: AtomicU64::new(0) })
    }

    /// Where the spool belongs: on the same file system, so that a finished file is
    /// taken in by its name.
    pub fn spool_directory(&self) -> PathBuf {
        self.disk.root().join("tmp")
    }

    /// The store below.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Bytes of the quota that are taken.
    pub fn held_bytes(&self) -> u64 {
        self.disk.index.used()
    }

    /// Waits until everything that goes on in the background is done.
    pub async fn settle(&self) {
        self.tasks.settle().await;
    }

    async fn hit(&self, id: BlobId, range: Option<ByteRange>) -> Option<Opened> {
        if self.is_surely_absent(id) {
            return None;
        }
        let disk = Arc::clone(&self.disk);
        let opened = unless_left_out(move || disk.read(id, range)).await.flatten()?;
        if self.hits.fetch_add(1, Ordering::Relaxed) % VERIFIED == VERIFIED - 1 {
            let disk = Arc::clone(&self.disk);
            let verified = async move { unless_left_out(move || disk.verify(id)).await };
            self.tasks.start(async move { verified.await.unwrap_or(()) });
        }
        Some(opened)
    }

    fn is_surely_absent(&self, id: BlobId) -> bool {
        self.disk.index.is_complete() && self.disk.index.get(id).is_none()
    }

    /// `read`, written down while it is read if that is worth it.
    fn followed(&self, read: BlobRead, claim: Claim) -> BlobRead {
        let BlobRead { size, payload } = read;
        if !self.is_worth_it(claim.id(), size) {
            return BlobRead { size, payload };
        }
        let (disk, tasks) = (Arc::clone(&self.disk), Arc::clone(&self.tasks));
        let fill = Fill { disk, tasks, claim, size };
        let payload = match payload {
            BlobPayload::Bytes(bytes) => {
                fill.take_all(bytes.clone());
                BlobPayload::Bytes(bytes)
            }
            BlobPayload::Stream(stream) => BlobPayload::Stream(fill.follow(stream)),
        };
        BlobRead { size, payload }
    }

    fn is_worth_it(&self, id: BlobId, size: u64) -> bool {
        size <= AT_FIRST_READ || lock(&self.sightings).is_second(id, Instant::now())
    }

    /// A name of our own for `source` and room for it, unless the disk has trouble.
    async fn linked(&self, source: &Path, size: u64) -> Option<(Temporary, Promise)> {
        let (disk, source) = (Arc::clone(&self.disk), source.to_owned());
        let linked = move || {
            let Some(promise) = disk.make_room(size)? else { return Ok(None) };
            Ok(Some((disk.link(&source)?, promise)))
        };
        unless_left_out(linked).await.flatten()
    }

    async fn forget(&self, id: BlobId) {
        let disk = Arc::clone(&self.disk);
        unless_left_out(move || disk.forget(id)).await.unwrap_or(());
    }
}

/// The outcome of `work` on the blocking pool; `None` where the tier is left out because of it.
async fn unless_left_out<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            left_out(&error);
            None
        }
        Err(_) => None,
    }
}

#[async_trait]
impl<S: BlobStore> BlobStore for DiskTier<S> {
    async fn open(&self, id: BlobId, range: Option<ByteRange>) -> Result<Option<BlobRead>> {
        if let Some(opened) = self.hit(id, range).await {
            return Ok(Some(opened.into()));
        }
        // Claimed before the store below is asked, so that a deletion meanwhile is noticed.
        let claim = if range.is_none() { self.claims.for_read(id) } else { None };
        let read = self.inner.open(id, range).await?;
        Ok(match (read, claim) {
            (Some(read), Some(claim)) => Some(self.followed(read, claim)),
            (read, _) => read,
        })
    }

    async fn stat(&self, id: BlobId) -> Result<Option<u64>> {
        if let Some(entry) = self.disk.index.get(id) {
            return Ok(Some(entry.size));
        }
        if !self.disk.index.is_complete() {
            let disk = Arc::clone(&self.disk);
            if let Some(size) = unless_left_out(move || disk.size(id)).await.flatten() {
                return Ok(Some(size));
            }
        }
        self.inner.stat(id).await
    }

    async fn put_file(
        &self,
        id: BlobId,
        source: &Path,
        size: u64,
        durability: Durability,
    ) -> Result<()> {
        let claim = self.claims.for_put(id);
        // Linked first, because the store below removes its source; named last, because what is
        // here is taken to be there.
        let linked = self.linked(source, size).await;
        self.inner.put_file(id, source, size, durability).await?;
        let (Some(claim), Some((file, promise))) = (claim, linked) else {
            // What is here may be the damage that was replaced below.
            self.forget(id).await;
            return Ok(());
        };
        let disk = Arc::clone(&self.disk);
        let admitted = move || disk.admit(&file, size, &claim, promise);
        if unless_left_out(admitted).await.is_none() {
            self.forget(id).await;
        }
        Ok(())
    }

    async fn delete(&self, id: BlobId) -> Result<bool> {
        let _deletion = self.claims.deletion(id);
        self.forget(id).await;
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

impl<S: fmt::Debug> fmt::Debug for DiskTier<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskTier")
            .field("inner", &self.inner)
            .field("root", &self.disk.root())
            .field("held_bytes", &self.disk.index.used())
            .finish_non_exhaustive()
    }
}

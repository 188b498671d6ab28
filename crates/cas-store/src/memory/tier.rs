//! A bounded tier in memory before another store.
//!
//! Saves small hot blobs the hop to the blocking pool and the copy out of the page cache. Must
//! never hold a blob that the store below was told to delete.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use artifact_core::ports::{BlobListing, BlobPayload, BlobRead, BlobStore, ByteRange, Durability};
use artifact_core::{BlobId, ByteStream, Error, ErrorKind, Result};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::cut;

/// What an entry costs besides its bytes: key, handle, slot.
const ENTRY_OVERHEAD: u64 = 128;
/// A shard that holds only a few blobs of the largest size would reject or thrash.
const LARGEST_PER_SHARD: u64 = 16;
const MAX_SHARDS: u64 = 64;
/// The rest is for newcomers, so that a scan pushes out only other newcomers.
const HOT_SHARE: f64 = 0.9;

/// How much a [`MemoryTier`] may hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TierLimits {
    /// Bytes of all blobs together.
    pub total: u64,
    /// The largest blob that is admitted.
    pub blob: u64,
}

impl Default for TierLimits {
    /// 128 MiB of blobs up to 512 KiB.
    fn default() -> Self {
        Self { total: 128 << 20, blob: 512 << 10 }
    }
}

#[derive(Clone, Copy, Debug)]
struct ByLength;

impl Weighter<BlobId, Bytes> for ByLength {
    fn weight(&self, _: &BlobId, bytes: &Bytes) -> u64 {
        bytes.len() as u64 + ENTRY_OVERHEAD
    }
}

type BlobCache = Cache<BlobId, Bytes, ByLength>;

/// A [`BlobStore`] that answers small hot blobs of `S` from memory. Blobs are admitted when
/// they are read; eviction resists scans.
pub struct MemoryTier<S> {
    inner: S,
    hot: BlobCache,
    limits: TierLimits,
    /// Counts invalidations, so that a read that overlaps one does not admit what it found.
    invalidations: AtomicU64,
}

impl<S: BlobStore> MemoryTier<S> {
    /// A tier of at most `limits` before `inner`.
    pub fn new(inner: S, limits: TierLimits) -> Self {
        Self { inner, hot: cache(limits), limits, invalidations: AtomicU64::new(0) }
    }

    /// The store below.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Bytes held in memory at the moment.
    pub fn held_bytes(&self) -> u64 {
        self.hot.weight()
    }

    /// Admits `bytes` unless something was invalidated since `seen`. Inserts first and looks
    /// then: an invalidation either sees the entry or is seen here, whatever the timing.
    fn admit(&self, id: BlobId, bytes: &Bytes, seen: u64) {
        self.hot.insert(id, bytes.clone());
        if self.invalidations.load(Ordering::SeqCst) != seen {
            self.hot.remove(&id);
        }
    }

    fn fits(&self, size: u64) -> bool {
        size <= self.limits.blob
    }
}

fn cache(limits: TierLimits) -> BlobCache {
    let per_shard = limits.blob.max(1).saturating_mul(LARGEST_PER_SHARD);
    let shards = (limits.total / per_shard).clamp(1, MAX_SHARDS);
    // The cache rounds up to a power of two; this rounds down.
    let shards = 1_usize << shards.ilog2();
    let items = usize::try_from(limits.total / (16 << 10)).unwrap_or(usize::MAX);
    let options = OptionsBuilder::new()
        .shards(shards)
        .estimated_items_capacity(items)
        .weight_capacity(limits.total)
        .hot_allocation(HOT_SHARE)
        .build();
    match options {
        Ok(options) => Cache::with_options(
            options,
            ByLength,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        ),
        // Cannot happen with both capacities given; the plain constructor is as correct.
        Err(_) => Cache::with_weighter(items, limits.total, ByLength),
    }
}

/// Forgets a blob when dropped, so that a cancelled delete forgets it too.
struct Invalidate<'a, S> {
    tier: &'a MemoryTier<S>,
    id: BlobId,
}

impl<S> Drop for Invalidate<'_, S> {
    fn drop(&mut self) {
        self.tier.invalidations.fetch_add(1, Ordering::SeqCst);
        self.tier.hot.remove(&self.id);
    }
}

#[async_trait]
impl<S: BlobStore> BlobStore for MemoryTier<S> {
    async fn open(&self, id: BlobId, range: Option<ByteRange>) -> Result<Option<BlobRead>> {
        if let Some(bytes) = self.hot.get(&id) {
            return Ok(Some(in_memory(&bytes, range)));
        }
        let seen = self.invalidations.load(Ordering::SeqCst);
        let Some(BlobRead { size, payload }) = self.inner.open(id, range).await? else {
            return Ok(None);
        };
        let bytes = match payload {
            payload if !self.fits(size) => return Ok(Some(BlobRead { size, payload })),
            BlobPayload::Bytes(bytes) if bytes.len() as u64 == size => bytes,
            BlobPayload::Stream(stream) if range.is_none() => collect(stream, size).await?,
            part => return Ok(Some(BlobRead { size, payload: part })),
        };
        self.admit(id, &bytes, seen);
        Ok(Some(in_memory(&bytes, range)))
    }

    async fn stat(&self, id: BlobId) -> Result<Option<u64>> {
        match self.hot.peek(&id) {
            Some(bytes) => Ok(Some(bytes.len() as u64)),
            None => self.inner.stat(id).await,
        }
    }

    async fn put_file(
        &self,
        id: BlobId,
        source: &Path,
        size: u64,
        durability: Durability,
    ) -> Result<()> {
        // What is held may be the damage that this put replaces.
        let _invalidate = Invalidate { tier: self, id };
        self.inner.put_file(id, source, size, durability).await
    }

    async fn delete(&self, id: BlobId) -> Result<bool> {
        let _invalidate = Invalidate { tier: self, id };
        self.inner.delete(id).await
    }

    async fn delete_some(&self, ids: &[BlobId]) -> Vec<Result<bool>> {
        let _invalidate: Vec<_> = ids.iter().map(|id| Invalidate { tier: self, id: *id }).collect();
        self.inner.delete_some(ids).await
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

fn in_memory(bytes: &Bytes, range: Option<ByteRange>) -> BlobRead {
    BlobRead { size: bytes.len() as u64, payload: BlobPayload::Bytes(cut(bytes, range)) }
}

/// Joins `stream`, giving up as soon as it is longer than `size`.
async fn collect(mut stream: ByteStream, size: u64) -> Result<Bytes> {
    let mut joined = BytesMut::new();
    while let Some(chunk) = stream.try_next().await? {
        joined.extend_from_slice(&chunk);
        if joined.len() as u64 > size {
            break;
        }
    }
    whole(joined.freeze(), size)
}

fn whole(bytes: Bytes, size: u64) -> Result<Bytes> {
    if bytes.len() as u64 == size {
        return Ok(bytes);
    }
    Err(Error::new(ErrorKind::Unavailable, "a stored blob is not as long as its store says"))
}

impl<S: fmt::Debug> fmt::Debug for MemoryTier<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTier")
            .field("inner", &self.inner)
            .field("limits", &self.limits)
            .field("held_bytes", &self.hot.weight())
            .finish_non_exhaustive()
    }
}

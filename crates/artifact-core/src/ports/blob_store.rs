//! The content-addressed store.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{BlobId, ByteStream, Result, Timestamp};

/// A half-open range of bytes; never empty, never beyond the end once it reached a store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// One behind the last byte.
    pub end: u64,
}

impl ByteRange {
    /// The number of bytes.
    pub const fn length(self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// How hard a write tries to survive a power cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// On the medium before success is reported: hosted files.
    Strict,
    /// May be lost with the power, never half-visible: what upstream can give again.
    Cache,
}

/// An opened blob.
#[derive(Debug)]
pub struct BlobRead {
    /// The size of the whole blob, whatever range was asked for. The caller compares it
    /// with its row before it sends a byte.
    pub size: u64,
    /// The bytes of the range.
    pub payload: BlobPayload,
}

/// The bytes of an opened blob in the form that the store has them.
pub enum BlobPayload {
    /// Exactly the range, in memory: what is small enough to be read at once.
    Bytes(Bytes),
    /// Exactly the range, on its way.
    Stream(ByteStream),
}

impl fmt::Debug for BlobPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// A blob found by [`BlobStore::list`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BlobListing {
    /// Its id.
    pub id: BlobId,
    /// Its size in bytes.
    pub size: u64,
    /// When it was stored.
    pub stored_at: Timestamp,
}

/// A store of immutable blobs under their SHA-256, `blobs/sha256/{hash}` in every backend unless it says otherwise.
/// Implementations trust the caller's id: verification happens while spooling.
#[async_trait]
pub trait BlobStore: fmt::Debug + Send + Sync {
    /// Opens a blob, or `None` if the store does not hold it. A `range` beyond the blob's end is
    /// clamped to it.
    async fn open(&self, id: BlobId, range: Option<ByteRange>) -> Result<Option<BlobRead>>;

    /// The size of a blob, or `None` if the store does not hold it.
    async fn stat(&self, id: BlobId) -> Result<Option<u64>>;

    /// Takes the finished file at `source`, which holds exactly `size` bytes whose SHA-256 is
    /// `id`. On success the file is the store's: moved away, or removed because the blob was already there.
    /// A stored blob of another size is damage and is replaced.
    async fn put_file(
        &self,
        id: BlobId,
        source: &Path,
        size: u64,
        durability: Durability,
    ) -> Result<()>;

    /// Removes a blob; `false` if there was none.
    async fn delete(&self, id: BlobId) -> Result<bool>;

    /// Removes the first of `ids` as [`delete`](Self::delete) does, and as many behind it as are
    /// removed with it at little cost. Says in their order what became of them: of one at least, of
    /// all at most.
    async fn delete_some(&self, ids: &[BlobId]) -> Vec<Result<bool>> {
        match ids.first() {
            Some(id) => vec![self.delete(*id).await],
            None => Vec::new(),
        }
    }

    /// Up to `limit` blobs with ids greater than `after`, in order of id.
    async fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobListing>>;

    /// The epoch last written with [`set_epoch`](Self::set_epoch); 0 if there was none.
    async fn epoch(&self) -> Result<u64>;

    /// Keeps `epoch` beside the blobs, durably, so that a metadata store that was restored from an
    /// older backup is noticed before anything is collected for it.
    async fn set_epoch(&self, epoch: u64) -> Result<()>;

    /// Proves with a write, a read and a delete that the store works.
    async fn check(&self) -> Result<()>;
}

#[async_trait]
impl<T: BlobStore + ?Sized> BlobStore for Arc<T> {
    async fn open(&self, id: BlobId, range: Option<ByteRange>) -> Result<Option<BlobRead>> {
        self.as_ref().open(id, range).await
    }

    async fn stat(&self, id: BlobId) -> Result<Option<u64>> {
        self.as_ref().stat(id).await
    }

    async fn put_file(
        &self,
        id: BlobId,
        source: &Path,
        size: u64,
        durability: Durability,
    ) -> Result<()> {
        self.as_ref().put_file(id, source, size, durability).await
    }

    async fn delete(&self, id: BlobId) -> Result<bool> {
        self.as_ref().delete(id).await
    }

    async fn delete_some(&self, ids: &[BlobId]) -> Vec<Result<bool>> {
        self.as_ref().delete_some(ids).await
    }

    async fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobListing>> {
        self.as_ref().list(after, limit).await
    }

    async fn epoch(&self) -> Result<u64> {
        self.as_ref().epoch().await
    }

    async fn set_epoch(&self, epoch: u64) -> Result<()> {
        self.as_ref().set_epoch(epoch).await
    }

    async fn check(&self) -> Result<()> {
        self.as_ref().check().await
    }
}

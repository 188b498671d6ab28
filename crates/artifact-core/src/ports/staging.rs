//! The bytes of uploads that take several requests, where every replica can go on with them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::UploadId;
use crate::{Algorithm, BlobId, ByteStream, Digests, Result, Timestamp};

/// What is durable of an upload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StagedBytes {
    /// How many bytes.
    pub size: u64,
    /// How they can be continued, on any replica: where they are and how far their digests got. A text of at most
    /// 64 KiB, opaque to everybody else.
    pub state: String,
}

/// A store for the bytes of uploads, beside the blobs that they become. One writer at a time works on an
/// upload; that is the caller's business.
///
/// The empty state stands before the first byte. A state that is none, or that another kind of store gave, is an
/// error everywhere but in [`discard`](Self::discard).
#[async_trait]
pub trait Staging: fmt::Debug + Send + Sync {
    /// The writing end of an upload from where `state` stands. Whatever is staged behind that state is cut off. Fails
    /// with [`crate::ErrorKind::NotFound`] if the bytes are gone, at once or while they are appended to. SHA-256 is
    /// always computed, `algorithms` besides it; they count for the empty state only, later ones are in the state.
    async fn write(
        &self,
        id: UploadId,
        state: &str,
        algorithms: &[Algorithm],
    ) -> Result<Box<dyn StagingWriter>>;

    /// Every byte up to where `state` stands, to compute another digest of them. The end of the writing: afterwards
    /// the upload can be kept or discarded, but not be continued.
    async fn read(&self, id: UploadId, state: &str) -> Result<ByteStream>;

    /// Makes the staged bytes up to `state` the blob `id_of_bytes`, durably and without reading them here. The caller has
    /// compared the digest and pinned the blob. A blob of that size that is there already is fine, even if the bytes
    /// are gone, so that a call that was interrupted can be repeated. Afterwards nothing is staged.
    async fn keep(&self, id: UploadId, state: &str, id_of_bytes: BlobId) -> Result<()>;

    /// Removes everything that is staged, whatever `state` says of it; nothing staged is fine.
    async fn discard(&self, id: UploadId, state: &str) -> Result<()>;

    /// Up to `limit` uploads with ids greater than `after` that have something staged, in order of id, with the time
    /// of the last change that the store can tell. Bytes on their way into the store may not count yet.
    async fn staged(
        &self,
        after: Option<UploadId>,
        limit: usize,
    ) -> Result<Vec<(UploadId, Timestamp)>>;
}

/// The writing end of an upload. Dropping it loses what was not flushed. A call that is given up half-way neither
/// loses nor doubles bytes: a chunk counts as appended from the first poll on.
#[async_trait]
pub trait StagingWriter: fmt::Debug + Send {
    /// Appends `chunk`. After an error the writer must be given up.
    async fn append(&mut self, chunk: Bytes) -> Result<()>;

    /// Makes everything appended so far durable. Whoever flushes again has kept the state that the flush before
    /// gave: states older than that may lead nowhere.
    async fn flush(&mut self) -> Result<StagedBytes>;

    /// The digests of everything appended so far.
    fn digests(&self) -> Digests;
}

#[async_trait]
impl<T: Staging + ?Sized> Staging for Arc<T> {
    async fn write(
        &self,
        id: UploadId,
        state: &str,
        algorithms: &[Algorithm],
    ) -> Result<Box<dyn StagingWriter>> {
        self.as_ref().write(id, state, algorithms).await
    }

    async fn read(&self, id: UploadId, state: &str) -> Result<ByteStream> {
        self.as_ref().read(id, state).await
    }

    async fn keep(&self, id: UploadId, state: &str, id_of_bytes: BlobId) -> Result<()> {
        self.as_ref().keep(id, state, id_of_bytes).await
    }

    async fn discard(&self, id: UploadId, state: &str) -> Result<()> {
        self.as_ref().discard(id, state).await
    }

    async fn staged(
        &self,
        after: Option<UploadId>,
        limit: usize,
    ) -> Result<Vec<(UploadId, Timestamp)>> {
        self.as_ref().staged(after, limit).await
    }
}

//! The bytes of uploads that take several requests, where every replica can go on with them.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use super::UploadId;
use crate::{Algorithm, BlobId, ByteStream, Digests, Result};

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
#[async_trait]
pub trait Staging: fmt::Debug + Send + Sync {
    /// The writing end of an upload from where `state` stands; the empty state begins it. Whatever is staged behind
    /// that state is cut off. Fails with [`crate::ErrorKind::NotFound`] if the bytes are gone. SHA-256 is always
    /// computed, `algorithms` besides it; they count for a new upload only, later ones are in the state.
    async fn write(
        &self,
        id: UploadId,
        state: &str,
        algorithms: &[Algorithm],
    ) -> Result<Box<dyn StagingWriter>>;

    /// Every byte up to where `state` stands, to compute another digest of them.
    async fn read(&self, id: UploadId, state: &str) -> Result<ByteStream>;

    /// Makes the staged bytes up to `state` the blob `id_of_bytes`, durably and without reading them here. The caller has
    /// compared the digest and pinned the blob. A blob that is there already is fine. Afterwards nothing is staged.
    async fn keep(&self, id: UploadId, state: &str, id_of_bytes: BlobId) -> Result<()>;

    /// Removes what is staged; nothing staged is fine.
    async fn discard(&self, id: UploadId, state: &str) -> Result<()>;
}

/// The writing end of an upload. Dropping it loses what was not flushed.
#[async_trait]
pub trait StagingWriter: fmt::Debug + Send {
    /// Appends `chunk`. After an error the writer must be given up.
    async fn append(&mut self, chunk: Bytes) -> Result<()>;

    /// Makes everything appended so far durable.
    async fn flush(&mut self) -> Result<StagedBytes>;

    /// The digests of everything appended so far.
    fn digests(&self) -> Digests;
}

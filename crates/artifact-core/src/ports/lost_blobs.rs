//! Bytes that the index counts on and the store has lost.
//!
//! A store loses bytes by accident: a bucket restored from an older copy, a file deleted by hand.
//! Cached files are fetched again, under their old hash, when somebody asks for them. Hosted ones
//! must be uploaded again, so an operator has to learn of them.

use std::fmt;

use async_trait::async_trait;

use crate::{BlobId, RepoPath, RepositoryName, Result, Timestamp};

/// A live blob as the index knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IndexedBlob {
    /// Its id.
    pub id: BlobId,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it is marked as lost.
    pub is_lost: bool,
}

/// A file whose bytes are lost.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LostFile {
    /// The repository that holds it.
    pub repository: RepositoryName,
    /// Its path there.
    pub path: RepoPath,
}

/// The files whose blobs are marked as lost.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LostFiles {
    /// Files of remotes: fetched again when they are asked for.
    pub cached: u64,
    /// Files of local repositories: not to be had until they are uploaded again.
    pub hosted: u64,
    /// The first of the hosted ones in order of repository and path.
    pub listed: Vec<LostFile>,
}

/// Marks on live blobs whose bytes are lost. A mark goes by itself when a row is published with
/// its blob, because the bytes are stored before that, and with the blob's entry.
#[async_trait]
pub trait LostBlobs: fmt::Debug + Send + Sync {
    /// Up to `limit` live blobs with ids greater than `after`, in order of id.
    async fn live_blobs(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<IndexedBlob>>;

    /// Marks blobs that were looked for in vain after `looked_at`, except those that a row was
    /// published with since then.
    async fn mark_lost(&self, ids: &[BlobId], looked_at: Timestamp) -> Result<()>;

    /// Takes the marks of blobs away whose bytes are there again.
    async fn mark_found(&self, ids: &[BlobId]) -> Result<()>;

    /// The files that refer to marked blobs, at most `limit` of them listed.
    async fn lost_files(&self, limit: usize) -> Result<LostFiles>;
}

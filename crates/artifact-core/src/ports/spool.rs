//! The spool: local temporary files that grow while a fetch or an upload runs and that
//! others read while they grow.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Algorithm, Digests, Result};

/// Makes spool files.
#[async_trait]
pub trait Spool: fmt::Debug + Send + Sync {
    /// A new empty file with room for `expected` bytes, if that is known. What is appended is
    /// hashed on the way with SHA-256 and the additional `algorithms`. Fails with
    /// [`crate::ErrorKind::InsufficientStorage`] when the quota or the disk has no room.
    async fn create(
        &self,
        expected: Option<u64>,
        algorithms: &[Algorithm],
    ) -> Result<Box<dyn SpoolWriter>>;

    /// A hasher for SHA-256 and the additional `algorithms`, for bytes that are not spooled.
    fn hasher(&self, algorithms: &[Algorithm]) -> Box<dyn Hasher>;

    /// Bytes that spool files occupy at the moment.
    fn used_bytes(&self) -> u64;
}

/// The writing end of a spool file. Dropping it removes the name; open readers go on reading.
#[async_trait]
pub trait SpoolWriter: fmt::Debug + Send + Sync {
    /// Appends `chunk`. After an error the file must be given up.
    async fn append(&mut self, chunk: Bytes) -> Result<()>;

    /// The digests of everything appended so far: SHA-256 and the algorithms asked for.
    fn digests(&self) -> Digests;

    /// A reading end, independent of all others.
    fn reader(&self) -> Arc<dyn SpoolReader>;

    /// Where the file is, for [`crate::ports::BlobStore::put_file`].
    fn path(&self) -> &Path;
}

/// A reading end of a spool file.
#[async_trait]
pub trait SpoolReader: fmt::Debug + Send + Sync {
    /// Up to `length` bytes from `offset`; fewer at the current end, empty beyond it.
    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes>;
}

/// Hashes bytes that pass by.
pub trait Hasher: fmt::Debug + Send {
    /// Takes in the next bytes.
    fn update(&mut self, bytes: &[u8]);

    /// The digests of everything taken in so far.
    fn digests(&self) -> Digests;
}

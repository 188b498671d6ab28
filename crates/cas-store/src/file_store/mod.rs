//! Blobs as files of a local file system.

mod epoch;
mod layout;
mod put;
mod staged_file;
mod staging;
mod walk;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use artifact_core::ports::{BlobListing, BlobRead, BlobStore, ByteRange, Durability};
use artifact_core::{BlobId, Error, Result};
use async_trait::async_trait;
use uuid::Uuid;

use self::layout::Layout;
use self::put::{Put, sync_directory};
use self::staging::Writers;
use crate::directory_lock::{DirectoryLock, make_directory};
use crate::error::{IoContext, absent_as_none};
use crate::opened_file::{Opened, blob_size};
use crate::temporary::{self, Temporary};
use crate::{StoreError, blocking, positional};

/// After this time what was deleted together is told. On a slow disk the caller may want no more.
const QUICK: Duration = Duration::from_millis(50);

/// A [`BlobStore`] and [`Staging`](artifact_core::ports::Staging) in a directory of a local file system. Holds the directory's lock for as long
/// as it, or work that it began, lives.
#[derive(Debug)]
pub struct FileStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    layout: Layout,
    writers: Writers,
    _lock: DirectoryLock,
}

impl FileStore {
    /// Opens the store below `root`, making it if need be. Refused while another process has
    /// it open. What a killed process left half-done is swept.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        make_directory(root)?;
        let lock = DirectoryLock::acquire(root)?;
        let layout = Layout::new(root);
        make_directory(layout.blobs())?;
        make_directory(layout.incoming())?;
        make_directory(layout.uploads())?;
        temporary::sweep(layout.incoming())?;
        layout.blobs().ancestors().skip(1).take(2).try_for_each(sync_directory)?;
        Ok(Self(Arc::new(Inner { layout, writers: Writers::default(), _lock: lock })))
    }

    /// Where the spool belongs: on the same file system, so that a finished file is
    /// taken in by a rename.
    pub fn spool_directory(&self) -> PathBuf {
        self.0.layout.root().join("tmp")
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.0);
        blocking::run(move || work(&inner)).await
    }
}

impl Inner {
    fn open_blob(
        &self,
        id: BlobId,
        range: Option<ByteRange>,
    ) -> Result<Option<Opened>, StoreError> {
        let path = self.layout.blob(id);
        let Some(file) = absent_as_none(File::open(&path)).during("open", &path)? else {
            return self.absent();
        };
        Opened::read(file, &path, range).map(Some)
    }

    fn size(&self, id: BlobId) -> Result<Option<u64>, StoreError> {
        let path = self.layout.blob(id);
        match absent_as_none(fs::metadata(&path)).during("inspect", &path)? {
            Some(metadata) => blob_size(&metadata, &path).map(Some),
            None => self.absent(),
        }
    }

    fn delete(&self, id: BlobId) -> Result<bool, StoreError> {
        let path = self.layout.blob(id);
        match absent_as_none(fs::remove_file(&path)).during("delete", &path)? {
            Some(()) => Ok(true),
            None => Ok(self.absent::<()>()?.is_some()),
        }
    }

    /// Deletes for as long as that is quick.
    fn delete_some(&self, ids: &[BlobId]) -> Vec<Result<bool>> {
        let began = Instant::now();
        let mut outcomes = Vec::with_capacity(ids.len());
        for id in ids {
            outcomes.push(self.delete(*id).map_err(Error::from));
            if began.elapsed() > QUICK {
                break;
            }
        }
        outcomes
    }

    /// Says "not there", but only while the store itself is: on a disk that is no longer
    /// mounted nothing exists, and that is a failure and not an answer.
    fn absent<T>(&self) -> Result<Option<T>, StoreError> {
        let base = self.layout.blobs();
        fs::metadata(base).during("find", base).map(|_| None)
    }

    fn check(&self) -> Result<(), StoreError> {
        fs::metadata(self.layout.blobs()).during("find", self.layout.blobs())?;
        let (mut file, probe) = Temporary::create(self.layout.incoming())?;
        let written = Uuid::new_v4().into_bytes();
        file.write_all(&written).during("write", probe.path())?;
        file.sync_data().during("sync", probe.path())?;
        let read = positional::read_at(&file, 0, written.len()).during("read", probe.path())?;
        if read != written {
            return Err(StoreError::Damaged { path: probe.path().into() });
        }
        fs::remove_file(probe.path()).during("delete", probe.path())
    }
}

#[async_trait]
impl BlobStore for FileStore {
    async fn open(&self, id: BlobId, range: Option<ByteRange>) -> Result<Option<BlobRead>> {
        let opened = self.run(move |inner| inner.open_blob(id, range)).await?;
        Ok(opened.map(BlobRead::from))
    }

    async fn stat(&self, id: BlobId) -> Result<Option<u64>> {
        self.run(move |inner| inner.size(id)).await
    }

    async fn put_file(
        &self,
        id: BlobId,
        source: &Path,
        size: u64,
        durability: Durability,
    ) -> Result<()> {
        let source = source.to_owned();
        self.run(move |inner| Put { layout: &inner.layout, id, size, durability }.run(&source))
            .await
    }

    async fn delete(&self, id: BlobId) -> Result<bool> {
        self.run(move |inner| inner.delete(id)).await
    }

    async fn delete_some(&self, ids: &[BlobId]) -> Vec<Result<bool>> {
        let (inner, ids) = (Arc::clone(&self.0), ids.to_vec());
        let deleted = blocking::run_behind_others(move || inner.delete_some(&ids)).await;
        deleted.unwrap_or_else(|error| vec![Err(error)])
    }

    async fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobListing>> {
        self.run(move |inner| walk::list(&inner.layout, after, limit)).await
    }

    async fn epoch(&self) -> Result<u64> {
        self.run(|inner| epoch::read(&inner.layout)).await
    }

    async fn set_epoch(&self, epoch: u64) -> Result<()> {
        self.run(move |inner| epoch::write(&inner.layout, epoch)).await
    }

    async fn check(&self) -> Result<()> {
        self.run(Inner::check).await
    }
}

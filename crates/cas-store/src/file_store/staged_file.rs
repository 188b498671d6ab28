//! The file of one upload: what is appended to it is hashed on the way, and nothing of it is read
//! again until it is a blob.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifact_core::ports::UploadId;
use bytes::Bytes;
use tokio::runtime::Handle;

use super::Inner;
use super::layout::Layout;
use super::put::sync_directory;
use crate::blocking::Running;
use crate::error::{IoContext, absent_as_none};
use crate::free_space::FreeSpace;
use crate::staging::{Place, Progress, ResumableHasher, Sink};
use crate::{Quota, StoreError};

/// So much may be written between two looks at the free space of the disk.
const DISK_CHECK_INTERVAL: u64 = 64 << 20;
/// So much may be written before it is put on the medium while more arrives: a client waits for the
/// last flush, and should find little left to do.
const EARLY_SYNC_INTERVAL: u64 = 64 << 20;

/// Opens the file of upload `id`, which must hold `size` bytes, and cuts off what is behind them.
/// `None` if they are not there. Without bytes there is nothing to be missed: the file is made.
pub(super) fn open(
    layout: &Layout,
    id: UploadId,
    size: u64,
) -> Result<Option<(File, PathBuf)>, StoreError> {
    let path = layout.staged(id);
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(size == 0)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let file = if size == 0 {
        opened.during("create", &path)?
    } else {
        let Some(file) = absent_as_none(opened).during("open", &path)? else { return Ok(None) };
        file
    };
    let length = file.metadata().during("inspect", &path)?.len();
    if length < size {
        return Ok(None);
    }
    if length > size {
        file.set_len(size).during("cut", &path)?;
    }
    Ok(Some((file, path)))
}

/// The writing end.
#[derive(Debug)]
pub(super) struct StagedFile {
    file: Arc<File>,
    path: PathBuf,
    hasher: ResumableHasher,
    size: u64,
    since_disk_check: u64,
    since_early_sync: u64,
    early_sync: Option<Running<()>>,
    /// Whether the name of the file is on the medium.
    is_named: bool,
    /// Nobody else may open the store's directory while a batch is written, even if the writer is gone.
    _store: Arc<Inner>,
}

impl StagedFile {
    /// Goes on with `file` after `size` bytes.
    pub(super) fn new(
        (file, path): (File, PathBuf),
        size: u64,
        hasher: ResumableHasher,
        store: Arc<Inner>,
    ) -> Result<Self, StoreError> {
        let mut staged = Self {
            file: Arc::new(file),
            path,
            hasher,
            size,
            since_disk_check: DISK_CHECK_INTERVAL,
            since_early_sync: 0,
            early_sync: None,
            is_named: size > 0,
            _store: store,
        };
        staged.check_disk(Quota::default().reserve)?;
        Ok(staged)
    }

    /// Leaves as much of the disk free as the spool does. What is staged has no quota besides: it
    /// lives for a day and would lock everybody else out.
    fn check_disk(&mut self, reserve: u64) -> Result<(), StoreError> {
        if self.since_disk_check < DISK_CHECK_INTERVAL {
            return Ok(());
        }
        let directory = self.directory();
        let disk = FreeSpace::measure(directory, reserve)?;
        if disk.missing(0) > 0 {
            let available = disk.available;
            return Err(StoreError::DiskFull { directory: directory.into(), available });
        }
        self.since_disk_check = 0;
        Ok(())
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// Begins to put on the medium what is there, unless that is under way.
    fn sync_early(&mut self) -> Result<(), StoreError> {
        let is_under_way = self.early_sync.as_ref().is_some_and(|sync| !sync.is_finished());
        if self.since_early_sync < EARLY_SYNC_INTERVAL || is_under_way {
            return Ok(());
        }
        self.settle_early_sync()?;
        let (file, path) = (Arc::clone(&self.file), self.path.clone());
        let sync = move || file.sync_data().during("sync", &path);
        self.early_sync = Some(tokio::task::spawn_blocking(sync));
        self.since_early_sync = 0;
        Ok(())
    }

    /// What became of it. The kernel tells of a failure only once, so nobody else would be told.
    fn settle_early_sync(&mut self) -> Result<(), StoreError> {
        let Some(sync) = self.early_sync.take() else { return Ok(()) };
        Handle::current().block_on(sync).unwrap_or(Err(StoreError::StagingFailed))
    }

    /// Puts everything on the medium, and tells how it goes on from there.
    pub(super) fn sync(&mut self) -> Result<Progress, StoreError> {
        self.settle_early_sync()?;
        self.file.sync_data().during("sync", &self.path)?;
        if !self.is_named {
            sync_directory(self.directory())?;
            self.is_named = true;
        }
        Ok(Progress { size: self.size, digests: self.hasher.saved(), place: Place::File })
    }
}

impl Sink for StagedFile {
    fn take(&mut self, chunks: &[Bytes]) -> Result<(), StoreError> {
        self.check_disk(Quota::default().reserve)?;
        for chunk in chunks {
            self.file.write_all_at(chunk, self.size).during("write", &self.path)?;
            self.hasher.update(chunk);
            self.size += chunk.len() as u64;
            self.since_disk_check += chunk.len() as u64;
            self.since_early_sync += chunk.len() as u64;
        }
        self.sync_early()
    }

    fn hasher(&self) -> &ResumableHasher {
        &self.hasher
    }
}

#[cfg(test)]
mod tests {
    use artifact_core::ErrorKind;

    use super::*;
    use crate::FileStore;

    /// The writing end of a file that the test has opened itself.
    fn staged(file: File, path: &str) -> (StagedFile, tempfile::TempDir) {
        let root = tempfile::tempdir().unwrap();
        let store = FileStore::open(root.path()).unwrap().0;
        let hasher = ResumableHasher::new(&[]);
        (StagedFile::new((file, path.into()), 0, hasher, store).unwrap(), root)
    }

    #[test]
    fn a_disk_that_is_full_is_told_apart() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (mut staged, _root) = staged(full, "/dev/full");
        let error = staged.take(&[Bytes::from_static(b"bytes")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InsufficientStorage);
    }

    #[tokio::test]
    async fn a_failed_early_sync_is_told_before_anything_counts_as_flushed() {
        let (mut staged, _root) = staged(tempfile::tempfile().unwrap(), "/tmp/staged");
        let failure = || Err(StoreError::StagingFailed);
        staged.early_sync = Some(tokio::task::spawn_blocking(failure));
        let flushed = tokio::task::spawn_blocking(move || staged.sync().map(drop)).await.unwrap();
        assert!(matches!(flushed, Err(StoreError::StagingFailed)));
    }

    #[tokio::test]
    async fn what_is_long_is_put_on_the_medium_while_more_arrives() {
        let (mut staged, _root) = staged(tempfile::tempfile().unwrap(), "/tmp/staged");
        let chunk = Bytes::from(vec![7; 8 << 20]);
        for _ in 0..7 {
            staged.take(std::slice::from_ref(&chunk)).unwrap();
        }
        assert!(staged.early_sync.is_none());
        staged.take(&[chunk]).unwrap();
        assert!(staged.early_sync.is_some());
        let length = tokio::task::spawn_blocking(move || {
            staged.settle_early_sync()?;
            staged.file.metadata().during("inspect", &staged.path)
        });
        assert_eq!(length.await.unwrap().unwrap().len(), EARLY_SYNC_INTERVAL);
    }
}

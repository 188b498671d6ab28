//! Spool files in a directory of a local file system.

mod ledger;
mod spool_file;
mod tail;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifact_core::ports::{Hasher, Spool, SpoolReader, SpoolWriter};
use artifact_core::{Algorithm, Digests, Result};
use async_trait::async_trait;
use bytes::Bytes;

use self::ledger::Ledger;
pub use self::ledger::Quota;
use self::spool_file::{Reader, SpoolFile};
use crate::directory_lock::{DirectoryLock, make_directory};
use crate::temporary::{self, Temporary};
use crate::{MultiHasher, StoreError, blocking};

/// The hop to the blocking pool is worth it from here on; also bounds the memory of a writer.
const BATCH: usize = 128 * 1024;

/// A [`Spool`] in a directory. Holds the directory's lock as long as it or one of its files lives.
#[derive(Debug)]
pub struct FileSpool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    ledger: Arc<Ledger>,
    _lock: DirectoryLock,
}

impl FileSpool {
    /// Opens the spool in `directory`, making it if need be. Refused while another process has
    /// it open. The files of a killed process are swept.
    pub fn open(directory: impl Into<PathBuf>, quota: Quota) -> Result<Self, StoreError> {
        let directory = directory.into();
        make_directory(&directory)?;
        let lock = DirectoryLock::acquire(&directory)?;
        temporary::sweep(&directory)?;
        Ok(Self(Arc::new(Shared { directory, ledger: Ledger::new(quota), _lock: lock })))
    }
}

#[async_trait]
impl Spool for FileSpool {
    async fn create(
        &self,
        expected: Option<u64>,
        algorithms: &[Algorithm],
    ) -> Result<Box<dyn SpoolWriter>> {
        let shared = Arc::clone(&self.0);
        let algorithms = algorithms.to_vec();
        let writer = blocking::run(move || Writer::create(shared, expected, &algorithms)).await?;
        Ok(Box::new(writer))
    }

    fn hasher(&self, algorithms: &[Algorithm]) -> Box<dyn Hasher> {
        Box::new(MultiHasher::new(algorithms))
    }

    fn used_bytes(&self) -> u64 {
        self.0.ledger.used()
    }
}

#[derive(Debug)]
struct Writer {
    spool: Arc<SpoolFile>,
    expected: Option<u64>,
    /// Taken when the name is given up.
    name: Option<Temporary>,
    path: PathBuf,
}

impl Writer {
    fn create(
        shared: Arc<Shared>,
        expected: Option<u64>,
        algorithms: &[Algorithm],
    ) -> Result<Self, StoreError> {
        let reservation = shared.ledger.reserve(expected.unwrap_or(0))?;
        shared.ledger.check_disk(&shared.directory)?;
        let (file, name) = Temporary::create(&shared.directory)?;
        let path = name.path().to_owned();
        let spool = SpoolFile::new(file, path.clone(), shared, reservation, algorithms);
        Ok(Self { spool: Arc::new(spool), expected, name: Some(name), path })
    }

    /// The last byte is flushed at once, so that [`SpoolWriter::path`] has nothing left to do.
    fn is_due(&self, waiting: usize, end: u64) -> bool {
        waiting >= BATCH || self.expected.is_some_and(|expected| end >= expected)
    }
}

#[async_trait]
impl SpoolWriter for Writer {
    async fn append(&mut self, chunk: Bytes) -> Result<()> {
        if chunk.is_empty() {
            return Ok(());
        }
        let (waiting, end) = self.spool.push(chunk)?;
        if !self.is_due(waiting, end) {
            return Ok(());
        }
        let spool = Arc::clone(&self.spool);
        blocking::run(move || spool.flush()).await
    }

    fn digests(&self) -> Digests {
        self.spool.digests()
    }

    fn reader(&self) -> Arc<dyn SpoolReader> {
        Arc::new(Reader(Arc::clone(&self.spool)))
    }

    fn path(&self) -> &Path {
        // Whoever asks is about to read the file by its name. A failure is not lost: the file is
        // then too short, and a store refuses a file that is not as long as promised.
        let _ = self.spool.flush();
        &self.path
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // First the name: whether one remains tells if a store has taken the file.
        drop(self.name.take());
        self.spool.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(directory: &Path, expected: Option<u64>) -> Writer {
        let spool = FileSpool::open(directory, Quota { bytes: 1 << 30, reserve: 0 }).unwrap();
        Writer::create(spool.0, expected, &[]).unwrap()
    }

    #[tokio::test]
    async fn small_chunks_share_a_write_and_the_last_expected_byte_forces_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = writer(directory.path(), Some(30));
        let on_disk = |writer: &Writer| std::fs::metadata(&writer.path).unwrap().len();
        writer.append(Bytes::from_static(&[1; 20])).await.unwrap();
        assert_eq!(on_disk(&writer), 0);
        writer.append(Bytes::from_static(&[2; 10])).await.unwrap();
        assert_eq!(on_disk(&writer), 30);
    }

    #[tokio::test]
    async fn a_full_batch_is_written_before_append_returns() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = writer(directory.path(), None);
        writer.append(Bytes::from(vec![1; BATCH - 1])).await.unwrap();
        assert_eq!(std::fs::metadata(&writer.path).unwrap().len(), 0);
        writer.append(Bytes::from_static(&[2])).await.unwrap();
        assert_eq!(std::fs::metadata(&writer.path).unwrap().len(), BATCH as u64);
    }
}

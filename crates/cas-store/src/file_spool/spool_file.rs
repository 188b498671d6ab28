//! One spool file, shared by its writer, its readers and the blocking pool.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use artifact_core::ports::SpoolReader;
use artifact_core::{Algorithm, Digests, Result};
use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::fstat;

use super::Shared;
use super::ledger::Reservation;
use super::tail::{Tail, View};
use crate::blocking::lock;
use crate::error::IoContext;
use crate::{MultiHasher, StoreError, blocking, positional};

/// So much may be written between two looks at the free space of the disk.
const DISK_CHECK_INTERVAL: u64 = 64 << 20;

/// Locks are taken in the order of the fields; none is held across an await.
#[derive(Debug)]
pub(super) struct SpoolFile {
    file: File,
    path: PathBuf,
    shared: Arc<Shared>,
    failed: AtomicBool,
    sink: Mutex<Sink>,
    tail: Mutex<Tail>,
    reservation: Mutex<Reservation>,
}

/// Where the tail goes: digests and disk, which are always at the same byte.
#[derive(Debug)]
struct Sink {
    hasher: MultiHasher,
    since_disk_check: u64,
}

impl SpoolFile {
    pub(super) fn new(
        file: File,
        path: PathBuf,
        shared: Arc<Shared>,
        reservation: Reservation,
        algorithms: &[Algorithm],
    ) -> Self {
        let sink = Sink { hasher: MultiHasher::new(algorithms), since_disk_check: 0 };
        Self {
            file,
            path,
            shared,
            failed: AtomicBool::new(false),
            sink: Mutex::new(sink),
            tail: Mutex::default(),
            reservation: Mutex::new(reservation),
        }
    }

    /// Accounts for `chunk`, makes it visible to readers and tells how many bytes wait to be
    /// written, and how long the whole file is.
    pub(super) fn push(&self, chunk: Bytes) -> Result<(usize, u64), StoreError> {
        if self.failed.load(Ordering::Acquire) {
            return Err(StoreError::SpoolFailed);
        }
        lock(&self.reservation).grow(chunk.len() as u64)?;
        let mut tail = lock(&self.tail);
        tail.push(chunk);
        Ok((tail.length(), tail.end()))
    }

    /// Writes and hashes what waits. The bytes leave the tail only when they are in the file, so
    /// a reader never finds a gap. Flushes that overlap, after a cancelled append, queue up.
    ///
    /// A failure is final and leaves the file shorter than what was pushed, by which a store
    /// knows that it must not take it.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let mut sink = lock(&self.sink);
        if self.failed.load(Ordering::Acquire) {
            return Err(StoreError::SpoolFailed);
        }
        let (start, chunks) = lock(&self.tail).snapshot();
        if let Err(error) = self.write(&mut sink, start, &chunks) {
            self.failed.store(true, Ordering::Release);
            return Err(error);
        }
        for chunk in &chunks {
            sink.hasher.update(chunk);
        }
        lock(&self.tail).written(chunks.len());
        Ok(())
    }

    fn write(&self, sink: &mut Sink, start: u64, chunks: &[Bytes]) -> Result<(), StoreError> {
        if sink.since_disk_check >= DISK_CHECK_INTERVAL {
            self.shared.ledger.check_disk(&self.shared.directory)?;
            sink.since_disk_check = 0;
        }
        let mut offset = start;
        for chunk in chunks {
            self.file.write_all_at(chunk, offset).during("write", &self.path)?;
            offset += chunk.len() as u64;
        }
        sink.since_disk_check += offset - start;
        Ok(())
    }

    /// The digests up to the last byte pushed, written or not.
    pub(super) fn digests(&self) -> Digests {
        let sink = lock(&self.sink);
        let mut hasher = sink.hasher.clone();
        let (_, chunks) = lock(&self.tail).snapshot();
        for chunk in &chunks {
            hasher.update(chunk);
        }
        hasher.finish()
    }

    /// Gives the quota back if the file has become somebody else's. A file without any name
    /// occupies the disk until its last reader is gone, so its share goes with the reader.
    pub(super) fn settle(&self) {
        let has_name = fstat(&self.file).is_ok_and(|status| status.st_nlink > 0);
        if has_name {
            lock(&self.reservation).release();
        }
    }

    fn read_joined(&self, offset: u64, on_disk: usize, rest: &[u8]) -> Result<Bytes, StoreError> {
        let mut buffer = Vec::with_capacity(on_disk + rest.len());
        let read = positional::append_at(&mut buffer, &self.file, offset, on_disk)
            .during("read", &self.path)?;
        if read < on_disk {
            return Err(StoreError::Damaged { path: self.path.clone() });
        }
        buffer.extend_from_slice(rest);
        Ok(Bytes::from(buffer))
    }
}

/// A reading end.
#[derive(Debug)]
pub(super) struct Reader(pub(super) Arc<SpoolFile>);

#[async_trait]
impl SpoolReader for Reader {
    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        let View { on_disk, in_memory } = lock(&self.0.tail).view(offset, length);
        if on_disk == 0 {
            return Ok(in_memory);
        }
        let spool = Arc::clone(&self.0);
        blocking::run(move || spool.read_joined(offset, on_disk, &in_memory)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporary::Temporary;
    use crate::{FileSpool, Quota};

    #[test]
    fn a_failed_flush_is_final_and_leaves_a_short_file_with_true_digests() {
        let directory = tempfile::tempdir().unwrap();
        let quota = Quota { bytes: u64::MAX, reserve: 0 };
        let shared = FileSpool::open(directory.path(), quota).unwrap().0;
        let (file, name) = Temporary::create(directory.path()).unwrap();
        let share = shared.ledger.reserve(0).unwrap();
        let more_than_the_disk = shared.ledger.reserve(u64::MAX / 2).unwrap();
        let spool = SpoolFile::new(file, name.path().into(), shared, share, &[]);
        lock(&spool.sink).since_disk_check = DISK_CHECK_INTERVAL;

        spool.push(Bytes::from_static(b"bytes")).unwrap();
        assert!(matches!(spool.flush(), Err(StoreError::DiskFull { .. })));
        drop(more_than_the_disk);
        assert!(matches!(spool.flush(), Err(StoreError::SpoolFailed)));
        assert!(matches!(spool.push(Bytes::from_static(b"x")), Err(StoreError::SpoolFailed)));
        assert_eq!(std::fs::metadata(name.path()).unwrap().len(), 0);
        let mut expected = MultiHasher::new(&[]);
        expected.update(b"bytes");
        assert_eq!(spool.digests(), expected.finish());
    }
}

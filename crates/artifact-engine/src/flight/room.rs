//! Where the body of a flight goes: into a spool file, or into memory where a document finds no
//! room on the disk. Nothing can be resolved without indexes, so a full disk must not stop them.
//!
//! Invariant: what is in memory is never stored, is counted, and is bounded for all flights
//! together.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact_core::ports::{Hasher, Intent, SpoolReader, SpoolWriter};
use artifact_core::{Algorithm, Digests, Error, ErrorKind, Result};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Flight, Job};
use crate::shared::Shared;

/// What is counted as one.
const UNIT: u64 = 1 << 20;
/// Memory for all such documents together.
const UNITS: usize = 256;
/// Taken for a document of unknown length; one that is longer is refused.
const UNKNOWN: u64 = 16 * UNIT;

/// Memory for documents that find no room on the disk.
#[derive(Clone, Debug)]
pub(crate) struct SpareRoom(Arc<Semaphore>);

impl Default for SpareRoom {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(UNITS)))
    }
}

/// A place for one body.
pub(super) struct Place {
    pub(super) writer: Box<dyn SpoolWriter>,
    /// Whether a store can take the body from there.
    pub(super) is_file: bool,
}

/// What a body needs.
#[derive(Clone, Copy)]
pub(super) struct Needed<'a> {
    /// Its length, if that is known.
    pub(super) length: Option<u64>,
    /// Besides SHA-256.
    pub(super) algorithms: &'a [Algorithm],
}

/// A place for a body.
pub(super) async fn find(
    shared: &Shared,
    flight: &Flight,
    job: &Job,
    needed: Needed<'_>,
) -> Result<Place> {
    if flight.lacks_disk() {
        return in_memory(shared, job, needed);
    }
    match shared.parts.spool.create(needed.length, needed.algorithms).await {
        Ok(writer) => Ok(Place { writer, is_file: true }),
        Err(error) if is_for_memory(job, &error) => {
            // Another attempt would find no room, either.
            flight.note_lack_of_disk();
            in_memory(shared, job, needed)
        }
        Err(error) => Err(error),
    }
}

fn is_for_memory(job: &Job, error: &Error) -> bool {
    job.intent == Intent::Metadata && error.kind() == ErrorKind::InsufficientStorage
}

fn in_memory(shared: &Shared, job: &Job, needed: Needed<'_>) -> Result<Place> {
    let hasher = shared.parts.spool.hasher(needed.algorithms);
    let limit = needed.length.unwrap_or(UNKNOWN).min(job.limit);
    let writer = InMemory::new(&shared.spare_room, hasher, limit).ok_or_else(no_room)?;
    tracing::warn!(path = %job.key.path, "no room on the disk, the document is kept in memory");
    Ok(Place { writer: Box::new(writer), is_file: false })
}

fn no_room() -> Error {
    Error::new(ErrorKind::InsufficientStorage, "there is no room to take in the document")
}

/// The writing end of a body in memory.
struct InMemory {
    body: Arc<Body>,
    hasher: Mutex<Box<dyn Hasher>>,
    limit: u64,
}

#[derive(Debug)]
struct Body {
    bytes: Mutex<BytesMut>,
    _room: OwnedSemaphorePermit,
}

impl InMemory {
    fn new(spare: &SpareRoom, hasher: Box<dyn Hasher>, limit: u64) -> Option<Self> {
        let units = u32::try_from(limit.div_ceil(UNIT)).ok()?;
        let room = Arc::clone(&spare.0).try_acquire_many_owned(units).ok()?;
        let body = Arc::new(Body { bytes: Mutex::default(), _room: room });
        Some(Self { body, hasher: Mutex::new(hasher), limit })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for InMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemory").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[async_trait]
impl SpoolWriter for InMemory {
    async fn append(&mut self, chunk: Bytes) -> Result<()> {
        let mut bytes = lock(&self.body.bytes);
        if (bytes.len() + chunk.len()) as u64 > self.limit {
            return Err(no_room());
        }
        lock(&self.hasher).update(&chunk);
        bytes.extend_from_slice(&chunk);
        Ok(())
    }

    fn digests(&self) -> Digests {
        lock(&self.hasher).digests()
    }

    fn reader(&self) -> Arc<dyn SpoolReader> {
        Arc::clone(&self.body) as _
    }

    fn path(&self) -> &Path {
        // Nowhere: no store takes it.
        Path::new("")
    }
}

#[async_trait]
impl SpoolReader for Body {
    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        let bytes = lock(&self.bytes);
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(length).min(bytes.len());
        Ok(bytes.get(start..end).map(Bytes::copy_from_slice).unwrap_or_default())
    }
}

//! Uploads as files beside the blobs, on the same file system: to keep one is to rename it.
//!
//! A crash between any two steps leaves a file that is longer than the state says, which the next
//! writer cuts, or one that no row knows, which a sweep of the caller finds.

use std::collections::HashMap;
use std::fs::{self, File};
use std::sync::{Arc, Mutex, Weak};
use std::time::SystemTime;

use artifact_core::ports::{ByteRange, Durability, StagedBytes, Staging, StagingWriter, UploadId};
use artifact_core::{Algorithm, BlobId, ByteStream, Digests, Result, Timestamp};
use async_trait::async_trait;
use bytes::Bytes;

use super::put::Put;
use super::staged_file::{self, StagedFile};
use super::walk::moment;
use super::{FileStore, Inner};
use crate::StoreError;
use crate::blocking::{self, lock};
use crate::error::{IoContext, absent_as_none};
use crate::file_stream::file_stream;
use crate::staging::{Belt, Desk, Place, begin, size_at};

/// Who writes. A writer that was dropped may have a batch under way; it must be done with the file
/// before anybody else touches it.
pub(super) type Writers = Mutex<HashMap<UploadId, Weak<Desk<StagedFile>>>>;

impl Inner {
    /// Takes upload `id` away from whoever writes to it.
    fn displace(&self, id: UploadId) {
        let desk = lock(&self.writers).remove(&id).and_then(|desk| desk.upgrade());
        if let Some(desk) = desk {
            desk.close();
        }
    }

    fn begin(
        self: &Arc<Self>,
        id: UploadId,
        state: &str,
        algorithms: &[Algorithm],
    ) -> Result<Belt<StagedFile>, StoreError> {
        let (size, hasher) = begin(state, &Place::File, algorithms)?;
        self.displace(id);
        let Some(opened) = staged_file::open(&self.layout, id, size)? else {
            return self.gone(id);
        };
        let belt = Belt::new(StagedFile::new(opened, size, hasher, Arc::clone(self))?);
        let mut writers = lock(&self.writers);
        writers.retain(|_, desk| desk.strong_count() > 0);
        writers.insert(id, Arc::downgrade(belt.desk()));
        Ok(belt)
    }

    fn open_staged(&self, id: UploadId, size: u64) -> Result<File, StoreError> {
        let path = self.layout.staged(id);
        let Some(file) = absent_as_none(File::open(&path)).during("open", &path)? else {
            return self.gone(id);
        };
        if file.metadata().during("inspect", &path)?.len() < size {
            return self.gone(id);
        }
        Ok(file)
    }

    fn keep(&self, id: UploadId, size: u64, blob: BlobId) -> Result<(), StoreError> {
        self.displace(id);
        let Some((file, path)) = staged_file::open(&self.layout, id, size)? else {
            return match self.size(blob)? {
                Some(stored) if stored == size => self.discard(id),
                _ => self.gone(id),
            };
        };
        // A blob is as old as its name, not as its bytes: to the collector an old one without a
        // row is garbage.
        file.set_modified(SystemTime::now()).during("date", &path)?;
        drop(file);
        Put { layout: &self.layout, id: blob, size, durability: Durability::Strict }.run(&path)
    }

    fn discard(&self, id: UploadId) -> Result<(), StoreError> {
        self.displace(id);
        let path = self.layout.staged(id);
        match absent_as_none(fs::remove_file(&path)).during("discard", &path)? {
            Some(()) => Ok(()),
            None => self.absent::<()>().map(drop),
        }
    }

    fn staged(
        &self,
        after: Option<UploadId>,
        limit: usize,
    ) -> Result<Vec<(UploadId, Timestamp)>, StoreError> {
        let directory = self.layout.uploads();
        let mut ids = Vec::new();
        for entry in fs::read_dir(directory).during("list", directory)? {
            let name = entry.during("list", directory)?.file_name();
            let id = name.to_str().and_then(|name| name.parse::<UploadId>().ok());
            ids.extend(id.filter(|id| after.is_none_or(|after| *id > after)));
        }
        ids.sort_unstable();
        let mut found = Vec::new();
        for id in ids {
            if found.len() >= limit {
                break;
            }
            let path = self.layout.staged(id);
            // It may have become a blob meanwhile.
            if let Some(metadata) = absent_as_none(fs::metadata(&path)).during("inspect", &path)? {
                found.push((id, moment(metadata.modified().during("inspect", &path)?)));
            }
        }
        Ok(found)
    }

    /// Says that bytes are not there, but only while the store itself is.
    fn gone<T>(&self, id: UploadId) -> Result<T, StoreError> {
        self.absent::<()>()?;
        Err(StoreError::StagingGone { id })
    }
}

#[async_trait]
impl Staging for FileStore {
    async fn write(
        &self,
        id: UploadId,
        state: &str,
        algorithms: &[Algorithm],
    ) -> Result<Box<dyn StagingWriter>> {
        let (state, algorithms) = (state.to_owned(), algorithms.to_vec());
        let inner = Arc::clone(&self.0);
        let belt = blocking::run(move || inner.begin(id, &state, &algorithms)).await?;
        Ok(Box::new(Writer(belt)))
    }

    async fn read(&self, id: UploadId, state: &str) -> Result<ByteStream> {
        let size = size_at(state, &Place::File)?;
        if size == 0 {
            return Ok(Box::pin(futures_util::stream::empty()));
        }
        let file = self.run(move |inner| inner.open_staged(id, size)).await?;
        Ok(file_stream(file, ByteRange { start: 0, end: size }))
    }

    async fn keep(&self, id: UploadId, state: &str, id_of_bytes: BlobId) -> Result<()> {
        let size = size_at(state, &Place::File)?;
        self.run(move |inner| inner.keep(id, size, id_of_bytes)).await
    }

    async fn discard(&self, id: UploadId, _state: &str) -> Result<()> {
        self.run(move |inner| inner.discard(id)).await
    }

    async fn staged(
        &self,
        after: Option<UploadId>,
        limit: usize,
    ) -> Result<Vec<(UploadId, Timestamp)>> {
        self.run(move |inner| inner.staged(after, limit)).await
    }
}

#[derive(Debug)]
struct Writer(Belt<StagedFile>);

#[async_trait]
impl StagingWriter for Writer {
    async fn append(&mut self, chunk: Bytes) -> Result<()> {
        self.0.push(chunk).await
    }

    async fn flush(&mut self) -> Result<StagedBytes> {
        self.0
            .arrived(|file| {
                let progress = file.sync()?;
                Ok(StagedBytes { size: progress.size, state: progress.written()? })
            })
            .await
    }

    fn digests(&self) -> Digests {
        self.0.digests()
    }
}

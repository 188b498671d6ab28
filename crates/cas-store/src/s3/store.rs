//! The store itself.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use artifact_core::ports::{BlobListing, BlobRead, BlobStore, ByteRange, Durability};
use artifact_core::{BlobId, Result};
use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use super::bucket::Bucket;
use super::failure::S3Failure;
use super::keys;
use super::multipart::Uploads;
use super::parts::is_sent_at_once;
use super::put::Source;
use super::settings::S3Settings;
use super::staging::SHORTEST_LINKED;
use crate::error::{IoContext, absent_as_none};
use crate::{StoreError, blocking};

/// A [`BlobStore`] and [`Staging`](artifact_core::ports::Staging) in a bucket of an S3-compatible
/// store.
///
/// A server that does not answer fails every call within seconds, and after three such failures
/// at once, for a moment. Writes are as durable as the server makes them.
#[derive(Debug)]
pub struct S3Store {
    pub(super) bucket: Arc<Bucket>,
    pub(super) uploads: Uploads,
}

impl S3Store {
    /// The store that `settings` describe. Connects to nothing: see [`probe`](Self::probe).
    pub fn new(settings: &S3Settings) -> Result<Self, StoreError> {
        Ok(Self { bucket: Arc::new(Bucket::new(settings)?), uploads: Uploads::default() })
    }

    /// Proves with a write, a read and a delete that the store works. The failure tells what has
    /// to be changed if it does not.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let key = keys::probe();
        let written = Bytes::copy_from_slice(Uuid::new_v4().as_bytes());
        self.bucket.put_bytes(&key, &written).await.map_err(|f| self.failed("write to", f))?;
        let read = self.bucket.small(&key).await.map_err(|f| self.failed("read from", f));
        self.bucket.delete(&key).await.map_err(|f| self.failed("delete from", f))?;
        if read? == Some(written) {
            return Ok(());
        }
        let problem = "what was written is not what is read".to_owned();
        Err(self.failed("read from", S3Failure::Unreadable { problem }))
    }

    /// Aborts uploads in parts that began longer than `age` ago, which a crash left behind, and
    /// tells how many. A server may show only some of them; such servers expire them themselves.
    pub async fn abort_stale_uploads(&self, age: Duration) -> Result<usize, StoreError> {
        let aborted = self.bucket.abort_uploads_older_than(age).await;
        aborted.map_err(|failure| self.failed("sweep the uploads of", failure))
    }

    pub(super) fn failed(&self, action: &'static str, source: S3Failure) -> StoreError {
        self.bucket.failed(action, source)
    }

    pub(super) fn told<T>(&self, action: &'static str, outcome: Result<T, S3Failure>) -> Result<T> {
        outcome.map_err(|failure| self.failed(action, failure).into())
    }

    pub(super) async fn size(&self, key: &str) -> Result<Option<u64>> {
        self.told("ask", self.bucket.size(key).await)
    }

    /// Whether blob `id` is there with `size` bytes. Short ones are never linked, so that no link is looked for.
    pub(super) async fn holds(&self, id: BlobId, size: u64) -> Result<bool> {
        match self.size(&keys::of(id)).await? {
            Some(found) => Ok(found == size),
            None if size < SHORTEST_LINKED => Ok(false),
            None => Ok(self.told("ask", self.bucket.linked_size(id).await)? == Some(size)),
        }
    }

    async fn send(&self, key: &str, source: Source) -> Result<()> {
        let size = source.size;
        let outcome = if is_sent_at_once(size) {
            self.bucket.put_at_once(key, &source).await
        } else {
            self.uploads.put(&self.bucket, key.to_owned(), source).await
        };
        self.told("write to", outcome)?;
        self.check_written(key, size).await
    }

    /// Fails unless the object `key` has `size` bytes.
    pub(super) async fn check_written(&self, key: &str, size: u64) -> Result<()> {
        if self.size(key).await? == Some(size) {
            return Ok(());
        }
        let problem = "what was written is not as long as it was".to_owned();
        self.told("write to", Err(S3Failure::Unreadable { problem }))
    }
}

#[async_trait]
impl BlobStore for S3Store {
    async fn open(&self, id: BlobId, range: Option<ByteRange>) -> Result<Option<BlobRead>> {
        let opened = self.told("read from", self.bucket.open(&keys::of(id), range).await)?;
        match opened {
            Some(read) => Ok(Some(read)),
            None => self.told("read from", self.bucket.open_linked(id, range).await),
        }
    }

    async fn stat(&self, id: BlobId) -> Result<Option<u64>> {
        match self.size(&keys::of(id)).await? {
            Some(size) => Ok(Some(size)),
            None => self.told("ask", self.bucket.linked_size(id).await),
        }
    }

    async fn put_file(&self, id: BlobId, source: &Path, size: u64, _: Durability) -> Result<()> {
        let (path, key) = (source.to_owned(), keys::of(id));
        let opened = {
            let path = path.clone();
            blocking::run(move || Source::open(&path, size)).await?
        };
        if !self.holds(id, size).await? {
            self.send(&key, opened).await?;
        }
        let remove = move || absent_as_none(fs::remove_file(&path)).during("remove", &path);
        blocking::run(remove).await.map(drop)
    }

    async fn delete(&self, id: BlobId) -> Result<bool> {
        let key = keys::of(id);
        let links = async { self.told("ask", self.bucket.links(id).await) };
        let (named, links) = tokio::try_join!(self.size(&key), links)?;
        for link in &links {
            self.told("delete from", self.bucket.delete_link(id, link).await)?;
        }
        if named.is_some() {
            self.told("delete from", self.bucket.delete(&key).await)?;
        }
        Ok(named.is_some() || !links.is_empty())
    }

    async fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobListing>> {
        self.told("list", self.bucket.list(after, limit).await)
    }

    async fn epoch(&self) -> Result<u64> {
        let text = self.told("read from", self.bucket.small(keys::EPOCH).await)?;
        let Some(text) = text else { return Ok(0) };
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
        let unreadable = || S3Failure::Unreadable { problem: "the epoch is no number".to_owned() };
        self.told("read from", number.ok_or_else(unreadable))
    }

    async fn set_epoch(&self, epoch: u64) -> Result<()> {
        let text = Bytes::from(format!("{epoch}\n"));
        self.told("write to", self.bucket.put_bytes(keys::EPOCH, &text).await)
    }

    async fn check(&self) -> Result<()> {
        Ok(self.probe().await?)
    }
}

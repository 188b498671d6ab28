//! Uploads as objects below `uploads/`, where every replica can go on with them.
//!
//! Bytes become parts of an upload to `whole/{id}/{name}` as soon as there are enough of them. Servers take no
//! short part but the last one, so what is left at a flush is an object of its own, the tail, under a
//! new name every time: the state that was given before stays good. A short upload is nothing but
//! a tail, and is copied when it is kept. Parts are completed, and a [link](super::linked) says whose bytes
//! the object is: that takes no longer for many gigabytes than for a few.
//!
//! An upload in parts cannot be listed reliably, so a marker `uploads/{id}/multipart/{name}` remembers it.
//! Whatever states are lost, everything below `uploads/{id}/` and what its markers remember is removed in
//! the end, except for bytes that a link leads to. That holds wherever a replica breaks off, because of
//! the order of these steps, each of which can be repeated:
//!
//! 1. The marker is told which blob the bytes are to become. Who clears the upload away from now on asks
//!    whether a link of that blob leads to them.
//! 2. The parts are completed. Nothing leads to the object but the marker.
//! 3. The link is stored. The object belongs to the blob, and the marker is of no consequence any more.
//! 4. The upload is cleared: the marker goes, the object stays.
//!
//! What has to be kept apart is kept apart by the callers. One at a time keeps an upload or discards it, so
//! that no link comes between the question and the removal. And whoever keeps has pinned the blob, whose
//! deletion therefore does not run at the same time; one that the store finishes late removes the
//! links that it had found, which are not the new one.

mod clear;
mod located;
mod marker;
mod multipart;
mod schedule;
mod tags;
mod writer;

use artifact_core::ports::{BlobPayload, BlobRead, Staging, StagingWriter, UploadId};
use artifact_core::{Algorithm, BlobId, ByteStream, Error, Result, Timestamp};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};

use self::located::Located;
pub(super) use self::schedule::SHORTEST_IN_PARTS as SHORTEST_LINKED;
use self::writer::{Beginning, Writer};
use super::bucket::Bucket;
use super::failure::S3Failure;
use super::keys::{self, Link};
use super::store::S3Store;
use crate::StoreError;
use crate::staging::{Multipart, Progress, ResumableHasher};

/// What a failure means that happened to upload `id`.
fn failed(bucket: &Bucket, id: UploadId, action: &'static str, failure: S3Failure) -> Error {
    if failure.is_gone() {
        return StoreError::StagingGone { id }.into();
    }
    bucket.failed(action, failure).into()
}

impl S3Store {
    fn staging<T>(
        &self,
        id: UploadId,
        action: &'static str,
        outcome: Result<T, S3Failure>,
    ) -> Result<T> {
        outcome.map_err(|failure| failed(&self.bucket, id, action, failure))
    }

    /// The object `key`, which must have `size` bytes.
    async fn open_staged(&self, id: UploadId, key: &str, size: u64) -> Result<BlobPayload> {
        let opened = self.staging(id, "read from", self.bucket.open(key, None).await)?;
        match opened {
            Some(BlobRead { size: found, payload }) if found == size => Ok(payload),
            _ => Err(StoreError::StagingGone { id }.into()),
        }
    }

    /// The bytes behind the parts.
    async fn tail(&self, id: UploadId, located: &Located) -> Result<Bytes> {
        let Some(name) = &located.objects.tail else { return Ok(Bytes::new()) };
        match self.open_staged(id, &keys::tail(id, name), located.tail_size).await? {
            BlobPayload::Bytes(bytes) => Ok(bytes),
            BlobPayload::Stream(stream) => {
                stream.try_collect::<BytesMut>().await.map(BytesMut::freeze)
            }
        }
    }

    /// Fails unless the parts are remembered. Who clears an upload away removes them, or leaves them to a blob.
    async fn check_parts(&self, id: UploadId, located: &Located) -> Result<()> {
        let Some(multipart) = &located.objects.multipart else { return Ok(()) };
        if self.size(&keys::marker(id, &multipart.marker)).await?.is_some() {
            return Ok(());
        }
        Err(StoreError::StagingGone { id }.into())
    }

    /// The key of one object with all bytes of an upload that has some.
    async fn whole(&self, id: UploadId, located: &Located) -> Result<String> {
        match (&located.objects.multipart, &located.objects.tail) {
            (Some(multipart), _) => self.completed(id, located, multipart).await,
            (None, Some(tail)) => Ok(keys::tail(id, tail)),
            (None, None) => Err(StoreError::StagingGone { id }.into()),
        }
    }

    /// The key of the object that the parts and the tail are, or become now.
    async fn completed(
        &self,
        id: UploadId,
        located: &Located,
        multipart: &Multipart,
    ) -> Result<String> {
        let key = keys::whole(id, &multipart.marker);
        if self.size(&key).await? == Some(located.size) {
            return Ok(key);
        }
        let tail = located.objects.tail.as_deref();
        let outcome = self.bucket.complete_staged(id, multipart, tail).await;
        if outcome.is_err() {
            // The answer to an earlier attempt may have been lost.
            if self.size(&key).await? == Some(located.size) {
                return Ok(key);
            }
            // Servers have different words for an upload that is not there.
            self.check_parts(id, located).await?;
        }
        self.staging(id, "complete an upload to", outcome)?;
        self.check_written(&key, located.size).await?;
        Ok(key)
    }

    /// Makes a short upload a blob.
    async fn store_short(&self, id: UploadId, located: &Located, blob: BlobId) -> Result<()> {
        let key = keys::of(blob);
        if located.size == 0 {
            let outcome = self.bucket.put_bytes(&key, &Bytes::new()).await;
            return self.told("write to", outcome);
        }
        let original = self.whole(id, located).await?;
        self.staging(id, "copy within", self.bucket.copy(&key, &original).await)?;
        self.check_written(&key, located.size).await
    }

    /// Makes an upload in parts a blob, where its bytes are.
    async fn link(
        &self,
        id: UploadId,
        located: &Located,
        multipart: &Multipart,
        blob: BlobId,
    ) -> Result<()> {
        self.check_parts(id, located).await?;
        let place = (multipart.marker.as_str(), multipart.id.as_str());
        self.told("write to", self.bucket.mark_for(id, place, blob).await)?;
        self.completed(id, located, multipart).await?;
        // Others send the same bytes at the same time, and that took a moment.
        if self.holds(blob, located.size).await? {
            return Ok(());
        }
        let link = Link { size: located.size, upload: id, name: multipart.marker.clone() };
        self.told("write to", self.bucket.put_link(blob, &link).await)?;
        self.remove_damage(blob, located.size).await
    }

    /// Removes what lies under the key of `blob` and would be read instead of what a link leads to.
    async fn remove_damage(&self, blob: BlobId, size: u64) -> Result<()> {
        let key = keys::of(blob);
        if self.size(&key).await?.is_some_and(|found| found != size) {
            self.told("delete from", self.bucket.delete(&key).await)?;
        }
        Ok(())
    }

    async fn clear(&self, id: UploadId) -> Result<()> {
        self.told("remove an upload from", self.bucket.clear_staged(id).await)
    }
}

#[async_trait]
impl Staging for S3Store {
    async fn write(
        &self,
        id: UploadId,
        state: &str,
        algorithms: &[Algorithm],
    ) -> Result<Box<dyn StagingWriter>> {
        let progress = Progress::read(state)?;
        let hasher = match &progress {
            None => ResumableHasher::new(algorithms),
            Some(progress) => progress.hasher()?,
        };
        let located = Located::of(progress)?;
        let (tail, ()) = tokio::try_join!(self.tail(id, &located), self.check_parts(id, &located))?;
        let bucket = std::sync::Arc::clone(&self.bucket);
        Ok(Box::new(Writer::new(Beginning { bucket, id, hasher, located, tail })))
    }

    async fn read(&self, id: UploadId, state: &str) -> Result<ByteStream> {
        let located = Located::of(Progress::read(state)?)?;
        if located.size == 0 {
            return Ok(stream::empty().boxed());
        }
        self.check_parts(id, &located).await?;
        let key = self.whole(id, &located).await?;
        Ok(match self.open_staged(id, &key, located.size).await? {
            BlobPayload::Bytes(bytes) => stream::iter([Ok(bytes)]).boxed(),
            BlobPayload::Stream(stream) => stream,
        })
    }

    async fn keep(&self, id: UploadId, state: &str, id_of_bytes: BlobId) -> Result<()> {
        let located = Located::of(Progress::read(state)?)?;
        if !self.holds(id_of_bytes, located.size).await? {
            match &located.objects.multipart {
                None => self.store_short(id, &located, id_of_bytes).await?,
                Some(multipart) => self.link(id, &located, multipart, id_of_bytes).await?,
            }
        }
        self.clear(id).await
    }

    async fn discard(&self, id: UploadId, _state: &str) -> Result<()> {
        self.clear(id).await
    }

    async fn staged(
        &self,
        after: Option<UploadId>,
        limit: usize,
    ) -> Result<Vec<(UploadId, Timestamp)>> {
        self.told("list", self.bucket.list_staged(after, limit).await)
    }
}

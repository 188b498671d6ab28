//! Uploads as objects below `uploads/`, where every replica can go on with them.
//!
//! Bytes become parts of an upload to `uploads/{id}/whole` as soon as there are enough of them. Servers
//! take no short part but the last one, so what is left at a flush is an object of its own, the
//! tail, under a new name every time: the state that was given before stays good. A short upload is
//! nothing but a tail. Keeping completes the parts and copies the object where it is.
//!
//! An upload in parts cannot be listed reliably, so a marker beside it remembers its id. Whatever
//! states are lost, everything below `uploads/{id}/` and what its markers name is removed in the end.

mod clear;
mod located;
mod multipart;
mod schedule;
mod tags;
mod writer;

use artifact_core::ports::{BlobPayload, BlobRead, Staging, StagingWriter, UploadId};
use artifact_core::{Algorithm, BlobId, ByteStream, Error, Result, Timestamp};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};

use self::clear::Completed;
use self::located::Located;
use self::writer::{Beginning, Writer};
use super::bucket::Bucket;
use super::copy::Original;
use super::failure::S3Failure;
use super::keys;
use super::store::S3Store;
use crate::StoreError;
use crate::staging::{Progress, ResumableHasher};

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

    /// Fails unless the bytes are there that cannot be read.
    async fn check_parts(&self, id: UploadId, located: &Located) -> Result<()> {
        let Some(multipart) = &located.objects.multipart else { return Ok(()) };
        if self.size(&keys::marker(id, &multipart.marker)).await?.is_some() {
            return Ok(());
        }
        Err(StoreError::StagingGone { id }.into())
    }

    /// One object with all bytes of an upload that has some.
    async fn whole(&self, id: UploadId, located: &Located) -> Result<Original> {
        let size = located.size;
        match (&located.objects.multipart, &located.objects.tail) {
            (Some(_), _) => {
                self.complete(id, located).await?;
                Ok(Original { key: keys::whole(id), size })
            }
            (None, Some(tail)) => Ok(Original { key: keys::tail(id, tail), size }),
            (None, None) => Err(StoreError::StagingGone { id }.into()),
        }
    }

    /// Makes one object of the parts and the tail, if that has not happened before.
    async fn complete(&self, id: UploadId, located: &Located) -> Result<()> {
        let key = keys::whole(id);
        if self.size(&key).await? == Some(located.size) {
            return Ok(());
        }
        let outcome = self.bucket.complete_staged(id, located).await;
        if outcome.is_err() {
            // The answer to an earlier attempt may have been lost.
            if self.size(&key).await? == Some(located.size) {
                return Ok(());
            }
            // Servers have different words for an upload that is not there.
            self.check_parts(id, located).await?;
        }
        self.staging(id, "complete an upload to", outcome)
    }

    async fn store_staged(&self, id: UploadId, located: &Located, key: &str) -> Result<()> {
        if located.size == 0 {
            let outcome = self.bucket.put_bytes(key, &Bytes::new()).await;
            return self.told("write to", outcome);
        }
        let original = self.whole(id, located).await?;
        let copied = self.uploads.copy(&self.bucket, key, original).await;
        self.staging(id, "copy within", copied)?;
        self.check_written(key, located.size).await
    }

    async fn clear(&self, id: UploadId, completed: Completed<'_>) -> Result<()> {
        self.told("remove an upload from", self.bucket.clear_staged(id, completed).await)
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
        let Original { key, size } = self.whole(id, &located).await?;
        Ok(match self.open_staged(id, &key, size).await? {
            BlobPayload::Bytes(bytes) => stream::iter([Ok(bytes)]).boxed(),
            BlobPayload::Stream(stream) => stream,
        })
    }

    async fn keep(&self, id: UploadId, state: &str, id_of_bytes: BlobId) -> Result<()> {
        let located = Located::of(Progress::read(state)?)?;
        let key = keys::of(id_of_bytes);
        if self.size(&key).await? == Some(located.size) {
            return self.clear(id, Completed::Nothing).await;
        }
        self.store_staged(id, &located, &key).await?;
        let multipart = located.objects.multipart.as_ref();
        let completed = multipart.map_or(Completed::Nothing, |it| Completed::MarkedBy(&it.marker));
        self.clear(id, completed).await
    }

    async fn discard(&self, id: UploadId, _state: &str) -> Result<()> {
        self.clear(id, Completed::Nothing).await
    }

    async fn staged(
        &self,
        after: Option<UploadId>,
        limit: usize,
    ) -> Result<Vec<(UploadId, Timestamp)>> {
        self.told("list", self.bucket.list_staged(after, limit).await)
    }
}

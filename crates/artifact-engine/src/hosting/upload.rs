//! Uploads that take several requests, as clients see them.

use std::sync::Arc;

use artifact_core::ports::{Upload, UploadId};
use artifact_core::{
    Algorithm, Beginning, Continuation, Digest, Outcome, RequestBody, Result, UploadEvent,
    UploadReference,
};
use futures_util::StreamExt;

use super::Conversation;
use super::uploader::{Step, Uploader, Written};
use crate::request::Reply;

impl Conversation<'_> {
    pub(super) async fn begin(
        &self,
        beginning: &Beginning,
        body: Option<RequestBody>,
    ) -> Result<Reply> {
        if let Some(source) = &beginning.source
            && let Some(reply) = self.take_over(beginning, source).await?
        {
            return Ok(reply);
        }
        let now = self.shared.parts.clock.now();
        let upload = Upload {
            id: UploadId::random(),
            repository: self.call.mounted.id(),
            name: beginning.name.clone(),
            size: 0,
            state: String::new(),
            finished_as: None,
            created_at: now,
            updated_at: now,
        };
        if let Some(digest) = &beginning.whole
            && let Some(body) = non_empty(body).await?
        {
            return self.whole(upload, digest, body).await;
        }
        let upload = self.prepared(upload, beginning.algorithm).await?;
        let reference = UploadReference { name: upload.name, id: upload.id };
        Ok(self.word(&Outcome::Upload(&reference, 0, UploadEvent::Begun)))
    }

    /// Keeps a new upload. Digests besides SHA-256 have to be known before the first byte.
    async fn prepared(&self, mut upload: Upload, algorithm: Algorithm) -> Result<Upload> {
        if algorithm != Algorithm::Sha256 {
            let staging = &self.shared.parts.staging;
            let mut writer = staging.write(upload.id, "", &[algorithm]).await?;
            upload.state = writer.flush().await?.state;
        }
        self.shared.parts.meta.create_upload(&upload).await?;
        Ok(upload)
    }

    /// A file whose bytes all come with the request that announces it.
    async fn whole(&self, upload: Upload, digest: &Digest, body: RequestBody) -> Result<Reply> {
        let upload = self.prepared(upload, digest.algorithm()).await?;
        let reference = UploadReference { name: upload.name, id: upload.id };
        let continuation =
            Continuation { upload: reference.clone(), range: None, closing: Some(digest.clone()) };
        let stored = self.continue_upload(&continuation, Some(body)).await;
        if stored.is_err() {
            // Nobody was told of this upload.
            self.uploader().forget(reference.id).await?;
        }
        stored
    }

    pub(super) async fn ask(&self, reference: &UploadReference) -> Result<Reply> {
        let upload = self.uploader().known(reference).await?;
        Ok(self.word(&Outcome::Upload(reference, upload.size, UploadEvent::Asked)))
    }

    pub(super) async fn cancel(&self, reference: &UploadReference) -> Result<Reply> {
        self.uploader().known(reference).await?;
        let uploader = self.uploader();
        let Step::Claimed(claim) = uploader.claim(reference).await? else {
            return Err(uploader.unknown());
        };
        uploader.forget(reference.id).await?;
        Ok(self.word(&Outcome::Upload(reference, claim.upload.size, UploadEvent::Cancelled)))
    }

    pub(super) async fn continue_upload(
        &self,
        continuation: &Continuation,
        body: Option<RequestBody>,
    ) -> Result<Reply> {
        let reference = &continuation.upload;
        let outcome = match self.uploader().write(continuation, body).await? {
            Written::Part(size) => Outcome::Upload(reference, size, UploadEvent::Continued),
            Written::Nothing(size) => Outcome::Upload(reference, size, UploadEvent::OutOfRange),
            Written::File(digest) => {
                let (name, digest) = (reference.name.as_str(), &digest);
                return Ok(self.word(&Outcome::FileStored { name, digest }));
            }
        };
        Ok(self.word(&outcome))
    }

    fn uploader(&self) -> Uploader {
        Uploader { shared: Arc::clone(self.shared), mounted: Arc::clone(self.call.mounted) }
    }
}

/// The body, unless it is empty.
async fn non_empty(body: Option<RequestBody>) -> Result<Option<RequestBody>> {
    let Some(mut body) = body else { return Ok(None) };
    if body.length == Some(0) {
        return Ok(None);
    }
    loop {
        match body.stream.next().await.transpose()? {
            None => return Ok(None),
            Some(first) if first.is_empty() => {}
            Some(first) => {
                let first = futures_util::stream::iter([Ok(first)]);
                let stream = Box::pin(first.chain(body.stream));
                return Ok(Some(RequestBody { stream, length: body.length }));
            }
        }
    }
}

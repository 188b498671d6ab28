//! Uploads in parts.
//!
//! Parts of an upload that is given up stay on the server, invisible and paid for. So an upload is a task
//! of its own that outlives its caller and aborts what it began, whatever goes wrong; what is
//! left behind by a crash is found by age.

use std::sync::Arc;

use artifact_core::ports::ByteRange;
use futures_util::{StreamExt, TryStreamExt, stream};
use rusoto_core::RusotoError;
use rusoto_s3::{
    AbortMultipartUploadRequest, CompleteMultipartUploadRequest, CompletedMultipartUpload,
    CompletedPart, CreateMultipartUploadRequest, S3, S3Client, UploadPartRequest,
};
use tokio::sync::oneshot;

use super::bucket::Bucket;
use super::failure::S3Failure;
use super::link::Errand;
use super::parts::parts;
use super::put::Source;
use crate::tasks::Tasks;

const AT_A_TIME: usize = 4;

/// The uploads under way. Dropping it ends them.
#[derive(Debug, Default)]
pub(super) struct Uploads(Tasks);

impl Uploads {
    /// Stores `source` under `key` in parts. If the caller goes away, the upload is aborted.
    pub(super) async fn put(
        &self,
        bucket: &Arc<Bucket>,
        key: String,
        source: Source,
    ) -> Result<(), S3Failure> {
        let (sender, receiver) = oneshot::channel();
        self.0.start(upload(Arc::clone(bucket), key, source, sender));
        receiver.await.unwrap_or_else(|_| Err(broken_off()))
    }
}

fn broken_off() -> S3Failure {
    S3Failure::Broken { source: "the upload was given up".into() }
}

type Told = oneshot::Sender<Result<(), S3Failure>>;

async fn upload(bucket: Arc<Bucket>, key: String, source: Source, mut told: Told) {
    let id = match bucket.create_upload(&key).await {
        Ok(id) => id,
        Err(failure) => {
            // Nobody listens any more if this fails.
            let _ = told.send(Err(failure));
            return;
        }
    };
    let outcome = tokio::select! {
        outcome = bucket.fill(&key, &id, &source) => outcome,
        () = told.closed() => Err(broken_off()),
    };
    let is_broken = outcome.is_err();
    let _ = told.send(outcome);
    if is_broken && let Err(failure) = bucket.abort_upload(&key, &id).await {
        let failure: &dyn std::error::Error = &failure;
        tracing::warn!(key, failure, "an upload in parts was left behind");
    }
}

impl Bucket {
    /// Begins an upload in parts and tells its id.
    pub(super) async fn create_upload(&self, key: &str) -> Result<String, S3Failure> {
        let request = CreateMultipartUploadRequest {
            bucket: self.name(),
            key: key.to_owned(),
            ..Default::default()
        };
        let create = |client: S3Client| {
            let request = request.clone();
            async move { client.create_multipart_upload(request).await }
        };
        let created = self.call(Errand::Ask, create).await?;
        let unreadable = || S3Failure::Unreadable { problem: "it names no upload".to_owned() };
        created.upload_id.ok_or_else(unreadable)
    }

    async fn fill(&self, key: &str, id: &str, source: &Source) -> Result<(), S3Failure> {
        let send = |(number, range)| self.send_part((key, id), source, number, range);
        let sent = stream::iter(parts(source.size)).map(send).buffer_unordered(AT_A_TIME);
        let mut sent: Vec<CompletedPart> = sent.try_collect().await?;
        sent.sort_unstable_by_key(|part| part.part_number);
        self.complete_upload(key, id, sent).await
    }

    async fn send_part(
        &self,
        (key, id): (&str, &str),
        source: &Source,
        number: i64,
        range: ByteRange,
    ) -> Result<CompletedPart, S3Failure> {
        let md5 = source.md5(range).await?;
        let send = |client: S3Client| {
            let body = source.body(range);
            let request = UploadPartRequest {
                bucket: self.name(),
                key: key.to_owned(),
                upload_id: id.to_owned(),
                part_number: number,
                content_md5: Some(md5.clone()),
                ..Default::default()
            };
            async move {
                let body = Some(body.map_err(RusotoError::from)?);
                client.upload_part(UploadPartRequest { body, ..request }).await
            }
        };
        let e_tag = self.call(Errand::Ask, send).await?.e_tag;
        Ok(CompletedPart { e_tag, part_number: Some(number) })
    }

    /// Makes the object `key` of the parts that were sent.
    pub(super) async fn complete_upload(
        &self,
        key: &str,
        id: &str,
        sent: Vec<CompletedPart>,
    ) -> Result<(), S3Failure> {
        let request = CompleteMultipartUploadRequest {
            bucket: self.name(),
            key: key.to_owned(),
            upload_id: id.to_owned(),
            multipart_upload: Some(CompletedMultipartUpload { parts: Some(sent) }),
            ..Default::default()
        };
        let complete = |client: S3Client| {
            let request = request.clone();
            async move { client.complete_multipart_upload(request).await }
        };
        self.call(Errand::Assemble, complete).await.map(drop)
    }

    /// Aborts an upload; one that is not there needs no abort.
    pub(super) async fn abort_upload(&self, key: &str, id: &str) -> Result<(), S3Failure> {
        let request = AbortMultipartUploadRequest {
            bucket: self.name(),
            key: key.to_owned(),
            upload_id: id.to_owned(),
            ..Default::default()
        };
        let abort = |client: S3Client| {
            let request = request.clone();
            async move { client.abort_multipart_upload(request).await }
        };
        match self.call(Errand::Ask, abort).await {
            Err(S3Failure::Answer { status: 404, .. }) => Ok(()),
            outcome => outcome.map(drop),
        }
    }
}

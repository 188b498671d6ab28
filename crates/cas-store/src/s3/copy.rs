//! Copying objects where they are: the bytes do not travel.

use rusoto_s3::{
    CompletedPart, CopyObjectRequest, S3, S3Client, UploadPartCopyRequest, UploadPartRequest,
};

use super::bucket::Bucket;
use super::failure::S3Failure;
use super::link::Errand;
use super::put::Payload;

impl Bucket {
    /// Makes `key` a copy of the object `from`, which is short: servers copy at the speed of their disks.
    pub(super) async fn copy(&self, key: &str, from: &str) -> Result<(), S3Failure> {
        let request = CopyObjectRequest {
            bucket: self.name(),
            key: key.to_owned(),
            copy_source: self.source_of(from),
            ..Default::default()
        };
        let copy = |client: S3Client| {
            let request = request.clone();
            async move { client.copy_object(request).await }
        };
        self.call(Errand::Assemble, copy).await.map(drop)
    }

    /// Makes the object `from` a part of an upload.
    pub(super) async fn copy_part(
        &self,
        (key, id): (&str, &str),
        from: &str,
        number: i64,
    ) -> Result<CompletedPart, S3Failure> {
        let request = UploadPartCopyRequest {
            bucket: self.name(),
            key: key.to_owned(),
            upload_id: id.to_owned(),
            part_number: number,
            copy_source: self.source_of(from),
            ..Default::default()
        };
        let copy = |client: S3Client| {
            let request = request.clone();
            async move { client.upload_part_copy(request).await }
        };
        let copied = self.call(Errand::Assemble, copy).await?.copy_part_result;
        tagged(number, copied.and_then(|copied| copied.e_tag))
    }

    /// Sends `payload` as a part of an upload.
    pub(super) async fn send_payload(
        &self,
        (key, id): (&str, &str),
        number: i64,
        payload: &Payload,
    ) -> Result<CompletedPart, S3Failure> {
        let md5 = payload.md5().await?;
        let send = |client: S3Client| {
            let request = UploadPartRequest {
                bucket: self.name(),
                key: key.to_owned(),
                upload_id: id.to_owned(),
                part_number: number,
                content_md5: Some(md5.clone()),
                body: Some(payload.body()),
                ..Default::default()
            };
            async move { client.upload_part(request).await }
        };
        tagged(number, self.call(Errand::Ask, send).await?.e_tag)
    }

    fn source_of(&self, key: &str) -> String {
        // Keys and names of buckets have nothing in them that would have to be escaped.
        format!("{}/{key}", self.name())
    }
}

/// A part that the server has taken. It may begin a success and end it with an error, of which
/// only the missing tag is left to be seen here.
fn tagged(number: i64, e_tag: Option<String>) -> Result<CompletedPart, S3Failure> {
    let unreadable = || S3Failure::Unreadable { problem: "it names no part".to_owned() };
    let e_tag = Some(e_tag.ok_or_else(unreadable)?);
    Ok(CompletedPart { e_tag, part_number: Some(number) })
}

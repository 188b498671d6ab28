//! Listing what is there, page by page.

use std::time::Duration;

use artifact_core::ports::BlobListing;
use artifact_core::{BlobId, Clock, SystemClock, Timestamp};
use rusoto_s3::{
    ListMultipartUploadsOutput, ListMultipartUploadsRequest, ListObjectsV2Output,
    ListObjectsV2Request, Object, S3, S3Client,
};

use super::bucket::{Bucket, length};
use super::failure::S3Failure;
use super::keys;
use super::link::Errand;

/// The most that a server gives at once.
pub(super) const PAGE: usize = 1000;

impl Bucket {
    /// Up to `limit` blobs greater than `after` that are under their own keys, in order.
    pub(super) async fn list_named(
        &self,
        after: Option<BlobId>,
        limit: usize,
    ) -> Result<Vec<BlobListing>, S3Failure> {
        let mut found = Vec::new();
        let mut position = after.map(keys::of);
        while found.len() < limit {
            let page = self.page(keys::BLOBS, position, (limit - found.len()).min(PAGE)).await?;
            let is_last = !page.is_truncated.unwrap_or(false);
            let objects = page.contents.unwrap_or_default();
            position = objects.last().and_then(|object| object.key.clone());
            for object in &objects {
                found.extend(describe(object)?);
            }
            if is_last || position.is_none() {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Up to `count` objects whose keys begin with `prefix`, in order.
    pub(super) async fn page(
        &self,
        prefix: &str,
        start_after: Option<String>,
        count: usize,
    ) -> Result<ListObjectsV2Output, S3Failure> {
        let request = ListObjectsV2Request {
            bucket: self.name(),
            prefix: Some(prefix.to_owned()),
            start_after,
            max_keys: i64::try_from(count).ok(),
            ..Default::default()
        };
        let list = |client: S3Client| {
            let request = request.clone();
            async move { client.list_objects_v2(request).await }
        };
        self.call(Errand::Ask, list).await
    }

    /// Aborts every upload in parts that began more than `age` ago, and tells how many.
    pub(super) async fn abort_uploads_older_than(&self, age: Duration) -> Result<usize, S3Failure> {
        let mut aborted = 0;
        let mut position = (None, None);
        loop {
            let page = self.uploads(keys::BLOBS, position).await?;
            for upload in page.uploads.unwrap_or_default() {
                let began = upload.initiated.as_deref().and_then(Timestamp::from_rfc3339);
                let is_old = began.is_some_and(|began| SystemClock.now().since(began) >= age);
                if let (true, Some(key), Some(id)) = (is_old, upload.key, upload.upload_id) {
                    self.abort_upload(&key, &id).await?;
                    aborted += 1;
                }
            }
            if !page.is_truncated.unwrap_or(false) || page.next_key_marker.is_none() {
                return Ok(aborted);
            }
            position = (page.next_key_marker, page.next_upload_id_marker);
        }
    }

    /// Uploads in parts to keys that begin with `prefix`.
    pub(super) async fn uploads(
        &self,
        prefix: &str,
        (key_marker, upload_id_marker): (Option<String>, Option<String>),
    ) -> Result<ListMultipartUploadsOutput, S3Failure> {
        let request = ListMultipartUploadsRequest {
            bucket: self.name(),
            prefix: Some(prefix.to_owned()),
            key_marker,
            upload_id_marker,
            ..Default::default()
        };
        let list = |client: S3Client| {
            let request = request.clone();
            async move { client.list_multipart_uploads(request).await }
        };
        self.call(Errand::Ask, list).await
    }
}

/// `None` for a foreign object.
fn describe(object: &Object) -> Result<Option<BlobListing>, S3Failure> {
    let Some(id) = object.key.as_deref().and_then(keys::blob_at) else { return Ok(None) };
    let stored_at = changed_at(object)?;
    Ok(Some(BlobListing { id, size: length(object.size)?, stored_at }))
}

/// When a listed object was written.
pub(super) fn changed_at(object: &Object) -> Result<Timestamp, S3Failure> {
    let stated = object.last_modified.as_deref().and_then(Timestamp::from_rfc3339);
    stated.ok_or_else(|| S3Failure::Unreadable { problem: "it states no time".to_owned() })
}

//! Finding and removing what is staged, whoever left it there.

use artifact_core::Timestamp;
use artifact_core::ports::UploadId;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::super::bucket::Bucket;
use super::super::failure::S3Failure;
use super::super::keys;
use super::super::list::{PAGE, changed_at};

const AT_A_TIME: usize = 8;

impl Bucket {
    /// Removes everything that is staged for upload `id`, except for bytes that became a blob.
    pub(super) async fn clear_staged(&self, id: UploadId) -> Result<(), S3Failure> {
        tokio::try_join!(self.abort_listed(id), self.remove_objects(id)).map(drop)
    }

    /// Aborts the uploads in parts that the server tells of. Some tell of none; they have markers.
    async fn abort_listed(&self, id: UploadId) -> Result<(), S3Failure> {
        let prefix = keys::all_whole(id);
        let page = match self.uploads(&prefix, (None, None)).await {
            Err(failure) if failure.is_not_implemented() => return Ok(()),
            outcome => outcome?,
        };
        for upload in page.uploads.unwrap_or_default() {
            if let (Some(key), Some(upload)) = (upload.key, upload.upload_id)
                && key.starts_with(&prefix)
            {
                self.abort_upload(&key, &upload).await?;
            }
        }
        Ok(())
    }

    async fn remove_objects(&self, id: UploadId) -> Result<(), S3Failure> {
        let markers = keys::markers(id);
        let mut position = None;
        loop {
            let page = self.page(&keys::staged(id), position, PAGE).await?;
            let is_last = !page.is_truncated.unwrap_or(false);
            let objects = page.contents.unwrap_or_default();
            let found: Vec<String> = objects.into_iter().filter_map(|object| object.key).collect();
            // Before the markers themselves, which alone remember it.
            for name in found.iter().filter_map(|key| key.strip_prefix(&markers)) {
                self.clear_marked(id, name).await?;
            }
            let delete = |key: String| async move { self.delete(&key).await };
            position = found.last().cloned();
            let deleted = stream::iter(found).map(delete).buffer_unordered(AT_A_TIME);
            deleted.try_collect::<()>().await?;
            if is_last || position.is_none() {
                return Ok(());
            }
        }
    }

    /// Up to `limit` uploads greater than `after` that have objects, in order.
    pub(super) async fn list_staged(
        &self,
        after: Option<UploadId>,
        limit: usize,
    ) -> Result<Vec<(UploadId, Timestamp)>, S3Failure> {
        let mut found: Vec<(UploadId, Timestamp)> = Vec::new();
        let mut position = after.map(keys::behind);
        if limit == 0 {
            return Ok(found);
        }
        loop {
            let page = self.page(keys::UPLOADS, position, PAGE).await?;
            let is_last = !page.is_truncated.unwrap_or(false);
            let objects = page.contents.unwrap_or_default();
            position = objects.last().and_then(|object| object.key.clone());
            for object in &objects {
                let Some(id) = object.key.as_deref().and_then(keys::upload_at) else { continue };
                let changed_at = changed_at(object)?;
                if let Some((_, latest)) = found.last_mut().filter(|(last, _)| *last == id) {
                    *latest = changed_at.max(*latest);
                } else if found.len() < limit {
                    found.push((id, changed_at));
                } else {
                    return Ok(found);
                }
            }
            if is_last || position.is_none() {
                return Ok(found);
            }
        }
    }
}

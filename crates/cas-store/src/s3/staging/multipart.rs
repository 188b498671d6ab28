//! The upload in parts of a staged upload: begun with its first part, completed when it is kept.

use std::sync::Arc;

use artifact_core::ports::UploadId;
use rusoto_s3::CompletedPart;
use tokio::sync::OnceCell;

use super::super::bucket::Bucket;
use super::super::failure::S3Failure;
use super::super::keys;
use super::super::put::Payload;
use super::tags::{shortened, tag};
use crate::staging::Multipart;

/// An upload in parts that exists, or will when its first part is sent.
#[derive(Debug)]
pub(super) struct Opening {
    bucket: Arc<Bucket>,
    id: UploadId,
    opened: OnceCell<Opened>,
}

/// An upload in parts that exists.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    /// What the server calls it.
    pub(super) id: String,
    /// The name of the object that remembers it.
    pub(super) marker: String,
}

impl Opening {
    pub(super) fn new(bucket: Arc<Bucket>, id: UploadId, opened: Option<Opened>) -> Self {
        Self { bucket, id, opened: OnceCell::new_with(opened) }
    }

    /// What exists of it.
    pub(super) fn opened(&self) -> Option<&Opened> {
        self.opened.get()
    }

    /// Sends part `number` and tells its tag in the short form.
    pub(super) async fn send(&self, number: usize, payload: &Payload) -> Result<String, S3Failure> {
        let opened = self.opened.get_or_try_init(|| self.open()).await?;
        let (key, number) = (keys::whole(self.id, &opened.marker), number_of(number)?);
        let sent = self.bucket.send_payload((&key, &opened.id), number, payload).await?;
        Ok(shortened(&sent.e_tag.unwrap_or_default()))
    }

    async fn open(&self) -> Result<Opened, S3Failure> {
        let marker = keys::fresh_name();
        let key = keys::whole(self.id, &marker);
        let id = self.bucket.create_upload(&key).await?;
        match self.bucket.mark(self.id, &marker, &id).await {
            Ok(()) => Ok(Opened { id, marker }),
            Err(failure) => {
                // What went wrong first is what is told.
                let _ = self.bucket.abort_upload(&key, &id).await;
                Err(failure)
            }
        }
    }
}

impl Bucket {
    /// Makes one object of the parts of upload `id` and the object `tail`.
    pub(super) async fn complete_staged(
        &self,
        id: UploadId,
        multipart: &Multipart,
        tail: Option<&str>,
    ) -> Result<(), S3Failure> {
        let key = keys::whole(id, &multipart.marker);
        let mut parts = Vec::with_capacity(multipart.parts.len() + 1);
        for (number, short) in (1..).zip(&multipart.parts) {
            let unreadable = || S3Failure::Unreadable { problem: "a part has no tag".to_owned() };
            let e_tag = Some(tag(short).ok_or_else(unreadable)?);
            parts.push(CompletedPart { e_tag, part_number: Some(number_of(number)?) });
        }
        if let Some(name) = tail {
            let number = number_of(parts.len() + 1)?;
            let from = keys::tail(id, name);
            parts.push(self.copy_part((&key, &multipart.id), &from, number).await?);
        }
        self.complete_upload(&key, &multipart.id, parts).await
    }
}

fn number_of(number: usize) -> Result<i64, S3Failure> {
    let unreadable = |_| S3Failure::Unreadable { problem: "there are too many parts".to_owned() };
    i64::try_from(number).map_err(unreadable)
}

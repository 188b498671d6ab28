//! What remembers an upload in parts: an object that says what the server calls the upload, and, as soon as
//! its parts are to become a blob, which one. So whoever clears the upload away, knowing nothing else of
//! it, can tell bytes that a link leads to from bytes that nobody needs.

use artifact_core::BlobId;
use artifact_core::ports::UploadId;
use bytes::Bytes;

use super::super::bucket::Bucket;
use super::super::failure::S3Failure;
use super::super::keys;

/// What is written in the object.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Marker {
    /// What the server calls the upload.
    upload: String,
    /// The blob that its bytes are to become, or became.
    blob: Option<BlobId>,
}

impl Marker {
    fn written(&self) -> Bytes {
        let blob = self.blob.map(|blob| format!("\n{}", blob.to_hex())).unwrap_or_default();
        Bytes::from(format!("{}{blob}", self.upload))
    }

    /// The marker in `text`; `None` if it is none.
    fn read(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (upload, blob) = match text.split_once('\n') {
            None => (text, None),
            Some((upload, hex)) => (upload, Some(hex.parse().ok()?)),
        };
        Some(Self { upload: upload.to_owned(), blob })
    }
}

impl Bucket {
    /// Writes down that the upload in parts that the server calls `upload` belongs to upload `id`.
    pub(super) async fn mark(
        &self,
        id: UploadId,
        name: &str,
        upload: &str,
    ) -> Result<(), S3Failure> {
        let marker = Marker { upload: upload.to_owned(), blob: None };
        self.put_bytes(&keys::marker(id, name), &marker.written()).await
    }

    /// Writes down that its bytes are to become `blob`.
    pub(super) async fn mark_for(
        &self,
        id: UploadId,
        (name, upload): (&str, &str),
        blob: BlobId,
    ) -> Result<(), S3Failure> {
        let marker = Marker { upload: upload.to_owned(), blob: Some(blob) };
        self.put_bytes(&keys::marker(id, name), &marker.written()).await
    }

    /// Removes what marker `name` of upload `id` remembers: parts, or what they became unless that is a blob.
    pub(super) async fn clear_marked(&self, id: UploadId, name: &str) -> Result<(), S3Failure> {
        // Somebody else may be clearing, too.
        let Some(text) = self.small(&keys::marker(id, name)).await? else { return Ok(()) };
        let unreadable = || S3Failure::Unreadable { problem: "it is no marker".to_owned() };
        let marker = Marker::read(&text).ok_or_else(unreadable)?;
        if let Some(blob) = marker.blob {
            let links = self.links(blob).await?;
            if links.iter().any(|link| link.upload == id && link.name == name) {
                return Ok(());
            }
        }
        let key = keys::whole(id, name);
        if self.size(&key).await?.is_none() {
            self.abort_upload(&key, &marker.upload).await?;
        }
        self.delete(&key).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let blob = BlobId::from_bytes([0xab; 32]);
        for blob in [None, Some(blob)] {
            let marker = Marker { upload: "Zm9v.bar~_-".to_owned(), blob };
            assert_eq!(Marker::read(&marker.written()), Some(marker));
        }
        for text in ["id\n", "id\nabc", "id\n\n"] {
            assert_eq!(Marker::read(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Marker::read(b"\xff"), None);
    }
}

//! The names of objects. Hashes and random ids, never anything that a client chose.

use artifact_core::BlobId;
use artifact_core::ports::UploadId;
use uuid::Uuid;

/// What the keys of all blobs begin with.
pub(super) const BLOBS: &str = "blobs/sha256/";
/// The object that keeps the collector's epoch.
pub(super) const EPOCH: &str = "blobs/epoch";

/// What the keys of everything that is staged begin with.
pub(super) const UPLOADS: &str = "uploads/";

/// The key of blob `id`.
pub(super) fn of(id: BlobId) -> String {
    format!("{BLOBS}{}", id.to_hex())
}

/// The blob under `key`; `None` for a foreign object.
pub(super) fn blob_at(key: &str) -> Option<BlobId> {
    let hex = key.strip_prefix(BLOBS)?;
    let is_lower_hex = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_lower_hex { hex.parse().ok() } else { None }
}

/// A key for one look at whether the store works. No blob has one like it.
pub(super) fn probe() -> String {
    format!("probe/{}", Uuid::new_v4().hyphenated())
}

/// What the keys of everything that is staged for upload `id` begin with.
pub(super) fn staged(id: UploadId) -> String {
    format!("{UPLOADS}{id}/")
}

/// The key that the parts of upload `id` become.
pub(super) fn whole(id: UploadId) -> String {
    format!("{UPLOADS}{id}/whole")
}

/// The key of the object `name` that holds the rest behind the parts of upload `id`.
pub(super) fn tail(id: UploadId, name: &str) -> String {
    format!("{UPLOADS}{id}/tail/{name}")
}

/// What the keys of the objects begin with that remember uploads in parts.
pub(super) fn markers(id: UploadId) -> String {
    format!("{UPLOADS}{id}/multipart/")
}

/// The key of the object `name` that remembers an upload in parts.
pub(super) fn marker(id: UploadId, name: &str) -> String {
    format!("{}{name}", markers(id))
}

/// A key behind everything that is staged for upload `id` and before any greater id.
pub(super) fn behind(id: UploadId) -> String {
    // The digit follows the slash.
    format!("{UPLOADS}{id}0")
}

/// The upload that `key` is staged for; `None` for a foreign object.
pub(super) fn upload_at(key: &str) -> Option<UploadId> {
    key.strip_prefix(UPLOADS)?.split_once('/')?.0.parse().ok()
}

/// A name that no object has yet.
pub(super) fn fresh_name() -> String {
    Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_staged_leads_back_to_its_upload_and_lies_before_the_next() {
        let [one, two] =
            ["67e55044-10b1-426f-9247-bb680e5fe0c8", "67e55044-10b1-426f-9247-bb680e5fe0c9"];
        let (one, two): (UploadId, UploadId) = (one.parse().unwrap(), two.parse().unwrap());
        for key in [whole(one), tail(one, &fresh_name()), marker(one, &fresh_name())] {
            assert_eq!(upload_at(&key), Some(one), "{key}");
            assert!(key.starts_with(&staged(one)) && key < behind(one), "{key}");
            assert_eq!(blob_at(&key), None);
        }
        assert!(marker(one, "m").starts_with(&markers(one)));
        assert!(behind(one) < staged(two));
        for key in ["uploads/notes.txt", "uploads/notes/x", EPOCH, &of(BlobId::from_bytes([7; 32]))]
        {
            assert_eq!(upload_at(key), None, "{key}");
        }
    }

    #[test]
    fn a_key_is_the_hash_and_leads_back_to_it() {
        let id = BlobId::from_bytes([0xab; 32]);
        let key = of(id);
        assert_eq!(key, format!("blobs/sha256/{}", "ab".repeat(32)));
        assert_eq!(blob_at(&key), Some(id));
    }

    #[test]
    fn foreign_keys_are_no_blobs() {
        let hex = "ab".repeat(32);
        for key in [
            EPOCH.to_owned(),
            probe(),
            hex.clone(),
            format!("{BLOBS}{}", hex.to_uppercase()),
            format!("{BLOBS}{hex}.part"),
            format!("{BLOBS}ab/ab/{hex}"),
        ] {
            assert_eq!(blob_at(&key), None, "{key}");
        }
    }
}

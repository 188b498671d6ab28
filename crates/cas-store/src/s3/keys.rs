//! The names of objects. Hashes and random ids, never anything that a client chose.

use artifact_core::BlobId;
use artifact_core::ports::UploadId;
use uuid::Uuid;

/// What the keys of all blobs begin with.
pub(super) const BLOBS: &str = "blobs/sha256/";
/// The object that keeps the collector's epoch.
pub(super) const EPOCH: &str = "blobs/epoch";

/// What the keys of all links begin with.
pub(super) const LINKS: &str = "links/sha256/";

/// What the keys of everything that is staged begin with, except for what parts become.
pub(super) const UPLOADS: &str = "uploads/";
/// What the keys of all objects begin with that parts of uploads become.
const WHOLE: &str = "whole/";

/// The key of blob `id`.
pub(super) fn of(id: BlobId) -> String {
    format!("{BLOBS}{}", id.to_hex())
}

/// The blob under `key`; `None` for a foreign object.
pub(super) fn blob_at(key: &str) -> Option<BlobId> {
    blob_of(key.strip_prefix(BLOBS)?)
}

fn blob_of(hex: &str) -> Option<BlobId> {
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

/// What the keys of all objects begin with that the parts of upload `id` become.
pub(super) fn all_whole(id: UploadId) -> String {
    format!("{WHOLE}{id}/")
}

/// The key of the object that the parts of upload `id` become which marker `name` remembers.
pub(super) fn whole(id: UploadId, name: &str) -> String {
    format!("{WHOLE}{id}/{name}")
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

/// Where the bytes of a blob are that could not be moved to its key: everything is in the key of the link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Link {
    pub(super) size: u64,
    pub(super) upload: UploadId,
    /// The marker of the parts that became the object.
    pub(super) name: String,
}

impl Link {
    /// The key of the object with the bytes.
    pub(super) fn target(&self) -> String {
        whole(self.upload, &self.name)
    }
}

/// The key of `link` from blob `id`.
pub(super) fn link(id: BlobId, link: &Link) -> String {
    format!("{}{}.{}.{}", links(id), link.size, link.upload, link.name)
}

/// What the keys of all links from blob `id` begin with.
pub(super) fn links(id: BlobId) -> String {
    format!("{LINKS}{}/", id.to_hex())
}

/// A key behind all links from blob `id` and before those from any greater one.
pub(super) fn behind_links(id: BlobId) -> String {
    // The digit follows the slash.
    format!("{LINKS}{}0", id.to_hex())
}

/// The link under `key` and the blob that it is from; `None` for a foreign object.
pub(super) fn link_at(key: &str) -> Option<(BlobId, Link)> {
    let (hex, rest) = key.strip_prefix(LINKS)?.split_once('/')?;
    let [size, upload, name]: [&str; 3] =
        rest.splitn(3, '.').collect::<Vec<_>>().try_into().ok()?;
    let found = Link { size: size.parse().ok()?, upload: upload.parse().ok()?, name: name.into() };
    let id = blob_of(hex)?;
    (link(id, &found) == key).then_some((id, found))
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
        for key in [tail(one, &fresh_name()), marker(one, &fresh_name())] {
            assert_eq!(upload_at(&key), Some(one), "{key}");
            assert!(key.starts_with(&staged(one)) && key < behind(one), "{key}");
            assert_eq!(blob_at(&key), None);
        }
        assert!(marker(one, "m").starts_with(&markers(one)));
        assert!(whole(one, "m").starts_with(&all_whole(one)));
        assert_eq!(upload_at(&whole(one, "m")), None, "it may be a blob's");
        assert!(behind(one) < staged(two));
        for key in ["uploads/notes.txt", "uploads/notes/x", EPOCH, &of(BlobId::from_bytes([7; 32]))]
        {
            assert_eq!(upload_at(key), None, "{key}");
        }
    }

    #[test]
    fn a_link_tells_where_the_bytes_are_and_lies_before_those_of_the_next_blob() {
        let upload: UploadId = "67e55044-10b1-426f-9247-bb680e5fe0c8".parse().unwrap();
        let (one, two) = (BlobId::from_bytes([0x1f; 32]), BlobId::from_bytes([0x20; 32]));
        let found = Link { size: 4 << 30, upload, name: fresh_name() };
        let key = link(one, &found);
        assert_eq!(link_at(&key), Some((one, found.clone())));
        assert_eq!(found.target(), whole(upload, &found.name));
        assert!(key.starts_with(&links(one)) && key < behind_links(one));
        assert!(behind_links(one) < links(two));
        assert_eq!((blob_at(&key), upload_at(&key)), (None, None));
        let hex = one.to_hex();
        for foreign in [
            format!("{LINKS}{hex}"),
            format!("{LINKS}{hex}/"),
            format!("{LINKS}{hex}/5.{upload}"),
            format!("{LINKS}{hex}/05.{upload}.name"),
            format!("{LINKS}{hex}/-5.{upload}.name"),
            format!("{LINKS}{hex}/5.upload.name"),
            format!("{LINKS}{}/5.{upload}.name", hex.to_uppercase()),
            of(one),
        ] {
            assert_eq!(link_at(&foreign), None, "{foreign}");
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

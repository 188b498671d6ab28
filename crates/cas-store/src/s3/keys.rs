//! The names of objects. Hashes and random ids, never anything that a client chose.

use artifact_core::BlobId;
use uuid::Uuid;

/// What the keys of all blobs begin with.
pub(super) const BLOBS: &str = "blobs/sha256/";
/// The object that keeps the collector's epoch.
pub(super) const EPOCH: &str = "blobs/epoch";

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

#[cfg(test)]
mod tests {
    use super::*;

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

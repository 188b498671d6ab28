//! Where things are below the root. Names are hashes and random ids, never anything
//! that a client chose.

use std::path::{Path, PathBuf};

use artifact_core::BlobId;

/// The directories of one store.
#[derive(Debug)]
pub(super) struct Layout {
    root: PathBuf,
    blobs: PathBuf,
    incoming: PathBuf,
}

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.into(),
            blobs: root.join("blobs").join("sha256"),
            incoming: root.join("incoming"),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of all blobs.
    pub(super) fn blobs(&self) -> &Path {
        &self.blobs
    }

    /// The directory of the store's own temporary files.
    pub(super) fn incoming(&self) -> &Path {
        &self.incoming
    }

    /// The file of blob `id`, below two levels of fan-out: a directory with
    /// millions of names is slow to list and slower to sync.
    pub(super) fn blob(&self, id: BlobId) -> PathBuf {
        let hex = id.to_hex();
        let mut path = self.blobs.clone();
        path.extend([hex.get(0..2), hex.get(2..4)].into_iter().flatten());
        path.push(hex);
        path
    }
}

/// Whether `name` is one that a fan-out directory has.
pub(super) fn is_fan_out(name: &str) -> bool {
    name.len() == 2 && is_lower_hex(name)
}

/// The blob of the file `name` in the fan-out directories that spell `prefix`; `None` for a foreign file.
pub(super) fn blob_named(name: &str, prefix: &str) -> Option<BlobId> {
    if !name.starts_with(prefix) || !is_lower_hex(name) {
        return None;
    }
    name.parse().ok()
}

fn is_lower_hex(name: &str) -> bool {
    name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_lies_below_two_levels_of_its_own_name() {
        let id = BlobId::from_bytes([0xab; 32]);
        let expected = format!("/data/blobs/sha256/ab/ab/{}", "ab".repeat(32));
        assert_eq!(Layout::new(Path::new("/data")).blob(id), Path::new(&expected));
    }

    #[test]
    fn foreign_names_are_no_blobs() {
        let name = "ab".repeat(32);
        assert_eq!(blob_named(&name, "abab"), Some(BlobId::from_bytes([0xab; 32])));
        assert_eq!(blob_named(&name, "abac"), None);
        assert_eq!(blob_named(&name.to_uppercase(), ""), None);
        assert_eq!(blob_named(&name[..62], "abab"), None);
        assert_eq!(blob_named("abab.part", "abab"), None);
    }

    #[test]
    fn only_two_lower_case_digits_name_a_fan_out_directory() {
        let table = [("00", true), ("af", true), ("AF", false), ("0", false), ("000", false)];
        for (name, expected) in table {
            assert_eq!(is_fan_out(name), expected, "{name}");
        }
    }
}

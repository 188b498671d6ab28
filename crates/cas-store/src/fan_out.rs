//! Blobs as files below two levels of their own name: a directory with millions of names is
//! slow to list and slower to sync.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use artifact_core::BlobId;

use crate::StoreError;
use crate::error::IoContext;

/// The file of blob `id` below `base`: `ab/cd/{hash}`.
pub(crate) fn path_of(base: &Path, id: BlobId) -> PathBuf {
    let hex = id.to_hex();
    let mut path = base.to_owned();
    path.extend([hex.get(0..2), hex.get(2..4)].into_iter().flatten());
    path.push(hex);
    path
}

/// Makes the two directories above `target`. Not recursive: if the base is gone, the disk is
/// not mounted, and a store made anew below the mount point would hide that.
pub(crate) fn make_directories(target: &Path) -> Result<(), StoreError> {
    let Some(inner) = target.parent() else { return Ok(()) };
    let Some(outer) = inner.parent() else { return Ok(()) };
    for directory in [outer, inner] {
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            outcome => outcome.during("create", directory)?,
        }
    }
    Ok(())
}

/// Whether `name` is one that a fan-out directory has.
pub(crate) fn is_fan_out(name: &str) -> bool {
    name.len() == 2 && is_lower_hex(name)
}

/// The blob of the file `name` in the fan-out directories that spell `prefix`; `None` for a
/// foreign file.
pub(crate) fn blob_named(name: &str, prefix: &str) -> Option<BlobId> {
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
        let expected = format!("/data/ab/ab/{}", "ab".repeat(32));
        assert_eq!(path_of(Path::new("/data"), id), Path::new(&expected));
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

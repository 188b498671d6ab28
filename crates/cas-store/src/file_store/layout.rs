//! Where things are below the root. Names are hashes and random ids, never anything
//! that a client chose.

use std::path::{Path, PathBuf};

use artifact_core::BlobId;
use artifact_core::ports::UploadId;

use crate::fan_out;

/// The directories of one store.
#[derive(Debug)]
pub(super) struct Layout {
    root: PathBuf,
    blobs: PathBuf,
    incoming: PathBuf,
    uploads: PathBuf,
}

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.into(),
            blobs: root.join("blobs").join("sha256"),
            incoming: root.join("incoming"),
            uploads: root.join("uploads"),
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

    /// The directory of what is staged.
    pub(super) fn uploads(&self) -> &Path {
        &self.uploads
    }

    /// The file of upload `id`.
    pub(super) fn staged(&self, id: UploadId) -> PathBuf {
        self.uploads.join(id.to_string())
    }

    /// The file that keeps the collector's epoch.
    pub(super) fn epoch(&self) -> PathBuf {
        self.root.join("blobs").join("epoch")
    }

    /// The file of blob `id`.
    pub(super) fn blob(&self, id: BlobId) -> PathBuf {
        fan_out::path_of(&self.blobs, id)
    }
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
}

//! Places for bytes: a directory, or a bucket of the server of this process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifact_core::Secret;
use artifact_core::ports::BlobStore;
use cas_store::{FileStore, S3Settings, S3Store};
use testkit::services::shared;

/// Which store is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Files,
    S3,
}

/// Where the bytes are.
pub(crate) enum Storage {
    Files(PathBuf),
    S3(Box<S3Settings>),
}

impl Storage {
    /// An empty one; `None` without a server.
    pub(crate) async fn empty(kind: Kind, directory: &Path) -> Option<Self> {
        if kind == Kind::Files {
            return Some(Self::Files(directory.join("blobs")));
        }
        let server = shared::s3()?;
        let bucket = server.create_bucket().await;
        let secret_key = Secret::new(server.secret_key());
        let settings =
            S3Settings::new(&server.endpoint(), &bucket, server.access_key(), secret_key);
        Some(Self::S3(Box::new(settings)))
    }

    /// The store, as a process that starts opens it; `None` while another one is about to end.
    pub(crate) fn open(&self) -> Option<Arc<dyn BlobStore>> {
        match self {
            Self::Files(root) => Some(Arc::new(FileStore::open(root).ok()?)),
            Self::S3(settings) => Some(Arc::new(S3Store::new(settings).unwrap())),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Files(_) => Kind::Files,
            Self::S3(_) => Kind::S3,
        }
    }
}

//! What can go wrong inside the store, and the one place that turns it into the shared error.

use artifact_core::{Error, ErrorKind, RepositoryName};

/// A failure inside the store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the database failed")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the schema cannot be migrated")]
    Migration(#[from] refinery::Error),
    #[error("the database directory or a thread cannot be used")]
    Io(#[from] std::io::Error),
    #[error("a stored {0} is unreadable")]
    Malformed(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the credential of repository {0:?} cannot be decrypted with this key")]
    Credential(String),
    #[error("a credential cannot be encrypted")]
    Encryption,
    #[error("the repository does not exist")]
    NoSuchRepository,
    #[error("a blob of this digest is stored with another size")]
    OtherSize,
}

impl StoreError {
    pub(crate) fn malformed(
        what: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Malformed(what, source.into())
    }

    pub(crate) fn credential(name: &RepositoryName) -> Self {
        Self::Credential(name.to_string())
    }

    fn is_disk_full(&self) -> bool {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            Self::Io(error) => error.kind() == std::io::ErrorKind::StorageFull,
            _ => false,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        if error.is_disk_full() {
            return Self::new(ErrorKind::InsufficientStorage, "there is no room for metadata")
                .with_source(error);
        }
        match error {
            StoreError::NoSuchRepository => Self::new(ErrorKind::NotFound, error.to_string()),
            StoreError::OtherSize => Self::new(ErrorKind::Integrity, error.to_string()),
            StoreError::Credential(_) => Self::new(ErrorKind::Unavailable, error.to_string()),
            StoreError::Sqlite(_)
            | StoreError::Migration(_)
            | StoreError::Io(_)
            | StoreError::Malformed(..)
            | StoreError::Encryption => unavailable().with_source(error),
        }
    }
}

/// The error of a store that cannot be asked.
pub(crate) fn unavailable() -> Error {
    Error::new(ErrorKind::Unavailable, "the metadata store does not answer")
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use rusqlite::ffi;

    use super::*;

    fn converted(code: std::ffi::c_int) -> Error {
        StoreError::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)).into()
    }

    #[test]
    fn a_full_disk_is_told_apart_from_every_other_disk_error() {
        assert_eq!(converted(ffi::SQLITE_FULL).kind(), ErrorKind::InsufficientStorage);
        for code in [ffi::SQLITE_IOERR, ffi::SQLITE_CORRUPT, ffi::SQLITE_BUSY, ffi::SQLITE_READONLY]
        {
            assert_eq!(converted(code).kind(), ErrorKind::Unavailable, "{code}");
        }
    }

    #[test]
    fn the_cause_is_kept_but_not_public() {
        let error = converted(ffi::SQLITE_IOERR);
        assert_eq!(error.public(), "the metadata store does not answer");
        assert!(error.source().and_then(std::error::Error::source).is_some());
    }
}

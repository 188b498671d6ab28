//! What can go wrong inside the store, and the one place that turns it into the shared error.

use std::path::PathBuf;

use artifact_core::{Error, ErrorKind, RepositoryName};
use tokio_postgres::error::SqlState;

use crate::postgres::{is_broken, is_lost_race};

/// A failure inside the store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the database failed")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the database failed")]
    Postgres(#[from] tokio_postgres::Error),
    #[error("there is no connection to the database")]
    NoConnection(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the database does not answer in time")]
    Unanswered,
    #[error("all connections to the database are busy")]
    Busy,
    #[error("the database keeps failing and is not asked for a moment")]
    Paused,
    #[error("the configuration kept in {path} cannot be used")]
    KeptConfiguration { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the schema cannot be migrated")]
    Migration(#[from] refinery::Error),
    #[error("the database directory or a thread cannot be used")]
    Io(#[from] std::io::Error),
    #[error("a stored {0} is unreadable")]
    Malformed(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the credential of repository {0:?} cannot be decrypted with this key")]
    Credential(String),
    #[error("the {0} signing key cannot be decrypted with this key")]
    SigningKey(&'static str),
    #[error("a credential cannot be encrypted")]
    Encryption,
    #[error("the row kept changing while it was written")]
    Unsettled,
    #[error("rows appeared or changed while they were locked")]
    Overtaken,
    #[error("the repository does not exist")]
    NoSuchRepository,
    #[error("an upload with this id exists")]
    UploadExists,
    #[error("a blob of this digest is stored with another size")]
    OtherSize,
    #[error("the bytes of this blob are being deleted, try again in a minute")]
    DeletionInDoubt,
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
            Self::Postgres(error) => error.code() == Some(&SqlState::DISK_FULL),
            Self::Io(error) => error.kind() == std::io::ErrorKind::StorageFull,
            _ => false,
        }
    }

    /// Whether the database could not be asked, or gave no answer.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, Self::NoConnection(_) | Self::Unanswered) || self.is_broken_connection()
    }

    /// Whether the connection was lost, which says nothing about the next one.
    pub(crate) fn is_broken_connection(&self) -> bool {
        matches!(self, Self::Postgres(error) if is_broken(error))
    }

    /// Whether the same transaction may succeed if it is begun anew.
    pub(crate) fn is_lost_race(&self) -> bool {
        match self {
            Self::Postgres(error) => is_lost_race(error),
            Self::Overtaken => true,
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
            StoreError::UploadExists => Self::new(ErrorKind::Conflict, error.to_string()),
            StoreError::Credential(_) | StoreError::SigningKey(_) | StoreError::DeletionInDoubt => {
                Self::new(ErrorKind::Unavailable, error.to_string())
            }
            StoreError::Sqlite(_)
            | StoreError::Postgres(_)
            | StoreError::NoConnection(_)
            | StoreError::Unanswered
            | StoreError::Busy
            | StoreError::Unsettled
            | StoreError::Overtaken
            | StoreError::Paused
            | StoreError::KeptConfiguration { .. }
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

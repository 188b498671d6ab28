//! What can go wrong on a disk, and what a client may hear of it.

use std::io;
use std::path::{Path, PathBuf};

use artifact_core::ports::UploadId;
use artifact_core::{Error, ErrorKind};

use crate::S3Failure;

/// A failure of a store or a spool. Names files of this machine, so it is for operators and
/// logs; clients are shown the [`Error`] that it converts into.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process works in the directory.
    #[error("{} is in use by {}", directory.display(), holder_text(*.holder))]
    Locked {
        /// The directory.
        directory: PathBuf,
        /// The process that holds it, as far as its lock file tells.
        holder: Option<u32>,
    },
    /// The finished file is not as long as its owner says.
    #[error("{} holds {actual} bytes instead of {expected}", path.display())]
    SourceSize {
        /// The file.
        path: PathBuf,
        /// The promised length.
        expected: u64,
        /// The length found.
        actual: u64,
    },
    /// A stored file is damaged: it cannot be what was stored under its name.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The spool would occupy more than it may.
    #[error("the spool quota of {quota} bytes is used up")]
    QuotaUsedUp {
        /// The quota.
        quota: u64,
    },
    /// The disk would be filled into its reserve.
    #[error("the disk of {} has only {available} bytes left", directory.display())]
    DiskFull {
        /// A directory on the disk.
        directory: PathBuf,
        /// Bytes that are still free.
        available: u64,
    },
    /// An object store failed.
    #[error("cannot {action} {place}")]
    S3 {
        /// What was tried.
        action: &'static str,
        /// The bucket and its server.
        place: String,
        /// What went wrong.
        source: S3Failure,
    },
    /// An object store cannot even be asked.
    #[error("the object store cannot be used: {problem}")]
    S3Settings {
        /// Which setting is wrong, and how.
        problem: &'static str,
    },
    /// An earlier write to the spool file failed.
    #[error("an earlier write to this spool file failed")]
    SpoolFailed,
    /// The staged bytes of an upload are not there, or no longer all of them.
    #[error("the staged bytes of upload {id} are gone")]
    StagingGone {
        /// The upload.
        id: UploadId,
    },
    /// What is known of an upload cannot be used.
    #[error("the state of an upload cannot be used: {problem}")]
    StagingState {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An upload is too long for the store.
    #[error("the object store takes no upload that long")]
    StagingTooLarge,
    /// Somebody else goes on with the upload, or it has ended.
    #[error("another writer has taken over this upload, or it has ended")]
    StagingTaken,
    /// An earlier write to an upload failed.
    #[error("an earlier write to this upload failed")]
    StagingFailed,
}

fn holder_text(holder: Option<u32>) -> String {
    holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl StoreError {
    /// What a client or an operator can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } if is_full(source) => ErrorKind::InsufficientStorage,
            Self::S3 { source: S3Failure::Full { .. }, .. }
            | Self::QuotaUsedUp { .. }
            | Self::DiskFull { .. } => ErrorKind::InsufficientStorage,
            Self::SourceSize { .. } | Self::S3Settings { .. } | Self::StagingState { .. } => {
                ErrorKind::Internal
            }
            Self::StagingGone { .. } => ErrorKind::NotFound,
            Self::StagingTaken => ErrorKind::Conflict,
            Self::StagingTooLarge => ErrorKind::TooLarge,
            Self::Io { .. }
            | Self::Locked { .. }
            | Self::Damaged { .. }
            | Self::S3 { .. }
            | Self::SpoolFailed
            | Self::StagingFailed => ErrorKind::Unavailable,
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let public = match error.kind() {
            ErrorKind::InsufficientStorage => "there is no room to store it",
            ErrorKind::NotFound => "the bytes of the upload are gone",
            ErrorKind::Conflict => "the upload is continued elsewhere",
            ErrorKind::TooLarge => "the upload is too large",
            ErrorKind::Internal if matches!(error, StoreError::StagingState { .. }) => {
                "the upload cannot be continued"
            }
            ErrorKind::Internal => "the file to be stored is not as announced",
            _ => "the blob store does not answer",
        };
        Self::new(error.kind(), public).with_source(error)
    }
}

/// Says what was tried on which file when a system call fails.
pub(crate) trait IoContext<T> {
    /// The value, or an error that names `action` and `path`.
    fn during(self, action: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T, E: Into<io::Error>> IoContext<T> for Result<T, E> {
    fn during(self, action: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::Io { action, path: path.into(), source: error.into() })
    }
}

/// `None` where the file does not exist; every other failure stays one.
pub(crate) fn absent_as_none<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    fn kind_of(errno: Errno) -> ErrorKind {
        let outcome: Result<(), Errno> = Err(errno);
        outcome.during("write", Path::new("/secret/place")).unwrap_err().kind()
    }

    #[test]
    fn only_a_full_disk_is_insufficient_storage() {
        assert_eq!(kind_of(Errno::NOSPC), ErrorKind::InsufficientStorage);
        assert_eq!(kind_of(Errno::DQUOT), ErrorKind::InsufficientStorage);
        assert_eq!(kind_of(Errno::IO), ErrorKind::Unavailable);
        assert_eq!(kind_of(Errno::NOENT), ErrorKind::Unavailable);
        assert_eq!(kind_of(Errno::ACCESS), ErrorKind::Unavailable);
    }

    #[test]
    fn the_public_text_names_no_file() {
        let outcome: Result<(), Errno> = Err(Errno::IO);
        let error = Error::from(outcome.during("read", Path::new("/secret/place")).unwrap_err());
        assert_eq!(error.public(), "the blob store does not answer");
        let source = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("cannot read /secret/place"));
    }

    #[test]
    fn a_locked_directory_names_its_holder() {
        let error = StoreError::Locked { directory: "/data".into(), holder: Some(42) };
        assert_eq!(error.to_string(), "/data is in use by process 42");
    }
}

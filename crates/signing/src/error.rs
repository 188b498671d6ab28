//! What can go wrong with keys.

use std::path::PathBuf;

use artifact_core::{Error, ErrorKind};

/// The error of one of the libraries below.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no key, or no signature.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// A key file cannot be read.
    #[error("read the key file {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is a key, but it cannot be used.
    #[error("{origin} cannot be used: {reason}")]
    Unusable {
        /// Which key.
        origin: String,
        /// Why, for the operator.
        reason: String,
    },
    /// No key could be made.
    #[error("make a signing key")]
    Generate(#[source] Source),
    /// A key was loaded, but a signature could not be made with it.
    #[error("sign with the key of this installation")]
    Sign(#[source] Source),
    /// The store of keys failed.
    #[error("load the signing keys")]
    Store(#[source] Error),
    /// The store of keys gave no answer.
    #[error("load the signing keys: no answer in time")]
    Unanswered,
}

impl From<SigningError> for Error {
    fn from(error: SigningError) -> Self {
        Self::new(ErrorKind::Unavailable, "the signing keys of this installation cannot be used")
            .with_source(error)
    }
}

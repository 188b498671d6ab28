//! What a kind of key has to be able to do to be kept.

use artifact_core::ports::StoredKey;
use artifact_core::{KeyKind, Timestamp};

use crate::SigningError;
use crate::error::Source;

/// Why a key cannot be used: a sentence for the operator, without any part of the key.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Reason(pub(crate) String);

impl Reason {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// The error for the key that is called `origin`.
    pub(crate) fn about(self, origin: impl Into<String>) -> SigningError {
        SigningError::Unusable { origin: origin.into(), reason: self.0 }
    }
}

/// A key that has proved that it can sign.
pub(crate) trait Key: Sized {
    const KIND: KeyKind;

    /// A new key. Takes seconds.
    fn generate(now: Timestamp) -> Result<StoredKey, Source>;

    /// The key that was stored, after a signature of it was verified with its public half.
    fn open(stored: &StoredKey) -> Result<Self, Reason>;
}

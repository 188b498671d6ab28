//! The keys with which this installation signs, shared by its replicas.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{KeyKind, Result, Secret, Timestamp};

/// A key pair. Both halves are texts in the form that their kind prescribes; the store reads neither.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredKey {
    /// The public half.
    pub public: Bytes,
    /// The secret half, which the store keeps encrypted.
    pub secret: Secret,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One key of each kind. A key that is stored is never replaced.
#[async_trait]
pub trait KeyStore: fmt::Debug + Send + Sync {
    /// The key of this kind, if one was stored.
    async fn signing_key(&self, kind: KeyKind) -> Result<Option<StoredKey>>;

    /// Stores `new` unless there is a key of this kind already, and gives what is stored then: of
    /// many who store at once all get the same key, and those who did not win discard theirs.
    async fn keep_signing_key(&self, kind: KeyKind, new: StoredKey) -> Result<StoredKey>;
}

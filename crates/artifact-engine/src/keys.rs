//! The names of hints in the TTL store: the same on every replica.

use artifact_core::RowKey;

/// Upstream said that this does not exist.
pub(crate) fn negative(key: &RowKey) -> String {
    format!("negative:{}:{}:{}", key.repository, key.variant, key.path)
}

/// The document was read again out of turn a moment ago.
pub(crate) fn refreshed(key: &RowKey) -> String {
    format!("refreshed:{}:{}:{}", key.repository, key.variant, key.path)
}

/// When upstream first denied the existence of a document that we hold.
pub(crate) fn vanished(key: &RowKey) -> String {
    format!("vanished:{}:{}:{}", key.repository, key.variant, key.path)
}

//! The names of hints in the TTL store: the same on every replica.

use artifact_core::RowKey;

use crate::pins::Pin;

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

/// The lease of whoever fetches it.
pub(crate) fn lease(key: &RowKey) -> String {
    format!("lease:{}:{}:{}", key.repository, key.variant, key.path)
}

/// The member that gave something of a package last.
pub(crate) fn pin(pin: &Pin) -> String {
    format!("pin:{}:{}", pin.repository, pin.package)
}

/// The topic under which replicas say that a fetch has ended; the message is the key of its lease.
pub(crate) const LANDED: &str = "landed";

/// The topic under which replicas warn each other of origins.
pub(crate) const WARNINGS: &str = "warnings";

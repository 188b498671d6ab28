//! Metadata stores over SQL: the only crate that holds SQL.
//!
//! [`SqliteStore`] keeps everything about repositories and artifacts in one directory of one
//! machine. The schema and its triggers live in the top-level `migrations/`, statements longer
//! than a line in files beside the code that runs them.
//!
//! Invariant: a write is acknowledged only after it is committed, and a credential reaches the
//! disk only encrypted.

mod definition;
mod encryption;
mod error;
mod precondition;
mod sqlite;

pub use encryption::{EncryptionKey, KeyError};
pub use sqlite::SqliteStore;

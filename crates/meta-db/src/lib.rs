//! Metadata stores over SQL: the only crate that holds SQL.
//!
//! [`SqliteStore`] keeps everything about repositories and artifacts in one directory of one
//! machine, [`PostgresStore`] in one database that replicas share. The schemas and their triggers
//! live in the top-level `migrations/`, statements longer than a line in files beside the code
//! that runs them.
//!
//! Invariant: a write is acknowledged only after it is committed, and a credential reaches the
//! disk only encrypted.

mod checksums;
mod claim;
mod collector_run;
mod crash_point;
mod definition;
mod encryption;
mod error;
mod integer;
mod lost_file;
mod page;
mod postgres;
mod precondition;
mod range;
mod row_set;
mod signing_key;
mod span;
mod sqlite;
mod stored_repository;
mod stored_token;

pub use encryption::{EncryptionKey, KeyError};
pub use postgres::{PostgresError, PostgresSettings, PostgresStore, TlsMode};
pub use sqlite::SqliteStore;

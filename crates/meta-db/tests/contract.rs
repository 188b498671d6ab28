//! The contract of the port, on files.

use std::future::{Ready, ready};
use std::path::Path;

use meta_db::{EncryptionKey, SqliteStore};

#[expect(clippy::unwrap_used, reason = "without a store there is no test")]
fn make(directory: &Path) -> Ready<SqliteStore> {
    ready(SqliteStore::open(directory, EncryptionKey::from_bytes([7; 32])).unwrap())
}

testkit::meta_store_contract!(make);

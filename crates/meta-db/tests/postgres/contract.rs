//! The contract of the port, each clause in a database of its own.

use std::path::Path;

use meta_db::PostgresStore;

use crate::support::Database;

async fn make(_: &Path) -> Option<PostgresStore> {
    Some(Database::migrated().await?.store())
}

testkit::meta_store_contract!(if_present make);

//! Both databases hold the same things under the same names.

use std::collections::BTreeSet;

use meta_db::{EncryptionKey, SqliteStore};
use rusqlite::Connection;

use crate::support::Database;

/// Tables and columns of PostgreSQL alone, and why.
const POSTGRES_ONLY: &[(&str, &str)] = &[
    ("encryption_key", "the key of SQLite is a file beside it; replicas get theirs from outside"),
    ("row_change", "a database of one process has nobody to tell"),
    ("deletion_attempt", "a transaction of SQLite cannot end while the process goes on deleting"),
    ("repository_usage.slot", "several writers must not wait for one counter"),
    ("storage_usage.slot", "several writers must not wait for one counter"),
];

/// Tables and columns of SQLite alone, and why.
const SQLITE_ONLY: &[(&str, &str)] = &[("storage_usage.id", "the one writer needs one counter")];

fn without(mut columns: BTreeSet<String>, exceptions: &[(&str, &str)]) -> BTreeSet<String> {
    for (exception, _) in exceptions {
        let table = format!("{exception}.");
        let before = columns.len();
        columns.retain(|column| column != exception && !column.starts_with(&table));
        assert!(columns.len() < before, "{exception} is no exception any more");
    }
    columns
}

fn of_sqlite(connection: &Connection) -> Vec<String> {
    let sql = "SELECT tables.name || '.' || columns.name
        FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
        WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'
            AND tables.name <> 'refinery_schema_history'";
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn tables_and_columns_are_called_alike() {
    let Some(database) = Database::migrated().await else { return };
    let sql = "SELECT table_name || '.' || column_name FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name <> 'refinery_schema_history'";
    let rows = database.client().await.query(sql, &[]).await.unwrap();
    let postgres = rows.iter().map(|row| row.get(0)).collect();

    let directory = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(directory.path(), EncryptionKey::from_bytes([7; 32])).unwrap());
    let mut sqlite = BTreeSet::new();
    for file in ["metadata.sqlite3", "statistics.sqlite3"] {
        sqlite.extend(of_sqlite(&Connection::open(directory.path().join(file)).unwrap()));
    }
    assert_eq!(without(postgres, POSTGRES_ONLY), without(sqlite, SQLITE_ONLY));
}

//! How a file is opened: pragmas and migrations.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;

pub(crate) mod metadata_migrations {
    refinery::embed_migrations!("../../migrations/sqlite");
}

pub(crate) mod statistics_migrations {
    refinery::embed_migrations!("../../migrations/sqlite-statistics");
}

/// How long to wait for another process, such as a backup, that holds a lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// More than there are statements, so that none is ever prepared twice.
const STATEMENTS: usize = 128;
/// What the write-ahead log is cut back to after a burst.
const JOURNAL_LIMIT_BYTES: i64 = 64 << 20;

/// What a commit waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Synchronous {
    /// Until the commit would survive a loss of power.
    Full,
    /// Not for the disk: a loss of power may undo the last commits, never damage the file.
    Normal,
}

/// How to open one file.
pub(crate) struct Opening {
    pub(crate) path: PathBuf,
    pub(crate) synchronous: Synchronous,
    pub(crate) migrations: refinery::Runner,
}

impl Opening {
    /// The writing connection, with the schema brought up to date.
    pub(crate) fn writer(&self) -> Result<Connection, StoreError> {
        self.make_private()?;
        let mut connection = self.connect()?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "journal_size_limit", JOURNAL_LIMIT_BYTES)?;
        let synchronous = match self.synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        self.migrations.run(&mut connection)?;
        Ok(connection)
    }

    /// Makes a file that is missing, for its owner alone. SQLite gives its companions the same mode.
    fn make_private(&self) -> Result<(), StoreError> {
        OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        Ok(())
    }

    /// A connection that cannot write.
    pub(crate) fn reader(&self) -> Result<Connection, StoreError> {
        let connection = self.connect()?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(directory: &tempfile::TempDir) -> Opening {
        Opening {
            path: directory.path().join("metadata.sqlite3"),
            synchronous: Synchronous::Full,
            migrations: metadata_migrations::migrations::runner(),
        }
    }

    fn pragma(connection: &Connection, name: &str) -> String {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| format!("{value:?}"))
            .unwrap()
    }

    #[test]
    fn commits_of_metadata_wait_for_the_disk_and_references_are_enforced() {
        let directory = tempfile::tempdir().unwrap();
        let writer = opening(&directory).writer().unwrap();
        assert_eq!(pragma(&writer, "journal_mode"), r#"Text("wal")"#);
        assert_eq!(pragma(&writer, "synchronous"), "Integer(2)");
        assert_eq!(pragma(&writer, "foreign_keys"), "Integer(1)");
    }

    #[test]
    fn a_reader_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let opening = opening(&directory);
        let _writer = opening.writer().unwrap();
        assert!(opening.reader().unwrap().execute("DELETE FROM probe", []).is_err());
    }

    #[test]
    fn a_migrated_file_opens_again() {
        let directory = tempfile::tempdir().unwrap();
        let opening = opening(&directory);
        drop(opening.writer().unwrap());
        assert!(opening.writer().is_ok());
    }
}

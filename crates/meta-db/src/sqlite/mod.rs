//! The store of one machine: SQLite files, one writer thread each, a few readers.
//!
//! Statistics live in a second file that is synced less strictly, so that their growth and
//! their writes can neither fill nor lock the metadata.

mod access_log;
mod blob_index;
mod changes;
mod collector;
mod connection;
mod eviction;
mod keys;
mod listing;
mod lost_blobs;
mod queue;
mod reclaim;
mod repositories;
mod review;
mod row_columns;
mod row_sets;
mod rows;
mod statistics;
mod tokens;
mod uploads;

use std::path::Path;
use std::sync::Arc;

use artifact_core::Result;
use artifact_core::ports::MetaStore;
use async_trait::async_trait;
use rusqlite::Connection;

use crate::encryption::EncryptionKey;
use crate::error::StoreError;
use crate::{integer, range};
use connection::{Opening, Synchronous};
use queue::Queue;

const METADATA_FILE: &str = "metadata.sqlite3";
const STATISTICS_FILE: &str = "statistics.sqlite3";
const METADATA_READERS: usize = 3;
const STATISTICS_READERS: usize = 1;

/// Metadata in SQLite files of one directory, for one process at a time.
///
/// Work that was queued before the store is dropped is still done.
#[derive(Debug)]
pub struct SqliteStore {
    metadata: Database,
    statistics: Database,
    key: Arc<EncryptionKey>,
}

/// One file: a queue to its only writer and one to its readers.
#[derive(Debug)]
struct Database {
    writer: Queue,
    readers: Queue,
}

impl SqliteStore {
    /// Opens the store in `directory`, which is made if it is missing, and brings its schema
    /// up to date. Credentials are encrypted with `key`. Claims on uploads end: who had them is gone, and
    /// whoever goes on with the upload need not wait. Blocks on the disk.
    pub fn open(directory: &Path, key: EncryptionKey) -> Result<Self> {
        let open = || -> Result<Self, StoreError> {
            std::fs::create_dir_all(directory)?;
            let metadata = Opening {
                path: directory.join(METADATA_FILE),
                synchronous: Synchronous::Full,
                migrations: connection::metadata_migrations::migrations::runner(),
            };
            let statistics = Opening {
                path: directory.join(STATISTICS_FILE),
                synchronous: Synchronous::Normal,
                migrations: connection::statistics_migrations::migrations::runner(),
            };
            let writer = metadata.writer()?;
            uploads::end_claims(&writer)?;
            Ok(Self {
                metadata: Database::open("metadata", &metadata, writer, METADATA_READERS)?,
                statistics: Database::open(
                    "statistics",
                    &statistics,
                    statistics.writer()?,
                    STATISTICS_READERS,
                )?,
                key: Arc::new(key),
            })
        };
        Ok(open()?)
    }
}

impl Database {
    fn open(
        name: &str,
        opening: &Opening,
        writer: Connection,
        readers: usize,
    ) -> Result<Self, StoreError> {
        let writer = Queue::to_writer(name, writer)?;
        let readers = (0..readers).map(|_| opening.reader()).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { writer, readers: Queue::to_readers(name, readers)? })
    }
}

#[async_trait]
impl MetaStore for SqliteStore {
    async fn check(&self) -> Result<()> {
        const WRITE: &str = "UPDATE probe SET checked_at = unixepoch() * 1000 WHERE id = 1";
        let write = |connection: &Connection| {
            connection.prepare_cached(WRITE)?.execute([])?;
            Ok(())
        };
        self.metadata.writer.call(write).await?;
        let read = |connection: &Connection| {
            let mut statement = connection.prepare_cached("SELECT checked_at FROM probe")?;
            Ok(statement.query_row([], |row| row.get::<_, i64>(0))?)
        };
        self.metadata.readers.call(read).await.map(|_| ())
    }
}

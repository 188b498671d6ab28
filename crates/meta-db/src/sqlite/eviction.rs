//! Making room: the rows that were not used for the longest time go first.
//!
//! A reader finds them, because that takes a scan of the rows' keys; the writer, which everybody
//! waits for, only removes them, and only those that are still unused.

use artifact_core::ports::{Evicted, EvictionPass, RowEviction};
use artifact_core::{Result, Timestamp};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::{SqliteStore, integer};
use crate::error::StoreError;

const LEAST_USED: &str = include_str!("queries/least_used.sql");
const DELETE_UNUSED: &str = include_str!("queries/delete_unused.sql");

#[async_trait]
impl RowEviction for SqliteStore {
    async fn evict_least_used(&self, pass: &EvictionPass) -> Result<Evicted> {
        let unused_since = pass.unused_since;
        let pass = pass.clone();
        let keys = self.metadata.readers.call(move |connection| least_used(connection, &pass));
        let keys = keys.await?;
        if keys.is_empty() {
            return Ok(Evicted::default());
        }
        let delete = move |connection: &Connection| delete_unused(connection, &keys, unused_since);
        self.metadata.writer.call(delete).await
    }
}

/// The primary key of a row, as it is stored.
struct StoredKey {
    repository: i64,
    path: String,
    variant: String,
}

fn least_used(connection: &Connection, pass: &EvictionPass) -> Result<Vec<StoredKey>, StoreError> {
    let repositories: Vec<_> = pass.repositories.iter().map(|id| id.0).collect();
    let repositories = serde_json::to_string(&repositories)
        .map_err(|error| StoreError::malformed("repository", error))?;
    let mut statement = connection.prepare_cached(LEAST_USED)?;
    let parameters =
        params![repositories, pass.unused_since.as_millis(), integer::limit(pass.limit)];
    let mut rows = statement.query(parameters)?;
    let (mut keys, mut bytes) = (Vec::new(), 0_u64);
    while bytes < pass.bytes
        && let Some(row) = rows.next()?
    {
        bytes = bytes.saturating_add(integer::from_sql(row.get("size")?));
        keys.push(StoredKey {
            repository: row.get("repository")?,
            path: row.get("path")?,
            variant: row.get("variant")?,
        });
    }
    Ok(keys)
}

fn delete_unused(
    connection: &Connection,
    keys: &[StoredKey],
    unused_since: Timestamp,
) -> Result<Evicted, StoreError> {
    let mut statement = connection.prepare_cached(DELETE_UNUSED)?;
    let mut evicted = Evicted::default();
    for StoredKey { repository, path, variant } in keys {
        let parameters = params![repository, path, variant, unused_since.as_millis()];
        let size = statement.query_row(parameters, |row| row.get(0)).optional()?;
        if let Some(size) = size {
            evicted.objects += 1;
            evicted.bytes = evicted.bytes.saturating_add(integer::from_sql(size));
        }
    }
    Ok(evicted)
}

//! Artifact rows: reading, conditional writing, eviction, counters.

use artifact_core::ports::{
    AccessRecord, Evicted, Listing, Precondition, Published, RowQuery, RowStore, Selector, Usage,
    Validation,
};
use artifact_core::{ArtifactRow, BlobId, RepositoryId, Result, RowKey, Timestamp};
use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::range::PathRange;
use super::{SqliteStore, integer, listing, row_columns, row_sets};
use crate::crash_point::crash_point;
use crate::error::StoreError;
use crate::precondition::holds;

const INSERT_BLOB: &str = "INSERT INTO blob (sha256, size) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const BLOB_SIZE: &str = "SELECT size FROM blob WHERE sha256 = ?1";
const VALIDATE: &str = include_str!("queries/validate_row.sql");
const DELETE: &str = "DELETE FROM artifact WHERE repository = ?1 AND path = ?2 AND variant = ?3";
const SUM_PATH: &str =
    "SELECT count(*), coalesce(sum(size), 0) FROM artifact WHERE repository = ?1 AND path = ?2";
const SUM_RANGE: &str = "SELECT count(*), coalesce(sum(size), 0)
    FROM artifact WHERE repository = ?1 AND path >= ?2 AND path < ?3";
const DELETE_PATH: &str = "DELETE FROM artifact WHERE repository = ?1 AND path = ?2";
const DELETE_RANGE: &str =
    "DELETE FROM artifact WHERE repository = ?1 AND path >= ?2 AND path < ?3";
const RECORD_ACCESS: &str = include_str!("queries/record_access.sql");
const USAGE: &str =
    "SELECT repository, objects, logical_bytes FROM repository_usage ORDER BY repository";
const STORED_BYTES: &str = "SELECT bytes FROM storage_usage WHERE id = 1";

#[async_trait]
impl RowStore for SqliteStore {
    async fn row(&self, key: &RowKey) -> Result<Option<ArtifactRow>> {
        let key = key.clone();
        self.metadata.readers.call(move |connection| row_columns::find(connection, &key)).await
    }

    async fn publish(
        &self,
        row: ArtifactRow,
        precondition: Precondition,
    ) -> Result<Published<ArtifactRow>> {
        self.metadata.writer.call(move |connection| publish(connection, row, precondition)).await
    }

    async fn validate(
        &self,
        key: &RowKey,
        generation: i64,
        validation: Validation,
    ) -> Result<Option<ArtifactRow>> {
        let key = key.clone();
        let work =
            move |connection: &Connection| validate(connection, &key, generation, &validation);
        self.metadata.writer.call(work).await
    }

    async fn remove(
        &self,
        key: &RowKey,
        precondition: Precondition,
    ) -> Result<Published<ArtifactRow>> {
        let key = key.clone();
        self.metadata.writer.call(move |connection| remove(connection, &key, precondition)).await
    }

    async fn evict(
        &self,
        repository: RepositoryId,
        selector: &Selector,
        dry_run: bool,
    ) -> Result<Evicted> {
        let selector = selector.clone();
        if dry_run {
            let count = move |connection: &Connection| selected(connection, repository, &selector);
            return self.metadata.readers.call(count).await;
        }
        self.metadata.writer.call(move |connection| evict(connection, repository, &selector)).await
    }

    async fn list(&self, query: &RowQuery) -> Result<Listing> {
        let query = query.clone();
        self.metadata.readers.call(move |connection| listing::list(connection, &query)).await
    }

    async fn record_accesses(&self, accesses: Vec<AccessRecord>) -> Result<()> {
        self.metadata.writer.call(move |connection| record_accesses(connection, &accesses)).await
    }

    async fn usage(&self) -> Result<(Vec<(RepositoryId, Usage)>, u64)> {
        self.metadata.readers.call(usage).await
    }
}

fn publish(
    connection: &Connection,
    mut row: ArtifactRow,
    precondition: Precondition,
) -> Result<Published<ArtifactRow>, StoreError> {
    let stored = row_columns::find(connection, &row.key)?;
    let generation = stored.as_ref().map(|stored| stored.generation);
    if !holds(precondition, generation) {
        return Ok(Published::Conflict(stored));
    }
    enter_blob(connection, row.blob, row.size)?;
    crash_point!("inside-publish-tx");
    row.generation = generation.unwrap_or(0) + 1;
    row_columns::write(connection, &row).map_err(name_missing_repository)?;
    Ok(Published::Stored(row))
}

/// The blob's entry; a trigger makes a condemned one live again when it is referred to.
pub(crate) fn enter_blob(
    connection: &Connection,
    blob: BlobId,
    size: u64,
) -> Result<(), StoreError> {
    let size = integer::to_sql(size);
    if connection.prepare_cached(INSERT_BLOB)?.execute(params![blob.as_bytes(), size])? == 1 {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(BLOB_SIZE)?;
    let stored: i64 = statement.query_row([blob.as_bytes()], |row| row.get(0))?;
    if stored == size { Ok(()) } else { Err(StoreError::OtherSize) }
}

/// The blob is there, so a violated reference can only be the repository.
fn name_missing_repository(error: StoreError) -> StoreError {
    const MISSING: i32 = rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY;
    match error {
        StoreError::Sqlite(rusqlite::Error::SqliteFailure(failure, _))
            if failure.extended_code == MISSING =>
        {
            StoreError::NoSuchRepository
        }
        other => other,
    }
}

fn validate(
    connection: &Connection,
    key: &RowKey,
    generation: i64,
    validation: &Validation,
) -> Result<Option<ArtifactRow>, StoreError> {
    let changed = connection.prepare_cached(VALIDATE)?.execute(params![
        key.repository.0,
        key.path.as_str(),
        key.variant.as_str(),
        generation,
        validation.validated_at.as_millis(),
        validation.expires_at.map(Timestamp::as_millis),
        validation.upstream_etag,
        validation.upstream_last_modified,
    ])?;
    if changed == 0 { Ok(None) } else { row_columns::find(connection, key) }
}

fn remove(
    connection: &Connection,
    key: &RowKey,
    precondition: Precondition,
) -> Result<Published<ArtifactRow>, StoreError> {
    let Some(stored) = row_columns::find(connection, key)? else {
        return Ok(Published::Conflict(None));
    };
    let is_needed = !row_sets::users_of(connection, key)?.is_empty();
    if is_needed || !holds(precondition, Some(stored.generation)) {
        return Ok(Published::Conflict(Some(stored)));
    }
    delete(connection, key)?;
    Ok(Published::Stored(stored))
}

/// Deletes the row of `key`. What belongs to it goes with it.
pub(crate) fn delete(connection: &Connection, key: &RowKey) -> Result<(), StoreError> {
    let parameters = params![key.repository.0, key.path.as_str(), key.variant.as_str()];
    connection.prepare_cached(DELETE)?.execute(parameters)?;
    Ok(())
}

fn evict(
    connection: &Connection,
    repository: RepositoryId,
    selector: &Selector,
) -> Result<Evicted, StoreError> {
    let evicted = selected(connection, repository, selector)?;
    match selector {
        Selector::Path(path) => {
            connection.prepare_cached(DELETE_PATH)?.execute(params![repository.0, path.as_str()])?
        }
        Selector::Prefix(prefix) => {
            let PathRange { start, end } = PathRange::of_prefix(prefix);
            connection.prepare_cached(DELETE_RANGE)?.execute(params![repository.0, start, end])?
        }
    };
    Ok(evicted)
}

fn selected(
    connection: &Connection,
    repository: RepositoryId,
    selector: &Selector,
) -> Result<Evicted, StoreError> {
    let sum = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let (objects, bytes) = match selector {
        Selector::Path(path) => connection
            .prepare_cached(SUM_PATH)?
            .query_row(params![repository.0, path.as_str()], sum)?,
        Selector::Prefix(prefix) => {
            let PathRange { start, end } = PathRange::of_prefix(prefix);
            let parameters = params![repository.0, start, end];
            connection.prepare_cached(SUM_RANGE)?.query_row(parameters, sum)?
        }
    };
    Ok(Evicted { objects: integer::from_sql(objects), bytes: integer::from_sql(bytes) })
}

fn record_accesses(connection: &Connection, accesses: &[AccessRecord]) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(RECORD_ACCESS)?;
    for AccessRecord { key, hits, accessed_at } in accesses {
        statement.execute(params![
            key.repository.0,
            key.path.as_str(),
            key.variant.as_str(),
            integer::to_sql(*hits),
            accessed_at.as_millis(),
        ])?;
    }
    Ok(())
}

fn usage(connection: &Connection) -> Result<(Vec<(RepositoryId, Usage)>, u64), StoreError> {
    let mut statement = connection.prepare_cached(USAGE)?;
    let usages = statement.query_map([], |row| {
        let usage = Usage {
            objects: integer::from_sql(row.get("objects")?),
            logical_bytes: integer::from_sql(row.get("logical_bytes")?),
        };
        Ok((RepositoryId(row.get("repository")?), usage))
    })?;
    let usages = usages.collect::<rusqlite::Result<_>>()?;
    let bytes = connection.prepare_cached(STORED_BYTES)?.query_row([], |row| row.get(0))?;
    Ok((usages, integer::from_sql(bytes)))
}

//! An artifact row as columns.

use artifact_core::{ArtifactRow, BlobId, RepoPath, RepositoryId, RowKey, Timestamp, Variant};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::integer;
use crate::checksums;
use crate::error::StoreError;

const READ: &str = include_str!("queries/row.sql");
const WRITE: &str = include_str!("queries/publish_row.sql");

/// The row of `key`.
pub(crate) fn find(
    connection: &Connection,
    key: &RowKey,
) -> Result<Option<ArtifactRow>, StoreError> {
    let mut statement = connection.prepare_cached(READ)?;
    let parameters = params![key.repository.0, key.path.as_str(), key.variant.as_str()];
    let read = statement.query_row(parameters, |row| Ok(from_columns(row))).optional()?;
    read.transpose()
}

/// Inserts `row` or replaces the one of its key.
pub(crate) fn write(connection: &Connection, row: &ArtifactRow) -> Result<(), StoreError> {
    connection.prepare_cached(WRITE)?.execute(params![
        row.key.repository.0,
        row.key.path.as_str(),
        row.key.variant.as_str(),
        row.blob.as_bytes(),
        integer::to_sql(row.size),
        row.class.name(),
        row.content_type,
        row.upstream_etag,
        row.upstream_last_modified,
        row.upstream_url,
        checksums::write(&row.checksums)?,
        row.fetched_at.as_millis(),
        row.validated_at.as_millis(),
        row.expires_at.map(Timestamp::as_millis),
        row.generation,
    ])?;
    Ok(())
}

/// Reads the columns that `row.sql` selects.
pub(crate) fn from_columns(row: &Row<'_>) -> Result<ArtifactRow, StoreError> {
    let class: String = row.get("class")?;
    let checksums: String = row.get("checksums")?;
    Ok(ArtifactRow {
        key: key_from_columns(row)?,
        blob: BlobId::from_bytes(row.get("sha256")?),
        size: integer::from_sql(row.get("size")?),
        class: class.parse().map_err(|error| StoreError::malformed("class", error))?,
        content_type: row.get("content_type")?,
        upstream_etag: row.get("upstream_etag")?,
        upstream_last_modified: row.get("upstream_last_modified")?,
        upstream_url: row.get("upstream_url")?,
        checksums: checksums::read(&checksums)?,
        fetched_at: Timestamp::from_millis(row.get("fetched_at")?),
        validated_at: Timestamp::from_millis(row.get("validated_at")?),
        expires_at: row.get::<_, Option<i64>>("expires_at")?.map(Timestamp::from_millis),
        generation: row.get("generation")?,
    })
}

/// The key of a row, out of the columns of that name.
pub(crate) fn key_from_columns(row: &Row<'_>) -> Result<RowKey, StoreError> {
    let path = path_from_text(&row.get::<_, String>("path")?)?;
    let variant: String = row.get("variant")?;
    let variant = if variant.is_empty() { Variant::SOURCE } else { Variant::named(variant) };
    Ok(RowKey { repository: RepositoryId(row.get("repository")?), path, variant })
}

/// A stored path.
pub(crate) fn path_from_text(text: &str) -> Result<RepoPath, StoreError> {
    RepoPath::from_decoded(text).map_err(|error| StoreError::malformed("path", error))
}

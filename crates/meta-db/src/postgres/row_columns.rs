//! An artifact row as columns.

use artifact_core::{ArtifactRow, BlobId, RepoPath, RepositoryId, RowKey, Timestamp, Variant};
use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;

use super::statement;
use crate::error::StoreError;
use crate::{checksums, integer};

const READ: &str = include_str!("queries/row.sql");
const LOCK: &str = concat!(include_str!("queries/row.sql"), "FOR NO KEY UPDATE");
const LOCK_TO_REMOVE: &str = concat!(include_str!("queries/row.sql"), "FOR UPDATE");
const INSERT: &str = include_str!("queries/insert_row.sql");
const UPDATE: &str = include_str!("queries/update_row.sql");

/// The row of `key`.
pub(crate) async fn find(
    client: &ClientWrapper,
    key: &RowKey,
) -> Result<Option<ArtifactRow>, StoreError> {
    read(client, READ, key).await
}

/// The row of `key`, which nobody else changes until the transaction ends.
pub(crate) async fn lock(
    client: &ClientWrapper,
    key: &RowKey,
) -> Result<Option<ArtifactRow>, StoreError> {
    read(client, LOCK, key).await
}

/// The same for who will remove it: who is about to need it is waited for.
pub(crate) async fn lock_to_remove(
    client: &ClientWrapper,
    key: &RowKey,
) -> Result<Option<ArtifactRow>, StoreError> {
    read(client, LOCK_TO_REMOVE, key).await
}

async fn read(
    client: &ClientWrapper,
    sql: &'static str,
    key: &RowKey,
) -> Result<Option<ArtifactRow>, StoreError> {
    let (path, variant) = (key.path.as_str(), key.variant.as_str());
    let row = statement::row_if_any(client, sql, &[&key.repository.0, &path, &variant]).await?;
    row.as_ref().map(from_columns).transpose()
}

/// Inserts `row`; `false` if its key was taken meanwhile.
pub(crate) async fn insert(client: &ClientWrapper, row: &ArtifactRow) -> Result<bool, StoreError> {
    Ok(write(client, INSERT, row).await? == 1)
}

/// Replaces the locked row of the same key.
pub(crate) async fn update(client: &ClientWrapper, row: &ArtifactRow) -> Result<(), StoreError> {
    write(client, UPDATE, row).await.map(|_| ())
}

async fn write(
    client: &ClientWrapper,
    sql: &'static str,
    row: &ArtifactRow,
) -> Result<u64, StoreError> {
    statement::execute(
        client,
        sql,
        &[
            &row.key.repository.0,
            &row.key.path.as_str(),
            &row.key.variant.as_str(),
            &row.blob.as_bytes().as_slice(),
            &integer::to_sql(row.size),
            &row.class.name(),
            &row.content_type,
            &row.upstream_etag,
            &row.upstream_last_modified,
            &row.upstream_url,
            &checksums::write(&row.checksums)?,
            &row.fetched_at.as_millis(),
            &row.validated_at.as_millis(),
            &row.expires_at.map(Timestamp::as_millis),
            &row.generation,
        ],
    )
    .await
}

/// Reads the columns that `row.sql` selects.
pub(crate) fn from_columns(row: &Row) -> Result<ArtifactRow, StoreError> {
    let class: &str = row.try_get("class")?;
    Ok(ArtifactRow {
        key: key_from_columns(row)?,
        blob: blob_from_column(row, "sha256")?,
        size: integer::from_sql(row.try_get("size")?),
        class: class.parse().map_err(|error| StoreError::malformed("class", error))?,
        content_type: row.try_get("content_type")?,
        upstream_etag: row.try_get("upstream_etag")?,
        upstream_last_modified: row.try_get("upstream_last_modified")?,
        upstream_url: row.try_get("upstream_url")?,
        checksums: checksums::read(row.try_get("checksums")?)?,
        fetched_at: Timestamp::from_millis(row.try_get("fetched_at")?),
        validated_at: Timestamp::from_millis(row.try_get("validated_at")?),
        expires_at: row.try_get::<_, Option<i64>>("expires_at")?.map(Timestamp::from_millis),
        generation: row.try_get("generation")?,
    })
}

/// The key of a row, out of the columns of that name.
pub(crate) fn key_from_columns(row: &Row) -> Result<RowKey, StoreError> {
    let variant: &str = row.try_get("variant")?;
    let variant =
        if variant.is_empty() { Variant::SOURCE } else { Variant::named(variant.to_owned()) };
    let repository = RepositoryId(row.try_get("repository")?);
    Ok(RowKey { repository, path: path_from_text(row.try_get("path")?)?, variant })
}

/// A stored path.
pub(crate) fn path_from_text(text: &str) -> Result<RepoPath, StoreError> {
    RepoPath::from_decoded(text).map_err(|error| StoreError::malformed("path", error))
}

/// The blob that a column names.
pub(crate) fn blob_from_column(row: &Row, column: &str) -> Result<BlobId, StoreError> {
    let bytes: &[u8] = row.try_get(column)?;
    let bytes = bytes.try_into().map_err(|error| StoreError::malformed("digest", error))?;
    Ok(BlobId::from_bytes(bytes))
}

//! What blobs are needed for, asked by the collector about blobs that it has locked.

use artifact_core::{BlobId, Timestamp};
use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;

use super::{row_columns, statement};
use crate::error::StoreError;
use crate::integer;

const NEEDS: &str = include_str!("queries/needs.sql");

/// A locked blob and why it is needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Examined {
    pub(crate) id: BlobId,
    pub(crate) size: u64,
    pub(crate) need: Need,
}

/// Why a blob is needed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Need {
    /// A row or another blob refers to it.
    Referenced,
    /// Only pins do, the last of which ends at this moment.
    Pinned(i64),
    /// Nothing does.
    None,
}

/// Locks the blobs that a statement finds. What is busy is left out.
pub(crate) async fn lock(
    client: &ClientWrapper,
    sql: &'static str,
    parameters: statement::Parameters<'_>,
) -> Result<Vec<BlobId>, StoreError> {
    let rows = statement::rows(client, sql, parameters).await?;
    rows.iter().map(|row| row_columns::blob_from_column(row, "sha256")).collect()
}

/// What locked blobs are needed for.
pub(crate) async fn examine(
    client: &ClientWrapper,
    ids: &[BlobId],
    now: Timestamp,
) -> Result<Vec<Examined>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = statement::rows(client, NEEDS, &[&bytes_of(ids), &now.as_millis()]).await?;
    rows.iter().map(examined).collect()
}

/// Blobs as statements take them.
pub(crate) fn bytes_of(ids: &[BlobId]) -> Vec<&[u8]> {
    ids.iter().map(|id| id.as_bytes().as_slice()).collect()
}

/// Those whose need is as described.
pub(crate) fn those(examined: &[Examined], is_meant: impl Fn(Need) -> bool) -> Vec<BlobId> {
    examined.iter().filter(|blob| is_meant(blob.need)).map(|blob| blob.id).collect()
}

fn examined(row: &Row) -> Result<Examined, StoreError> {
    let need = match row.try_get("pinned_until")? {
        _ if row.try_get("is_referenced")? => Need::Referenced,
        Some(until) => Need::Pinned(until),
        None => Need::None,
    };
    let id = row_columns::blob_from_column(row, "sha256")?;
    Ok(Examined { id, size: integer::from_sql(row.try_get("size")?), need })
}

//! Marks on blobs whose bytes are lost.

use artifact_core::ports::{IndexedBlob, LostBlobs, LostFile, LostFiles};
use artifact_core::{BlobId, Result, Timestamp};
use async_trait::async_trait;
use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;

use super::connections::Client;
use super::needs::bytes_of;
use super::{PostgresStore, statement};
use crate::error::StoreError;
use crate::{integer, lost_file};

const LIVE: &str = "SELECT blob.sha256, blob.size, lost_blob.sha256 IS NOT NULL AS is_lost
    FROM blob LEFT JOIN lost_blob ON lost_blob.sha256 = blob.sha256
    WHERE blob.sha256 > $1 AND blob.state = 'live'
    ORDER BY blob.sha256 LIMIT $2";
/// Locked first, so that none of them is deleted meanwhile.
const MARK: &str = "INSERT INTO lost_blob (sha256, found_at)
    SELECT sha256, $2 FROM (
        SELECT sha256 FROM blob WHERE sha256 = ANY ($1) AND state = 'live'
        ORDER BY sha256 FOR KEY SHARE
    ) AS missing
    WHERE NOT EXISTS (
        SELECT 1 FROM artifact WHERE artifact.sha256 = missing.sha256 AND fetched_at >= $2
    )
    ON CONFLICT DO NOTHING";
const UNMARK: &str = "DELETE FROM lost_blob WHERE sha256 = ANY ($1)";
const COUNT: &str = "SELECT count(*) FILTER (WHERE repository.kind = 'remote') AS cached,
        count(*) FILTER (WHERE repository.kind = 'local') AS hosted
    FROM lost_blob
    JOIN artifact ON artifact.sha256 = lost_blob.sha256
    JOIN repository ON repository.id = artifact.repository";
const LIST: &str = "SELECT repository.name, artifact.path
    FROM lost_blob
    JOIN artifact ON artifact.sha256 = lost_blob.sha256
    JOIN repository ON repository.id = artifact.repository
    WHERE repository.kind = 'local'
    ORDER BY repository.name, artifact.path LIMIT $1";

#[async_trait]
impl LostBlobs for PostgresStore {
    async fn live_blobs(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<IndexedBlob>> {
        let live = |client: Client| async move { live_blobs(&client, after, limit).await };
        self.connections.read(live).await
    }

    async fn mark_lost(&self, ids: &[BlobId], looked_at: Timestamp) -> Result<()> {
        let (ids, looked_at) = (bytes_of(ids), looked_at.as_millis());
        let parameters: statement::Parameters<'_> = &[&ids, &looked_at];
        let mark = |client: Client| async move {
            statement::execute(&client, MARK, parameters).await.map(|_| ())
        };
        self.connections.execute(mark).await
    }

    async fn mark_found(&self, ids: &[BlobId]) -> Result<()> {
        let ids = bytes_of(ids);
        let parameters: statement::Parameters<'_> = &[&ids];
        let unmark = |client: Client| async move {
            statement::execute(&client, UNMARK, parameters).await.map(|_| ())
        };
        self.connections.execute(unmark).await
    }

    async fn lost_files(&self, limit: usize) -> Result<LostFiles> {
        let lost = |client: Client| async move { lost_files(&client, limit).await };
        self.connections.read_together(lost).await
    }
}

async fn live_blobs(
    client: &ClientWrapper,
    after: Option<BlobId>,
    limit: usize,
) -> Result<Vec<IndexedBlob>, StoreError> {
    let after = after.as_ref().map_or(&[][..], |id| id.as_bytes().as_slice());
    let rows = statement::rows(client, LIVE, &[&after, &integer::limit(limit)]).await?;
    rows.iter().map(blob_from_columns).collect()
}

fn blob_from_columns(row: &Row) -> Result<IndexedBlob, StoreError> {
    let id: &[u8] = row.try_get("sha256")?;
    let id = id.try_into().map_err(|error| StoreError::malformed("blob", error))?;
    Ok(IndexedBlob {
        id: BlobId::from_bytes(id),
        size: integer::from_sql(row.try_get("size")?),
        is_lost: row.try_get("is_lost")?,
    })
}

async fn lost_files(client: &ClientWrapper, limit: usize) -> Result<LostFiles, StoreError> {
    let counts = statement::row(client, COUNT, &[]).await?;
    let rows = statement::rows(client, LIST, &[&integer::limit(limit)]).await?;
    let file = |row: &Row| -> Result<LostFile, StoreError> {
        lost_file::read(row.try_get("name")?, row.try_get("path")?)
    };
    Ok(LostFiles {
        cached: integer::from_sql(counts.try_get("cached")?),
        hosted: integer::from_sql(counts.try_get("hosted")?),
        listed: rows.iter().map(file).collect::<Result<_, _>>()?,
    })
}

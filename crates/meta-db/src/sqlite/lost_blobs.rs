//! Marks on blobs whose bytes are lost.

use artifact_core::ports::{IndexedBlob, LostBlobs, LostFiles};
use artifact_core::{BlobId, Result, Timestamp};
use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{SqliteStore, integer};
use crate::error::StoreError;
use crate::lost_file;

const LIVE: &str = "SELECT blob.sha256, blob.size, lost_blob.sha256 IS NOT NULL AS is_lost
    FROM blob LEFT JOIN lost_blob ON lost_blob.sha256 = blob.sha256
    WHERE blob.sha256 > ?1 AND blob.state = 'live'
    ORDER BY blob.sha256 LIMIT ?2";
const MARK: &str = "INSERT INTO lost_blob (sha256, found_at)
    SELECT sha256, ?2 FROM blob
    WHERE sha256 = ?1 AND state = 'live' AND NOT EXISTS (
        SELECT 1 FROM artifact WHERE artifact.sha256 = ?1 AND fetched_at >= ?2
    )
    ON CONFLICT DO NOTHING";
const UNMARK: &str = "DELETE FROM lost_blob WHERE sha256 = ?1";
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
    ORDER BY repository.name, artifact.path LIMIT ?1";

#[async_trait]
impl LostBlobs for SqliteStore {
    async fn live_blobs(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<IndexedBlob>> {
        self.metadata.readers.call(move |connection| live_blobs(connection, after, limit)).await
    }

    async fn mark_lost(&self, ids: &[BlobId], looked_at: Timestamp) -> Result<()> {
        let ids = ids.to_vec();
        let mark = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(MARK)?;
            for id in &ids {
                statement.execute(params![id.as_bytes(), looked_at.as_millis()])?;
            }
            Ok(())
        };
        self.metadata.writer.call(mark).await
    }

    async fn mark_found(&self, ids: &[BlobId]) -> Result<()> {
        let ids = ids.to_vec();
        let unmark = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(UNMARK)?;
            for id in &ids {
                statement.execute([id.as_bytes()])?;
            }
            Ok(())
        };
        self.metadata.writer.call(unmark).await
    }

    async fn lost_files(&self, limit: usize) -> Result<LostFiles> {
        self.metadata.readers.call(move |connection| lost_files(connection, limit)).await
    }
}

fn live_blobs(
    connection: &Connection,
    after: Option<BlobId>,
    limit: usize,
) -> Result<Vec<IndexedBlob>, StoreError> {
    let mut statement = connection.prepare_cached(LIVE)?;
    let after = after.as_ref().map_or(&[][..], |id| id.as_bytes().as_slice());
    let blobs = statement.query_map(params![after, integer::limit(limit)], |row| {
        Ok(IndexedBlob {
            id: BlobId::from_bytes(row.get("sha256")?),
            size: integer::from_sql(row.get("size")?),
            is_lost: row.get("is_lost")?,
        })
    })?;
    Ok(blobs.collect::<rusqlite::Result<_>>()?)
}

fn lost_files(connection: &Connection, limit: usize) -> Result<LostFiles, StoreError> {
    let (cached, hosted) = connection
        .prepare_cached(COUNT)?
        .query_row([], |row| Ok((row.get("cached")?, row.get("hosted")?)))?;
    let mut statement = connection.prepare_cached(LIST)?;
    let mut rows = statement.query([integer::limit(limit)])?;
    let mut listed = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, path): (String, String) = (row.get("name")?, row.get("path")?);
        listed.push(lost_file::read(&name, &path)?);
    }
    Ok(LostFiles { cached: integer::from_sql(cached), hosted: integer::from_sql(hosted), listed })
}

//! The collector's books: epoch, sweep, runs.

use std::time::Duration;

use artifact_core::ports::{CollectorHistory, CollectorRun, CollectorStore, Restoration};
use artifact_core::{Result, Timestamp};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::{SqliteStore, integer};
use crate::collector_run;
use crate::error::StoreError;

/// Past what the blob store has seen; nothing is returned where that is refused.
const ADVANCE: &str = "UPDATE collector SET epoch = max(epoch, ?1) + 1
    WHERE id = 1 AND (epoch >= ?1 OR ?2) RETURNING epoch";
const CLAIM_SWEEP: &str = "UPDATE collector SET swept_at = ?1
    WHERE id = 1 AND (swept_at IS NULL OR swept_at <= ?2)";
const RECORD: &str = "UPDATE collector SET last_run = ?1,
    reclaimed_blobs = reclaimed_blobs + ?2, reclaimed_bytes = reclaimed_bytes + ?3
    WHERE id = 1";
const FORGET_PINS: &str = "DELETE FROM pin WHERE until <= ?1";
const HISTORY: &str = "SELECT epoch, swept_at, reclaimed_blobs, reclaimed_bytes, last_run
    FROM collector WHERE id = 1";

#[async_trait]
impl CollectorStore for SqliteStore {
    async fn advance_epoch(&self, seen: u64, restoration: Restoration) -> Result<Option<u64>> {
        let work = move |connection: &Connection| advance_epoch(connection, seen, restoration);
        self.metadata.writer.call(work).await
    }

    async fn claim_sweep(&self, now: Timestamp, every: Duration) -> Result<bool> {
        let latest = integer::millis_before(now, every);
        let claim = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(CLAIM_SWEEP)?;
            Ok(statement.execute([now.as_millis(), latest])? == 1)
        };
        self.metadata.writer.call(claim).await
    }

    async fn record_run(&self, run: &CollectorRun) -> Result<()> {
        let run = run.clone();
        self.metadata.writer.call(move |connection| record_run(connection, &run)).await
    }

    async fn history(&self) -> Result<CollectorHistory> {
        self.metadata.readers.call(history).await
    }
}

fn advance_epoch(
    connection: &Connection,
    seen: u64,
    restoration: Restoration,
) -> Result<Option<u64>, StoreError> {
    let accepts = restoration == Restoration::Accept;
    let mut statement = connection.prepare_cached(ADVANCE)?;
    let parameters = params![integer::to_sql(seen), accepts];
    let epoch = statement.query_row(parameters, |row| row.get(0)).optional()?;
    Ok(epoch.map(integer::from_sql))
}

fn record_run(connection: &Connection, run: &CollectorRun) -> Result<(), StoreError> {
    connection.prepare_cached(RECORD)?.execute(params![
        collector_run::write(run)?,
        integer::to_sql(run.reclaimed.blobs),
        integer::to_sql(run.reclaimed.bytes),
    ])?;
    connection.prepare_cached(FORGET_PINS)?.execute([run.finished_at.as_millis()])?;
    Ok(())
}

fn history(connection: &Connection) -> Result<CollectorHistory, StoreError> {
    let mut statement = connection.prepare_cached(HISTORY)?;
    let (history, last_run) = statement.query_row([], |row| {
        let history = CollectorHistory {
            epoch: integer::from_sql(row.get("epoch")?),
            last_run: None,
            reclaimed_blobs: integer::from_sql(row.get("reclaimed_blobs")?),
            reclaimed_bytes: integer::from_sql(row.get("reclaimed_bytes")?),
            swept_at: row.get::<_, Option<i64>>("swept_at")?.map(Timestamp::from_millis),
        };
        Ok((history, row.get::<_, Option<String>>("last_run")?))
    })?;
    let last_run = last_run.as_deref().map(collector_run::read).transpose()?;
    Ok(CollectorHistory { last_run, ..history })
}

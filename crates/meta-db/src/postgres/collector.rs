//! The collector's books: epoch, sweep, runs.

use std::time::Duration;

use artifact_core::ports::{CollectorHistory, CollectorRun, CollectorStore, Restoration};
use artifact_core::{Result, Timestamp};
use async_trait::async_trait;
use deadpool_postgres::ClientWrapper;

use super::connections::{Client, Purpose};
use super::{PostgresStore, statement};
use crate::error::StoreError;
use crate::{collector_run, integer};

/// Past what the blob store has seen; nothing is returned where that is refused.
const ADVANCE: &str = "UPDATE collector SET epoch = greatest(epoch, $1) + 1
    WHERE id = 1 AND (epoch >= $1 OR $2) RETURNING epoch";
const CLAIM_SWEEP: &str = "UPDATE collector SET swept_at = $1
    WHERE id = 1 AND (swept_at IS NULL OR swept_at <= $2)";
const RECORD: &str = "UPDATE collector SET last_run = $1,
    reclaimed_blobs = reclaimed_blobs + $2, reclaimed_bytes = reclaimed_bytes + $3
    WHERE id = 1";
/// Who is renewing a pin at this moment keeps it.
const FORGET_PINS: &str = "DELETE FROM pin USING (
        SELECT sha256, owner FROM pin WHERE until <= $1
        ORDER BY sha256, owner FOR UPDATE SKIP LOCKED
    ) AS ended
    WHERE pin.sha256 = ended.sha256 AND pin.owner = ended.owner";
const HISTORY: &str = "SELECT epoch, swept_at, reclaimed_blobs, reclaimed_bytes, last_run
    FROM collector WHERE id = 1";

#[async_trait]
impl CollectorStore for PostgresStore {
    async fn advance_epoch(&self, seen: u64, restoration: Restoration) -> Result<Option<u64>> {
        let (seen, accepts) = (integer::to_sql(seen), restoration == Restoration::Accept);
        let advance = |client: Client| async move {
            let row = statement::row_if_any(&client, ADVANCE, &[&seen, &accepts]).await?;
            row.map(|row| Ok(integer::from_sql(row.try_get(0)?))).transpose()
        };
        self.connections.execute(advance).await
    }

    async fn claim_sweep(&self, now: Timestamp, every: Duration) -> Result<bool> {
        let (now, latest) = (now.as_millis(), integer::millis_before(now, every));
        let claim = |client: Client| async move {
            Ok(statement::execute(&client, CLAIM_SWEEP, &[&now, &latest]).await? == 1)
        };
        self.connections.execute(claim).await
    }

    async fn record_run(&self, run: &CollectorRun) -> Result<()> {
        let work = |client: Client| async move { record_run(&client, run).await };
        self.connections.transact(Purpose::Collect, work).await
    }

    async fn history(&self) -> Result<CollectorHistory> {
        self.connections.read(|client: Client| async move { history(&client).await }).await
    }
}

async fn record_run(client: &ClientWrapper, run: &CollectorRun) -> Result<(), StoreError> {
    let parameters: statement::Parameters<'_> = &[
        &collector_run::write(run)?,
        &integer::to_sql(run.reclaimed.blobs),
        &integer::to_sql(run.reclaimed.bytes),
    ];
    statement::execute(client, RECORD, parameters).await?;
    statement::execute(client, FORGET_PINS, &[&run.finished_at.as_millis()]).await?;
    Ok(())
}

async fn history(client: &ClientWrapper) -> Result<CollectorHistory, StoreError> {
    let row = statement::row(client, HISTORY, &[]).await?;
    let last_run: Option<&str> = row.try_get("last_run")?;
    Ok(CollectorHistory {
        epoch: integer::from_sql(row.try_get("epoch")?),
        last_run: last_run.map(collector_run::read).transpose()?,
        reclaimed_blobs: integer::from_sql(row.try_get("reclaimed_blobs")?),
        reclaimed_bytes: integer::from_sql(row.try_get("reclaimed_bytes")?),
        swept_at: row.try_get::<_, Option<i64>>("swept_at")?.map(Timestamp::from_millis),
    })
}

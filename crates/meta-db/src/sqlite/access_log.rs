//! The access log, in the file of the statistics.

use artifact_core::ports::{AccessLog, AccessLogRecord};
use artifact_core::{BlobId, Result, Timestamp};
use async_trait::async_trait;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::{SqliteStore, integer};
use crate::error::StoreError;

const DAY_MILLIS: i64 = 86_400_000;
/// Records that are forgotten in one transaction, so that others get their turn.
const PORTION: usize = 10_000;

const ENTER_BATCH: &str =
    "INSERT INTO access_log_batch (batch, day) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const APPEND: &str = include_str!("queries/append_access.sql");
const FORGET: &str = "DELETE FROM access_log WHERE rowid IN (
    SELECT rowid FROM access_log WHERE received_at < ?1 LIMIT ?2)";
const FORGET_BATCHES: &str = "DELETE FROM access_log_batch WHERE day < ?1";

#[async_trait]
impl AccessLog for SqliteStore {
    async fn append(&self, batch: Uuid, records: &[AccessLogRecord]) -> Result<()> {
        let records = records.to_vec();
        self.statistics.writer.call(move |connection| append(connection, batch, &records)).await
    }

    async fn forget_days_before(&self, moment: Timestamp) -> Result<()> {
        let day = day_of(moment);
        let forget = move |connection: &Connection| forget_portion(connection, day);
        while self.statistics.writer.call(forget).await? == PORTION {}
        let forget_batches = move |connection: &Connection| {
            connection.prepare_cached(FORGET_BATCHES)?.execute([day])?;
            Ok(())
        };
        self.statistics.writer.call(forget_batches).await
    }
}

/// Days since the epoch.
fn day_of(moment: Timestamp) -> i64 {
    moment.as_millis().div_euclid(DAY_MILLIS)
}

fn append(
    connection: &Connection,
    batch: Uuid,
    records: &[AccessLogRecord],
) -> Result<(), StoreError> {
    let Some(latest) = records.iter().map(|record| record.received_at).max() else {
        return Ok(());
    };
    let parameters = params![batch.as_bytes(), day_of(latest)];
    if connection.prepare_cached(ENTER_BATCH)?.execute(parameters)? == 0 {
        return Ok(());
    }
    for record in records {
        append_record(connection, record)?;
    }
    Ok(())
}

fn append_record(connection: &Connection, record: &AccessLogRecord) -> Result<(), StoreError> {
    connection.prepare_cached(APPEND)?.execute(params![
        record.received_at.as_millis(),
        record.request_id,
        record.principal,
        record.client,
        record.method,
        record.repository,
        record.path,
        record.blob.as_ref().map(BlobId::as_bytes),
        record.status,
        record.cache,
        integer::to_sql(record.bytes_sent),
        record.complete,
        i64::try_from(record.duration.as_micros()).unwrap_or(i64::MAX),
        record.user_agent,
    ])?;
    Ok(())
}

fn forget_portion(connection: &Connection, day: i64) -> Result<usize, StoreError> {
    let first_kept = day.saturating_mul(DAY_MILLIS);
    let parameters = params![first_kept, integer::limit(PORTION)];
    Ok(connection.prepare_cached(FORGET)?.execute(parameters)?)
}

//! The access log: batches are copied into a partition for each day.

use artifact_core::ports::{AccessLog, AccessLogRecord};
use artifact_core::{Result, Timestamp};
use async_trait::async_trait;
use deadpool_postgres::ClientWrapper;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::connections::{Client, Purpose};
use super::day::Day;
use super::{PostgresStore, statement};
use crate::error::StoreError;
use crate::integer;

/// Whoever sends a batch again after a crash of the server finds it missing and appends it.
const HASTY: &str = "SET LOCAL synchronous_commit = off";
/// Whoever waits for the whole table makes everybody else wait, too.
const IMPATIENT: &str = "SET LOCAL lock_timeout = '2s'";
/// Making and dropping partitions, one transaction after the other.
const LOCK: &str = "SELECT pg_advisory_xact_lock(1635019125, 2)";
const EXISTS: &str = "SELECT to_regclass($1) IS NOT NULL";
const PARTITIONS: &str = "SELECT relname::text FROM pg_inherits
    JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'access_log'::regclass ORDER BY relname";
const ENTER_BATCH: &str =
    "INSERT INTO access_log_batch (batch, day) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const FORGET_BATCHES: &str = "DELETE FROM access_log_batch WHERE day < $1";
const COPY: &str = "COPY access_log (
    received_at, request_id, principal, client, method, repository, path, sha256, status, cache,
    bytes_sent, complete, duration_micros, user_agent) FROM STDIN (FORMAT binary)";
const TYPES: &[Type] = &[
    Type::INT8,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::BYTEA,
    Type::INT4,
    Type::TEXT,
    Type::INT8,
    Type::BOOL,
    Type::INT8,
    Type::TEXT,
];

#[async_trait]
impl AccessLog for PostgresStore {
    async fn append(&self, batch: Uuid, records: &[AccessLogRecord]) -> Result<()> {
        let mut days: Vec<_> = records.iter().map(|record| Day::of(record.received_at)).collect();
        days.sort_unstable();
        days.dedup();
        let Some(latest) = days.last().copied() else { return Ok(()) };
        for day in days {
            self.make_partition(day).await?;
        }
        let append = |client: Client| async move { append(&client, batch, latest, records).await };
        self.connections.transact(Purpose::Collect, append).await
    }

    async fn forget_days_before(&self, moment: Timestamp) -> Result<()> {
        let first_kept = Day::of(moment);
        let forget = |client: Client| async move { forget(&client, first_kept).await };
        self.connections.transact(Purpose::Bulk, forget).await
    }
}

impl PostgresStore {
    async fn make_partition(&self, day: Day) -> Result<()> {
        let name = &day.partition();
        let exists = |client: Client| async move {
            Ok(statement::row(&client, EXISTS, &[name]).await?.try_get::<_, bool>(0)?)
        };
        if self.connections.execute(exists).await? {
            return Ok(());
        }
        let make = |client: Client| async move { make_partition(&client, day).await };
        self.connections.transact(Purpose::Collect, make).await
    }
}

async fn make_partition(client: &ClientWrapper, day: Day) -> Result<(), StoreError> {
    statement::row(client, LOCK, &[]).await?;
    let (name, start, end) = (day.partition(), day.start(), day.next().start());
    let make = format!(
        "CREATE TABLE IF NOT EXISTS {name} PARTITION OF access_log
         FOR VALUES FROM ({start}) TO ({end})"
    );
    client.batch_execute(&make).await?;
    Ok(())
}

async fn append(
    client: &ClientWrapper,
    batch: Uuid,
    latest: Day,
    records: &[AccessLogRecord],
) -> Result<(), StoreError> {
    client.batch_execute(HASTY).await?;
    if statement::execute(client, ENTER_BATCH, &[&batch, &latest.number()]).await? == 0 {
        return Ok(());
    }
    let sink = client.copy_in(COPY).await?;
    let mut writer = Box::pin(BinaryCopyInWriter::new(sink, TYPES));
    for record in records {
        let duration = i64::try_from(record.duration.as_micros()).unwrap_or(i64::MAX);
        writer
            .as_mut()
            .write(&[
                &record.received_at.as_millis(),
                &storable(&record.request_id),
                &storable(&record.principal),
                &record.client.as_deref().map(storable),
                &storable(&record.method),
                &record.repository.as_deref().map(storable),
                &storable(&record.path),
                &record.blob.as_ref().map(|blob| blob.as_bytes().as_slice()),
                &i32::from(record.status),
                &record.cache,
                &integer::to_sql(record.bytes_sent),
                &record.complete,
                &duration,
                &record.user_agent.as_deref().map(storable),
            ])
            .await?;
    }
    writer.as_mut().finish().await?;
    Ok(())
}

/// What clients send may hold NUL, texts of the database may not.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

async fn forget(client: &ClientWrapper, first_kept: Day) -> Result<(), StoreError> {
    client.batch_execute(IMPATIENT).await?;
    statement::row(client, LOCK, &[]).await?;
    for row in statement::rows(client, PARTITIONS, &[]).await? {
        let name: &str = row.try_get(0)?;
        if Day::of_partition(name).is_some_and(|day| day < first_kept) {
            // The name was made by us: it has been read back as a day.
            client.batch_execute(&format!("DROP TABLE IF EXISTS {name}")).await?;
        }
    }
    statement::execute(client, FORGET_BATCHES, &[&first_kept.number()]).await?;
    Ok(())
}

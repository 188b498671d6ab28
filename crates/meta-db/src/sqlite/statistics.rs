//! Counters over time, in their own file.

use std::time::Duration;

use artifact_core::ports::{StatBucket, StatStore};
use artifact_core::{RepositoryId, Result, Timestamp};
use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::{SqliteStore, integer};
use crate::error::StoreError;
use crate::span::Span;

const ADD: &str = include_str!("queries/add_statistic.sql");
const SINCE: &str = include_str!("queries/statistics_since.sql");
const FORGET: &str = "DELETE FROM statistic WHERE ends_at <= ?1";

#[async_trait]
impl StatStore for SqliteStore {
    async fn add_statistics(
        &self,
        at: Timestamp,
        width: Duration,
        buckets: Vec<(RepositoryId, StatBucket)>,
    ) -> Result<()> {
        let span = Span::holding(at, width);
        self.statistics.writer.call(move |connection| add(connection, span, &buckets)).await
    }

    async fn statistics_since(&self, since: Timestamp) -> Result<Vec<(RepositoryId, StatBucket)>> {
        self.statistics.readers.call(move |connection| read_since(connection, since)).await
    }

    async fn forget_statistics(&self, before: Timestamp) -> Result<()> {
        let forget = move |connection: &Connection| {
            connection.prepare_cached(FORGET)?.execute([before.as_millis()])?;
            Ok(())
        };
        self.statistics.writer.call(forget).await
    }
}

fn add(
    connection: &Connection,
    span: Span,
    buckets: &[(RepositoryId, StatBucket)],
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(ADD)?;
    for (repository, bucket) in buckets {
        statement.execute(params![
            span.ends_at,
            repository.0,
            span.width,
            integer::to_sql(bucket.hits),
            integer::to_sql(bucket.misses),
            integer::to_sql(bucket.stale),
            integer::to_sql(bucket.revalidated),
            integer::to_sql(bucket.negative),
            integer::to_sql(bucket.denied),
            integer::to_sql(bucket.errors),
            integer::to_sql(bucket.bytes_served),
            integer::to_sql(bucket.bytes_fetched),
            integer::to_sql(bucket.bytes_hit),
        ])?;
    }
    Ok(())
}

fn read_since(
    connection: &Connection,
    since: Timestamp,
) -> Result<Vec<(RepositoryId, StatBucket)>, StoreError> {
    let mut statement = connection.prepare_cached(SINCE)?;
    let sums = statement.query_map([since.as_millis()], from_columns)?;
    Ok(sums.collect::<rusqlite::Result<_>>()?)
}

fn from_columns(row: &Row<'_>) -> rusqlite::Result<(RepositoryId, StatBucket)> {
    let bucket = StatBucket {
        hits: integer::from_sql(row.get(1)?),
        misses: integer::from_sql(row.get(2)?),
        stale: integer::from_sql(row.get(3)?),
        revalidated: integer::from_sql(row.get(4)?),
        negative: integer::from_sql(row.get(5)?),
        denied: integer::from_sql(row.get(6)?),
        errors: integer::from_sql(row.get(7)?),
        bytes_served: integer::from_sql(row.get(8)?),
        bytes_fetched: integer::from_sql(row.get(9)?),
        bytes_hit: integer::from_sql(row.get(10)?),
    };
    Ok((RepositoryId(row.get(0)?), bucket))
}

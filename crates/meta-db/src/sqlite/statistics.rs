//! Counters over time, in their own file.

use std::time::Duration;

use artifact_core::ports::{StatBucket, StatStore};
use artifact_core::{RepositoryId, Result, Timestamp};
use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::{SqliteStore, integer};
use crate::error::StoreError;

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

/// A stretch of time, in milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Span {
    ends_at: i64,
    width: i64,
}

impl Span {
    fn holding(at: Timestamp, width: Duration) -> Self {
        let width = i64::try_from(width.as_millis()).unwrap_or(i64::MAX).max(1);
        let offset = at.as_millis().rem_euclid(width);
        Self { ends_at: at.as_millis().saturating_sub(offset).saturating_add(width), width }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_holds_its_moment() {
        for (at, width, ends_at) in [(0, 60, 60), (59, 60, 60), (60, 60, 120), (-1, 60, 0)] {
            let at = Timestamp::from_millis(at);
            let span = Span::holding(at, Duration::from_millis(width));
            assert_eq!(span.ends_at, ends_at, "{at:?}");
        }
        assert_eq!(Span::holding(Timestamp::EPOCH, Duration::ZERO).width, 1);
    }
}

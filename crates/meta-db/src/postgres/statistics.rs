//! Counters over time.

use std::time::Duration;

use artifact_core::ports::{StatBucket, StatStore};
use artifact_core::{RepositoryId, Result, Timestamp};
use async_trait::async_trait;
use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;

use super::connections::{Client, Purpose};
use super::{PostgresStore, statement};
use crate::error::StoreError;
use crate::integer;
use crate::span::Span;

const ADD: &str = include_str!("queries/add_statistic.sql");
const SINCE: &str = include_str!("queries/statistics_since.sql");
const FORGET: &str = "DELETE FROM statistic WHERE ends_at <= $1";

#[async_trait]
impl StatStore for PostgresStore {
    async fn add_statistics(
        &self,
        at: Timestamp,
        width: Duration,
        mut buckets: Vec<(RepositoryId, StatBucket)>,
    ) -> Result<()> {
        let span = Span::holding(at, width);
        // In one order everywhere, so that replicas never wait for each other in a circle.
        buckets.sort_by_key(|(repository, _)| *repository);
        let buckets = &buckets;
        let work = |client: Client| async move { add(&client, span, buckets).await };
        self.connections.transact(Purpose::Write, work).await
    }

    async fn statistics_since(&self, since: Timestamp) -> Result<Vec<(RepositoryId, StatBucket)>> {
        let read = |client: Client| async move {
            let rows = statement::rows(&client, SINCE, &[&since.as_millis()]).await?;
            rows.iter().map(from_columns).collect()
        };
        self.connections.read(read).await
    }

    async fn forget_statistics(&self, before: Timestamp) -> Result<()> {
        let forget = |client: Client| async move {
            statement::execute(&client, FORGET, &[&before.as_millis()]).await.map(|_| ())
        };
        self.connections.transact(Purpose::Bulk, forget).await
    }
}

async fn add(
    client: &ClientWrapper,
    span: Span,
    buckets: &[(RepositoryId, StatBucket)],
) -> Result<(), StoreError> {
    for (repository, bucket) in buckets {
        let parameters: statement::Parameters<'_> = &[
            &span.ends_at,
            &repository.0,
            &span.width,
            &integer::to_sql(bucket.hits),
            &integer::to_sql(bucket.misses),
            &integer::to_sql(bucket.stale),
            &integer::to_sql(bucket.revalidated),
            &integer::to_sql(bucket.negative),
            &integer::to_sql(bucket.denied),
            &integer::to_sql(bucket.errors),
            &integer::to_sql(bucket.bytes_served),
            &integer::to_sql(bucket.bytes_fetched),
            &integer::to_sql(bucket.bytes_hit),
        ];
        statement::execute(client, ADD, parameters).await?;
    }
    Ok(())
}

fn from_columns(row: &Row) -> Result<(RepositoryId, StatBucket), StoreError> {
    let bucket = StatBucket {
        hits: integer::from_sql(row.try_get(1)?),
        misses: integer::from_sql(row.try_get(2)?),
        stale: integer::from_sql(row.try_get(3)?),
        revalidated: integer::from_sql(row.try_get(4)?),
        negative: integer::from_sql(row.try_get(5)?),
        denied: integer::from_sql(row.try_get(6)?),
        errors: integer::from_sql(row.try_get(7)?),
        bytes_served: integer::from_sql(row.try_get(8)?),
        bytes_fetched: integer::from_sql(row.try_get(9)?),
        bytes_hit: integer::from_sql(row.try_get(10)?),
    };
    Ok((RepositoryId(row.try_get(0)?), bucket))
}

//! Artifact rows: reading, conditional writing, eviction, counters.

use artifact_core::ports::{
    AccessRecord, Evicted, Listing, Precondition, Published, RowQuery, RowStore, Selector, Usage,
    Validation,
};
use artifact_core::{ArtifactRow, BlobId, RepositoryId, Result, RowKey, Timestamp};
use async_trait::async_trait;
use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::connections::{Client, Purpose};
use super::{PostgresStore, listing, locks, paths, row_columns, statement};
use crate::crash_point::crash_point;
use crate::error::StoreError;
use crate::precondition::holds;
use crate::{integer, range};

/// How often a row or blob may come and go while one publish looks at it.
pub(crate) const ATTEMPTS: usize = 5;
/// Counters that are written in one statement.
const PORTION: usize = 1000;

const INSERT_BLOB: &str = "INSERT INTO blob (sha256, size) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const BLOB_SIZE: &str = "SELECT size FROM blob WHERE sha256 = $1 FOR KEY SHARE";
const VALIDATE: &str = include_str!("queries/validate_row.sql");
const DELETE: &str = "DELETE FROM artifact WHERE repository = $1 AND path = $2 AND variant = $3";
const SUM_RANGE: &str = include_str!("queries/sum_range.sql");
const DELETE_RANGE: &str = include_str!("queries/delete_range.sql");
const RECORD_ACCESSES: &str = include_str!("queries/record_accesses.sql");
const USAGE: &str = include_str!("queries/usage.sql");
const STORED_BYTES: &str = "SELECT coalesce(sum(bytes), 0)::bigint FROM storage_usage";

#[async_trait]
impl RowStore for PostgresStore {
    async fn row(&self, key: &RowKey) -> Result<Option<ArtifactRow>> {
        let find = |client: Client| async move { row_columns::find(&client, key).await };
        self.connections.read(find).await
    }

    async fn publish(
        &self,
        row: ArtifactRow,
        precondition: Precondition,
    ) -> Result<Published<ArtifactRow>> {
        let row = &row;
        let work = |client: Client| async move { publish(&client, row, precondition).await };
        self.connections.transact(Purpose::Write, work).await
    }

    async fn validate(
        &self,
        key: &RowKey,
        generation: i64,
        validation: Validation,
    ) -> Result<Option<ArtifactRow>> {
        let validation = &validation;
        let work =
            |client: Client| async move { validate(&client, key, generation, validation).await };
        self.connections.execute(work).await
    }

    async fn remove(
        &self,
        key: &RowKey,
        precondition: Precondition,
    ) -> Result<Published<ArtifactRow>> {
        let work = |client: Client| async move { remove(&client, key, precondition).await };
        self.connections.transact(Purpose::Write, work).await
    }

    async fn evict(
        &self,
        repository: RepositoryId,
        selector: &Selector,
        dry_run: bool,
    ) -> Result<Evicted> {
        let Some(range) = SelectedRange::of(repository, selector) else {
            return Ok(Evicted::default());
        };
        let range = &range;
        if dry_run {
            let count = |client: Client| async move { range.run(&client, SUM_RANGE).await };
            return self.connections.read(count).await;
        }
        let delete = |client: Client| async move { range.run(&client, DELETE_RANGE).await };
        self.connections.transact(Purpose::Bulk, delete).await
    }

    async fn list(&self, query: &RowQuery) -> Result<Listing> {
        let list = |client: Client| async move { listing::list(&client, query).await };
        self.connections.read_together(list).await
    }

    async fn record_accesses(&self, accesses: Vec<AccessRecord>) -> Result<()> {
        for portion in accesses.chunks(PORTION) {
            let portion = &AccessColumns::of(portion);
            let work = |client: Client| async move { portion.record(&client).await };
            self.connections.transact(Purpose::Write, work).await?;
        }
        Ok(())
    }

    async fn usage(&self) -> Result<(Vec<(RepositoryId, Usage)>, u64)> {
        self.connections.read_together(|client: Client| async move { usage(&client).await }).await
    }
}

async fn publish(
    client: &ClientWrapper,
    row: &ArtifactRow,
    precondition: Precondition,
) -> Result<Published<ArtifactRow>, StoreError> {
    for _ in 0..ATTEMPTS {
        let stored = row_columns::lock(client, &row.key).await?;
        let generation = stored.as_ref().map(|stored| stored.generation);
        if !holds(precondition, generation) {
            return Ok(Published::Conflict(stored));
        }
        enter_blob(client, row.blob, row.size).await?;
        crash_point!("inside-publish-tx");
        let row = ArtifactRow { generation: generation.unwrap_or(0) + 1, ..row.clone() };
        if stored.is_some() {
            row_columns::update(client, &row).await?;
            return Ok(Published::Stored(row));
        }
        if row_columns::insert(client, &row).await.map_err(name_missing_repository)? {
            return Ok(Published::Stored(row));
        }
        // Somebody else was faster: their row is visible now and judged like any other.
    }
    Err(StoreError::Unsettled)
}

/// The blob's entry, which nobody condemns or deletes until the transaction ends; a trigger makes
/// a condemned one live again when it is referred to.
async fn enter_blob(client: &ClientWrapper, blob: BlobId, size: u64) -> Result<(), StoreError> {
    let (id, size) = (blob.as_bytes().as_slice(), integer::to_sql(size));
    for _ in 0..ATTEMPTS {
        if statement::execute(client, INSERT_BLOB, &[&id, &size]).await? == 1 {
            return Ok(());
        }
        // Waits for the collector, which may have deleted the entry afterwards.
        let Some(entry) = statement::row_if_any(client, BLOB_SIZE, &[&id]).await? else { continue };
        let stored: i64 = entry.try_get(0)?;
        return if stored == size { Ok(()) } else { Err(StoreError::OtherSize) };
    }
    Err(StoreError::Unsettled)
}

/// The blob is there, so a violated reference can only be the repository.
fn name_missing_repository(error: StoreError) -> StoreError {
    match error {
        StoreError::Postgres(error) if error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION) => {
            StoreError::NoSuchRepository
        }
        other => other,
    }
}

async fn validate(
    client: &ClientWrapper,
    key: &RowKey,
    generation: i64,
    validation: &Validation,
) -> Result<Option<ArtifactRow>, StoreError> {
    let parameters: statement::Parameters<'_> = &[
        &key.repository.0,
        &key.path.as_str(),
        &key.variant.as_str(),
        &generation,
        &validation.validated_at.as_millis(),
        &validation.expires_at.map(Timestamp::as_millis),
        &validation.upstream_etag,
        &validation.upstream_last_modified,
    ];
    let row = statement::row_if_any(client, VALIDATE, parameters).await?;
    row.as_ref().map(row_columns::from_columns).transpose()
}

async fn remove(
    client: &ClientWrapper,
    key: &RowKey,
    precondition: Precondition,
) -> Result<Published<ArtifactRow>, StoreError> {
    let Some(stored) = row_columns::lock_to_remove(client, key).await? else {
        return Ok(Published::Conflict(None));
    };
    let is_needed = locks::user_of(client, &[key]).await?.is_some();
    if is_needed || !holds(precondition, Some(stored.generation)) {
        return Ok(Published::Conflict(Some(stored)));
    }
    let (path, variant) = (key.path.as_str(), key.variant.as_str());
    statement::execute(client, DELETE, &[&key.repository.0, &path, &variant]).await?;
    Ok(Published::Stored(stored))
}

/// Selected rows, as statements take them.
struct SelectedRange {
    repository: i64,
    start: String,
    end: String,
}

impl SelectedRange {
    /// `None` if no path can be meant.
    fn of(repository: RepositoryId, selector: &Selector) -> Option<Self> {
        let (start, end) = match selector {
            Selector::Path(path) => (path.as_str().to_owned(), range::just_behind(path.as_str())),
            Selector::Prefix(prefix) => paths::of_prefix(prefix)?,
        };
        Some(Self { repository: repository.0, start, end })
    }

    async fn run(&self, client: &ClientWrapper, sql: &'static str) -> Result<Evicted, StoreError> {
        let row = statement::row(client, sql, &[&self.repository, &self.start, &self.end]).await?;
        evicted_from_columns(&row)
    }
}

/// A count of rows and the sum of their sizes.
pub(crate) fn evicted_from_columns(row: &Row) -> Result<Evicted, StoreError> {
    Ok(Evicted {
        objects: integer::from_sql(row.try_get(0)?),
        bytes: integer::from_sql(row.try_get(1)?),
    })
}

/// Access records, a list for each column.
#[derive(Default)]
struct AccessColumns<'a> {
    repositories: Vec<i64>,
    paths: Vec<&'a str>,
    variants: Vec<&'a str>,
    hits: Vec<i64>,
    accessed_at: Vec<i64>,
}

impl<'a> AccessColumns<'a> {
    fn of(accesses: &'a [AccessRecord]) -> Self {
        let mut columns = Self::default();
        for AccessRecord { key, hits, accessed_at } in accesses {
            columns.repositories.push(key.repository.0);
            columns.paths.push(key.path.as_str());
            columns.variants.push(key.variant.as_str());
            columns.hits.push(integer::to_sql(*hits));
            columns.accessed_at.push(accessed_at.as_millis());
        }
        columns
    }

    async fn record(&self, client: &ClientWrapper) -> Result<(), StoreError> {
        let Self { repositories, paths, variants, hits, accessed_at } = self;
        let parameters: statement::Parameters<'_> =
            &[repositories, paths, variants, hits, accessed_at];
        statement::execute(client, RECORD_ACCESSES, parameters).await.map(|_| ())
    }
}

async fn usage(client: &ClientWrapper) -> Result<(Vec<(RepositoryId, Usage)>, u64), StoreError> {
    let usages = statement::rows(client, USAGE, &[]).await?;
    let usages = usages.iter().map(usage_from_columns).collect::<Result<_, _>>()?;
    let bytes = statement::row(client, STORED_BYTES, &[]).await?;
    Ok((usages, integer::from_sql(bytes.try_get(0)?)))
}

fn usage_from_columns(row: &Row) -> Result<(RepositoryId, Usage), StoreError> {
    let usage = Usage {
        objects: integer::from_sql(row.try_get("objects")?),
        logical_bytes: integer::from_sql(row.try_get("logical_bytes")?),
    };
    Ok((RepositoryId(row.try_get("id")?), usage))
}

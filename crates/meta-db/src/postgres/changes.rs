//! What other replicas changed.

use std::time::Duration;

use artifact_core::ports::{ChangeFeed, ChangedRows, Changes, RowChange, Selector, WakeUps};
use artifact_core::{RepositoryId, Result, Timestamp};
use async_trait::async_trait;
use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;

use super::connections::{Client, Purpose};
use super::{PostgresStore, row_columns, statement};
use crate::error::StoreError;
use crate::integer;

/// Longer than a transaction takes from its entry in the list of changes to its end: it is ended by
/// the server when it is idle for 12 seconds.
const IN_FLIGHT: Duration = Duration::from_secs(15);
/// Whoever asks for more than this has to assume that everything changed.
const LIMIT: usize = 10_000;
/// Changes are kept for a day; an hour is left for clocks and for the time that asking takes.
const REMEMBERED: Duration = Duration::from_secs(23 * 3600);

const PRESENT: &str = "SELECT generation, present_millis() AS now FROM configuration WHERE id = 1";
const CHANGES: &str = "SELECT id, repository, path, prefix FROM row_change
    WHERE changed_at >= $1 ORDER BY changed_at LIMIT $2";
const FORGET: &str = "DELETE FROM row_change WHERE changed_at < present_millis() - 86400000";

#[async_trait]
impl ChangeFeed for PostgresStore {
    async fn changes(&self, since: Option<Timestamp>) -> Result<Changes> {
        self.connections.read(|client: Client| async move { changes(&client, since).await }).await
    }

    async fn forget_changes(&self) -> Result<()> {
        let forget = |client: Client| async move {
            statement::execute(&client, FORGET, &[]).await.map(|_| ())
        };
        self.connections.transact(Purpose::Bulk, forget).await
    }

    fn wake_ups(&self) -> WakeUps {
        self.listener.wake_ups()
    }
}

async fn changes(client: &ClientWrapper, since: Option<Timestamp>) -> Result<Changes, StoreError> {
    // The moment comes first: what is committed after it is told next time.
    let present = statement::row(client, PRESENT, &[]).await?;
    let until = Timestamp::from_millis(present.try_get("now")?);
    let rows = match since {
        None => ChangedRows::Listed(Vec::new()),
        Some(since) if since.plus(REMEMBERED) < until => ChangedRows::Any,
        Some(since) => changed_rows(client, since).await?,
    };
    Ok(Changes { configuration: present.try_get("generation")?, until, rows })
}

async fn changed_rows(client: &ClientWrapper, since: Timestamp) -> Result<ChangedRows, StoreError> {
    let earliest = integer::millis_before(since, IN_FLIGHT);
    let one_more = integer::limit(LIMIT + 1);
    let rows = statement::rows(client, CHANGES, &[&earliest, &one_more]).await?;
    if rows.len() > LIMIT {
        return Ok(ChangedRows::Any);
    }
    rows.iter().map(change_from_columns).collect::<Result<_, _>>().map(ChangedRows::Listed)
}

fn change_from_columns(row: &Row) -> Result<RowChange, StoreError> {
    let path: Option<&str> = row.try_get("path")?;
    let selector = match path {
        Some(path) => Selector::Path(row_columns::path_from_text(path)?),
        None => Selector::Prefix(row.try_get("prefix")?),
    };
    let repository = RepositoryId(row.try_get("repository")?);
    Ok(RowChange { id: row.try_get("id")?, repository, selector })
}

//! Pins, entries of blobs without a row, and counting garbage.

use std::time::Duration;

use artifact_core::ports::{
    BlobIndex, BlobListing, EraseBytes, GarbagePass, GarbageSurvey, Pinned, Reclaimed, Reviewed,
};
use artifact_core::{BlobId, Clock, Result, SystemClock, Timestamp};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{SqliteStore, integer, reclaim, review};
use crate::error::StoreError;

/// How long the outcome of a failed deletion is in doubt.
const DOUBT: Duration = Duration::from_secs(60);

const READ: &str = "SELECT condemned_at, delete_failed_at FROM blob WHERE sha256 = ?1";
const REVIVE: &str = "UPDATE blob SET state = 'live', condemned_at = NULL WHERE sha256 = ?1";
const PIN: &str = "INSERT INTO pin (sha256, owner, until) VALUES (?1, ?2, ?3)
    ON CONFLICT (sha256, owner) DO UPDATE SET until = max(until, excluded.until)";
const UNPIN: &str = "DELETE FROM pin WHERE sha256 = ?1 AND owner = ?2";
/// A review may have put it off until the end that the pin had then.
const FORGET_POSTPONEMENT: &str = "DELETE FROM gc_queue WHERE sha256 = ?1";
const QUEUE: &str = include_str!("queries/queue_for_review.sql");
const ADOPT: &str = "INSERT INTO blob (sha256, size, state, condemned_at)
    VALUES (?1, ?2, 'condemned', ?3) ON CONFLICT DO NOTHING";
const SURVEY: &str = include_str!("queries/survey_garbage.sql");

#[async_trait]
impl BlobIndex for SqliteStore {
    async fn pin(&self, id: BlobId, owner: &str, until: Timestamp) -> Result<Pinned> {
        let owner = owner.to_owned();
        self.metadata.writer.call(move |connection| pin(connection, id, &owner, until)).await
    }

    async fn unpin(&self, id: BlobId, owner: &str) -> Result<()> {
        let owner = owner.to_owned();
        self.metadata.writer.call(move |connection| unpin(connection, id, &owner)).await
    }

    async fn review(&self, pass: GarbagePass) -> Result<Reviewed> {
        self.metadata.writer.call(move |connection| review::review(connection, pass)).await
    }

    async fn reclaim(&self, pass: GarbagePass, bytes: &dyn EraseBytes) -> Result<Reclaimed> {
        reclaim::reclaim(&self.metadata.writer, pass, bytes).await
    }

    async fn adopt(&self, stored: &[BlobListing], now: Timestamp) -> Result<u64> {
        let stored = stored.to_vec();
        self.metadata.writer.call(move |connection| adopt(connection, &stored, now)).await
    }

    async fn survey(&self, pass: GarbagePass) -> Result<GarbageSurvey> {
        self.metadata.readers.call(move |connection| survey(connection, pass)).await
    }
}

fn pin(
    connection: &Connection,
    id: BlobId,
    owner: &str,
    until: Timestamp,
) -> Result<Pinned, StoreError> {
    let entry: Option<(Option<i64>, Option<i64>)> = connection
        .prepare_cached(READ)?
        .query_row([id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let pinned = match entry {
        None => Pinned::Absent,
        Some((_, Some(failed_at))) if is_in_doubt(failed_at, SystemClock.now()) => {
            return Err(StoreError::DeletionInDoubt);
        }
        Some((None, _)) => Pinned::Live,
        Some((Some(_), _)) => {
            revive(connection, id)?;
            Pinned::Revived
        }
    };
    let parameters = params![id.as_bytes(), owner, until.as_millis()];
    connection.prepare_cached(PIN)?.execute(parameters)?;
    Ok(pinned)
}

fn is_in_doubt(failed_at: i64, now: Timestamp) -> bool {
    Timestamp::from_millis(failed_at).plus(DOUBT) > now
}

/// Makes a condemned blob live; a trigger queues it for review.
pub(super) fn revive(connection: &Connection, id: BlobId) -> Result<(), StoreError> {
    connection.prepare_cached(REVIVE)?.execute([id.as_bytes()])?;
    Ok(())
}

fn unpin(connection: &Connection, id: BlobId, owner: &str) -> Result<(), StoreError> {
    let removed = connection.prepare_cached(UNPIN)?.execute(params![id.as_bytes(), owner])?;
    if removed > 0 {
        let now = SystemClock.now().as_millis();
        connection.prepare_cached(FORGET_POSTPONEMENT)?.execute([id.as_bytes()])?;
        connection.prepare_cached(QUEUE)?.execute(params![id.as_bytes(), now])?;
    }
    Ok(())
}

fn adopt(
    connection: &Connection,
    stored: &[BlobListing],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached(ADOPT)?;
    let mut adopted = 0;
    for BlobListing { id, size, .. } in stored {
        let parameters = params![id.as_bytes(), integer::to_sql(*size), now.as_millis()];
        adopted += u64::from(statement.execute(parameters)? == 1);
    }
    Ok(adopted)
}

fn survey(connection: &Connection, pass: GarbagePass) -> Result<GarbageSurvey, StoreError> {
    let parameters = params![
        pass.now.as_millis(),
        integer::millis_before(pass.now, pass.review_delay),
        integer::millis_before(pass.now, pass.delete_delay),
        integer::limit(pass.limit),
    ];
    Ok(connection.prepare_cached(SURVEY)?.query_row(parameters, survey_from_columns)?)
}

fn survey_from_columns(row: &Row<'_>) -> rusqlite::Result<GarbageSurvey> {
    Ok(GarbageSurvey {
        blobs: integer::from_sql(row.get("blobs")?),
        bytes: integer::from_sql(row.get("bytes")?),
        due_for_review: integer::from_sql(row.get("due_for_review")?),
        unreferenced: integer::from_sql(row.get("unreferenced")?),
        unreferenced_bytes: integer::from_sql(row.get("unreferenced_bytes")?),
        condemned: integer::from_sql(row.get("condemned")?),
        condemned_bytes: integer::from_sql(row.get("condemned_bytes")?),
        due_for_deletion: integer::from_sql(row.get("due_for_deletion")?),
        due_for_deletion_bytes: integer::from_sql(row.get("due_for_deletion_bytes")?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::connection::metadata_migrations::migrations;
    use super::*;

    #[test]
    fn a_survey_reads_in_the_order_of_indexes_and_never_sorts_or_scans() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations::runner().run(&mut connection).unwrap();
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {SURVEY}")).unwrap();
        let lines = statement.query_map([0; 4], |row| row.get("detail")).unwrap();
        let plan: Vec<String> = lines.map(Result::unwrap).collect();
        for search in [
            "SEARCH gc_queue USING COVERING INDEX gc_queue_changed_at (changed_at<?)",
            "SEARCH blob USING INDEX blob_condemned_at (condemned_at>?)",
            "SEARCH blob USING INDEX blob_condemned_at (condemned_at<?)",
        ] {
            assert!(plan.iter().any(|line| line == search), "{plan:#?}");
        }
        let tables = ["artifact", "blob", "blob_reference", "gc_queue", "pin"];
        let is_costly = |line: &String| {
            line.contains("B-TREE") || tables.iter().any(|table| *line == format!("SCAN {table}"))
        };
        assert!(!plan.iter().any(is_costly), "{plan:#?}");
    }
}

//! Pins, entries of blobs without a row, and counting garbage.
//!
//! Who keeps a blob locks its entry for sharing, the collector locks it for itself: neither acts on
//! what the other is about to change.

use artifact_core::ports::{
    BlobIndex, BlobListing, EraseBytes, GarbagePass, GarbageSurvey, Pinned, Reclaimed, Reviewed,
};
use artifact_core::{BlobId, Result, Timestamp};
use async_trait::async_trait;
use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;

use super::connections::{Client, Purpose};
use super::{PostgresStore, reclaim, review, statement};
use crate::error::StoreError;
use crate::integer;

/// Waits for a deletion that is under way.
const LOCK: &str = "SELECT state = 'condemned' AS is_condemned
    FROM blob WHERE sha256 = $1 FOR KEY SHARE";
/// Run after the lock is held, to see what was committed meanwhile. Judged by the server's clock.
const DOUBT: &str = "SELECT max(moment) > present_millis() - 60000 FROM (
        SELECT delete_failed_at AS moment FROM blob WHERE sha256 = $1
        UNION ALL SELECT begun_at FROM deletion_attempt WHERE sha256 = $1
    ) AS deletion";
/// The moment of a failed deletion stays until somebody has stored the bytes and refers to them.
const REVIVE: &str = "UPDATE blob SET state = 'live', condemned_at = NULL
    WHERE sha256 = $1 AND state = 'condemned'";
const PIN: &str = "INSERT INTO pin (sha256, owner, until) VALUES ($1, $2, $3)
    ON CONFLICT (sha256, owner) DO UPDATE SET until = greatest(pin.until, excluded.until)";
const UNPIN: &str = "DELETE FROM pin WHERE sha256 = $1 AND owner = $2";
/// Before its place in the queue, as everybody locks them.
const HOLD: &str = "SELECT 1 FROM blob WHERE sha256 = $1 FOR KEY SHARE";
/// A review may have put it off until the end that the pin had then.
const FORGET_POSTPONEMENT: &str = "DELETE FROM gc_queue WHERE sha256 = $1";
const QUEUE: &str = "SELECT queue_for_review($1)";
const ADOPT: &str = "INSERT INTO blob (sha256, size, state, condemned_at)
    SELECT sha256, size, 'condemned', $3
    FROM unnest($1::bytea[], $2::bigint[]) AS stored (sha256, size) ORDER BY sha256
    ON CONFLICT DO NOTHING";
const SURVEY: &str = include_str!("queries/survey_garbage.sql");

#[async_trait]
impl BlobIndex for PostgresStore {
    async fn pin(&self, id: BlobId, owner: &str, until: Timestamp) -> Result<Pinned> {
        let pin = |client: Client| async move { pin(&client, id, owner, until).await };
        let pinned = self.connections.transact(Purpose::Collect, pin).await?;
        if pinned != Pinned::Absent {
            return Ok(pinned);
        }
        // Only now can the collector see the pin. An entry that came, and began to be deleted,
        // before that is waited for here; whoever stores the bytes afterwards is too late for it.
        let look = |client: Client| async move { look(&client, id).await };
        self.connections.transact(Purpose::Collect, look).await
    }

    async fn unpin(&self, id: BlobId, owner: &str) -> Result<()> {
        let work = |client: Client| async move { unpin(&client, id, owner).await };
        self.connections.transact(Purpose::Collect, work).await
    }

    async fn review(&self, pass: GarbagePass) -> Result<Reviewed> {
        let work = |client: Client| async move { review::review(&client, pass).await };
        self.connections.transact(Purpose::Collect, work).await
    }

    async fn reclaim(&self, pass: GarbagePass, bytes: &dyn EraseBytes) -> Result<Reclaimed> {
        reclaim::reclaim(&self.connections, pass, bytes).await
    }

    async fn adopt(&self, stored: &[BlobListing], now: Timestamp) -> Result<u64> {
        let ids: Vec<_> = stored.iter().map(|blob| blob.id.as_bytes().as_slice()).collect();
        let sizes: Vec<_> = stored.iter().map(|blob| integer::to_sql(blob.size)).collect();
        let now = now.as_millis();
        let parameters: statement::Parameters<'_> = &[&ids, &sizes, &now];
        let adopt =
            |client: Client| async move { statement::execute(&client, ADOPT, parameters).await };
        self.connections.transact(Purpose::Collect, adopt).await
    }

    async fn survey(&self, pass: GarbagePass) -> Result<GarbageSurvey> {
        let survey = |client: Client| async move { survey(&client, pass).await };
        self.connections.transact(Purpose::Collect, survey).await
    }
}

async fn pin(
    client: &ClientWrapper,
    id: BlobId,
    owner: &str,
    until: Timestamp,
) -> Result<Pinned, StoreError> {
    let pinned = look(client, id).await?;
    let parameters: statement::Parameters<'_> =
        &[&id.as_bytes().as_slice(), &owner, &until.as_millis()];
    statement::execute(client, PIN, parameters).await?;
    Ok(pinned)
}

/// Locks the blob's entry, if there is one, and makes a condemned blob live.
async fn look(client: &ClientWrapper, id: BlobId) -> Result<Pinned, StoreError> {
    let blob = id.as_bytes().as_slice();
    let Some(entry) = statement::row_if_any(client, LOCK, &[&blob]).await? else {
        return Ok(Pinned::Absent);
    };
    let is_in_doubt: Option<bool> = statement::row(client, DOUBT, &[&blob]).await?.try_get(0)?;
    if is_in_doubt == Some(true) {
        return Err(StoreError::DeletionInDoubt);
    }
    // Somebody else may be reviving it at this moment.
    let is_revived =
        entry.try_get("is_condemned")? && statement::execute(client, REVIVE, &[&blob]).await? == 1;
    // Bytes whose deletion failed once may be gone, whoever revived the blob.
    let may_lack_bytes = is_revived || is_in_doubt.is_some();
    Ok(if may_lack_bytes { Pinned::Revived } else { Pinned::Live })
}

async fn unpin(client: &ClientWrapper, id: BlobId, owner: &str) -> Result<(), StoreError> {
    let blob = id.as_bytes().as_slice();
    if statement::execute(client, UNPIN, &[&blob, &owner]).await? > 0 {
        statement::execute(client, HOLD, &[&blob]).await?;
        statement::execute(client, FORGET_POSTPONEMENT, &[&blob]).await?;
        statement::row(client, QUEUE, &[&blob]).await?;
    }
    Ok(())
}

async fn survey(client: &ClientWrapper, pass: GarbagePass) -> Result<GarbageSurvey, StoreError> {
    let parameters: statement::Parameters<'_> = &[
        &pass.now.as_millis(),
        &integer::millis_before(pass.now, pass.review_delay),
        &integer::millis_before(pass.now, pass.delete_delay),
        &integer::limit(pass.limit),
    ];
    survey_from_columns(&statement::row(client, SURVEY, parameters).await?)
}

fn survey_from_columns(row: &Row) -> Result<GarbageSurvey, StoreError> {
    let count = |column| -> Result<u64, StoreError> { Ok(integer::from_sql(row.try_get(column)?)) };
    Ok(GarbageSurvey {
        blobs: count("blobs")?,
        bytes: count("bytes")?,
        due_for_review: count("due_for_review")?,
        unreferenced: count("unreferenced")?,
        unreferenced_bytes: count("unreferenced_bytes")?,
        condemned: count("condemned")?,
        condemned_bytes: count("condemned_bytes")?,
        due_for_deletion: count("due_for_deletion")?,
        due_for_deletion_bytes: count("due_for_deletion_bytes")?,
    })
}

//! The second half of a collection: the bytes of condemned blobs are deleted.
//!
//! One transaction keeps the locks while the bytes are deleted, so nobody can begin to need one of
//! these blobs meanwhile. Before, the attempt is noted past that transaction: should this process
//! or its connection die, whoever wants a blob finds that a deletion may still be on its way.

use std::collections::HashSet;
use std::time::Duration;

use artifact_core::ports::{EraseBytes, GarbagePass, Reclaimed};
use artifact_core::{BlobId, Result};
use deadpool_postgres::ClientWrapper;
use tokio::time::timeout;

use super::connections::{Client, Connections, Purpose};
use super::needs::{self, Examined, Need, bytes_of, those};
use super::statement;
use crate::crash_point::crash_point;
use crate::error::StoreError;
use crate::integer;

/// How long those who want one of the blobs wait before the deletion counts as failed. Less
/// than their own patience.
const ERASE: Duration = Duration::from_secs(8);

const IMPATIENT: &str = "SET LOCAL lock_timeout = '1s'";
const DUE: &str = include_str!("queries/due_for_deletion.sql");
const NOTE: &str = "INSERT INTO deletion_attempt (sha256, begun_at)
    SELECT sha256, present_millis() FROM unnest($1::bytea[]) AS doomed (sha256) ORDER BY sha256
    ON CONFLICT (sha256) DO UPDATE SET begun_at = excluded.begun_at";
const REVIVE: &str = "UPDATE blob SET state = 'live', condemned_at = NULL WHERE sha256 = ANY ($1)";
const DELETE: &str = "DELETE FROM blob WHERE sha256 = ANY ($1)";
const FAIL: &str = "UPDATE blob
    SET delete_failures = delete_failures + 1, delete_failed_at = $2 WHERE sha256 = ANY ($1)";
const END_ATTEMPT: &str = "DELETE FROM deletion_attempt WHERE sha256 = ANY ($1)";

/// Deletes what is due and not busy.
pub(crate) async fn reclaim(
    connections: &Connections,
    pass: GarbagePass,
    bytes: &dyn EraseBytes,
) -> Result<Reclaimed> {
    let eraser = &Eraser { connections, bytes };
    let work = |client: Client| async move { delete_due(&client, pass, eraser).await };
    connections.transact(Purpose::Collect, work).await
}

async fn delete_due(
    client: &ClientWrapper,
    pass: GarbagePass,
    eraser: &Eraser<'_>,
) -> Result<Reclaimed, StoreError> {
    client.batch_execute(IMPATIENT).await?;
    let now = pass.now.as_millis();
    let latest = integer::millis_before(pass.now, pass.delete_delay);
    let due = needs::lock(client, DUE, &[&now, &latest, &integer::limit(pass.limit)]).await?;
    let examined = needs::examine(client, &due, pass.now).await?;
    let revived = revive_needed(client, &examined).await?;
    let doomed = those(&examined, |need| need == Need::None);
    if doomed.is_empty() {
        return Ok(Reclaimed { revived, ..Reclaimed::default() });
    }
    let gone = eraser.erase(&doomed).await?;
    crash_point!("t2-after-delete");
    let (erased, failed): (Vec<_>, Vec<_>) = doomed.iter().partition(|id| gone.contains(id));
    statement::execute(client, DELETE, &[&bytes_of(&erased)]).await?;
    statement::execute(client, FAIL, &[&bytes_of(&failed), &now]).await?;
    statement::execute(client, END_ATTEMPT, &[&bytes_of(&doomed)]).await?;
    let sizes = examined.iter().filter(|blob| erased.contains(&blob.id)).map(|blob| blob.size);
    Ok(Reclaimed {
        blobs: integer::count(erased.len()),
        bytes: sizes.sum(),
        revived,
        failed: integer::count(failed.len()),
    })
}

/// The way to the bytes.
struct Eraser<'a> {
    connections: &'a Connections,
    bytes: &'a dyn EraseBytes,
}

impl Eraser<'_> {
    /// Those that are certainly gone: none if it takes too long.
    async fn erase(&self, ids: &[BlobId]) -> Result<HashSet<BlobId>, StoreError> {
        let blobs = &bytes_of(ids);
        let note =
            |client: Client| async move { statement::execute(&client, NOTE, &[blobs]).await };
        self.connections.execute_apart(note).await?;
        let gone = timeout(ERASE, self.bytes.erase(ids)).await.unwrap_or_default();
        Ok(gone.into_iter().collect())
    }
}

/// A trigger queues them for review.
async fn revive_needed(client: &ClientWrapper, examined: &[Examined]) -> Result<u64, StoreError> {
    let needed = those(examined, |need| need != Need::None);
    if needed.is_empty() {
        return Ok(0);
    }
    statement::execute(client, REVIVE, &[&bytes_of(&needed)]).await
}

//! The second half of a collection: the bytes of condemned blobs are deleted.
//!
//! The writer thread keeps its transaction open while the caller's task deletes the bytes, so
//! nobody can begin to need one of these blobs meanwhile. Whoever erases must therefore not
//! write to this store.

use std::collections::HashSet;
use std::sync::mpsc;
use std::time::Duration;

use artifact_core::ports::{EraseBytes, GarbagePass, Reclaimed};
use artifact_core::{BlobId, Result};
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use super::queue::Queue;
use super::{blob_index, integer};
use crate::crash_point::crash_point;
use crate::error::StoreError;

/// How long writers wait for bytes to be erased before the deletion counts as failed.
const PATIENCE: Duration = Duration::from_secs(20);

const DUE: &str = include_str!("queries/due_for_deletion.sql");
const DELETE: &str = "DELETE FROM blob WHERE sha256 = ?1";
const FAIL: &str = "UPDATE blob SET delete_failures = delete_failures + 1, delete_failed_at = ?2
    WHERE sha256 = ?1";

/// Deletes what is due in a transaction of its own.
pub(super) async fn reclaim(
    writer: &Queue,
    pass: GarbagePass,
    bytes: &dyn EraseBytes,
) -> Result<Reclaimed> {
    let (eraser, order) = Eraser::new(PATIENCE);
    let work = writer.call_alone(move |connection| delete_due(connection, pass, eraser));
    tokio::pin!(work);
    tokio::select! {
        // The writer may lose its patience: then nobody waits for the bytes any more.
        reclaimed = &mut work => return reclaimed,
        () = order.execute(bytes) => {}
    }
    work.await
}

/// The writer thread's end of the way to the bytes.
struct Eraser {
    patience: Duration,
    ids: oneshot::Sender<Vec<BlobId>>,
    gone: mpsc::Receiver<Vec<BlobId>>,
}

/// The other end, which lives in the caller's task: it alone can borrow what erases.
struct Order {
    ids: oneshot::Receiver<Vec<BlobId>>,
    gone: mpsc::Sender<Vec<BlobId>>,
}

impl Eraser {
    fn new(patience: Duration) -> (Self, Order) {
        let (send_ids, ids) = oneshot::channel();
        let (send_gone, gone) = mpsc::channel();
        (Self { patience, ids: send_ids, gone }, Order { ids, gone: send_gone })
    }

    /// Blocks until the bytes of `ids` are erased; those that are certainly gone: none if it
    /// takes too long. `None` if the caller has gone away and nothing was begun.
    fn erase(self, ids: Vec<BlobId>) -> Option<HashSet<BlobId>> {
        self.ids.send(ids).ok()?;
        Some(self.gone.recv_timeout(self.patience).unwrap_or_default().into_iter().collect())
    }
}

impl Order {
    async fn execute(self, bytes: &dyn EraseBytes) {
        // No ids come when nothing is due.
        if let Ok(ids) = self.ids.await {
            // Fails when the writer has lost its patience.
            let _ = self.gone.send(bytes.erase(&ids).await);
        }
    }
}

struct Condemned {
    id: BlobId,
    size: u64,
    needed: bool,
}

fn delete_due(
    connection: &Connection,
    pass: GarbagePass,
    eraser: Eraser,
) -> Result<Reclaimed, StoreError> {
    let (needed, doomed): (Vec<_>, Vec<_>) =
        condemned(connection, pass)?.into_iter().partition(|blob| blob.needed);
    let mut reclaimed = Reclaimed::default();
    for blob in needed {
        blob_index::revive(connection, blob.id)?;
        reclaimed.revived += 1;
    }
    if doomed.is_empty() {
        return Ok(reclaimed);
    }
    let Some(gone) = eraser.erase(doomed.iter().map(|blob| blob.id).collect()) else {
        return Ok(reclaimed);
    };
    crash_point!("t2-after-delete");
    for blob in doomed {
        if gone.contains(&blob.id) {
            connection.prepare_cached(DELETE)?.execute([blob.id.as_bytes()])?;
            reclaimed.blobs += 1;
            reclaimed.bytes += blob.size;
        } else {
            let parameters = params![blob.id.as_bytes(), pass.now.as_millis()];
            connection.prepare_cached(FAIL)?.execute(parameters)?;
            reclaimed.failed += 1;
        }
    }
    Ok(reclaimed)
}

fn condemned(connection: &Connection, pass: GarbagePass) -> Result<Vec<Condemned>, StoreError> {
    let mut statement = connection.prepare_cached(DUE)?;
    let parameters = params![
        pass.now.as_millis(),
        integer::millis_before(pass.now, pass.delete_delay),
        integer::limit(pass.limit),
    ];
    let condemned = statement.query_map(parameters, |row| {
        Ok(Condemned {
            id: BlobId::from_bytes(row.get("sha256")?),
            size: integer::from_sql(row.get("size")?),
            needed: row.get("needed")?,
        })
    })?;
    Ok(condemned.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: BlobId = BlobId::from_bytes([1; 32]);

    #[test]
    fn a_writer_that_has_lost_its_patience_takes_nothing_for_gone() {
        let (eraser, order) = Eraser::new(Duration::ZERO);
        assert_eq!(eraser.erase(vec![ID]), Some(HashSet::new()));
        assert!(order.gone.send(vec![ID]).is_err(), "an answer that comes too late");
    }

    #[test]
    fn an_eraser_whose_caller_went_away_begins_nothing() {
        let (eraser, order) = Eraser::new(PATIENCE);
        drop(order);
        assert_eq!(eraser.erase(vec![ID]), None);
    }

    #[test]
    fn a_caller_who_goes_away_later_leaves_everything_in_doubt() {
        let (eraser, Order { ids, gone }) = Eraser::new(PATIENCE);
        drop(gone);
        assert_eq!(eraser.erase(vec![ID]), Some(HashSet::new()));
        drop(ids);
    }
}

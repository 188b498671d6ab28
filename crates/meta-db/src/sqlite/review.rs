//! The first half of a collection: what nothing needs is condemned.

use artifact_core::BlobId;
use artifact_core::ports::{GarbagePass, Reviewed};
use rusqlite::{Connection, params};

use super::integer;
use crate::crash_point::crash_point;
use crate::error::StoreError;

const DUE: &str = include_str!("queries/due_for_review.sql");
const FORGET_PINS: &str = "DELETE FROM pin WHERE sha256 = ?1 AND until <= ?2";
const POSTPONE: &str = "UPDATE gc_queue SET changed_at = ?2 WHERE sha256 = ?1";
const DEQUEUE: &str = "DELETE FROM gc_queue WHERE sha256 = ?1";
/// A trigger takes the blob out of the queue. The moment of a failed deletion stays: it may
/// still be in doubt.
const CONDEMN: &str = "UPDATE blob SET state = 'condemned', condemned_at = ?2, delete_failures = 0
    WHERE sha256 = ?1";

/// A blob whose review is due, and what was found about it.
struct Candidate {
    id: BlobId,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    /// Needed until a reference goes away, which will queue the blob again.
    Referenced,
    /// Needed by pins alone, the last of which ends at this moment.
    Pinned(i64),
    Unneeded,
}

pub(super) fn review(connection: &Connection, pass: GarbagePass) -> Result<Reviewed, StoreError> {
    let mut reviewed = Reviewed::default();
    for Candidate { id, verdict } in candidates(connection, pass)? {
        let (id, now) = (id.as_bytes(), pass.now.as_millis());
        connection.prepare_cached(FORGET_PINS)?.execute(params![id, now])?;
        match verdict {
            Verdict::Referenced => connection.prepare_cached(DEQUEUE)?.execute([id])?,
            Verdict::Pinned(until) => {
                connection.prepare_cached(POSTPONE)?.execute(params![id, until])?
            }
            Verdict::Unneeded => connection.prepare_cached(CONDEMN)?.execute(params![id, now])?,
        };
        match verdict {
            Verdict::Referenced | Verdict::Pinned(_) => reviewed.kept += 1,
            Verdict::Unneeded => reviewed.condemned += 1,
        }
    }
    crash_point!("t1-before-commit");
    Ok(reviewed)
}

fn candidates(connection: &Connection, pass: GarbagePass) -> Result<Vec<Candidate>, StoreError> {
    let mut statement = connection.prepare_cached(DUE)?;
    let parameters = params![
        pass.now.as_millis(),
        integer::millis_before(pass.now, pass.review_delay),
        integer::limit(pass.limit),
    ];
    let candidates = statement.query_map(parameters, |row| {
        let id = BlobId::from_bytes(row.get("sha256")?);
        let verdict = judge(row.get("referenced")?, row.get("pinned_until")?);
        Ok(Candidate { id, verdict })
    })?;
    Ok(candidates.collect::<rusqlite::Result<_>>()?)
}

fn judge(referenced: bool, pinned_until: Option<i64>) -> Verdict {
    match pinned_until {
        _ if referenced => Verdict::Referenced,
        Some(until) => Verdict::Pinned(until),
        None => Verdict::Unneeded,
    }
}

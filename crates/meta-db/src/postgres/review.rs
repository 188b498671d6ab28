//! The first half of a collection: what nothing needs is condemned.

use artifact_core::BlobId;
use artifact_core::ports::{GarbagePass, Reviewed};
use deadpool_postgres::ClientWrapper;

use super::needs::{self, Examined, Need, bytes_of, those};
use super::statement;
use crate::crash_point::crash_point;
use crate::error::StoreError;
use crate::integer;

/// The collector waits for nobody; what it locks for itself is free of others' locks but for an instant.
const IMPATIENT: &str = "SET LOCAL lock_timeout = '1s'";
const DUE: &str = include_str!("queries/due_for_review.sql");
const FORGET_PINS: &str = "DELETE FROM pin WHERE sha256 = ANY ($1) AND until <= $2";
const POSTPONE: &str = "UPDATE gc_queue SET changed_at = $2 WHERE sha256 = $1";
const DEQUEUE: &str = "DELETE FROM gc_queue WHERE sha256 = ANY ($1)";
/// A trigger takes the blobs out of the queue. The moment of a failed deletion stays: it may
/// still be in doubt.
const CONDEMN: &str = "UPDATE blob SET state = 'condemned', condemned_at = $2, delete_failures = 0
    WHERE sha256 = ANY ($1)";

/// Reviews what is due and not busy, in a transaction.
pub(crate) async fn review(
    client: &ClientWrapper,
    pass: GarbagePass,
) -> Result<Reviewed, StoreError> {
    client.batch_execute(IMPATIENT).await?;
    let latest = integer::millis_before(pass.now, pass.review_delay);
    let due = needs::lock(client, DUE, &[&latest, &integer::limit(pass.limit)]).await?;
    let examined = needs::examine(client, &due, pass.now).await?;
    let now = pass.now.as_millis();
    change(client, FORGET_PINS, &due, &[&now]).await?;
    for Examined { id, need, .. } in &examined {
        if let Need::Pinned(until) = need {
            statement::execute(client, POSTPONE, &[&id.as_bytes().as_slice(), until]).await?;
        }
    }
    let referenced = those(&examined, |need| need == Need::Referenced);
    change(client, DEQUEUE, &referenced, &[]).await?;
    let unneeded = those(&examined, |need| need == Need::None);
    change(client, CONDEMN, &unneeded, &[&now]).await?;
    crash_point!("t1-before-commit");
    let (examined, condemned) = (integer::count(examined.len()), integer::count(unneeded.len()));
    Ok(Reviewed { kept: examined - condemned, condemned })
}

/// Runs a statement about `ids`, if there are any.
async fn change(
    client: &ClientWrapper,
    sql: &'static str,
    ids: &[BlobId],
    others: statement::Parameters<'_>,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids = bytes_of(ids);
    let mut parameters: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = vec![&ids];
    parameters.extend_from_slice(others);
    statement::execute(client, sql, &parameters).await.map(|_| ())
}

//! Removing what was promised and never needed.

use artifact_core::RowKey;
use artifact_core::ports::{Evicted, GivingUp};
use deadpool_postgres::ClientWrapper;

use super::locks::{self, KeyColumns};
use super::statement;
use crate::crash_point::crash_point;
use crate::error::StoreError;
use crate::integer;

/// Others are not waited for. What a row needed itself may be locked by others for an instant.
const IMPATIENT: &str = "SET LOCAL lock_timeout = '1s'";
const DUE: &str = include_str!("queries/due_promises.sql");
const END_NEEDED: &str = include_str!("queries/end_needed_promises.sql");

/// Gives up what is due and not busy, in a transaction.
pub(crate) async fn give_up(client: &ClientWrapper, pass: GivingUp) -> Result<Evicted, StoreError> {
    client.batch_execute(IMPATIENT).await?;
    let before = pass.promised_before.as_millis();
    let due = locks::lock(client, DUE, &[&before, &integer::limit(pass.limit)]).await?;
    if due.is_empty() {
        return Ok(Evicted::default());
    }
    end_needed(client, &due).await?;
    let evicted = locks::delete_unneeded(client, &due).await?;
    crash_point!("inside-giving-up-tx");
    Ok(evicted)
}

/// Takes the promises of those that are needed: they are promised again when that ends.
async fn end_needed(client: &ClientWrapper, due: &[RowKey]) -> Result<(), StoreError> {
    let due: Vec<_> = due.iter().collect();
    let KeyColumns { repositories, paths, variants } = KeyColumns::of(&due);
    let parameters: statement::Parameters<'_> = &[&repositories, &paths, &variants];
    statement::execute(client, END_NEEDED, parameters).await.map(|_| ())
}

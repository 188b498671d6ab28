//! Removing a row with its aliases, unless another one needs it.

use artifact_core::ports::{Removal, Removed};
use artifact_core::{ArtifactRow, RowKey};
use deadpool_postgres::ClientWrapper;

use super::locks::{self, KeyColumns, Purpose, Wanted};
use super::{paths, publishing, row_columns, statement};
use crate::error::StoreError;
use crate::precondition::holds;

const ALIASES: &str = "SELECT repository, path, variant FROM artifact
    WHERE sha256 = $1 AND repository = $2 AND path >= $3 AND path < $4";
const DELETE: &str = "DELETE FROM artifact
    USING unnest($2::text[], $3::text[]) AS chosen (path, variant)
    WHERE artifact.repository = $1
        AND artifact.path = chosen.path AND artifact.variant = chosen.variant";

/// Removes the row, in a transaction.
pub(crate) async fn remove(
    client: &ClientWrapper,
    removal: &Removal,
) -> Result<Removed, StoreError> {
    let Removal { key, aliases, precondition } = removal;
    if !locks::repository(client, key.repository).await? {
        return Ok(Removed::Conflict(None));
    }
    // Who publishes this row with new aliases has done so, or comes afterwards.
    locks::names(client, key.repository, &[key]).await?;
    let Some(seen) = row_columns::find(client, key).await? else {
        return Ok(Removed::Conflict(None));
    };
    let aliases = find_aliases(client, &seen, aliases.as_deref()).await?;
    let Some((row, aliases)) = lock(client, &seen, &aliases).await? else {
        return Ok(Removed::Conflict(None));
    };
    if !holds(*precondition, Some(row.generation)) {
        return Ok(Removed::Conflict(Some(Box::new(row))));
    }
    if row.blob != seen.blob {
        return Err(StoreError::Overtaken);
    }
    delete(client, &row.key, aliases).await
}

async fn find_aliases(
    client: &ClientWrapper,
    row: &ArtifactRow,
    prefix: Option<&str>,
) -> Result<Vec<RowKey>, StoreError> {
    let Some((start, end)) = prefix.and_then(paths::of_prefix) else { return Ok(Vec::new()) };
    let parameters: statement::Parameters<'_> =
        &[&row.blob.as_bytes().as_slice(), &row.key.repository.0, &start, &end];
    let rows = statement::rows(client, ALIASES, parameters).await?;
    rows.iter().map(row_columns::key_from_columns).collect()
}

/// The row and those aliases that still are aliases of it; `None` if it is gone.
async fn lock(
    client: &ClientWrapper,
    seen: &ArtifactRow,
    aliases: &[RowKey],
) -> Result<Option<(ArtifactRow, Vec<RowKey>)>, StoreError> {
    // What is needed will be promised by a trigger, which locks it.
    let needed = publishing::needs_of(client, &seen.key).await?;
    let mut wanted = Wanted::default();
    for (key, _) in needed.iter().filter(|(_, given_up)| **given_up) {
        wanted.add(key, Purpose::Needed);
    }
    for key in aliases.iter().chain([&seen.key]) {
        wanted.add(key, Purpose::Removed);
    }
    let mut found = locks::rows(client, seen.key.repository, &wanted).await?;
    let Some(row) = found.remove(&seen.key) else { return Ok(None) };
    let is_alias = |key: &&RowKey| found.get(*key).is_some_and(|alias| alias.blob == row.blob);
    let mut aliases: Vec<_> = aliases.iter().filter(is_alias).cloned().collect();
    aliases.sort();
    Ok(Some((row, aliases)))
}

/// Deletes the locked rows, if nobody else needs them.
async fn delete(
    client: &ClientWrapper,
    key: &RowKey,
    mut aliases: Vec<RowKey>,
) -> Result<Removed, StoreError> {
    loop {
        let keys: Vec<_> = [key].into_iter().chain(&aliases).collect();
        let Some((user, needed)) = locks::user_of(client, &keys).await? else { break };
        if needed == *key {
            return Ok(Removed::Needed(user.path));
        }
        aliases.retain(|alias| *alias != needed);
    }
    let keys: Vec<_> = [key].into_iter().chain(&aliases).collect();
    let KeyColumns { paths, variants, .. } = KeyColumns::of(&keys);
    statement::execute(client, DELETE, &[&key.repository.0, &paths, &variants]).await?;
    Ok(Removed::Rows(keys.into_iter().cloned().collect()))
}

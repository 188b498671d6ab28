//! Locking several rows in the one order that everybody keeps: that of their keys. The whole order
//! stands in the migration that began with row sets.

use std::collections::BTreeMap;

use artifact_core::ports::Evicted;
use artifact_core::{RepositoryId, RowKey};
use deadpool_postgres::ClientWrapper;

use super::{row_columns, rows, statement};
use crate::error::StoreError;
use crate::row_set::Found;

/// Rows that are locked in one statement.
const PORTION: usize = 1000;

const LOCK_REPOSITORY: &str = "SELECT 1 FROM repository WHERE id = $1 FOR KEY SHARE";
const LOCK_NAMES: &str = "SELECT pg_advisory_xact_lock(name) FROM (
        SELECT DISTINCT hashtextextended(path || chr(1) || variant, $1::bigint) AS name
        FROM unnest($2::text[], $3::text[]) AS named (path, variant) ORDER BY 1
    ) AS names";
const LOCK_NEEDED: &str =
    concat!(include_str!("queries/lock_rows.sql"), "FOR KEY SHARE OF artifact");
const LOCK_WRITTEN: &str =
    concat!(include_str!("queries/lock_rows.sql"), "FOR NO KEY UPDATE OF artifact");
const LOCK_REMOVED: &str = concat!(include_str!("queries/lock_rows.sql"), "FOR UPDATE OF artifact");
const DELETE_UNNEEDED: &str = include_str!("queries/delete_unneeded.sql");
const USER_OF: &str = include_str!("queries/user_of_rows.sql");

/// What a row is locked for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Purpose {
    /// To stay, because another one needs it.
    Needed,
    /// To be written.
    Written,
    /// To be removed.
    Removed,
}

impl Purpose {
    fn statement(self) -> &'static str {
        match self {
            Self::Needed => LOCK_NEEDED,
            Self::Written => LOCK_WRITTEN,
            Self::Removed => LOCK_REMOVED,
        }
    }
}

/// Rows to be locked, each for the strongest purpose that was named.
#[derive(Debug, Default)]
pub(crate) struct Wanted<'a>(BTreeMap<&'a RowKey, Purpose>);

impl<'a> Wanted<'a> {
    pub(crate) fn add(&mut self, key: &'a RowKey, purpose: Purpose) {
        let wanted = self.0.entry(key).or_insert(purpose);
        *wanted = purpose.max(*wanted);
    }

    /// The keys in order, in runs of one purpose.
    fn runs(&self) -> Vec<(Purpose, Vec<&'a RowKey>)> {
        let mut runs: Vec<(Purpose, Vec<&RowKey>)> = Vec::new();
        for (key, purpose) in &self.0 {
            match runs.last_mut() {
                Some((last, keys)) if last == purpose && keys.len() < PORTION => keys.push(key),
                _ => runs.push((*purpose, vec![key])),
            }
        }
        runs
    }
}

/// Keeps the repository until the transaction ends; `false` if there is none.
pub(crate) async fn repository(
    client: &ClientWrapper,
    id: RepositoryId,
) -> Result<bool, StoreError> {
    Ok(statement::row_if_any(client, LOCK_REPOSITORY, &[&id.0]).await?.is_some())
}

/// Keeps everybody else who locks names out of these keys, whether there are rows or not.
pub(crate) async fn names(
    client: &ClientWrapper,
    repository: RepositoryId,
    keys: &[&RowKey],
) -> Result<(), StoreError> {
    let KeyColumns { paths, variants, .. } = KeyColumns::of(keys);
    statement::rows(client, LOCK_NAMES, &[&repository.0, &paths, &variants]).await.map(|_| ())
}

/// Locks those rows of one repository that exist.
pub(crate) async fn rows(
    client: &ClientWrapper,
    repository: RepositoryId,
    wanted: &Wanted<'_>,
) -> Result<Found, StoreError> {
    let mut found = Found::new();
    for (purpose, keys) in wanted.runs() {
        let KeyColumns { paths, variants, .. } = KeyColumns::of(&keys);
        let parameters: statement::Parameters<'_> = &[&repository.0, &paths, &variants];
        for row in statement::rows(client, purpose.statement(), parameters).await? {
            let row = row_columns::from_columns(&row)?;
            found.insert(row.key.clone(), row);
        }
    }
    Ok(found)
}

/// Locks the rows that a statement finds, and gives their keys.
pub(crate) async fn lock(
    client: &ClientWrapper,
    sql: &'static str,
    parameters: statement::Parameters<'_>,
) -> Result<Vec<RowKey>, StoreError> {
    let rows = statement::rows(client, sql, parameters).await?;
    rows.iter().map(row_columns::key_from_columns).collect()
}

/// Deletes locked rows, but for those that another one needs.
pub(crate) async fn delete_unneeded(
    client: &ClientWrapper,
    keys: &[RowKey],
) -> Result<Evicted, StoreError> {
    if keys.is_empty() {
        return Ok(Evicted::default());
    }
    let keys: Vec<_> = keys.iter().collect();
    let KeyColumns { repositories, paths, variants } = KeyColumns::of(&keys);
    let parameters: statement::Parameters<'_> = &[&repositories, &paths, &variants];
    rows::evicted_from_columns(&statement::row(client, DELETE_UNNEEDED, parameters).await?)
}

/// A row that needs one of these locked rows of one repository and is none of them, and the one that
/// it needs.
pub(crate) async fn user_of(
    client: &ClientWrapper,
    keys: &[&RowKey],
) -> Result<Option<(RowKey, RowKey)>, StoreError> {
    let Some(first) = keys.first() else { return Ok(None) };
    let KeyColumns { paths, variants, .. } = KeyColumns::of(keys);
    let parameters: statement::Parameters<'_> = &[&first.repository.0, &paths, &variants];
    let Some(row) = statement::row_if_any(client, USER_OF, parameters).await? else {
        return Ok(None);
    };
    let (path, variant): (&str, &str) =
        (row.try_get("needed_path")?, row.try_get("needed_variant")?);
    let is_needed = |key: &&&RowKey| key.path.as_str() == path && key.variant.as_str() == variant;
    let needed = keys.iter().find(is_needed).ok_or(StoreError::Unsettled)?;
    Ok(Some((row_columns::key_from_columns(&row)?, (*needed).clone())))
}

/// Keys, a list for each column.
#[derive(Debug, Default)]
pub(crate) struct KeyColumns<'a> {
    pub(crate) repositories: Vec<i64>,
    pub(crate) paths: Vec<&'a str>,
    pub(crate) variants: Vec<&'a str>,
}

impl<'a> KeyColumns<'a> {
    pub(crate) fn of(keys: &[&'a RowKey]) -> Self {
        let mut columns = Self::default();
        for RowKey { repository, path, variant } in keys {
            columns.repositories.push(repository.0);
            columns.paths.push(path.as_str());
            columns.variants.push(variant.as_str());
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use artifact_core::{RepoPath, Variant};

    use super::*;

    fn key(path: &str) -> RowKey {
        let path = RepoPath::from_decoded(path).unwrap();
        RowKey { repository: RepositoryId(1), path, variant: Variant::SOURCE }
    }

    #[test]
    fn rows_are_locked_in_order_of_their_keys_and_for_the_strongest_purpose() {
        let keys: Vec<_> = ["a", "b", "c", "d", "e"].into_iter().map(key).collect();
        let mut wanted = Wanted::default();
        for (index, purpose) in [
            (4, Purpose::Needed),
            (2, Purpose::Written),
            (1, Purpose::Needed),
            (0, Purpose::Removed),
            (0, Purpose::Needed),
            (3, Purpose::Needed),
            (3, Purpose::Written),
        ] {
            wanted.add(&keys[index], purpose);
        }
        let runs: Vec<_> = wanted
            .runs()
            .into_iter()
            .map(|(purpose, keys)| {
                (purpose, keys.iter().map(|key| key.path.as_str()).collect::<String>())
            })
            .collect();
        let expected = [
            (Purpose::Removed, "a"),
            (Purpose::Needed, "b"),
            (Purpose::Written, "cd"),
            (Purpose::Needed, "e"),
        ];
        assert_eq!(runs, expected.map(|(purpose, paths)| (purpose, paths.to_owned())));
    }
}

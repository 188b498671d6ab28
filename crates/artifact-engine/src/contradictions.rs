//! Cached files that the newest index contradicts.
//!
//! Immutable means: unless the index says otherwise. Publishers of some types do replace files
//! under the same name; a client that is told one digest and given other bytes would fail for ever.

use std::collections::HashMap;
use std::sync::Arc;

use artifact_core::ports::{Precondition, RowQuery};
use artifact_core::{ArtifactRow, Digests, Facts, FileFact, Republishing, Result};

use crate::shared::Shared;
use crate::snapshot::Mounted;

/// How many rows are looked at in one go.
const PAGE: usize = 1000;

/// Drops or reports the cached files of `mounted` that `facts` contradict.
pub(crate) async fn drop_contradicted(
    shared: &Arc<Shared>,
    mounted: &Mounted,
    facts: &Facts,
) -> Result<()> {
    if facts.files.is_empty() {
        return Ok(());
    }
    let mut query = RowQuery {
        repository: mounted.id(),
        prefix: common_prefix(&facts.files).to_owned(),
        delimiter: None,
        after: None,
        state: None,
        summed: 0,
        limit: PAGE,
    };
    loop {
        let listing = shared.parts.meta.list(&query).await?;
        for listed in &listing.rows {
            let fact = facts.files.get(listed.row.key.path.as_str());
            if let Some(fact) = fact.filter(|fact| !agrees(&listed.row, fact)) {
                settle(shared, mounted, &listed.row, fact).await?;
            }
        }
        let Some(next) = listing.next else { return Ok(()) };
        query.after = Some(next);
    }
}

async fn settle(
    shared: &Arc<Shared>,
    mounted: &Mounted,
    row: &ArtifactRow,
    fact: &FileFact,
) -> Result<()> {
    let path = &row.key.path;
    let index = fact.digests.iter().next().map(ToString::to_string).unwrap_or_default();
    if mounted.provider.defaults().republishing == Republishing::Reported {
        tracing::error!(
            event = "upstream_mutated", remote = mounted.name(), %path, first = %row.blob, now = index,
            "the upstream index describes another file than the one that was fetched first, which is kept"
        );
        return Ok(());
    }
    tracing::warn!(
        event = "upstream_replaced", remote = mounted.name(), %path, was = %row.blob, now = index,
        "upstream replaced a file, the cached copy is dropped"
    );
    shared.parts.meta.remove(&row.key, Precondition::Unchanged(row.generation)).await?;
    shared.rows.forget(&row.key);
    Ok(())
}

/// Whether a row can be the file that an index describes, as far as both say something.
pub(crate) fn agrees(row: &ArtifactRow, fact: &FileFact) -> bool {
    let mut known: Digests = row.checksums.clone();
    known.insert(row.blob.into());
    fact.size.is_none_or(|size| size == row.size) && fact.digests.contradiction(&known).is_none()
}

/// The longest beginning that all paths share.
fn common_prefix(files: &HashMap<String, FileFact>) -> &str {
    let mut paths = files.keys().map(String::as_str);
    let first = paths.next().unwrap_or_default();
    paths.fold(first, |common, path| {
        let shared = common.bytes().zip(path.bytes()).take_while(|(a, b)| a == b).count();
        let end = (0..=shared).rev().find(|end| common.is_char_boundary(*end)).unwrap_or_default();
        common.get(..end).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_below_the_common_beginning_are_looked_at() {
        let files = |paths: &[&str]| {
            paths.iter().map(|path| ((*path).to_owned(), FileFact::default())).collect()
        };
        for (paths, expected) in [
            (&["a/b/c", "a/b/d"] as &[_], "a/b/"),
            (&["x"], "x"),
            (&["a", "b"], ""),
            (&["é1", "è2"], ""),
        ] {
            let files: HashMap<_, _> = files(paths);
            assert_eq!(common_prefix(&files), expected, "{paths:?}");
        }
    }
}

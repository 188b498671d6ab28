//! What publishing rows together means, decided before anything is written.

use std::collections::BTreeMap;

use artifact_core::ports::{Absence, Afterwards, PublishedSet, RowSet};
use artifact_core::{ArtifactRow, BlobId, RowKey};

use crate::precondition::holds;

/// Stored rows by their keys.
pub(crate) type Found = BTreeMap<RowKey, ArtifactRow>;

/// Rows that a row needs, and whether they are given up when it is gone.
pub(crate) type Needed = BTreeMap<RowKey, bool>;

/// What becomes of a set.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Decision {
    /// Nothing is written.
    Refused(PublishedSet),
    /// The rows as they will be, in the order of the set, and what the first of them needs.
    Write(Vec<Written>, Needed),
}

/// A row as it will be stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Written {
    pub(crate) row: ArtifactRow,
    pub(crate) change: Change,
}

/// How a row differs from what is stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// Not at all.
    Nothing,
    /// In what is said of the same bytes.
    Description,
    /// It replaces a row of these bytes.
    Bytes(BlobId),
    /// Nothing is stored under its key.
    New,
}

/// Decides about `set`. `found` holds what is stored of its rows and of what they may need.
pub(crate) fn decide(set: &RowSet, found: &Found) -> Decision {
    let (needed, missing) = resolve(set, found);
    if !missing.is_empty() {
        return Decision::Refused(PublishedSet::Missing(missing));
    }
    let mut written = Vec::with_capacity(set.rows.len());
    for (index, (row, precondition)) in set.rows.iter().enumerate() {
        let stored = found.get(&row.key);
        if !holds(*precondition, stored.map(|stored| stored.generation)) {
            let stored = stored.cloned().map(Box::new);
            return Decision::Refused(PublishedSet::Conflict { index, stored });
        }
        written.push(compare(row, stored));
    }
    Decision::Write(written, needed)
}

/// What the first row needs, and which of its needs do not exist.
fn resolve(set: &RowSet, found: &Found) -> (Needed, Vec<usize>) {
    let is_there =
        |key: &RowKey| found.contains_key(key) || set.rows.iter().any(|(row, _)| row.key == *key);
    let (mut needed, mut missing) = (Needed::new(), Vec::new());
    for (index, need) in set.needs.iter().enumerate() {
        match need.any_of.iter().find(|key| is_there(key)) {
            Some(key) => {
                *needed.entry(key.clone()).or_default() |= need.afterwards == Afterwards::GivenUp;
            }
            None if need.absence == Absence::Refused => missing.push(index),
            None => {}
        }
    }
    (needed, missing)
}

fn compare(row: &ArtifactRow, stored: Option<&ArtifactRow>) -> Written {
    let Some(stored) = stored else {
        return Written { row: ArtifactRow { generation: 1, ..row.clone() }, change: Change::New };
    };
    let generation = stored.generation + 1;
    if stored.blob != row.blob {
        let change = Change::Bytes(stored.blob);
        return Written { row: ArtifactRow { generation, ..row.clone() }, change };
    }
    let described = ArtifactRow {
        content_type: row.content_type.clone(),
        checksums: row.checksums.clone(),
        upstream_etag: row.upstream_etag.clone(),
        ..stored.clone()
    };
    if described == *stored {
        Written { row: described, change: Change::Nothing }
    } else {
        Written { row: ArtifactRow { generation, ..described }, change: Change::Description }
    }
}

#[cfg(test)]
mod tests {
    use artifact_core::ports::{Need, Precondition};
    use artifact_core::{Class, Digests, RepoPath, RepositoryId, Timestamp, Variant};

    use super::*;

    fn key(path: &str) -> RowKey {
        let path = RepoPath::from_decoded(path).unwrap();
        RowKey { repository: RepositoryId(1), path, variant: Variant::SOURCE }
    }

    fn row(path: &str, blob: u8) -> ArtifactRow {
        ArtifactRow {
            key: key(path),
            blob: BlobId::from_bytes([blob; 32]),
            size: 1,
            class: Class::Immutable,
            content_type: None,
            upstream_etag: None,
            upstream_last_modified: None,
            upstream_url: None,
            checksums: Digests::new(),
            fetched_at: Timestamp::EPOCH,
            validated_at: Timestamp::EPOCH,
            expires_at: None,
            generation: 7,
        }
    }

    fn found(rows: &[ArtifactRow]) -> Found {
        rows.iter().map(|row| (row.key.clone(), row.clone())).collect()
    }

    fn need(paths: &[&str], afterwards: Afterwards) -> Need {
        let any_of = paths.iter().map(|path| key(path)).collect();
        Need { any_of, absence: Absence::Refused, afterwards }
    }

    fn set(rows: &[ArtifactRow], needs: Vec<Need>) -> RowSet {
        let rows = rows.iter().map(|row| (row.clone(), Precondition::Any)).collect();
        RowSet { rows, needs, ..RowSet::default() }
    }

    #[test]
    fn a_row_is_new_replaced_described_anew_or_stays() {
        let later =
            |row: ArtifactRow| ArtifactRow { fetched_at: Timestamp::from_seconds(9), ..row };
        let typed = |row: ArtifactRow| ArtifactRow { content_type: Some("t".to_owned()), ..row };
        let tagged = |row: ArtifactRow| ArtifactRow { upstream_etag: Some("e".to_owned()), ..row };
        let former = BlobId::from_bytes([1; 32]);
        for (stored, new, change, expected) in [
            (None, row("a", 1), Change::New, ArtifactRow { generation: 1, ..row("a", 1) }),
            (Some(row("a", 1)), later(row("a", 1)), Change::Nothing, row("a", 1)),
            (
                Some(row("a", 1)),
                typed(later(row("a", 1))),
                Change::Description,
                ArtifactRow { generation: 8, ..typed(row("a", 1)) },
            ),
            (
                Some(tagged(row("a", 1))),
                row("a", 1),
                Change::Description,
                ArtifactRow { generation: 8, ..row("a", 1) },
            ),
            (
                Some(row("a", 1)),
                later(row("a", 2)),
                Change::Bytes(former),
                ArtifactRow { generation: 8, ..later(row("a", 2)) },
            ),
        ] {
            let written = compare(&new, stored.as_ref());
            assert_eq!(written, Written { row: expected, change });
        }
    }

    #[test]
    fn the_first_that_exists_is_needed_and_giving_up_prevails() {
        let stored = found(&[row("b", 1), row("c", 1)]);
        let needs = vec![
            need(&["a", "b", "c"], Afterwards::Kept),
            need(&["b"], Afterwards::GivenUp),
            need(&["c"], Afterwards::Kept),
            need(&["e", "d"], Afterwards::GivenUp),
        ];
        let Decision::Write(_, needed) = decide(&set(&[row("m", 1), row("d", 1)], needs), &stored)
        else {
            panic!("refused");
        };
        let expected = [(key("b"), true), (key("c"), false), (key("d"), true)];
        assert_eq!(needed, expected.into_iter().collect());
    }

    #[test]
    fn what_is_missing_is_told_before_what_conflicts() {
        let stored = found(&[row("b", 1)]);
        let needs = vec![
            need(&["x"], Afterwards::Kept),
            need(&["b"], Afterwards::Kept),
            need(&[], Afterwards::Kept),
        ];
        let mut refused = set(&[row("a", 1), row("b", 1)], needs);
        refused.rows[1].1 = Precondition::Absent;
        let missing = PublishedSet::Missing(vec![0, 2]);
        assert_eq!(decide(&refused, &stored), Decision::Refused(missing));
        refused.needs.clear();
        let conflict = PublishedSet::Conflict { index: 1, stored: Some(Box::new(row("b", 1))) };
        assert_eq!(decide(&refused, &stored), Decision::Refused(conflict));
    }
}

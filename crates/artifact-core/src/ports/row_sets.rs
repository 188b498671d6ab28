//! Files that refer to each other: published together, kept while another needs them, and given up
//! when nothing does.
//!
//! A client of such a type stores many files first and at last a document that names them. Whoever was
//! told that a file is here relies on it until that document comes, hence the promise: a row with a
//! promise goes when the promise is old and no other row needs it, and never otherwise. A
//! promise and a need are made under the lock of the row, so that neither can miss its removal.

use std::collections::HashSet;
use std::fmt;

use async_trait::async_trait;

use super::{Evicted, Precondition};
use crate::{
    ArtifactRow, Digest, Error, ErrorKind, RepoPath, RepositoryId, Result, RowKey, Timestamp,
    Variant,
};

/// Rows of one repository that become visible together or not at all.
#[derive(Clone, Debug, Default)]
pub struct RowSet {
    /// The rows, each with the condition under which it is written. At least one, with distinct keys.
    /// Of a row that is stored already with the same bytes the stored one stays, but for its media type,
    /// checksums and entity tag: where these differ, the new ones are taken over.
    pub rows: Vec<(ArtifactRow, Precondition)>,
    /// Everything that the first row needs: what it needed before and is not among these, it needs no more.
    pub needs: Vec<Need>,
    /// What the first row says of another one; `None` ends what it said before.
    pub relation: Option<Relation>,
    /// When the rows were promised to a client: they are given up a while later if nothing needs them. A row
    /// that is stored already with the same bytes and without a promise is not given one.
    /// `None`: they stay until they are removed, promised before or not.
    pub promised_at: Option<Timestamp>,
}

impl RowSet {
    /// The most rows.
    pub const MAX_ROWS: usize = 1000;
    /// The most keys in all needs together.
    pub const MAX_CANDIDATES: usize = 20_000;

    /// Refuses a set that is not as it is described here; every store does so before it writes.
    pub fn check(&self) -> Result<()> {
        self.first_fault().map_or(Ok(()), |fault| {
            let text = format!("the rows cannot be published together: {fault}");
            Err(Error::new(ErrorKind::Unprocessable, text))
        })
    }

    fn first_fault(&self) -> Option<&'static str> {
        let Some(first) = self.rows.first().map(|(row, _)| &row.key) else {
            return Some("there are none");
        };
        let mut keys = HashSet::new();
        if self.rows.len() > Self::MAX_ROWS {
            Some("there are too many")
        } else if !self.rows.iter().all(|(row, _)| keys.insert(&row.key)) {
            Some("two have the same key")
        } else if keys.iter().any(|key| key.repository != first.repository) {
            Some("they belong to several repositories")
        } else {
            self.fault_of_needs(first).or_else(|| self.fault_of_relation(first))
        }
    }

    fn fault_of_needs(&self, first: &RowKey) -> Option<&'static str> {
        let mut candidates = self.needs.iter().flat_map(|need| &need.any_of);
        if candidates.clone().count() > Self::MAX_CANDIDATES {
            Some("the first needs too much")
        } else if candidates.any(|key| key == first || key.repository != first.repository) {
            Some("the first needs itself or a row of another repository")
        } else {
            None
        }
    }

    fn fault_of_relation(&self, first: &RowKey) -> Option<&'static str> {
        let Relation { subject, descriptor } = self.relation.as_ref()?;
        if first.variant != Variant::SOURCE {
            Some("only a source variant is related to another row")
        } else if subject.len() > RepoPath::MAX_LENGTH || subject.contains('\0') {
            Some("the subject of the first is no path")
        } else if descriptor.len() > Relation::MAX_DESCRIPTOR || descriptor.contains('\0') {
            Some("the description of the first is too long or no text")
        } else {
            None
        }
    }
}

/// Rows of which the first row of a set needs one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Need {
    /// The first of these that exists, or that is in the set, is the one that is needed.
    pub any_of: Vec<RowKey>,
    /// What it means that none of them exists.
    pub absence: Absence,
    /// What becomes of it when it is needed no more.
    pub afterwards: Afterwards,
}

/// What it means that a row which is to be needed does not exist.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Absence {
    /// The set is not written.
    Refused,
    /// Nothing is needed, then: it may be had elsewhere.
    Accepted,
}

/// What becomes of a row that was needed when the last row that needed it is gone. All rows that need one
/// agree about that; what becomes of a row of which they do not is left open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Afterwards {
    /// It stays until it is removed.
    Kept,
    /// It is given up after a while, as if it had just been promised.
    GivenUp,
}

/// What a row says of another one, which need not exist.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Relation {
    /// The path of the other one, at most [`RepoPath::MAX_LENGTH`] bytes.
    pub subject: String,
    /// How the first row is shown among those that are related to the subject. Opaque here, at most
    /// [`Self::MAX_DESCRIPTOR`] bytes.
    pub descriptor: String,
}

impl Relation {
    /// The longest descriptor in bytes.
    pub const MAX_DESCRIPTOR: usize = 4 << 20;
}

/// What became of a set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PublishedSet {
    /// Written: the rows as they are stored now, in the order of the set.
    Stored(Vec<ArtifactRow>),
    /// Nothing is written, because these of the set's needs (by their index) do not exist and have to.
    Missing(Vec<usize>),
    /// Nothing is written, because the condition of this row (by its index, the first of several) does not
    /// hold, although nothing is missing; what is there instead.
    Conflict {
        /// Which row of the set.
        index: usize,
        /// What is stored under its key.
        stored: Option<Box<ArtifactRow>>,
    },
}

/// A row that is related to another one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RelatedRow {
    /// Its path.
    pub path: RepoPath,
    /// [`Relation::descriptor`] of it.
    pub descriptor: String,
}

/// What is removed together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Removal {
    /// The row. Its needs and its relation end with it.
    pub key: RowKey,
    /// Rows whose paths begin with this text and that have the same bytes go as well, if no row needs them
    /// that stays.
    pub aliases: Option<String>,
    /// The condition on the row.
    pub precondition: Precondition,
}

/// What became of a removal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Removed {
    /// These rows are gone: the one that was meant, then its aliases in order.
    Rows(Vec<RowKey>),
    /// Nothing is removed, because this row needs the one that was meant.
    Needed(RepoPath),
    /// Nothing is removed, because the condition does not hold; `None`: there is no such row.
    Conflict(Option<Box<ArtifactRow>>),
}

/// Which promised rows may go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GivingUp {
    /// Rows that were promised, or lost the last row that needed them, at or after this moment stay.
    pub promised_before: Timestamp,
    /// At most this many rows are looked at.
    pub limit: usize,
}

/// Rows that refer to each other.
#[async_trait]
pub trait RowSets: fmt::Debug + Send + Sync {
    /// Writes `set` in one transaction with the entries of its blobs, if every need and every condition
    /// holds. Generations are as [`super::RowStore::publish`] gives them; a stored row that stays as it is keeps
    /// its own.
    async fn publish_set(&self, set: RowSet) -> Result<PublishedSet>;

    /// Promises anew at `now` that the row stays for a while; `false` if there is no such row. Later
    /// promises win over earlier ones. A row without a promise is not touched: it was published without one, or
    /// it is needed and promised again when that ends.
    async fn promise(&self, key: &RowKey, now: Timestamp) -> Result<bool>;

    /// Removes a row, if no row needs it that stays, and its aliases.
    async fn remove_unneeded(&self, removal: &Removal) -> Result<Removed>;

    /// A row of `repository` whose bytes have this digest and whose path ends with `ending`. SHA-256 leads to every
    /// row of these bytes, SHA-512 to those whose paths end with a slash and `digest`, weaker ones to none.
    async fn row_with_digest(
        &self,
        repository: RepositoryId,
        digest: &Digest,
        ending: &str,
    ) -> Result<Option<ArtifactRow>>;

    /// The rows of `repository` that are related to `subject`, in order of path, with paths greater than
    /// `after`.
    async fn related(
        &self,
        repository: RepositoryId,
        subject: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RelatedRow>>;

    /// Removes promised rows whose promise is old and that nothing needs, oldest promise first. Rows that are
    /// needed only lose their promise. A row that is busy is not waited for but left for later.
    async fn give_up(&self, pass: GivingUp) -> Result<Evicted>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlobId, Class, Digests};

    fn key(repository: i64, path: &str) -> RowKey {
        let path = RepoPath::from_decoded(path).unwrap();
        RowKey { repository: RepositoryId(repository), path, variant: Variant::SOURCE }
    }

    fn row(key: RowKey) -> (ArtifactRow, Precondition) {
        let row = ArtifactRow {
            key,
            blob: BlobId::from_bytes([1; 32]),
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
            generation: 0,
        };
        (row, Precondition::Any)
    }

    fn set(rows: &[RowKey], needed: &[RowKey]) -> RowSet {
        let need = |key: &RowKey| Need {
            any_of: vec![key.clone()],
            absence: Absence::Refused,
            afterwards: Afterwards::Kept,
        };
        RowSet {
            rows: rows.iter().cloned().map(row).collect(),
            needs: needed.iter().map(need).collect(),
            ..RowSet::default()
        }
    }

    fn related(subject: &str, descriptor: &str) -> RowSet {
        let relation = Relation { subject: subject.to_owned(), descriptor: descriptor.to_owned() };
        RowSet { relation: Some(relation), ..set(&[key(1, "a")], &[]) }
    }

    #[test]
    fn a_set_that_is_not_as_described_is_refused_with_its_fault() {
        let long = |length: usize| "x".repeat(length);
        let named = |n: usize| key(1, &n.to_string());
        let mut variant = related("s", "{}");
        variant.rows[0].0.key.variant = Variant::new("short");
        for (set, expected) in [
            (set(&[key(1, "a"), key(1, "b")], &[key(1, "b"), key(1, "c")]), None),
            (RowSet::default(), Some("there are none")),
            (set(&[key(1, "a"), key(1, "a")], &[]), Some("same key")),
            (set(&[key(1, "a"), key(2, "b")], &[]), Some("several repositories")),
            (set(&[key(1, "a")], &[key(2, "b")]), Some("of another repository")),
            (set(&[key(1, "a")], &[key(1, "a")]), Some("needs itself")),
            (set(&(0..=RowSet::MAX_ROWS).map(named).collect::<Vec<_>>(), &[]), Some("too many")),
            (
                set(&[key(1, "a")], &vec![key(1, "b"); RowSet::MAX_CANDIDATES + 1]),
                Some("needs too much"),
            ),
            (related(&long(RepoPath::MAX_LENGTH), &long(Relation::MAX_DESCRIPTOR)), None),
            (related(&long(RepoPath::MAX_LENGTH + 1), ""), Some("subject")),
            (related("a\0", ""), Some("subject")),
            (related("a", &long(Relation::MAX_DESCRIPTOR + 1)), Some("description")),
            (related("a", "\0"), Some("description")),
            (variant, Some("source variant")),
        ] {
            let fault = set.check().err().map(|error| error.to_string());
            let is_expected = match (&fault, expected) {
                (Some(fault), Some(expected)) => fault.contains(expected),
                (None, None) => true,
                _ => false,
            };
            assert!(is_expected, "{fault:?} is not {expected:?}");
        }
    }
}

//! Files that refer to each other: published together, kept while another needs them, and given up
//! when nothing does.
//!
//! A client of such a type stores many files first and at last a document that names them. Whoever was
//! told that a file is here relies on it until that document comes, hence the promise: a row with a
//! promise goes when the promise is old and no other row needs it, and never otherwise. A
//! promise and a need are made under the lock of the row, so that neither can miss its removal.

use std::fmt;

use async_trait::async_trait;

use super::{Evicted, Precondition};
use crate::{ArtifactRow, RepoPath, RepositoryId, Result, RowKey, Timestamp};

/// Rows of one repository that become visible together or not at all.
#[derive(Clone, Debug, Default)]
pub struct RowSet {
    /// The rows, each with the condition under which it is written. At least one, with distinct keys.
    /// Of rows that are stored already with the same bytes the stored one stays.
    pub rows: Vec<(ArtifactRow, Precondition)>,
    /// What the first row needs.
    pub needs: Vec<Need>,
    /// What the first row says of another one.
    pub relation: Option<Relation>,
    /// When the rows were promised to a client: they are given up a while later if nothing needs them.
    /// `None`: they stay until they are removed.
    pub promised_at: Option<Timestamp>,
}

/// Rows of which the first row of a set needs one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Need {
    /// The first of these that exists is the one that is needed.
    pub any_of: Vec<RowKey>,
    /// What becomes of it when it is needed no more.
    pub afterwards: Afterwards,
}

/// What becomes of a row that was needed when the last row that needed it is gone.
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
    /// How the first row is shown among those that are related to the subject. Opaque here.
    pub descriptor: String,
}

/// What became of a set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PublishedSet {
    /// Written: the rows as they are stored now, in the order of the set.
    Stored(Vec<ArtifactRow>),
    /// Nothing is written, because these of the set's needs (by their index) do not exist.
    Missing(Vec<usize>),
    /// Nothing is written, because the condition of this row (by its index) does not hold; what is
    /// there instead.
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
    /// Rows whose paths begin with this text and that have the same bytes go as well.
    pub aliases: Option<String>,
    /// The condition on the row.
    pub precondition: Precondition,
}

/// What became of a removal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Removed {
    /// These rows are gone.
    Rows(Vec<RowKey>),
    /// Nothing is removed, because this row needs it.
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
    /// holds. Generations are as [`super::RowStore::publish`] gives them. A first row that is replaced by other
    /// bytes loses its former needs and relation.
    async fn publish_set(&self, set: RowSet) -> Result<PublishedSet>;

    /// Promises anew at `now` that the row stays for a while; `false` if there is no such row. Later
    /// promises win over earlier ones. A row that was published without a promise is not touched.
    async fn promise(&self, key: &RowKey, now: Timestamp) -> Result<bool>;

    /// Removes a row, if no other row needs it, and its aliases.
    async fn remove_unneeded(&self, removal: &Removal) -> Result<Removed>;

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
    /// needed only lose their promise. Never waits for a lock: a row that is busy is left for later.
    async fn give_up(&self, pass: GivingUp) -> Result<Evicted>;
}

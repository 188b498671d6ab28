//! The metadata store: repositories, artifact rows, statistics.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::{
    AccessLog, BlobIndex, ChangeFeed, CollectorStore, KeyStore, LostBlobs, RowSets, TokenStore,
    UploadStore,
};
use crate::{
    ArtifactRow, Definition, PackageType, RepoPath, Repository, RepositoryId, RepositoryName,
    Result, RowKey, Timestamp,
};

/// The whole metadata store.
#[async_trait]
pub trait MetaStore:
    RowStore
    + RowEviction
    + RepositoryStore
    + StatStore
    + BlobIndex
    + LostBlobs
    + CollectorStore
    + ChangeFeed
    + AccessLog
    + KeyStore
    + RowSets
    + UploadStore
    + TokenStore
{
    /// Proves that the store answers reads and writes.
    async fn check(&self) -> Result<()>;
}

/// A condition on what is stored, decided inside the writing transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Precondition {
    /// Write whatever is there.
    Any,
    /// Only if nothing is there.
    Absent,
    /// Only if the stored generation (of a row) or revision (of a repository) is this one.
    Unchanged(i64),
}

/// What became of a conditional write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Published<T> {
    /// Written; the value is what is stored now.
    Stored(T),
    /// The precondition did not hold; the value is what is stored instead.
    Conflict(Option<T>),
}

/// Upstream confirmed a row (304): what changes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Validation {
    /// When it was confirmed.
    pub validated_at: Timestamp,
    /// Until when it is fresh now.
    pub expires_at: Option<Timestamp>,
    /// Upstream's entity tag, if it sent a new one.
    pub upstream_etag: Option<String>,
    /// Upstream's `Last-Modified`, if it sent a new one.
    pub upstream_last_modified: Option<String>,
}

/// Which rows of a repository are meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selector {
    /// Every variant of one path.
    Path(RepoPath),
    /// Every path that starts with this text; empty means all.
    Prefix(String),
}

/// What an eviction removed or would remove.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Evicted {
    /// Rows.
    pub objects: u64,
    /// The sum of their sizes.
    pub bytes: u64,
}

/// Restricts a listing by freshness.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StateFilter {
    /// Fresh at this moment.
    FreshAt(Timestamp),
    /// Expired at this moment.
    StaleAt(Timestamp),
}

/// One page of a listing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RowQuery {
    /// The repository.
    pub repository: RepositoryId,
    /// Only paths that start with this text.
    pub prefix: String,
    /// Fold everything behind the next delimiter after the prefix into a [`Prefix`].
    pub delimiter: Option<char>,
    /// Continue behind this path or folded prefix.
    pub after: Option<String>,
    /// Only rows in this state.
    pub state: Option<StateFilter>,
    /// At most this many rows and prefixes together.
    pub limit: usize,
    /// The sums of the folded prefixes add up about this many rows at most, an equal share for each
    /// prefix of the page. Zero adds nothing up.
    pub summed: usize,
}

impl RowQuery {
    /// How many rows each of `prefixes` folded groups may add up, so that a page costs the same
    /// however large they are.
    pub fn share_of_sums(&self, prefixes: usize) -> usize {
        let share = self.summed / prefixes.max(1);
        share.max(self.summed.min(1))
    }
}

/// A row with how it is used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedRow {
    /// The row.
    pub row: ArtifactRow,
    /// How often it was served, as far as flushed.
    pub hits: u64,
    /// When it was served last, to the hour.
    pub accessed_at: Option<Timestamp>,
}

/// A folded group of rows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prefix {
    /// The common prefix, with its delimiter.
    pub prefix: String,
    /// Rows below it.
    pub objects: u64,
    /// The sum of their sizes.
    pub bytes: u64,
    /// Whether adding up ended at the prefix's share of [`RowQuery::summed`], so that there may be more.
    pub at_least: bool,
}

impl Prefix {
    /// A group of which at most `share` rows were added up.
    pub fn of_at_most(share: usize, prefix: String, (objects, bytes): (u64, u64)) -> Self {
        let at_least = objects >= u64::try_from(share).unwrap_or(u64::MAX);
        Self { prefix, objects, bytes, at_least }
    }
}

/// A page of rows and folded prefixes, both in order of path.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Listing {
    /// Rows.
    pub rows: Vec<ListedRow>,
    /// Folded groups.
    pub prefixes: Vec<Prefix>,
    /// Pass as [`RowQuery::after`] for the next page; absent on the last.
    pub next: Option<String>,
}

/// How much a repository holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Rows.
    pub objects: u64,
    /// The sum of their sizes.
    pub logical_bytes: u64,
}

/// How often a row was served since the last flush.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessRecord {
    /// The row.
    pub key: RowKey,
    /// Times served.
    pub hits: u64,
    /// When last.
    pub accessed_at: Timestamp,
}

/// Artifact rows. Bytes come first: a row is published only when its blob is durable.
#[async_trait]
pub trait RowStore: fmt::Debug + Send + Sync {
    /// The row of `key`.
    async fn row(&self, key: &RowKey) -> Result<Option<ArtifactRow>>;

    /// Writes `row` together with its blob's entry in one transaction, if `precondition`
    /// holds. The stored generation is one more than the replaced row's, else 1; `row.generation` is ignored.
    async fn publish(
        &self,
        row: ArtifactRow,
        precondition: Precondition,
    ) -> Result<Published<ArtifactRow>>;

    /// Records that upstream confirmed the row of that generation; `None` if it changed meanwhile.
    async fn validate(
        &self,
        key: &RowKey,
        generation: i64,
        validation: Validation,
    ) -> Result<Option<ArtifactRow>>;

    /// Removes one row if `precondition` holds and no other row needs it ([`super::RowSets`]); the removed
    /// row, or what is there instead.
    async fn remove(
        &self,
        key: &RowKey,
        precondition: Precondition,
    ) -> Result<Published<ArtifactRow>>;

    /// Removes every selected row, even if others need it; with `dry_run` only counts them.
    async fn evict(
        &self,
        repository: RepositoryId,
        selector: &Selector,
        dry_run: bool,
    ) -> Result<Evicted>;

    /// One page of rows.
    async fn list(&self, query: &RowQuery) -> Result<Listing>;

    /// Adds to the counters of the rows that still exist.
    async fn record_accesses(&self, accesses: Vec<AccessRecord>) -> Result<()>;

    /// What every repository holds, and the bytes of all distinct blobs.
    async fn usage(&self) -> Result<(Vec<(RepositoryId, Usage)>, u64)>;
}

/// Which cached rows may go when room is needed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EvictionPass {
    /// Rows of these repositories only.
    pub repositories: Vec<RepositoryId>,
    /// Stop when the evicted rows' sizes add up to at least this.
    pub bytes: u64,
    /// Rows that were stored or served at or after this moment stay.
    pub unused_since: Timestamp,
    /// At most this many rows.
    pub limit: usize,
}

/// Making room among cached rows. The bytes of an evicted row are freed by garbage collection,
/// if nothing else refers to them.
#[async_trait]
pub trait RowEviction: fmt::Debug + Send + Sync {
    /// Removes the rows that were not used for the longest time: last served, or stored where
    /// they never were. Rows that others need stay.
    async fn evict_least_used(&self, pass: &EvictionPass) -> Result<Evicted>;
}

/// A repository about to be created or replaced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewRepository {
    /// Unique over all kinds.
    pub name: RepositoryName,
    /// The package type.
    pub package_type: PackageType,
    /// Free text.
    pub description: String,
    /// Which tool manages it.
    pub managed_by: String,
    /// Whether reading it needs a permission.
    pub private: bool,
    /// What is particular to its kind.
    pub definition: Definition,
}

/// The state of the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Increases with every committed change of any repository.
    pub generation: i64,
    /// Every repository in order of name.
    pub repositories: Vec<Repository>,
}

/// Configured repositories. Credentials are encrypted at rest.
#[async_trait]
pub trait RepositoryStore: fmt::Debug + Send + Sync {
    /// The whole configuration, consistent with its generation.
    async fn repositories(&self) -> Result<Change>;

    /// The generation alone: cheap enough to be asked every two seconds.
    async fn configuration_generation(&self) -> Result<i64>;

    /// Creates or replaces a repository by name, if `precondition` holds. The kind and the
    /// package type of an existing repository do not change: that is a conflict, too.
    async fn put_repository(
        &self,
        repository: NewRepository,
        precondition: Precondition,
        now: Timestamp,
    ) -> Result<Published<Repository>>;

    /// Deletes a repository with all its rows, if `precondition` holds.
    async fn delete_repository(
        &self,
        name: &RepositoryName,
        precondition: Precondition,
    ) -> Result<Published<Repository>>;
}

/// Counters of one repository over one span of time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StatBucket {
    /// Requests answered from a fresh copy.
    pub hits: u64,
    /// Requests that had to ask upstream.
    pub misses: u64,
    /// Requests answered from an expired copy.
    pub stale: u64,
    /// Requests whose copy upstream confirmed first.
    pub revalidated: u64,
    /// Requests answered from a remembered absence.
    pub negative: u64,
    /// Requests that a rule refused.
    pub denied: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Body bytes sent to clients.
    pub bytes_served: u64,
    /// Body bytes received from upstream.
    pub bytes_fetched: u64,
    /// Body bytes sent to clients out of the cache.
    pub bytes_hit: u64,
}

/// Counters over time.
#[async_trait]
pub trait StatStore: fmt::Debug + Send + Sync {
    /// Adds to the counters of the span of `width` that holds `at`.
    async fn add_statistics(
        &self,
        at: Timestamp,
        width: Duration,
        buckets: Vec<(RepositoryId, StatBucket)>,
    ) -> Result<()>;

    /// The sums since a moment, rounded down to the span that holds it.
    async fn statistics_since(&self, since: Timestamp) -> Result<Vec<(RepositoryId, StatBucket)>>;

    /// Forgets everything before a moment.
    async fn forget_statistics(&self, before: Timestamp) -> Result<()>;
}

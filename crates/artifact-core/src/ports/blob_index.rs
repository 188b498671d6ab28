//! The index of blobs: which bytes exist, what refers to them, and how garbage among them is
//! collected without ever losing a blob that somebody needs.
//!
//! A blob is condemned first and deleted later, always under the lock of its entry, so that
//! creating a reference and deleting bytes can never miss each other. Who is about to refer to
//! a blob *pins* it first, stores the bytes, writes the reference, and takes the pin away.
//! Whatever is in doubt is kept.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::BlobListing;
use crate::{BlobId, Result, Timestamp};

/// What a pin found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pinned {
    /// No entry: whoever needs the bytes stores them now, after this answer.
    Absent,
    /// The blob is indexed and was not condemned.
    Live,
    /// The blob was condemned and is live again. Its bytes may be gone: they must be looked
    /// for, and stored again if they are.
    Revived,
}

/// Which blobs a pass of the collector works on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GarbagePass {
    /// The present.
    pub now: Timestamp,
    /// How long after its last change a blob is left alone before it is reviewed.
    pub review_delay: Duration,
    /// How long a condemned blob is kept before its bytes are deleted.
    pub delete_delay: Duration,
    /// At most this many blobs; in a survey, of each kind.
    pub limit: usize,
}

/// What a review did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reviewed {
    /// Blobs that are referenced or pinned and stay.
    pub kept: u64,
    /// Blobs that nothing needs and that are condemned now.
    pub condemned: u64,
}

/// What a deletion did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reclaimed {
    /// Blobs whose bytes and entries are gone.
    pub blobs: u64,
    /// The sum of their sizes.
    pub bytes: u64,
    /// Condemned blobs that turned out to be needed and are live again.
    pub revived: u64,
    /// Blobs whose bytes could not be deleted; they are tried again later.
    pub failed: u64,
}

/// What a collector would find. Counting changes nothing. Of blobs that are due for review, of
/// condemned ones and of those that are due for deletion no more are counted than the limit of the
/// pass, oldest first: a count that reaches it says that there are at least so many.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct GarbageSurvey {
    /// All indexed blobs.
    pub blobs: u64,
    /// The sum of their sizes.
    pub bytes: u64,
    /// Blobs whose review is due, whatever its outcome.
    pub due_for_review: u64,
    /// Those among them that nothing needs.
    pub unreferenced: u64,
    /// The sum of their sizes.
    pub unreferenced_bytes: u64,
    /// Condemned blobs, due for deletion or not.
    pub condemned: u64,
    /// The sum of their sizes.
    pub condemned_bytes: u64,
    /// Condemned blobs whose deletion is due.
    pub due_for_deletion: u64,
    /// The sum of their sizes.
    pub due_for_deletion_bytes: u64,
}

/// Deletes bytes while the index holds the locks of their blobs.
#[async_trait]
pub trait EraseBytes: fmt::Debug + Send + Sync {
    /// Deletes the bytes of `ids` and returns those that are certainly gone; bytes that were not
    /// there count as gone. Must return within seconds: writers of these blobs wait.
    async fn erase(&self, ids: &[BlobId]) -> Vec<BlobId>;
}

/// Indexed blobs, their references and pins. A blob is needed while an artifact row or a
/// parent blob refers to it, or a pin on it has not ended.
#[async_trait]
pub trait BlobIndex: fmt::Debug + Send + Sync {
    /// Keeps a blob from being condemned or deleted until `until`, whether it is indexed yet or
    /// not, and makes a condemned one live again. A later `until` of the same `owner` replaces
    /// an earlier one. Waits for a deletion of the blob that is under way. Fails with
    /// [`crate::ErrorKind::Unavailable`] while the outcome of a failed deletion of its bytes is
    /// still in doubt: about a minute.
    async fn pin(&self, id: BlobId, owner: &str, until: Timestamp) -> Result<Pinned>;

    /// Takes the pin of `owner` away. Its end is a change: the blob is queued for review.
    async fn unpin(&self, id: BlobId, owner: &str) -> Result<()>;

    /// Reviews blobs whose review is due, oldest first, and condemns those that nothing needs.
    /// Never waits for a lock: a blob that is busy is left for later.
    async fn review(&self, pass: GarbagePass) -> Result<Reviewed>;

    /// Deletes condemned blobs that are due and still not needed: locks them, has `bytes` erase
    /// them, and removes the entries of those that are gone. Never waits for a lock. After
    /// a failure a blob is left alone for a minute, then twice as long each time, at most a day.
    async fn reclaim(&self, pass: GarbagePass, bytes: &dyn EraseBytes) -> Result<Reclaimed>;

    /// Enters stored blobs that have no entry as condemned at `now`; returns how many. An entry that exists
    /// is not touched.
    async fn adopt(&self, stored: &[BlobListing], now: Timestamp) -> Result<u64>;

    /// Counts what a pass would find, at most `limit` of each kind.
    async fn survey(&self, pass: GarbagePass) -> Result<GarbageSurvey>;
}

/// Why a run of the collector ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RunOutcome {
    /// Everything that was due is done.
    Completed,
    /// It refused to go on; the reason for people.
    Stopped(String),
    /// Something failed; the reason for people.
    Failed(String),
}

/// One run of the collector.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CollectorRun {
    /// The replica that ran it.
    pub replica: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What was reviewed.
    pub reviewed: Reviewed,
    /// What was deleted.
    pub reclaimed: Reclaimed,
    /// Stored blobs without an entry that were found.
    pub adopted: u64,
    /// How it ended.
    pub outcome: RunOutcome,
}

/// What the collectors of all replicas have done.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CollectorHistory {
    /// The epoch: increases with every run that deletes.
    pub epoch: u64,
    /// The last run, whichever replica ran it.
    pub last_run: Option<CollectorRun>,
    /// Blobs deleted by all runs ever.
    pub reclaimed_blobs: u64,
    /// Bytes deleted by all runs ever.
    pub reclaimed_bytes: u64,
    /// When stored blobs were last compared with the index.
    pub swept_at: Option<Timestamp>,
}

/// What to do when the blob store has seen a later epoch than this store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Restoration {
    /// Refuse: this store was restored from an older backup and may lack references.
    Refuse,
    /// An operator has looked and takes it over.
    Accept,
}

/// What the collectors of all replicas must know of each other.
#[async_trait]
pub trait CollectorStore: fmt::Debug + Send + Sync {
    /// Increases the epoch before a run deletes anything and returns the new one, which the
    /// caller writes to the blob store. `seen` is the blob store's. `None` if `seen` is later than the
    /// stored epoch and `restoration` refuses.
    async fn advance_epoch(&self, seen: u64, restoration: Restoration) -> Result<Option<u64>>;

    /// Whether the caller is the one who compares the blob store with the index now: true for
    /// one caller per `every`.
    async fn claim_sweep(&self, now: Timestamp, every: Duration) -> Result<bool>;

    /// Keeps a run, and adds what it deleted to the totals.
    async fn record_run(&self, run: &CollectorRun) -> Result<()>;

    /// What was done so far.
    async fn history(&self) -> Result<CollectorHistory>;
}

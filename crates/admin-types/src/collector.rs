//! Garbage collection as operators see it.

use serde::{Deserialize, Serialize};

/// What the collector did and what there is to do.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Collector {
    /// What it does in the process that answers.
    pub state: CollectorState,
    /// Increases with every run that deletes.
    pub epoch: u64,
    /// All stored blobs.
    pub stored: BlobCount,
    /// Blobs whose review is due, whatever comes of it; at least so many if `unreferenced` is a
    /// lower bound.
    pub due_for_review: u64,
    /// Blobs among them that nothing needs.
    pub unreferenced: BlobCount,
    /// Blobs that will be deleted unless somebody needs them before.
    pub condemned: BlobCount,
    /// Condemned blobs whose time has come.
    pub due_for_deletion: BlobCount,
    /// What all runs ever deleted.
    pub reclaimed: BlobCount,
    /// When the store was last searched for blobs that no entry knows.
    pub swept_at: Option<String>,
    /// Files whose bytes the store was found to have lost.
    #[serde(default)]
    pub lost: Lost,
    /// The last run, of whichever replica.
    pub last_run: Option<CollectorRun>,
}

/// Files whose bytes are lost.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Lost {
    /// Files of remotes; they are fetched again when they are asked for.
    pub cached: u64,
    /// Files of local repositories; they must be uploaded again.
    pub hosted: u64,
    /// The first hundred of the hosted ones.
    pub files: Vec<LostFile>,
}

/// A hosted file whose bytes are lost.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LostFile {
    /// The local repository.
    pub repository: String,
    /// The path in it.
    pub path: String,
}

/// What the collector of one process does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CollectorState {
    /// Nothing.
    Idle,
    /// A run.
    Running,
}

/// Blobs and the sum of their sizes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct BlobCount {
    /// How many.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether counting ended early, so that there may be more.
    #[serde(default)]
    pub at_least: bool,
}

/// One run of the collector.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CollectorRun {
    /// How it ended.
    pub outcome: RunOutcome,
    /// Why it ended before its end, or what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The replica that ran it.
    pub replica: String,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub finished_at: String,
    /// Reviewed blobs that are needed.
    pub kept: u64,
    /// Blobs that it condemned; in a rehearsal, would have condemned.
    pub condemned: u64,
    /// What it deleted; in a rehearsal, would have deleted.
    pub deleted: BlobCount,
    /// Condemned blobs that are needed again.
    pub revived: u64,
    /// Blobs that could not be deleted.
    pub failed: u64,
    /// Stored blobs without an entry that it found.
    pub orphans: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Everything that was due is done.
    Completed,
    /// Nothing was done, only counted.
    Rehearsed,
    /// A guard refused to go on.
    Stopped,
    /// A store failed.
    Failed,
}

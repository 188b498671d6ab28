//! A metadata store in memory, for tests of everything above the port.
//!
//! It never blocks and starts no thread, so paused time works; it can be told to fail; and it
//! counts how often it is asked. It passes the same contract as the stores that ship.

mod changes;
mod garbage;
mod keys;
mod listing;
mod lost;
mod repositories;
mod row_sets;
mod rows;
mod statistics;
mod tokens;
mod uploads;

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use artifact_core::ports::{AccessLogRecord, CollectorHistory, MetaStore, Precondition, RowChange};
use artifact_core::{
    ArtifactRow, BlobId, Error, ErrorKind, Repository, RepositoryName, Result, RowKey, Timestamp,
};
use async_trait::async_trait;

use garbage::Entry;
use keys::Keys;
use row_sets::Bonds;
use statistics::Statistics;
use tokens::Tokens;
use tokio::sync::{Notify, broadcast};
use uploads::Uploads;
use uuid::Uuid;

/// A metadata store in memory.
#[derive(Debug, Default)]
pub struct MemoryMetaStore {
    state: Mutex<State>,
    failure: Mutex<Option<ErrorKind>>,
    calls: AtomicU64,
    /// Told whenever a blob whose bytes were being deleted may be used again.
    unlocked: Notify,
}

#[derive(Debug)]
struct State {
    generation: i64,
    last_id: i64,
    repositories: BTreeMap<RepositoryName, Repository>,
    rows: BTreeMap<RowKey, StoredRow>,
    blobs: BTreeMap<BlobId, Entry>,
    /// Pins on blobs that have no entry yet.
    pins: BTreeMap<BlobId, BTreeMap<String, Timestamp>>,
    history: CollectorHistory,
    changes: Vec<(Timestamp, RowChange)>,
    last_change: i64,
    wake_ups: broadcast::Sender<()>,
    batches: HashSet<Uuid>,
    log: Vec<AccessLogRecord>,
    statistics: Statistics,
    keys: Keys,
    bonds: Bonds,
    uploads: Uploads,
    tokens: Tokens,
}

impl Default for State {
    fn default() -> Self {
        Self {
            generation: 0,
            last_id: 0,
            repositories: BTreeMap::new(),
            rows: BTreeMap::new(),
            blobs: BTreeMap::new(),
            pins: BTreeMap::new(),
            history: CollectorHistory::default(),
            changes: Vec::new(),
            last_change: 0,
            wake_ups: broadcast::Sender::new(64),
            batches: HashSet::new(),
            log: Vec::new(),
            statistics: Statistics::default(),
            keys: Keys::new(),
            bonds: Bonds::default(),
            uploads: Uploads::new(),
            tokens: Tokens::new(),
        }
    }
}

#[derive(Debug)]
struct StoredRow {
    row: ArtifactRow,
    hits: u64,
    accessed_at: Option<Timestamp>,
}

impl MemoryMetaStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets every call from now on fail with `kind` and change nothing; `None` ends the outage.
    pub fn fail_with(&self, kind: Option<ErrorKind>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = kind;
    }

    /// How often the store was asked anything, failed calls included.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Counts a call and lets it in, unless the store is to fail.
    fn enter(&self) -> Result<MutexGuard<'_, State>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let failure = *self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            Some(kind) => Err(Error::new(kind, "the metadata store was told to fail")),
            None => Ok(self.lock()),
        }
    }

    /// Lets a caller in who is not asking anything.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MetaStore for MemoryMetaStore {
    async fn check(&self) -> Result<()> {
        self.enter().map(|_| ())
    }
}

/// Whether `precondition` holds for the stored generation or revision, if anything is stored.
fn holds(precondition: Precondition, stored: Option<i64>) -> bool {
    match precondition {
        Precondition::Any => true,
        Precondition::Absent => stored.is_none(),
        Precondition::Unchanged(expected) => stored == Some(expected),
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};
    use std::path::Path;

    use artifact_core::ports::RepositoryStore;

    use super::*;

    fn make(_: &Path) -> Ready<MemoryMetaStore> {
        ready(MemoryMetaStore::new())
    }

    crate::meta_store_contract!(make);

    #[tokio::test]
    async fn an_outage_fails_every_call_and_ends() {
        let store = MemoryMetaStore::new();
        store.fail_with(Some(ErrorKind::Unavailable));
        let error = store.repositories().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        store.fail_with(None);
        assert!(store.repositories().await.is_ok());
        assert_eq!(store.calls(), 2);
    }
}

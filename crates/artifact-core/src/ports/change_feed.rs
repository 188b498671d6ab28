//! How one replica learns what another one changed.

use std::fmt;
use std::pin::Pin;

use async_trait::async_trait;
use futures_core::Stream;

use super::Selector;
use crate::{RepositoryId, Result, Timestamp};

/// Rows that are no longer what they were: removed, or pointing to other bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RowChange {
    /// Identifies the change: a reader that polls may see the same one more than once.
    pub id: i64,
    /// The repository.
    pub repository: RepositoryId,
    /// Which rows.
    pub selector: Selector,
}

/// What changed since a moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Changes {
    /// The generation of the configuration.
    pub configuration: i64,
    /// The moment of this answer on the store's clock: pass it next time.
    pub until: Timestamp,
    /// The changed rows.
    pub rows: ChangedRows,
}

/// Changed rows, as far as the store remembers them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ChangedRows {
    /// All changes since the moment, some of them perhaps told before.
    Listed(Vec<RowChange>),
    /// Too many or too long ago: any row may have changed.
    Any,
}

/// Hints that something changed, each without saying what. Hints may be lost.
pub type WakeUps = Pin<Box<dyn Stream<Item = ()> + Send>>;

/// What other replicas changed. Asked every two seconds, and sooner after a wake-up.
#[async_trait]
pub trait ChangeFeed: fmt::Debug + Send + Sync {
    /// What was committed since `since`, or only the present if that is `None`. A change that was
    /// being committed at `since` is included, so the same change may be told twice.
    async fn changes(&self, since: Option<Timestamp>) -> Result<Changes>;

    /// Forgets changes that are older than a day.
    async fn forget_changes(&self) -> Result<()>;

    /// Hints from now on. The stream goes on after a lost connection, with one hint when it is
    /// back, and never ends before the store does.
    fn wake_ups(&self) -> WakeUps;
}

//! Bytes in memory that a collector erases, and that fail or wait on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use artifact_core::BlobId;
use artifact_core::ports::EraseBytes;
use async_trait::async_trait;
use tokio::sync::Notify;

/// What happens to an order to erase.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Erasure {
    /// The bytes are erased.
    #[default]
    Works,
    /// The bytes stay.
    Fails,
    /// The bytes are erased, but nobody learns of it.
    LosesTheAnswer,
}

/// Stored bytes of a test.
#[derive(Debug, Default)]
pub(super) struct Bytes {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    stored: BTreeSet<BlobId>,
    erased: BTreeMap<BlobId, usize>,
    orders: usize,
    erasure: Erasure,
}

impl Bytes {
    pub(super) fn holding(ids: &[BlobId]) -> Self {
        let bytes = Self::default();
        bytes.state().stored.extend(ids);
        bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn behave(&self, erasure: Erasure) {
        self.state().erasure = erasure;
    }

    pub(super) fn store(&self, id: BlobId) {
        self.state().stored.insert(id);
    }

    pub(super) fn hold(&self, id: BlobId) -> bool {
        self.state().stored.contains(&id)
    }

    pub(super) fn stored(&self) -> Vec<BlobId> {
        self.state().stored.iter().copied().collect()
    }

    /// How often these bytes were ordered to be erased.
    pub(super) fn erasures(&self, id: BlobId) -> usize {
        self.state().erased.get(&id).copied().unwrap_or(0)
    }

    /// How often anything was ordered to be erased.
    pub(super) fn orders(&self) -> usize {
        self.state().orders
    }
}

#[async_trait]
impl EraseBytes for Bytes {
    async fn erase(&self, ids: &[BlobId]) -> Vec<BlobId> {
        let mut state = self.state();
        state.orders += 1;
        for id in ids {
            *state.erased.entry(*id).or_default() += 1;
            if state.erasure != Erasure::Fails {
                state.stored.remove(id);
            }
        }
        if state.erasure == Erasure::Works { ids.to_vec() } else { Vec::new() }
    }
}

/// Bytes whose erasure goes on only when the test says so.
#[derive(Debug, Default)]
pub(super) struct HeldBytes {
    pub(super) bytes: Bytes,
    begun: Notify,
    released: Notify,
}

impl HeldBytes {
    pub(super) fn holding(ids: &[BlobId]) -> Self {
        Self { bytes: Bytes::holding(ids), ..Self::default() }
    }

    /// Resolves once an erasure has begun; for one caller.
    pub(super) async fn begun(&self) {
        self.begun.notified().await;
    }

    /// Lets the erasure go on.
    pub(super) fn release(&self) {
        self.released.notify_one();
    }
}

#[async_trait]
impl EraseBytes for HeldBytes {
    async fn erase(&self, ids: &[BlobId]) -> Vec<BlobId> {
        self.begun.notify_one();
        self.released.notified().await;
        self.bytes.erase(ids).await
    }
}

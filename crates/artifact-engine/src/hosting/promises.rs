//! Promises to clients that a file stays here although nothing needs it yet.

use std::sync::Arc;
use std::time::Duration;

use artifact_core::{Result, RowKey, Timestamp};
use quick_cache::sync::Cache;

use super::absent;
use crate::shared::Shared;

/// Promises that are remembered. One that is not is made again, which is right as well.
const REMEMBERED: usize = 100_000;

/// The promises that this process made a short while ago, so that a client that asks often costs no
/// statement each time.
#[derive(Debug)]
pub(crate) struct Promises {
    made: Cache<RowKey, Timestamp>,
}

impl Promises {
    pub(crate) fn new() -> Self {
        Self { made: Cache::new(REMEMBERED) }
    }

    /// Promises that the row stays; fails if it is gone.
    pub(super) async fn make(&self, shared: &Arc<Shared>, key: &RowKey) -> Result<()> {
        let now = shared.parts.clock.now();
        let recently = now.minus(renewed_after(shared.settings.upload_expiry));
        if self.made.get(key).is_some_and(|made| made > recently) {
            return Ok(());
        }
        if !shared.parts.meta.promise(key, now).await? {
            shared.rows.forget(key);
            self.forget(key);
            return Err(absent());
        }
        self.made.insert(key.clone(), now);
        Ok(())
    }

    /// What was removed is promised no more.
    pub(super) fn forget(&self, key: &RowKey) {
        self.made.remove(key);
    }
}

/// A promise is renewed while most of its time is left.
fn renewed_after(expiry: Duration) -> Duration {
    expiry / 4
}

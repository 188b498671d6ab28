//! Counters over time in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use artifact_core::ports::{StatBucket, StatStore};
use artifact_core::{RepositoryId, Result, Timestamp};
use async_trait::async_trait;

use super::MemoryMetaStore;

/// Sums by the end of their span, in milliseconds, and repository.
pub(super) type Statistics = BTreeMap<(i64, RepositoryId), StatBucket>;

#[async_trait]
impl StatStore for MemoryMetaStore {
    async fn add_statistics(
        &self,
        at: Timestamp,
        width: Duration,
        buckets: Vec<(RepositoryId, StatBucket)>,
    ) -> Result<()> {
        let mut state = self.enter()?;
        let width = i64::try_from(width.as_millis()).unwrap_or(i64::MAX).max(1);
        let start = at.as_millis() - at.as_millis().rem_euclid(width);
        for (repository, bucket) in buckets {
            let key = (start.saturating_add(width), repository);
            add(state.statistics.entry(key).or_default(), &bucket);
        }
        Ok(())
    }

    async fn statistics_since(&self, since: Timestamp) -> Result<Vec<(RepositoryId, StatBucket)>> {
        let state = self.enter()?;
        let mut sums = BTreeMap::new();
        for ((ends_at, repository), bucket) in &state.statistics {
            if *ends_at > since.as_millis() {
                add(sums.entry(*repository).or_default(), bucket);
            }
        }
        Ok(sums.into_iter().collect())
    }

    async fn forget_statistics(&self, before: Timestamp) -> Result<()> {
        let mut state = self.enter()?;
        state.statistics.retain(|(ends_at, _), _| *ends_at > before.as_millis());
        Ok(())
    }
}

fn add(sum: &mut StatBucket, more: &StatBucket) {
    sum.hits += more.hits;
    sum.misses += more.misses;
    sum.stale += more.stale;
    sum.revalidated += more.revalidated;
    sum.negative += more.negative;
    sum.denied += more.denied;
    sum.errors += more.errors;
    sum.bytes_served += more.bytes_served;
    sum.bytes_fetched += more.bytes_fetched;
    sum.bytes_hit += more.bytes_hit;
}

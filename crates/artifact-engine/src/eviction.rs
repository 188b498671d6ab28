//! Keeping cached files within a quota: the least used rows go, their bytes follow by garbage
//! collection.
//!
//! Invariant: hosted files are never evicted, nor is anything that was used within the hour.

use std::sync::Arc;
use std::time::Duration;

use artifact_core::ports::{EvictionPass, GarbagePass, GarbageSurvey};
use artifact_core::{RepositoryId, RepositoryKind, Result, Timestamp};

use crate::shared::Shared;

/// How often the quota is looked at.
const EVERY: Duration = Duration::from_secs(60);
/// What was used within this time stays.
const RECENT: Duration = Duration::from_secs(3600);
/// Rows that one statement removes.
const BATCH: usize = 1000;

/// Evicts whenever the quota is exceeded, until the engine stops.
pub(crate) async fn keep_quota(shared: Arc<Shared>) {
    let Some(quota) = shared.settings.storage_quota else { return };
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if let Err(error) = evict_to(&shared, quota).await {
            tracing::warn!(%error, "the storage quota could not be looked at");
        }
    }
}

async fn evict_to(shared: &Shared, quota: u64) -> Result<()> {
    let now = shared.parts.clock.now();
    // Cheap, and usually the answer; garbage, which does not count, is only counted otherwise.
    let (_, stored) = shared.parts.meta.usage().await?;
    if stored <= quota {
        return Ok(());
    }
    let survey = shared.parts.meta.survey(everything_due(now)).await?;
    let mut excess = excess(&survey, quota);
    while excess > 0 && !shared.stop.is_cancelled() {
        let pass = EvictionPass {
            repositories: remotes(shared),
            bytes: excess,
            unused_since: now.minus(RECENT),
            limit: BATCH,
        };
        let evicted = shared.parts.meta.evict_least_used(&pass).await?;
        if evicted.objects == 0 {
            tracing::warn!(
                excess,
                "over the storage quota, but everything left was used recently or is hosted"
            );
            return Ok(());
        }
        tracing::info!(
            objects = evicted.objects,
            bytes = evicted.bytes,
            "evicted for the storage quota"
        );
        for id in pass.repositories {
            let everything = artifact_core::ports::Selector::Prefix(String::new());
            shared.rows.forget_selected(id, &everything);
        }
        excess = excess.saturating_sub(evicted.bytes);
    }
    Ok(())
}

/// Counts everything that nothing refers to, however recent.
fn everything_due(now: Timestamp) -> GarbagePass {
    let (review_delay, delete_delay) = (Duration::ZERO, Duration::ZERO);
    GarbagePass { now, review_delay, delete_delay, limit: usize::MAX }
}

/// Bytes to evict: down to 95 % of the quota once it is exceeded, not counting what is garbage already.
fn excess(survey: &GarbageSurvey, quota: u64) -> u64 {
    let garbage = survey.unreferenced_bytes.saturating_add(survey.condemned_bytes);
    let used = survey.bytes.saturating_sub(garbage);
    if used <= quota { 0 } else { used - quota / 100 * 95 }
}

fn remotes(shared: &Shared) -> Vec<RepositoryId> {
    let snapshot = shared.configuration.snapshot();
    let remotes = snapshot.all().filter(|mounted| mounted.kind() == RepositoryKind::Remote);
    remotes.map(|mounted| mounted.id()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_over_the_quota_and_no_garbage_yet_is_evicted() {
        let survey = |bytes, unreferenced_bytes, condemned_bytes| GarbageSurvey {
            bytes,
            unreferenced_bytes,
            condemned_bytes,
            ..GarbageSurvey::default()
        };
        for (survey, expected) in [
            (survey(1000, 0, 0), 0),
            (survey(1001, 0, 0), 51),
            (survey(1500, 300, 200), 0),
            (survey(1500, 300, 100), 150),
            (survey(100, 300, 100), 0),
        ] {
            assert_eq!(excess(&survey, 1000), expected, "{survey:?}");
        }
    }
}

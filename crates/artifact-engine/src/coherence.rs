//! Keeping up with what other replicas change.
//!
//! A change of the configuration, an eviction, a delete or an overwrite on one replica is
//! effective here after the next poll at the latest; a wake-up only makes that poll come sooner,
//! so that nothing depends on notifications. While the metadata store does not answer, the last
//! known state stays in force.

use std::sync::Arc;
use std::time::Duration;

use artifact_core::ports::{ChangedRows, Changes, OriginWarning};
use artifact_core::{Result, Timestamp};
use futures_util::StreamExt;

use crate::keys;
use crate::shared::Shared;

/// Polls that wake-ups bring forward are at least this far apart.
const PAUSE: Duration = Duration::from_millis(100);
/// How often old changes are dropped from the store.
const CLEANING: Duration = Duration::from_secs(3600);

/// Looks for changes until the engine stops.
pub(crate) async fn follow_changes(shared: Arc<Shared>) {
    let mut wake_ups = shared.parts.meta.wake_ups();
    let mut since = None;
    let mut is_answering = true;
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(shared.settings.configuration_poll) => {}
            Some(()) = wake_ups.next() => tokio::time::sleep(PAUSE).await,
        }
        match poll(&shared, since).await {
            Ok(until) => {
                if !is_answering {
                    tracing::info!("the metadata store answers again");
                }
                since = Some(until);
                is_answering = true;
            }
            Err(error) if is_answering => {
                tracing::warn!(%error, "changes cannot be looked for, the last known state stays in force");
                is_answering = false;
            }
            Err(_) => {}
        }
    }
}

async fn poll(shared: &Shared, since: Option<Timestamp>) -> Result<Timestamp> {
    let Changes { configuration, until, rows } = shared.parts.meta.changes(since).await?;
    // A change that was told before is applied again: a row that was being read while
    // it changed may have become hot just after the first time.
    match rows {
        ChangedRows::Listed(changes) if changes.is_empty() => {}
        ChangedRows::Listed(changes) => shared.rows.forget_changed(&changes),
        ChangedRows::Any => shared.rows.forget_all(),
    }
    if configuration != shared.configuration.snapshot().generation() {
        shared.configuration.reload().await?;
    }
    Ok(until)
}

/// Drops changes from the store that every replica has seen long ago.
pub(crate) async fn forget_old_changes(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(CLEANING) => {}
        }
        if let Err(error) = shared.parts.meta.forget_changes().await {
            tracing::warn!(%error, "old changes could not be dropped");
        }
    }
}

/// Tells other replicas which origins this one found failing.
pub(crate) async fn tell_warnings(shared: Arc<Shared>) {
    let mut warnings = shared.parts.upstream.warnings();
    while let Some(Some(warning)) = shared.stop.run_until_cancelled(warnings.next()).await {
        let told = Told { replica: shared.settings.replica.clone(), warning };
        let Ok(message) = serde_json::to_string(&told) else { continue };
        if let Err(error) = shared.parts.ttl.announce(keys::WARNINGS, &message).await {
            tracing::debug!(%error, "a warning about an origin could not be told");
        }
    }
}

/// Leaves origins alone that other replicas found failing.
pub(crate) async fn heed_warnings(shared: Arc<Shared>) {
    let mut announcements = shared.parts.ttl.changes();
    while let Some(Some(announcement)) = shared.stop.run_until_cancelled(announcements.next()).await
    {
        if announcement.topic != keys::WARNINGS {
            continue;
        }
        match serde_json::from_str::<Told>(&announcement.message) {
            Ok(told) if told.replica == shared.settings.replica => {}
            Ok(told) => shared.parts.upstream.heed(&told.warning),
            Err(error) => tracing::debug!(%error, "a warning of another replica is not understood"),
        }
    }
}

/// A warning on its way between replicas.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
struct Told {
    replica: String,
    warning: OriginWarning,
}

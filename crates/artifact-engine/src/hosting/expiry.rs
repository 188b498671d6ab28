//! Giving up what nobody came back for: uploads without an end, and files that no document named.

use std::sync::Arc;
use std::time::Duration;

use artifact_core::Result;
use artifact_core::ports::{Claimed, GivingUp, IdlePass, Selector, Upload};
use tokio::time::Instant;

use crate::shared::Shared;
use crate::storing;

/// How often is looked, unless so much less is waited for that more often is right.
const EVERY: Duration = Duration::from_secs(60);
/// How long clearing one upload away may take.
const CLAIM: Duration = Duration::from_secs(60);
/// How often bytes are looked for that belong to no upload.
const SWEEP: Duration = Duration::from_secs(3600);
/// Rows or uploads of one step.
const BATCH: usize = 200;

/// Gives up what expired, until the engine stops.
pub(crate) async fn give_up_what_expired(shared: Arc<Shared>) {
    let every = EVERY.min(shared.settings.upload_expiry / 4).max(Duration::from_secs(1));
    let mut swept_at = Instant::now();
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        if let Err(error) = give_up_uploads(&shared).await {
            tracing::warn!(%error, "expired uploads could not be removed");
        }
        if let Err(error) = give_up_files(&shared).await {
            tracing::warn!(%error, "files that no document names could not be removed");
        }
        if swept_at.elapsed() >= SWEEP {
            swept_at = Instant::now();
            if let Err(error) = sweep(&shared).await {
                tracing::warn!(%error, "bytes of forgotten uploads could not be looked for");
            }
        }
    }
}

async fn give_up_uploads(shared: &Shared) -> Result<()> {
    loop {
        let now = shared.parts.clock.now();
        let idle_since = now.minus(shared.settings.upload_expiry);
        let pass = IdlePass { now, idle_since, limit: BATCH };
        let uploads = shared.parts.meta.idle_uploads(pass).await?;
        for upload in uploads.iter().cloned() {
            clear_away(shared, upload).await?;
        }
        if uploads.len() < BATCH || shared.stop.is_cancelled() {
            return Ok(());
        }
    }
}

/// Removes bytes of uploads that nobody knows any more: a replica died between the bytes and the record.
async fn sweep(shared: &Shared) -> Result<()> {
    let (meta, staging) = (&shared.parts.meta, &shared.parts.staging);
    let mut after = None;
    loop {
        let before = shared.parts.clock.now().minus(shared.settings.upload_expiry);
        let page = staging.staged(after, BATCH).await?;
        for (id, changed_at) in &page {
            if *changed_at < before && meta.upload(*id).await?.is_none() {
                staging.discard(*id, "").await?;
                tracing::info!(upload = %id, "removed the bytes of a forgotten upload");
            }
        }
        after = page.last().map(|(id, _)| *id);
        if page.len() < BATCH || shared.stop.is_cancelled() {
            return Ok(());
        }
    }
}

/// Bytes first: an upload that is still known is looked at again.
async fn clear_away(shared: &Shared, upload: Upload) -> Result<()> {
    let (meta, id) = (&shared.parts.meta, upload.id);
    if upload.finished_as.is_none() {
        let owner = storing::owner(&shared.settings.replica);
        let now = shared.parts.clock.now();
        let claimed = meta.claim_upload(id, &owner, now, now.plus(CLAIM)).await?;
        let upload = match claimed {
            Claimed::Upload(found) if found.updated_at == upload.updated_at => found,
            Claimed::Upload(_) => return meta.release_upload(id, &owner).await,
            // Somebody goes on with it, or it is over.
            Claimed::Busy | Claimed::Finished(_) | Claimed::Absent => return Ok(()),
        };
        shared.parts.staging.discard(id, &upload.state).await?;
        tracing::info!(upload = %id, bytes = upload.size, "an upload expired");
    }
    meta.remove_upload(id).await?;
    Ok(())
}

async fn give_up_files(shared: &Shared) -> Result<()> {
    loop {
        let promised_before = shared.parts.clock.now().minus(shared.settings.upload_expiry);
        let pass = GivingUp { promised_before, limit: BATCH };
        let given_up = shared.parts.meta.give_up(pass).await?;
        if given_up.objects > 0 {
            tracing::info!(
                files = given_up.objects,
                bytes = given_up.bytes,
                "gave up files that no document names"
            );
            forget_hot(shared);
        }
        if given_up.objects < BATCH as u64 || shared.stop.is_cancelled() {
            return Ok(());
        }
    }
}

/// Hot rows of what is hosted in this way: which are gone was not told.
fn forget_hot(shared: &Shared) {
    for mounted in shared.configuration.snapshot().all() {
        if mounted.provider.publishing().is_some() {
            shared.rows.forget_selected(mounted.id(), &Selector::Prefix(String::new()));
        }
    }
}

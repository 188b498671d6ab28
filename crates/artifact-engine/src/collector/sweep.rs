//! Finding stored bytes that no entry of the index knows: what a process left that died between
//! storing a blob and writing its row.

use artifact_core::ports::{BlobIndex, BlobListing, BlobStore};
use artifact_core::{Result, Timestamp};

/// Blobs that are compared at once.
const PAGE: usize = 1000;

/// Enters blobs stored before `orphaned_before` that have no entry, as condemned at `now`. They
/// then go the way of all garbage, so that whoever needs one in the meantime revives it.
pub(super) async fn adopt_orphans(
    blobs: &dyn BlobStore,
    index: &(impl BlobIndex + ?Sized),
    orphaned_before: Timestamp,
    now: Timestamp,
) -> Result<u64> {
    let mut adopted = 0;
    let mut after = None;
    loop {
        let page = blobs.list(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(adopted) };
        after = Some(last.id);
        let old: Vec<BlobListing> =
            page.into_iter().filter(|listing| listing.stored_at < orphaned_before).collect();
        if !old.is_empty() {
            adopted += index.adopt(&old, now).await?;
        }
    }
}

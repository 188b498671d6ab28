//! Comparing the store with the index, in both directions.
//!
//! Stored bytes that no entry knows are what a process left that died between storing a blob and
//! writing its row. Entries without their bytes are damage: of a bucket that was restored from an
//! older copy, say. The index is read first and the store after it, so that what is published
//! meanwhile is not taken for damage: its bytes come before its row.

use std::collections::HashMap;

use artifact_core::ports::{BlobListing, BlobStore, IndexedBlob, MetaStore};
use artifact_core::{BlobId, Clock, Result, Timestamp};

/// Blobs that are compared at once.
const PAGE: usize = 1000;

/// Compares a store with an index.
pub(super) struct Sweep<'a> {
    pub(super) blobs: &'a dyn BlobStore,
    pub(super) meta: &'a dyn MetaStore,
    pub(super) clock: &'a dyn Clock,
    /// Stored blobs without an entry are orphans when they are older than this.
    pub(super) orphaned_before: Timestamp,
}

/// Entries of a part of the index that were not seen in the store yet.
struct Missing {
    after: Option<BlobId>,
    /// The last id of the part; `None` is the end.
    until: Option<BlobId>,
    blobs: HashMap<BlobId, IndexedBlob>,
    found: Vec<BlobId>,
}

impl Sweep<'_> {
    /// Enters orphans as condemned: they go the way of all garbage, so that whoever needs one in
    /// the meantime revives it. Marks entries without their bytes, and takes marks away from those
    /// whose bytes are there again. Returns how many orphans there were.
    pub(super) async fn run(&self) -> Result<u64> {
        let (mut adopted, mut after) = (0, None);
        loop {
            let looked_at = self.clock.now();
            let mut missing = Missing::of(after, self.meta.live_blobs(after, PAGE).await?);
            adopted += self.look_for(&mut missing).await?;
            self.mark(&missing, looked_at).await?;
            let Some(until) = missing.until else { return Ok(adopted) };
            after = Some(until);
        }
    }

    /// Walks through the part of the store that corresponds to the part of the index.
    async fn look_for(&self, missing: &mut Missing) -> Result<u64> {
        let (mut adopted, mut after) = (0, missing.after);
        loop {
            let mut page = self.blobs.list(after, PAGE).await?;
            let Some(last) = page.last().map(|listing| listing.id) else { return Ok(adopted) };
            page.retain(|listing| missing.has_in_reach(listing.id));
            for listing in &page {
                missing.see(listing);
            }
            page.retain(|listing| listing.stored_at < self.orphaned_before);
            if !page.is_empty() {
                adopted += self.meta.adopt(&page, self.clock.now()).await?;
            }
            if missing.until.is_some_and(|until| last >= until) {
                return Ok(adopted);
            }
            after = Some(last);
        }
    }

    async fn mark(&self, missing: &Missing, looked_at: Timestamp) -> Result<()> {
        let lost: Vec<_> =
            missing.blobs.values().filter(|blob| !blob.is_lost).map(|blob| blob.id).collect();
        if !lost.is_empty() {
            self.meta.mark_lost(&lost, looked_at).await?;
        }
        if !missing.found.is_empty() {
            self.meta.mark_found(&missing.found).await?;
        }
        Ok(())
    }
}

impl Missing {
    fn of(after: Option<BlobId>, page: Vec<IndexedBlob>) -> Self {
        let until = page.last().filter(|_| page.len() >= PAGE).map(|blob| blob.id);
        let blobs = page.into_iter().map(|blob| (blob.id, blob)).collect();
        Self { after, until, blobs, found: Vec::new() }
    }

    fn has_in_reach(&self, id: BlobId) -> bool {
        self.until.is_none_or(|until| id <= until)
    }

    /// Bytes of another size are damage, not the blob.
    fn see(&mut self, listing: &BlobListing) {
        let is_whole = |blob: &IndexedBlob| blob.size == listing.size;
        if self.blobs.get(&listing.id).is_some_and(is_whole)
            && let Some(blob) = self.blobs.remove(&listing.id)
            && blob.is_lost
        {
            self.found.push(blob.id);
        }
    }
}

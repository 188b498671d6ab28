//! Marks on lost blobs in memory.

use std::ops::Bound;

use artifact_core::ports::{IndexedBlob, LostBlobs, LostFile, LostFiles};
use artifact_core::{BlobId, RepositoryKind, Result, Timestamp};
use async_trait::async_trait;

use super::{MemoryMetaStore, State};

impl State {
    fn is_published_since(&self, id: BlobId, moment: Timestamp) -> bool {
        let mut rows = self.rows.values().map(|stored| &stored.row);
        rows.any(|row| row.blob == id && row.fetched_at >= moment)
    }

    /// The repository and path of every row whose blob is lost.
    fn lost(&self) -> Vec<(RepositoryKind, LostFile)> {
        let is_lost = |id| self.blobs.get(id).is_some_and(|entry| entry.is_lost);
        let rows = self.rows.values().map(|stored| &stored.row).filter(|row| is_lost(&row.blob));
        rows.filter_map(|row| {
            let mut holders = self.repositories.values();
            let holder = holders.find(|repository| repository.id == row.key.repository)?;
            let path = row.key.path.clone();
            Some((holder.kind(), LostFile { repository: holder.name.clone(), path }))
        })
        .collect()
    }
}

#[async_trait]
impl LostBlobs for MemoryMetaStore {
    async fn live_blobs(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<IndexedBlob>> {
        let state = self.enter()?;
        let behind = after.map_or(Bound::Unbounded, Bound::Excluded);
        let live = state.blobs.range((behind, Bound::Unbounded));
        let live = live.filter(|(_, entry)| entry.is_live()).take(limit);
        let blob = |(id, entry): (&BlobId, &super::Entry)| IndexedBlob {
            id: *id,
            size: entry.size,
            is_lost: entry.is_lost,
        };
        Ok(live.map(blob).collect())
    }

    async fn mark_lost(&self, ids: &[BlobId], looked_at: Timestamp) -> Result<()> {
        let mut state = self.enter()?;
        for id in ids {
            let is_published = state.is_published_since(*id, looked_at);
            if let Some(entry) = state.blobs.get_mut(id) {
                entry.is_lost |= entry.is_live() && !is_published;
            }
        }
        Ok(())
    }

    async fn mark_found(&self, ids: &[BlobId]) -> Result<()> {
        let mut state = self.enter()?;
        for id in ids {
            if let Some(entry) = state.blobs.get_mut(id) {
                entry.is_lost = false;
            }
        }
        Ok(())
    }

    async fn lost_files(&self, limit: usize) -> Result<LostFiles> {
        let lost = self.enter()?.lost();
        let of = |kind| lost.iter().filter(move |(of, _)| *of == kind);
        let mut listed: Vec<_> = of(RepositoryKind::Local).map(|(_, file)| file.clone()).collect();
        listed.sort_by(|left, right| {
            (&left.repository, left.path.as_str()).cmp(&(&right.repository, right.path.as_str()))
        });
        listed.truncate(limit);
        Ok(LostFiles {
            cached: of(RepositoryKind::Remote).count() as u64,
            hosted: of(RepositoryKind::Local).count() as u64,
            listed,
        })
    }
}

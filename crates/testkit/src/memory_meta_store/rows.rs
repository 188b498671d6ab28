//! Artifact rows in memory.

use artifact_core::ports::{
    AccessRecord, Evicted, EvictionPass, Listing, Precondition, Published, RowEviction, RowQuery,
    RowStore, Selector, Usage, Validation,
};
use artifact_core::{ArtifactRow, Error, ErrorKind, RepositoryId, Result, RowKey};
use async_trait::async_trait;

use super::garbage::Entry;
use super::{MemoryMetaStore, State, StoredRow, holds, listing};

#[async_trait]
impl RowStore for MemoryMetaStore {
    async fn row(&self, key: &RowKey) -> Result<Option<ArtifactRow>> {
        Ok(self.enter()?.row(key))
    }

    async fn publish(
        &self,
        row: ArtifactRow,
        precondition: Precondition,
    ) -> Result<Published<ArtifactRow>> {
        loop {
            let unlocked = self.unlocked.notified();
            {
                let mut state = self.enter()?;
                if !state.is_being_erased(row.blob) {
                    return state.publish(row, precondition);
                }
            }
            unlocked.await;
        }
    }

    async fn validate(
        &self,
        key: &RowKey,
        generation: i64,
        validation: Validation,
    ) -> Result<Option<ArtifactRow>> {
        let mut state = self.enter()?;
        let stored = state.rows.get_mut(key).filter(|stored| stored.row.generation == generation);
        Ok(stored.map(|stored| confirm(&mut stored.row, validation).clone()))
    }

    async fn remove(
        &self,
        key: &RowKey,
        precondition: Precondition,
    ) -> Result<Published<ArtifactRow>> {
        let mut state = self.enter()?;
        let Some(row) = state.row(key) else { return Ok(Published::Conflict(None)) };
        if state.is_row_needed(key) || !holds(precondition, Some(row.generation)) {
            return Ok(Published::Conflict(Some(row)));
        }
        state.take_row(key);
        state.note_change(key.repository, Selector::Path(key.path.clone()));
        Ok(Published::Stored(row))
    }

    async fn evict(
        &self,
        repository: RepositoryId,
        selector: &Selector,
        dry_run: bool,
    ) -> Result<Evicted> {
        let mut state = self.enter()?;
        let is_selected = |key: &RowKey| key.repository == repository && selects(selector, key);
        let selected: Vec<_> = state.rows.keys().filter(|key| is_selected(key)).cloned().collect();
        let mut evicted = Evicted::default();
        for key in selected {
            let Some(row) = state.row(&key) else { continue };
            evicted.objects += 1;
            evicted.bytes += row.size;
            if !dry_run {
                state.take_row(&key);
            }
        }
        if !dry_run && evicted.objects > 0 {
            state.note_change(repository, selector.clone());
        }
        Ok(evicted)
    }

    async fn list(&self, query: &RowQuery) -> Result<Listing> {
        let state = self.enter()?;
        Ok(listing::list(&state, query))
    }

    async fn record_accesses(&self, accesses: Vec<AccessRecord>) -> Result<()> {
        let mut state = self.enter()?;
        for AccessRecord { key, hits, accessed_at } in accesses {
            if let Some(stored) = state.rows.get_mut(&key) {
                stored.hits += hits;
                stored.accessed_at = stored.accessed_at.max(Some(accessed_at));
            }
        }
        Ok(())
    }

    async fn usage(&self) -> Result<(Vec<(RepositoryId, Usage)>, u64)> {
        let state = self.enter()?;
        let mut usages: Vec<_> = state
            .repositories
            .values()
            .map(|repository| (repository.id, state.usage_of(repository.id)))
            .collect();
        usages.sort_by_key(|(id, _)| *id);
        Ok((usages, state.blobs.values().map(|entry| entry.size).sum()))
    }
}

#[async_trait]
impl RowEviction for MemoryMetaStore {
    async fn evict_least_used(&self, pass: &EvictionPass) -> Result<Evicted> {
        let mut state = self.enter()?;
        let mut candidates: Vec<_> = state
            .rows
            .values()
            .filter(|stored| is_unused(stored, pass) && !state.is_row_needed(&stored.row.key))
            .map(|stored| {
                let used_at = stored.accessed_at.unwrap_or(stored.row.fetched_at);
                (used_at, stored.row.key.clone())
            })
            .collect();
        candidates.sort();
        let mut evicted = Evicted::default();
        for (_, key) in candidates.into_iter().take(pass.limit) {
            if evicted.bytes >= pass.bytes {
                break;
            }
            let Some(row) = state.take_row(&key) else { continue };
            evicted.objects += 1;
            evicted.bytes += row.size;
            state.note_change(key.repository, Selector::Path(key.path));
        }
        Ok(evicted)
    }
}

impl State {
    pub(super) fn row(&self, key: &RowKey) -> Option<ArtifactRow> {
        self.rows.get(key).map(|stored| stored.row.clone())
    }

    pub(super) fn has_repository(&self, id: RepositoryId) -> bool {
        self.repositories.values().any(|repository| repository.id == id)
    }

    pub(super) fn publish(
        &mut self,
        mut row: ArtifactRow,
        precondition: Precondition,
    ) -> Result<Published<ArtifactRow>> {
        let existing = self.row(&row.key);
        let generation = existing.as_ref().map(|existing| existing.generation);
        if !holds(precondition, generation) {
            return Ok(Published::Conflict(existing));
        }
        if !self.has_repository(row.key.repository) {
            return Err(Error::new(ErrorKind::NotFound, "the repository does not exist"));
        }
        let pins = &mut self.pins;
        let entry = self.blobs.entry(row.blob).or_insert_with(|| {
            Entry::new(row.size).pinned(pins.remove(&row.blob).unwrap_or_default())
        });
        if entry.size != row.size {
            let text = "a blob of this digest is stored with another size";
            return Err(Error::new(ErrorKind::Integrity, text));
        }
        entry.revive();
        entry.is_lost = false;
        if let Some(existing) = existing.filter(|existing| existing.blob != row.blob) {
            self.dereference(&existing);
            self.note_change(row.key.repository, Selector::Path(row.key.path.clone()));
        }
        row.generation = generation.unwrap_or(0) + 1;
        self.rows
            .entry(row.key.clone())
            .and_modify(|stored| stored.row = row.clone())
            .or_insert_with(|| StoredRow { row: row.clone(), hits: 0, accessed_at: None });
        Ok(Published::Stored(row))
    }

    /// The row referred to its blob and does not any more.
    pub(super) fn dereference(&mut self, row: &ArtifactRow) {
        if let Some(entry) = self.blobs.get_mut(&row.blob) {
            entry.change();
        }
    }

    fn usage_of(&self, repository: RepositoryId) -> Usage {
        let rows = self.rows.values().filter(|stored| stored.row.key.repository == repository);
        rows.fold(Usage::default(), |usage, stored| Usage {
            objects: usage.objects + 1,
            logical_bytes: usage.logical_bytes + stored.row.size,
        })
    }
}

fn is_unused(stored: &StoredRow, pass: &EvictionPass) -> bool {
    pass.repositories.contains(&stored.row.key.repository)
        && stored.row.fetched_at < pass.unused_since
        && stored.accessed_at.is_none_or(|at| at < pass.unused_since)
}

fn confirm(row: &mut ArtifactRow, validation: Validation) -> &ArtifactRow {
    row.validated_at = validation.validated_at;
    row.expires_at = validation.expires_at;
    row.generation += 1;
    if validation.upstream_etag.is_some() {
        row.upstream_etag = validation.upstream_etag;
    }
    if validation.upstream_last_modified.is_some() {
        row.upstream_last_modified = validation.upstream_last_modified;
    }
    row
}

fn selects(selector: &Selector, key: &RowKey) -> bool {
    match selector {
        Selector::Path(path) => key.path == *path,
        Selector::Prefix(prefix) => key.path.as_str().starts_with(prefix),
    }
}

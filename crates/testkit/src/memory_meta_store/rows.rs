//! Artifact rows in memory.

use artifact_core::ports::{
    AccessRecord, Evicted, Listing, Precondition, Published, RowQuery, RowStore, Selector, Usage,
    Validation,
};
use artifact_core::{ArtifactRow, Error, ErrorKind, RepositoryId, Result, RowKey};
use async_trait::async_trait;

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
        self.enter()?.publish(row, precondition)
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
        if !holds(precondition, Some(row.generation)) {
            return Ok(Published::Conflict(Some(row)));
        }
        state.rows.remove(key);
        Ok(Published::Stored(row))
    }

    async fn evict(
        &self,
        repository: RepositoryId,
        selector: &Selector,
        dry_run: bool,
    ) -> Result<Evicted> {
        let mut state = self.enter()?;
        let mut evicted = Evicted::default();
        state.rows.retain(|key, stored| {
            let is_selected = key.repository == repository && selects(selector, key);
            if is_selected {
                evicted.objects += 1;
                evicted.bytes += stored.row.size;
            }
            dry_run || !is_selected
        });
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
        Ok((usages, state.blobs.values().sum()))
    }
}

impl State {
    fn row(&self, key: &RowKey) -> Option<ArtifactRow> {
        self.rows.get(key).map(|stored| stored.row.clone())
    }

    fn publish(
        &mut self,
        mut row: ArtifactRow,
        precondition: Precondition,
    ) -> Result<Published<ArtifactRow>> {
        let existing = self.row(&row.key);
        let generation = existing.as_ref().map(|existing| existing.generation);
        if !holds(precondition, generation) {
            return Ok(Published::Conflict(existing));
        }
        if !self.repositories.values().any(|repository| repository.id == row.key.repository) {
            return Err(Error::new(ErrorKind::NotFound, "the repository does not exist"));
        }
        if *self.blobs.entry(row.blob).or_insert(row.size) != row.size {
            let text = "a blob of this digest is stored with another size";
            return Err(Error::new(ErrorKind::Integrity, text));
        }
        row.generation = generation.unwrap_or(0) + 1;
        self.rows
            .entry(row.key.clone())
            .and_modify(|stored| stored.row = row.clone())
            .or_insert_with(|| StoredRow { row: row.clone(), hits: 0, accessed_at: None });
        Ok(Published::Stored(row))
    }

    fn usage_of(&self, repository: RepositoryId) -> Usage {
        let rows = self.rows.values().filter(|stored| stored.row.key.repository == repository);
        rows.fold(Usage::default(), |usage, stored| Usage {
            objects: usage.objects + 1,
            logical_bytes: usage.logical_bytes + stored.row.size,
        })
    }
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

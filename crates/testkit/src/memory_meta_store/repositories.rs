//! Repositories in memory.

use artifact_core::ports::{
    Change, NewRepository, Precondition, Published, RepositoryStore, Selector,
};
use artifact_core::{Definition, Repository, RepositoryId, RepositoryName, Result, Timestamp};
use async_trait::async_trait;

use super::{MemoryMetaStore, State, holds};

#[async_trait]
impl RepositoryStore for MemoryMetaStore {
    async fn repositories(&self) -> Result<Change> {
        let state = self.enter()?;
        let repositories = state.repositories.values().cloned().collect();
        Ok(Change { generation: state.generation, repositories })
    }

    async fn configuration_generation(&self) -> Result<i64> {
        Ok(self.enter()?.generation)
    }

    async fn put_repository(
        &self,
        repository: NewRepository,
        precondition: Precondition,
        now: Timestamp,
    ) -> Result<Published<Repository>> {
        Ok(self.enter()?.put(repository, precondition, now))
    }

    async fn delete_repository(
        &self,
        name: &RepositoryName,
        precondition: Precondition,
    ) -> Result<Published<Repository>> {
        let mut state = self.enter()?;
        let Some(stored) = state.repositories.get(name).cloned() else {
            return Ok(Published::Conflict(None));
        };
        if !holds(precondition, Some(stored.revision)) {
            return Ok(Published::Conflict(Some(stored)));
        }
        state.repositories.remove(name);
        let rows: Vec<_> =
            state.rows.keys().filter(|key| key.repository == stored.id).cloned().collect();
        for key in rows {
            state.take_row(&key);
        }
        state.note_change(stored.id, Selector::Prefix(String::new()));
        state.generation += 1;
        Ok(Published::Stored(stored))
    }
}

impl State {
    fn put(
        &mut self,
        new: NewRepository,
        precondition: Precondition,
        now: Timestamp,
    ) -> Published<Repository> {
        let stored = self.repositories.get(&new.name).cloned();
        if !holds(precondition, stored.as_ref().map(|stored| stored.revision)) {
            return Published::Conflict(stored);
        }
        let written = match stored {
            None => self.create(new, now),
            Some(stored) if is_another(&stored, &new) => return Published::Conflict(Some(stored)),
            Some(stored) => {
                let replaced = replace(&stored, new);
                if replaced == stored {
                    return Published::Stored(stored);
                }
                Repository { revision: stored.revision + 1, updated_at: now, ..replaced }
            }
        };
        self.generation += 1;
        self.repositories.insert(written.name.clone(), written.clone());
        Published::Stored(written)
    }

    fn create(&mut self, new: NewRepository, now: Timestamp) -> Repository {
        self.last_id += 1;
        Repository {
            id: RepositoryId(self.last_id),
            name: new.name,
            package_type: new.package_type,
            description: new.description,
            managed_by: new.managed_by,
            private: new.private,
            revision: 1,
            created_at: now,
            updated_at: now,
            definition: new.definition,
        }
    }
}

fn is_another(stored: &Repository, new: &NewRepository) -> bool {
    stored.kind() != new.definition.kind() || stored.package_type != new.package_type
}

/// The stored repository with what is new about it.
fn replace(stored: &Repository, new: NewRepository) -> Repository {
    Repository {
        description: new.description,
        managed_by: new.managed_by,
        private: new.private,
        definition: keep_secret_date(&stored.definition, new.definition),
        ..stored.clone()
    }
}

/// Setting the same secret again is no change.
fn keep_secret_date(stored: &Definition, mut new: Definition) -> Definition {
    if let (Definition::Remote(stored), Definition::Remote(new)) = (stored, &mut new)
        && let (Some(stored), Some(new)) = (&stored.credential, &mut new.credential)
        && stored.secret == new.secret
    {
        new.updated_at = stored.updated_at;
    }
    new
}

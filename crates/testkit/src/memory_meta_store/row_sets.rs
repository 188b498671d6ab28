//! Rows that refer to each other, in memory.

use std::collections::{BTreeMap, BTreeSet};

use artifact_core::ports::{
    Absence, Afterwards, Evicted, GivingUp, Published, PublishedSet, RelatedRow, Relation, Removal,
    Removed, RowSet, RowSets, Selector,
};
use artifact_core::{
    Algorithm, ArtifactRow, Clock, Digest, Error, ErrorKind, RepositoryId, Result, RowKey,
    SystemClock, Timestamp,
};
use async_trait::async_trait;

use super::{MemoryMetaStore, State, holds};

/// What rows are to each other.
#[derive(Debug, Default)]
pub(super) struct Bonds {
    promises: BTreeMap<RowKey, Timestamp>,
    needs: BTreeMap<RowKey, BTreeMap<RowKey, Afterwards>>,
    relations: BTreeMap<RowKey, Relation>,
}

#[async_trait]
impl RowSets for MemoryMetaStore {
    async fn publish_set(&self, set: RowSet) -> Result<PublishedSet> {
        set.check()?;
        loop {
            let unlocked = self.unlocked.notified();
            {
                let mut state = self.enter()?;
                if !set.rows.iter().any(|(row, _)| state.is_being_erased(row.blob)) {
                    return state.publish_set(&set);
                }
            }
            unlocked.await;
        }
    }

    async fn promise(&self, key: &RowKey, now: Timestamp) -> Result<bool> {
        let mut state = self.enter()?;
        if let Some(promised_at) = state.bonds.promises.get_mut(key) {
            *promised_at = now.max(*promised_at);
        }
        Ok(state.rows.contains_key(key))
    }

    async fn remove_unneeded(&self, removal: &Removal) -> Result<Removed> {
        Ok(self.enter()?.remove_unneeded(removal))
    }

    async fn row_with_digest(
        &self,
        repository: RepositoryId,
        digest: &Digest,
        ending: &str,
    ) -> Result<Option<ArtifactRow>> {
        let state = self.enter()?;
        let has_digest = |row: &ArtifactRow| match digest.algorithm() {
            Algorithm::Sha256 => row.blob.as_bytes() == digest.as_bytes(),
            Algorithm::Sha512 => row.key.path.as_str().ends_with(&format!("/{digest}")),
            Algorithm::Md5 | Algorithm::Sha1 => false,
        };
        let is_meant = |row: &&ArtifactRow| {
            row.key.repository == repository
                && has_digest(row)
                && row.key.path.as_str().ends_with(ending)
        };
        Ok(state.rows.values().map(|stored| &stored.row).find(is_meant).cloned())
    }

    async fn related(
        &self,
        repository: RepositoryId,
        subject: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RelatedRow>> {
        let state = self.enter()?;
        let is_meant = |key: &RowKey, relation: &Relation| {
            key.repository == repository
                && relation.subject == subject
                && after.is_none_or(|after| key.path.as_str() > after)
        };
        let related = state.bonds.relations.iter().filter(|(key, of)| is_meant(key, of));
        let related = related.map(|(key, relation)| RelatedRow {
            path: key.path.clone(),
            descriptor: relation.descriptor.clone(),
        });
        Ok(related.take(limit).collect())
    }

    async fn give_up(&self, pass: GivingUp) -> Result<Evicted> {
        Ok(self.enter()?.give_up(pass))
    }
}

impl State {
    /// Takes a row out with everything that belongs to it.
    pub(super) fn take_row(&mut self, key: &RowKey) -> Option<ArtifactRow> {
        let row = self.rows.remove(key)?.row;
        self.dereference(&row);
        self.bonds.promises.remove(key);
        self.bonds.relations.remove(key);
        self.set_needs(key, BTreeMap::new());
        Some(row)
    }

    /// A row that needs this one and for which `stays` holds.
    pub(super) fn user_of(&self, key: &RowKey, stays: impl Fn(&RowKey) -> bool) -> Option<&RowKey> {
        let mut needs = self.bonds.needs.iter();
        needs.find(|(user, needed)| needed.contains_key(key) && stays(user)).map(|(user, _)| user)
    }

    pub(super) fn is_row_needed(&self, key: &RowKey) -> bool {
        self.user_of(key, |_| true).is_some()
    }

    /// What is needed no more is promised at the present.
    fn set_needs(&mut self, key: &RowKey, needs: BTreeMap<RowKey, Afterwards>) {
        let former = self.bonds.needs.remove(key).unwrap_or_default();
        for (needed, afterwards) in former {
            let has_ended = !needs.contains_key(&needed) && afterwards == Afterwards::GivenUp;
            if has_ended && self.rows.contains_key(&needed) {
                self.promise_row(needed, SystemClock.now());
            }
        }
        if !needs.is_empty() {
            self.bonds.needs.insert(key.clone(), needs);
        }
    }

    fn promise_row(&mut self, key: RowKey, moment: Timestamp) {
        let promised_at = self.bonds.promises.entry(key).or_insert(moment);
        *promised_at = moment.max(*promised_at);
    }

    fn publish_set(&mut self, set: &RowSet) -> Result<PublishedSet> {
        let Some((first, _)) = set.rows.first() else {
            return Ok(PublishedSet::Stored(Vec::new()));
        };
        if !self.has_repository(first.key.repository) {
            return Err(Error::new(ErrorKind::NotFound, "the repository does not exist"));
        }
        let needs = match self.resolve(set) {
            Ok(needs) => needs,
            Err(missing) => return Ok(PublishedSet::Missing(missing)),
        };
        for (index, (row, precondition)) in set.rows.iter().enumerate() {
            let stored = self.row(&row.key);
            if !holds(*precondition, stored.as_ref().map(|stored| stored.generation)) {
                let stored = stored.map(Box::new);
                return Ok(PublishedSet::Conflict { index, stored });
            }
        }
        self.check_sizes(set)?;
        let mut stored = Vec::with_capacity(set.rows.len());
        for (row, _) in &set.rows {
            stored.push(self.publish_of_set(row, set.promised_at)?);
        }
        match &set.relation {
            Some(relation) => self.bonds.relations.insert(first.key.clone(), relation.clone()),
            None => self.bonds.relations.remove(&first.key),
        };
        self.set_needs(&first.key, needs);
        Ok(PublishedSet::Stored(stored))
    }

    /// What the first row of a set needs, or which of its needs are missing.
    fn resolve(&self, set: &RowSet) -> Result<BTreeMap<RowKey, Afterwards>, Vec<usize>> {
        let of_set: BTreeSet<_> = set.rows.iter().map(|(row, _)| &row.key).collect();
        let is_there = |key: &&RowKey| self.rows.contains_key(*key) || of_set.contains(key);
        let (mut needs, mut missing) = (BTreeMap::new(), Vec::new());
        for (index, need) in set.needs.iter().enumerate() {
            let Some(key) = need.any_of.iter().find(is_there) else {
                missing.extend((need.absence == Absence::Refused).then_some(index));
                continue;
            };
            let afterwards = needs.entry(key.clone()).or_insert(need.afterwards);
            if need.afterwards == Afterwards::GivenUp {
                *afterwards = Afterwards::GivenUp;
            }
        }
        if missing.is_empty() { Ok(needs) } else { Err(missing) }
    }

    /// Before anything is written: a set is written as a whole or not at all.
    fn check_sizes(&self, set: &RowSet) -> Result<()> {
        let mut sizes = BTreeMap::new();
        for (row, _) in &set.rows {
            let known = self.blobs.get(&row.blob).map_or(row.size, |entry| entry.size);
            if *sizes.entry(row.blob).or_insert(known) != row.size {
                let text = "a blob of this digest is stored with another size";
                return Err(Error::new(ErrorKind::Integrity, text));
            }
        }
        Ok(())
    }

    fn publish_of_set(
        &mut self,
        row: &ArtifactRow,
        promised_at: Option<Timestamp>,
    ) -> Result<ArtifactRow> {
        let former = self.row(&row.key).filter(|stored| stored.blob == row.blob);
        match promised_at {
            None => drop(self.bonds.promises.remove(&row.key)),
            Some(moment) if former.is_none() || self.bonds.promises.contains_key(&row.key) => {
                self.promise_row(row.key.clone(), moment);
            }
            Some(_) => {}
        }
        let Some(former) = former else { return self.replace(row.clone()) };
        if let Some(entry) = self.blobs.get_mut(&row.blob) {
            entry.is_lost = false;
        }
        let described = ArtifactRow {
            content_type: row.content_type.clone(),
            checksums: row.checksums.clone(),
            upstream_etag: row.upstream_etag.clone(),
            ..former.clone()
        };
        if described == former {
            return Ok(former);
        }
        self.note_change(row.key.repository, Selector::Path(row.key.path.clone()));
        self.replace(described)
    }

    fn replace(&mut self, row: ArtifactRow) -> Result<ArtifactRow> {
        use artifact_core::ports::Precondition::Any;
        let (Published::Stored(row) | Published::Conflict(Some(row))) = self.publish(row, Any)?
        else {
            return Err(Error::new(ErrorKind::Unavailable, "a row vanished while it was written"));
        };
        Ok(row)
    }

    fn remove_unneeded(&mut self, removal: &Removal) -> Removed {
        let Removal { key, aliases, precondition } = removal;
        let Some(row) = self.row(key) else { return Removed::Conflict(None) };
        if !holds(*precondition, Some(row.generation)) {
            return Removed::Conflict(Some(Box::new(row)));
        }
        let mut keys: BTreeSet<_> = aliases
            .iter()
            .flat_map(|prefix| self.aliases_of(&row, prefix))
            .chain([key.clone()])
            .collect();
        while let Some((needed, user)) = keys.iter().find_map(|needed| {
            let user = self.user_of(needed, |user| !keys.contains(user))?;
            Some((needed.clone(), user.path.clone()))
        }) {
            if needed == *key {
                return Removed::Needed(user);
            }
            keys.remove(&needed);
        }
        keys.remove(key);
        let keys: Vec<_> = [key.clone()].into_iter().chain(keys).collect();
        for key in &keys {
            self.take_row(key);
            self.note_change(key.repository, Selector::Path(key.path.clone()));
        }
        Removed::Rows(keys)
    }

    fn aliases_of(&self, row: &ArtifactRow, prefix: &str) -> Vec<RowKey> {
        let rows = self.rows.values().map(|stored| &stored.row).filter(|alias| {
            alias.key.repository == row.key.repository
                && alias.blob == row.blob
                && alias.key.path.as_str().starts_with(prefix)
        });
        rows.map(|alias| alias.key.clone()).collect()
    }

    fn give_up(&mut self, pass: GivingUp) -> Evicted {
        let promises = self.bonds.promises.iter();
        let mut due: Vec<_> = promises
            .filter(|(_, promised_at)| **promised_at < pass.promised_before)
            .map(|(key, promised_at)| (*promised_at, key.clone()))
            .collect();
        due.sort();
        due.truncate(pass.limit);
        // Before anything is removed: that may end needs, and what was needed is promised then.
        let (needed, unneeded): (Vec<_>, Vec<_>) =
            due.into_iter().map(|(_, key)| key).partition(|key| self.is_row_needed(key));
        for key in needed {
            self.bonds.promises.remove(&key);
        }
        let mut evicted = Evicted::default();
        for key in unneeded {
            let Some(row) = self.take_row(&key) else { continue };
            evicted.objects += 1;
            evicted.bytes += row.size;
            self.note_change(key.repository, Selector::Path(key.path));
        }
        evicted
    }
}

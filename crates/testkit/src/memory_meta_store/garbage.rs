//! Blobs, pins and the collector's books in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use artifact_core::ports::{
    BlobIndex, BlobListing, CollectorHistory, CollectorRun, CollectorStore, EraseBytes,
    GarbagePass, GarbageSurvey, Pinned, Reclaimed, Restoration, Reviewed,
};
use artifact_core::{BlobId, Clock, Error, ErrorKind, Result, SystemClock, Timestamp};
use async_trait::async_trait;

use super::{MemoryMetaStore, State};

/// How long the outcome of a failed deletion is in doubt.
const DOUBT: Duration = Duration::from_secs(60);
const LONGEST_BACKOFF: Duration = Duration::from_secs(24 * 3600);

/// The entry of one blob.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) size: u64,
    condemned_at: Option<Timestamp>,
    /// The last change, until it is reviewed.
    changed_at: Option<Timestamp>,
    pins: BTreeMap<String, Timestamp>,
    /// Whether its bytes are being deleted: as good as locked.
    erasing: bool,
    failures: u32,
    failed_at: Option<Timestamp>,
    pub(super) is_lost: bool,
}

impl Entry {
    pub(super) fn new(size: u64) -> Self {
        Self {
            size,
            condemned_at: None,
            changed_at: Some(SystemClock.now()),
            pins: BTreeMap::new(),
            erasing: false,
            failures: 0,
            failed_at: None,
            is_lost: false,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.condemned_at.is_none()
    }

    pub(super) fn pinned(self, pins: BTreeMap<String, Timestamp>) -> Self {
        Self { pins, ..self }
    }

    /// Moves the last change forward, never back: it may lie ahead, at the end of a pin.
    pub(super) fn change(&mut self) {
        self.changed_at = self.changed_at.max(Some(SystemClock.now()));
    }

    pub(super) fn revive(&mut self) {
        if self.condemned_at.take().is_some() {
            self.change();
        }
    }

    fn pin(&mut self, owner: &str, until: Timestamp) {
        keep_later(&mut self.pins, owner, until);
    }

    fn is_due_for_review(&self, pass: GarbagePass) -> bool {
        self.condemned_at.is_none()
            && self.changed_at.is_some_and(|at| at.plus(pass.review_delay) <= pass.now)
    }

    fn is_due_for_deletion(&self, pass: GarbagePass) -> bool {
        let rest = DOUBT.saturating_mul(1 << self.failures.saturating_sub(1).min(20));
        let rested = |at: Timestamp| at.plus(rest.min(LONGEST_BACKOFF)) <= pass.now;
        self.condemned_at.is_some_and(|at| at.plus(pass.delete_delay) <= pass.now)
            && self.failed_at.is_none_or(rested)
    }
}

/// A later end replaces an earlier one, not the other way round.
fn keep_later(pins: &mut BTreeMap<String, Timestamp>, owner: &str, until: Timestamp) {
    let end = pins.entry(owner.to_owned()).or_insert(until);
    *end = until.max(*end);
}

impl State {
    fn is_referenced(&self, id: BlobId) -> bool {
        self.rows.values().any(|stored| stored.row.blob == id)
    }

    fn is_needed(&self, id: BlobId, now: Timestamp) -> bool {
        self.is_referenced(id)
            || self.blobs.get(&id).is_some_and(|entry| entry.pins.values().any(|end| *end > now))
            || self.pins.get(&id).is_some_and(|pins| pins.values().any(|end| *end > now))
    }

    pub(super) fn is_being_erased(&self, id: BlobId) -> bool {
        self.blobs.get(&id).is_some_and(|entry| entry.erasing)
    }

    /// What is due, oldest first.
    fn due(&self, pass: GarbagePass, is_due: impl Fn(&Entry) -> bool) -> Vec<BlobId> {
        let due = self.blobs.iter().filter(|(_, entry)| !entry.erasing && is_due(entry));
        let mut due: Vec<_> =
            due.map(|(id, entry)| (entry.condemned_at.or(entry.changed_at), *id)).collect();
        due.sort();
        due.into_iter().map(|(_, id)| id).take(pass.limit).collect()
    }

    fn sum<'a>(&self, ids: impl IntoIterator<Item = &'a BlobId>) -> (u64, u64) {
        let sizes = ids.into_iter().filter_map(|id| self.blobs.get(id)).map(|entry| entry.size);
        sizes.fold((0, 0), |(blobs, bytes), size| (blobs + 1, bytes + size))
    }
}

#[async_trait]
impl BlobIndex for MemoryMetaStore {
    async fn pin(&self, id: BlobId, owner: &str, until: Timestamp) -> Result<Pinned> {
        loop {
            let unlocked = self.unlocked.notified();
            {
                let mut state = self.enter()?;
                let Some(entry) = state.blobs.get_mut(&id) else {
                    keep_later(state.pins.entry(id).or_default(), owner, until);
                    return Ok(Pinned::Absent);
                };
                if !entry.erasing {
                    let in_doubt = |at: Timestamp| at.plus(DOUBT) > SystemClock.now();
                    if entry.failed_at.is_some_and(in_doubt) {
                        let text = "the file is being deleted, try again in a minute";
                        return Err(Error::new(ErrorKind::Unavailable, text));
                    }
                    entry.pin(owner, until);
                    let was_condemned = entry.condemned_at.is_some();
                    entry.revive();
                    return Ok(if was_condemned { Pinned::Revived } else { Pinned::Live });
                }
            }
            unlocked.await;
        }
    }

    async fn unpin(&self, id: BlobId, owner: &str) -> Result<()> {
        let mut state = self.enter()?;
        if let Some(pins) = state.pins.get_mut(&id) {
            pins.remove(owner);
        }
        if let Some(entry) = state.blobs.get_mut(&id)
            && entry.pins.remove(owner).is_some()
            && entry.condemned_at.is_none()
        {
            // A review may have put it off until the end that the pin had then.
            entry.changed_at = Some(SystemClock.now());
        }
        Ok(())
    }

    async fn review(&self, pass: GarbagePass) -> Result<Reviewed> {
        let mut state = self.enter()?;
        let mut reviewed = Reviewed::default();
        for id in state.due(pass, |entry| entry.is_due_for_review(pass)) {
            let is_referenced = state.is_referenced(id);
            let Some(entry) = state.blobs.get_mut(&id) else { continue };
            entry.pins.retain(|_, end| *end > pass.now);
            // The end of the last pin is a change of its own; so is that of a reference.
            let last_pin = entry.pins.values().max().copied();
            entry.changed_at = last_pin.filter(|_| !is_referenced);
            if is_referenced || last_pin.is_some() {
                reviewed.kept += 1;
            } else {
                entry.condemned_at = Some(pass.now);
                entry.failures = 0;
                reviewed.condemned += 1;
            }
        }
        Ok(reviewed)
    }

    async fn reclaim(&self, pass: GarbagePass, bytes: &dyn EraseBytes) -> Result<Reclaimed> {
        let mut reclaimed = Reclaimed::default();
        let mut doomed = Vec::new();
        {
            let mut state = self.enter()?;
            for id in state.due(pass, |entry| entry.is_due_for_deletion(pass)) {
                let is_needed = state.is_needed(id, pass.now);
                let Some(entry) = state.blobs.get_mut(&id) else { continue };
                if is_needed {
                    entry.revive();
                    reclaimed.revived += 1;
                } else {
                    entry.erasing = true;
                    doomed.push(id);
                }
            }
        }
        let gone = if doomed.is_empty() { Vec::new() } else { bytes.erase(&doomed).await };
        {
            // An outage that began meanwhile must not leave a blob locked for ever.
            let mut state = self.lock();
            for id in doomed {
                if gone.contains(&id) {
                    let size = state.blobs.remove(&id).map_or(0, |entry| entry.size);
                    reclaimed.blobs += 1;
                    reclaimed.bytes += size;
                } else if let Some(entry) = state.blobs.get_mut(&id) {
                    entry.erasing = false;
                    entry.failures += 1;
                    entry.failed_at = Some(pass.now);
                    reclaimed.failed += 1;
                }
            }
        }
        self.unlocked.notify_waiters();
        Ok(reclaimed)
    }

    async fn adopt(&self, stored: &[BlobListing], now: Timestamp) -> Result<u64> {
        let mut state = self.enter()?;
        let mut adopted = 0;
        for listing in stored {
            if state.blobs.contains_key(&listing.id) {
                continue;
            }
            let pins = state.pins.remove(&listing.id).unwrap_or_default();
            let entry = Entry::new(listing.size).pinned(pins);
            let entry = Entry { condemned_at: Some(now), changed_at: None, ..entry };
            state.blobs.insert(listing.id, entry);
            adopted += 1;
        }
        Ok(adopted)
    }

    async fn survey(&self, pass: GarbagePass) -> Result<GarbageSurvey> {
        let state = self.enter()?;
        let (blobs, bytes) = state.sum(state.blobs.keys());
        let reviews = state.due(pass, |entry| entry.is_due_for_review(pass));
        let (due_for_review, _) = state.sum(&reviews);
        let (unreferenced, unreferenced_bytes) =
            state.sum(reviews.iter().filter(|id| !state.is_needed(**id, pass.now)));
        let condemned = state.due(pass, |entry| entry.condemned_at.is_some());
        let (condemned, condemned_bytes) = state.sum(&condemned);
        let (due_for_deletion, due_for_deletion_bytes) =
            state.sum(&state.due(pass, |entry| entry.is_due_for_deletion(pass)));
        Ok(GarbageSurvey {
            blobs,
            bytes,
            due_for_review,
            unreferenced,
            unreferenced_bytes,
            condemned,
            condemned_bytes,
            due_for_deletion,
            due_for_deletion_bytes,
        })
    }
}

#[async_trait]
impl CollectorStore for MemoryMetaStore {
    async fn advance_epoch(&self, seen: u64, restoration: Restoration) -> Result<Option<u64>> {
        let mut state = self.enter()?;
        if seen > state.history.epoch && restoration == Restoration::Refuse {
            return Ok(None);
        }
        state.history.epoch = state.history.epoch.max(seen) + 1;
        Ok(Some(state.history.epoch))
    }

    async fn claim_sweep(&self, now: Timestamp, every: Duration) -> Result<bool> {
        let mut state = self.enter()?;
        let is_due = state.history.swept_at.is_none_or(|last| last.plus(every) <= now);
        if is_due {
            state.history.swept_at = Some(now);
        }
        Ok(is_due)
    }

    async fn record_run(&self, run: &CollectorRun) -> Result<()> {
        let mut state = self.enter()?;
        state.history.reclaimed_blobs += run.reclaimed.blobs;
        state.history.reclaimed_bytes += run.reclaimed.bytes;
        state.history.last_run = Some(run.clone());
        let State { pins, blobs, .. } = &mut *state;
        let entries = blobs.values_mut().map(|entry| &mut entry.pins);
        for pins in pins.values_mut().chain(entries) {
            pins.retain(|_, end| *end > run.finished_at);
        }
        Ok(())
    }

    async fn history(&self) -> Result<CollectorHistory> {
        Ok(self.enter()?.history.clone())
    }
}

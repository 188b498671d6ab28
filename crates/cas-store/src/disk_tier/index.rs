//! What the tier holds, in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use artifact_core::BlobId;

use super::queues::{Entry, Queues, weight};
use crate::blocking::lock;

const SHARDS: usize = 64;

type Shard = RwLock<HashMap<BlobId, Arc<Entry>>>;

/// The files by their blobs, and the account of their sizes. A look-up takes one of many read
/// locks and nothing else.
#[derive(Debug)]
pub(super) struct Index {
    shards: Vec<Shard>,
    account: Mutex<Account>,
    is_complete: AtomicBool,
    quota: u64,
}

#[derive(Debug)]
struct Account {
    queues: Queues,
    /// Bytes promised to files that are being written.
    promised: u64,
}

impl Account {
    fn used(&self) -> u64 {
        self.queues.bytes().saturating_add(self.promised)
    }
}

impl Index {
    pub(super) fn new(quota: u64) -> Arc<Self> {
        Arc::new(Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            account: Mutex::new(Account { queues: Queues::new(quota), promised: 0 }),
            is_complete: AtomicBool::new(false),
            quota,
        })
    }

    /// Whether everything on the disk is known here, so that what is unknown is not there.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Acquire)
    }

    pub(super) fn complete(&self) {
        self.is_complete.store(true, Ordering::Release);
    }

    /// What is known of `id`.
    pub(super) fn get(&self, id: BlobId) -> Option<Arc<Entry>> {
        self.shard(id)?.get(&id).cloned()
    }

    /// Bytes of all files, and of those that are being written.
    pub(super) fn used(&self) -> u64 {
        lock(&self.account).used()
    }

    /// The whole quota. The largest file that is admitted takes a quarter of it.
    pub(super) fn largest(&self) -> u64 {
        self.quota / 4
    }

    /// Promises room for a file of `size` bytes: first come the files that have to leave. Room is
    /// made when 95 % are used, so that 90 % are. `more` bytes beyond that are wanted back.
    pub(super) fn promise(self: &Arc<Self>, size: u64, more: u64) -> (Promise, Vec<BlobId>) {
        let bytes = weight(size);
        let mut account = lock(&self.account);
        account.promised = account.promised.saturating_add(bytes);
        let used = account.used();
        let high_water = self.quota / 100 * 95;
        let excess = if used > high_water { used - self.quota / 100 * 90 } else { 0 };
        let goal = used.saturating_sub(excess.max(more));
        let mut leaving = Vec::new();
        while account.used() > goal {
            let Some(entry) = account.queues.evict() else { break };
            leaving.push(entry);
        }
        drop(account);
        for entry in &leaving {
            self.unlist(entry);
        }
        let promise = Promise { index: Arc::clone(self), bytes };
        (promise, leaving.iter().map(|entry| entry.id).collect())
    }

    /// Takes in a file that was promised room.
    pub(super) fn insert(&self, id: BlobId, size: u64, promise: Promise) {
        let entry = Entry::new(id, size);
        let before =
            self.shard_to_change(id).and_then(|mut shard| shard.insert(id, Arc::clone(&entry)));
        let mut account = lock(&self.account);
        if let Some(before) = before {
            account.queues.remove(&before);
        }
        account.queues.insert(entry);
        drop(account);
        drop(promise);
    }

    /// Takes in a file that was found on the disk, unless it is known.
    pub(super) fn found(&self, id: BlobId, size: u64) {
        let entry = Entry::new(id, size);
        if let Some(mut shard) = self.shard_to_change(id) {
            if shard.contains_key(&id) {
                return;
            }
            shard.insert(id, Arc::clone(&entry));
        }
        lock(&self.account).queues.insert_known(entry);
    }

    /// Forgets whatever is known of `id`.
    pub(super) fn remove(&self, id: BlobId) {
        let removed = self.shard_to_change(id).and_then(|mut shard| shard.remove(&id));
        if let Some(entry) = removed {
            lock(&self.account).queues.remove(&entry);
        }
    }

    fn unlist(&self, entry: &Arc<Entry>) {
        let Some(mut shard) = self.shard_to_change(entry.id) else { return };
        if shard.get(&entry.id).is_some_and(|known| Arc::ptr_eq(known, entry)) {
            shard.remove(&entry.id);
        }
    }

    fn shard_of(&self, id: BlobId) -> Option<&Shard> {
        let [first, ..] = *id.as_bytes();
        self.shards.get(usize::from(first) % SHARDS)
    }

    fn shard(&self, id: BlobId) -> Option<RwLockReadGuard<'_, HashMap<BlobId, Arc<Entry>>>> {
        Some(self.shard_of(id)?.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn shard_to_change(
        &self,
        id: BlobId,
    ) -> Option<RwLockWriteGuard<'_, HashMap<BlobId, Arc<Entry>>>> {
        Some(self.shard_of(id)?.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Room for a file that is being written; given back when dropped.
#[derive(Debug)]
pub(super) struct Promise {
    index: Arc<Index>,
    bytes: u64,
}

impl Drop for Promise {
    fn drop(&mut self) {
        let mut account = lock(&self.index.account);
        account.promised = account.promised.saturating_sub(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 4096;

    fn id(number: u8) -> BlobId {
        BlobId::from_bytes([number; 32])
    }

    fn index(blocks: u64) -> Arc<Index> {
        Index::new(blocks * BLOCK)
    }

    #[test]
    fn room_is_made_at_the_high_water_mark_down_to_the_low_one() {
        let index = index(100);
        for number in 0..95 {
            let (promise, leaving) = index.promise(BLOCK, 0);
            assert_eq!(leaving, [], "{number}");
            index.insert(id(number), BLOCK, promise);
        }
        let (promise, leaving) = index.promise(BLOCK, 0);
        assert_eq!(leaving.len(), 6);
        assert_eq!(index.used(), 90 * BLOCK);
        assert!(leaving.iter().all(|id| index.get(*id).is_none()));
        drop(promise);
        assert_eq!(index.used(), 89 * BLOCK);
    }

    #[test]
    fn a_full_disk_makes_more_files_leave() {
        let index = index(100);
        for number in 0..50 {
            let (promise, _) = index.promise(BLOCK, 0);
            index.insert(id(number), BLOCK, promise);
        }
        let (_promise, leaving) = index.promise(BLOCK, 10 * BLOCK);
        assert_eq!(leaving.len(), 10);
    }

    #[test]
    fn a_file_that_is_replaced_or_removed_is_not_counted_twice() {
        let index = index(100);
        for size in [BLOCK, 5 * BLOCK, 2 * BLOCK] {
            let (promise, _) = index.promise(size, 0);
            index.insert(id(1), size, promise);
            assert_eq!(index.used(), size);
            assert_eq!(index.get(id(1)).unwrap().size, size);
        }
        index.found(id(1), 50 * BLOCK);
        assert_eq!(index.used(), 2 * BLOCK, "known already");
        index.remove(id(1));
        index.remove(id(1));
        assert_eq!(index.used(), 0);
    }
}

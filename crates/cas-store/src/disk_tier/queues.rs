//! Which file goes when there is no room: S3-FIFO.
//!
//! Newcomers wait in a small queue. Who is asked for again there moves to the main queue, the
//! others leave, and only their names are remembered: who comes back is taken into the main queue
//! at once. So a scan of things that nobody asks for twice pushes out only its own kind.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use artifact_core::BlobId;

/// A file occupies whole blocks, and a name.
const BLOCK: u64 = 4096;
/// More visits make no difference.
const MOST_VISITS: u8 = 3;
const FEWEST_GHOSTS: usize = 1024;

/// One file of the tier.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: BlobId,
    pub(super) size: u64,
    visits: AtomicU8,
    is_gone: AtomicBool,
    is_main: AtomicBool,
}

impl Entry {
    pub(super) fn new(id: BlobId, size: u64) -> Arc<Self> {
        Arc::new(Self {
            id,
            size,
            visits: AtomicU8::new(0),
            is_gone: AtomicBool::new(false),
            is_main: AtomicBool::new(false),
        })
    }

    /// Notes that it is asked for. A lost note is no harm.
    pub(super) fn visit(&self) {
        let visits = self.visits.load(Ordering::Relaxed);
        if visits < MOST_VISITS {
            self.visits.store(visits + 1, Ordering::Relaxed);
        }
    }

    fn take_visit(&self) -> bool {
        let visits = self.visits.load(Ordering::Relaxed);
        self.visits.store(visits.saturating_sub(1), Ordering::Relaxed);
        visits > 0
    }
}

/// What a file of `size` bytes takes of the quota.
pub(super) fn weight(size: u64) -> u64 {
    size.div_ceil(BLOCK).max(1).saturating_mul(BLOCK)
}

/// The order in which files leave. Decides and does nothing.
#[derive(Debug)]
pub(super) struct Queues {
    small: Queue,
    main: Queue,
    ghosts: Ghosts,
    small_share: u64,
}

impl Queues {
    /// For files of `quota` bytes together.
    pub(super) fn new(quota: u64) -> Self {
        Self {
            small: Queue::default(),
            main: Queue::default(),
            ghosts: Ghosts::default(),
            small_share: quota / 10,
        }
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.small.bytes + self.main.bytes
    }

    /// Takes in a newcomer.
    pub(super) fn insert(&mut self, entry: Arc<Entry>) {
        if self.ghosts.take(entry.id) {
            self.insert_known(entry);
        } else {
            self.small.push(entry);
        }
    }

    /// Takes in what has proved its worth before.
    pub(super) fn insert_known(&mut self, entry: Arc<Entry>) {
        entry.is_main.store(true, Ordering::Relaxed);
        self.main.push(entry);
    }

    /// Lets go of `entry`; `false` if that was done before.
    pub(super) fn remove(&mut self, entry: &Entry) -> bool {
        if entry.is_gone.swap(true, Ordering::Relaxed) {
            return false;
        }
        let is_main = entry.is_main.load(Ordering::Relaxed);
        let queue = if is_main { &mut self.main } else { &mut self.small };
        queue.forget(weight(entry.size));
        true
    }

    /// Lets go of whatever is worth least.
    pub(super) fn evict(&mut self) -> Option<Arc<Entry>> {
        loop {
            let is_small_due = self.small.bytes > self.small_share || self.main.bytes == 0;
            let evicted =
                if is_small_due { self.evict_from_small() } else { self.evict_from_main() };
            if evicted.is_some() || self.bytes() == 0 {
                return evicted;
            }
        }
    }

    /// `None` if the first was worth keeping.
    fn evict_from_small(&mut self) -> Option<Arc<Entry>> {
        let entry = self.small.pop()?;
        if entry.take_visit() {
            entry.visits.store(0, Ordering::Relaxed);
            self.insert_known(entry);
            return None;
        }
        let remembered = (self.small.living + self.main.living).max(FEWEST_GHOSTS);
        self.ghosts.add(entry.id, remembered);
        entry.is_gone.store(true, Ordering::Relaxed);
        Some(entry)
    }

    /// `None` if the first gets another turn.
    fn evict_from_main(&mut self) -> Option<Arc<Entry>> {
        let entry = self.main.pop()?;
        if entry.take_visit() {
            self.main.push(entry);
            return None;
        }
        entry.is_gone.store(true, Ordering::Relaxed);
        Some(entry)
    }
}

/// Entries in order. Those that are gone stay in it until they are met or are too many.
#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Arc<Entry>>,
    living: usize,
    bytes: u64,
}

impl Queue {
    fn push(&mut self, entry: Arc<Entry>) {
        self.living += 1;
        self.bytes += weight(entry.size);
        self.entries.push_back(entry);
    }

    /// The first that is not gone.
    fn pop(&mut self) -> Option<Arc<Entry>> {
        loop {
            let entry = self.entries.pop_front()?;
            if !entry.is_gone.load(Ordering::Relaxed) {
                self.forget(weight(entry.size));
                return Some(entry);
            }
        }
    }

    fn forget(&mut self, weight: u64) {
        self.living = self.living.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(weight);
        if self.entries.len() > 2 * self.living + 64 {
            self.entries.retain(|entry| !entry.is_gone.load(Ordering::Relaxed));
        }
    }
}

/// Names of files that left the small queue.
#[derive(Debug, Default)]
struct Ghosts {
    names: HashSet<BlobId>,
    order: VecDeque<BlobId>,
}

impl Ghosts {
    fn add(&mut self, id: BlobId, remembered: usize) {
        if self.names.insert(id) {
            self.order.push_back(id);
        }
        while self.order.len() > remembered {
            if let Some(oldest) = self.order.pop_front() {
                self.names.remove(&oldest);
            }
        }
    }

    fn take(&mut self, id: BlobId) -> bool {
        // Its place in the order is left to be found out; a name that is added again meanwhile is
        // then forgotten a little early.
        self.names.remove(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> BlobId {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        BlobId::from_bytes(bytes)
    }

    /// Brings in a file of one block, making room for `quota` bytes.
    fn bring_in(queues: &mut Queues, number: u32, quota: u64) -> Arc<Entry> {
        let entry = Entry::new(id(number), 100);
        queues.insert(Arc::clone(&entry));
        while queues.bytes() > quota {
            queues.evict().unwrap();
        }
        entry
    }

    fn is_there(entry: &Entry) -> bool {
        !entry.is_gone.load(Ordering::Relaxed)
    }

    #[test]
    fn a_scan_pushes_out_only_its_own_kind() {
        let quota = 100 * BLOCK;
        let mut queues = Queues::new(quota);
        let hot: Vec<_> = (0..50).map(|number| bring_in(&mut queues, number, quota)).collect();
        for entry in &hot {
            entry.visit();
        }
        for number in 1_000..11_000 {
            bring_in(&mut queues, number, quota);
            assert!(queues.bytes() <= quota);
        }
        assert!(hot.iter().all(|entry| is_there(entry)));
    }

    #[test]
    fn who_comes_back_is_taken_into_the_main_queue() {
        let quota = 10 * BLOCK;
        let mut queues = Queues::new(quota);
        let first = bring_in(&mut queues, 1, quota);
        for number in 2..20 {
            bring_in(&mut queues, number, quota);
        }
        assert!(!is_there(&first));
        let again = bring_in(&mut queues, 1, quota);
        for number in 100..200 {
            bring_in(&mut queues, number, quota);
        }
        assert!(is_there(&again));
    }

    #[test]
    fn what_is_hot_no_more_leaves_in_the_end() {
        let quota = 10 * BLOCK;
        let mut queues = Queues::new(quota);
        let old: Vec<_> = (0..10).map(|number| bring_in(&mut queues, number, quota)).collect();
        for entry in &old {
            entry.visit();
        }
        for round in 1..30 {
            for number in 0..10 {
                bring_in(&mut queues, 100 * round + number, quota).visit();
            }
        }
        assert!(!old.iter().any(|entry| is_there(entry)));
    }

    #[test]
    fn bytes_are_those_of_what_is_there_whatever_happens() {
        let mut queues = Queues::new(1 << 30);
        let entries: Vec<_> =
            (0..1000).map(|number| Entry::new(id(number), u64::from(number) * 10)).collect();
        for entry in &entries {
            queues.insert(Arc::clone(entry));
        }
        for entry in entries.iter().step_by(2) {
            assert!(queues.remove(entry));
            assert!(!queues.remove(entry), "once");
        }
        for _ in 0..100 {
            queues.evict().unwrap();
        }
        let there = entries.iter().filter(|entry| is_there(entry));
        assert_eq!(queues.bytes(), there.map(|entry| weight(entry.size)).sum::<u64>());
        while queues.evict().is_some() {}
        assert_eq!(queues.bytes(), 0);
        assert!(queues.evict().is_none());
    }

    #[test]
    fn entries_that_are_gone_do_not_pile_up() {
        let mut queues = Queues::new(1 << 30);
        for number in 0..100_000 {
            let entry = Entry::new(id(number), 1);
            queues.insert(Arc::clone(&entry));
            queues.remove(&entry);
        }
        assert!(queues.small.entries.len() < 200);
        for number in 0..100_000 {
            bring_in(&mut queues, number, BLOCK);
        }
        assert!(queues.ghosts.order.len() <= FEWEST_GHOSTS);
    }

    #[test]
    fn a_file_weighs_whole_blocks() {
        for (size, expected) in [(0, 1), (1, 1), (4096, 1), (4097, 2)] {
            assert_eq!(weight(size), expected * BLOCK, "{size}");
        }
    }
}

//! The cache of one process.

use std::time::Duration;

use artifact_core::Result;
use artifact_core::ports::{Announcement, Announcements, Lease, LeaseOutcome, TtlCache};
use async_trait::async_trait;
use bytes::Bytes;
use quick_cache::sync::Cache;
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::announcements::{ANNOUNCEMENTS, heard};
use crate::expiry::{deadline, is_over};
use crate::leases::Leases;

/// Hints in memory, bounded: the least used ones are forgotten first.
#[derive(Debug)]
pub struct MemoryTtlCache {
    entries: Cache<String, Entry>,
    leases: Leases,
    announcements: broadcast::Sender<Announcement>,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Bytes,
    deadline: Instant,
}

impl MemoryTtlCache {
    /// How many hints [`new`](Self::new) keeps.
    pub const DEFAULT_CAPACITY: usize = 100_000;

    /// An empty cache.
    pub fn new() -> Self {
        Self::with_capacity(Self::DEFAULT_CAPACITY)
    }

    /// An empty cache of at most about `capacity` hints. Leases are not counted.
    pub fn with_capacity(capacity: usize) -> Self {
        let (announcements, _) = broadcast::channel(ANNOUNCEMENTS);
        Self { entries: Cache::new(capacity), leases: Leases::default(), announcements }
    }
}

impl Default for MemoryTtlCache {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl TtlCache for MemoryTtlCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let Some(entry) = self.entries.get(key) else { return Ok(None) };
        if is_over(entry.deadline) {
            // Judged again under the lock: it may have been set anew meanwhile.
            self.entries.remove_if(key, |entry| is_over(entry.deadline));
            return Ok(None);
        }
        Ok(Some(entry.value))
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()> {
        self.entries.insert(key.to_owned(), Entry { value, deadline: deadline(ttl) });
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<()> {
        self.entries.remove(key);
        Ok(())
    }

    async fn acquire(&self, key: &str, owner: &str, ttl: Duration) -> Result<LeaseOutcome> {
        Ok(self.leases.acquire(key, owner, ttl))
    }

    async fn renew(&self, lease: &Lease, state: Bytes, ttl: Duration) -> Result<bool> {
        Ok(self.leases.renew(lease, state, ttl))
    }

    async fn release(&self, lease: &Lease) -> Result<bool> {
        Ok(self.leases.release(lease))
    }

    async fn announce(&self, topic: &str, message: &str) -> Result<()> {
        let announcement = Announcement { topic: topic.to_owned(), message: message.to_owned() };
        // Fails only when nobody listens.
        let _ = self.announcements.send(announcement);
        Ok(())
    }

    fn changes(&self) -> Announcements {
        heard(self.announcements.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_full_cache_forgets_hints_instead_of_growing() {
        let cache = MemoryTtlCache::with_capacity(100);
        for n in 0..10_000 {
            cache.set(&n.to_string(), Bytes::new(), MINUTE).await.unwrap();
        }
        assert!(cache.entries.len() <= 100);
        assert!(!cache.entries.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_hint_frees_its_place_when_asked_for() {
        let cache = MemoryTtlCache::new();
        cache.set("a", Bytes::new(), MINUTE).await.unwrap();
        tokio::time::advance(MINUTE).await;
        assert_eq!(cache.get("a").await.unwrap(), None);
        assert!(cache.entries.is_empty());
    }

    #[tokio::test]
    async fn a_receiver_that_lags_loses_the_oldest_and_goes_on() {
        let cache = MemoryTtlCache::new();
        let mut changes = cache.changes();
        for n in 0..ANNOUNCEMENTS + 10 {
            cache.announce("topic", &n.to_string()).await.unwrap();
        }
        let first = changes.next().await.unwrap();
        assert_eq!(first.message, "10");
        assert_eq!(changes.next().await.unwrap().message, "11");
    }

    #[tokio::test]
    async fn the_stream_ends_with_the_cache() {
        let cache = MemoryTtlCache::new();
        let mut changes = cache.changes();
        cache.announce("topic", "last").await.unwrap();
        drop(cache);
        assert!(changes.next().await.is_some());
        assert!(changes.next().await.is_none());
    }
}

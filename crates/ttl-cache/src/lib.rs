//! Short-lived hints: negative entries, leases, announcements.
//!
//! [`MemoryTtlCache`] serves one process, [`RedisTtlCache`] the replicas that share a Redis.
//!
//! Invariant: nothing here is ever needed for a correct answer. A cache that forgets
//! everything at once costs duplicate work and nothing else.

mod announcements;
mod expiry;
mod leases;
mod memory;
mod redis;

pub use memory::MemoryTtlCache;
pub use redis::{BadAddress, RedisError, RedisSettings, RedisTtlCache};

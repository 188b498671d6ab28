//! Short-lived hints: negative entries, leases, announcements.
//!
//! Invariant: nothing here is ever needed for a correct answer. A cache that forgets
//! everything at once costs duplicate work and nothing else.

mod expiry;
mod leases;
mod memory;

pub use memory::MemoryTtlCache;

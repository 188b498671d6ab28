//! A bounded tier on a local disk before another store.
//!
//! Hits cost one hop to the blocking pool and never ask the store below, so they go on when it is
//! down. Files come in two ways: a finished spool file is linked before it is uploaded, and a
//! blob that is read is written down while it passes by.
//!
//! Invariants: a file gets a blob's name only when it is whole, when its bytes are on the medium
//! and, if they came over the network, when their SHA-256 is the name. A blob that was told to be
//! deleted here does not come back by a read that overlaps. Nothing that goes wrong on the disk
//! fails a request: the tier is then left out.

mod claims;
mod disk;
mod fill;
mod index;
mod queues;
mod rebuild;
mod sightings;
mod tier;

pub use self::tier::DiskTier;

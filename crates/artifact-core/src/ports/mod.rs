//! What the engine asks of the outside world. Each adapter crate implements one of these;
//! `testkit` holds the contract suite that every implementation passes.
//!
//! Absence (`Ok(None)`) and failure (`Err`) are different results everywhere, because only
//! absence may become a 404. No transaction handle crosses a port: every method is one whole
//! atomic operation.

mod blob_store;
mod meta_store;
mod spool;
mod ttl_cache;
mod upstream;

pub use blob_store::{BlobListing, BlobPayload, BlobRead, BlobStore, ByteRange, Durability};
pub use meta_store::{
    AccessRecord, Change, Evicted, ListedRow, Listing, MetaStore, NewRepository, Precondition,
    Prefix, Published, RepositoryStore, RowQuery, RowStore, Selector, StatBucket, StatStore,
    StateFilter, Usage, Validation,
};
pub use spool::{Hasher, Spool, SpoolReader, SpoolWriter};
pub use ttl_cache::{Announcement, Announcements, Lease, LeaseOutcome, TtlCache};
pub use upstream::{
    Conditions, Intent, OriginState, Trust, Upstream, UpstreamError, UpstreamReason,
    UpstreamRequest, UpstreamResponse, UpstreamTarget,
};

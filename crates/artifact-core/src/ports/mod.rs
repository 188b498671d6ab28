//! What the engine asks of the outside world. Each adapter crate implements one of these;
//! `testkit` holds the contract suite that every implementation passes.
//!
//! Absence (`Ok(None)`) and failure (`Err`) are different results everywhere, because only
//! absence may become a 404. No transaction handle crosses a port: every method is one whole
//! atomic operation.

mod access_log;
mod blob_index;
mod blob_store;
mod change_feed;
mod key_store;
mod lost_blobs;
mod meta_store;
mod row_sets;
mod spool;
mod staging;
mod token_store;
mod ttl_cache;
mod upload_store;
mod upstream;

pub use access_log::{AccessLog, AccessLogRecord};
pub use blob_index::{
    BlobIndex, CollectorHistory, CollectorRun, CollectorStore, EraseBytes, GarbagePass,
    GarbageSurvey, Pinned, Reclaimed, Restoration, Reviewed, RunOutcome,
};
pub use blob_store::{BlobListing, BlobPayload, BlobRead, BlobStore, ByteRange, Durability};
pub use change_feed::{ChangeFeed, ChangedRows, Changes, RowChange, WakeUps};
pub use key_store::{KeyStore, StoredKey};
pub use lost_blobs::{IndexedBlob, LostBlobs, LostFile, LostFiles};
pub use meta_store::{
    AccessRecord, Change, Evicted, EvictionPass, ListedRow, Listing, MetaStore, NewRepository,
    Precondition, Prefix, Published, RepositoryStore, RowEviction, RowQuery, RowStore, Selector,
    StatBucket, StatStore, StateFilter, Usage, Validation,
};
pub use row_sets::{
    Absence, Afterwards, GivingUp, Need, PublishedSet, RelatedRow, Relation, Removal, Removed,
    RowSet, RowSets,
};
pub use spool::{Hasher, Spool, SpoolReader, SpoolWriter};
pub use staging::{StagedBytes, Staging, StagingWriter};
pub use token_store::{InvalidTokenId, NewToken, Token, TokenHash, TokenId, TokenStore};
pub use ttl_cache::{Announcement, Announcements, Lease, LeaseOutcome, TtlCache};
pub use upload_store::{
    Claimed, IdlePass, InvalidUploadId, Upload, UploadId, UploadProgress, UploadStore,
};
pub use upstream::{
    Conditions, Intent, OriginState, OriginWarning, Peers, Redirects, Trust, Upstream,
    UpstreamError, UpstreamReason, UpstreamRequest, UpstreamResponse, UpstreamTarget,
    WarningReason, Warnings,
};

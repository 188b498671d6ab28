//! Content-addressed blob stores and the spool.
//!
//! # The write protocol, and why in this order
//!
//! 1. **Reserve.** [`FileSpool`] takes quota and looks at the free space of the disk before
//!    it creates a file, so that a full disk refuses new work instead of breaking old work.
//! 2. **Spool.** Bytes go to `tmp/{uuid}`, created exclusively and readable by us alone, and
//!    are hashed on the way. A half-written file never has a blob's name.
//! 3. **Judge.** The caller compares length and digests. Nothing in this crate does: a
//!    [`FileStore`] trusts the id that it is given.
//! 4. **Seal.** Under [`Durability::Strict`] the file is synced *before* it gets its name; a
//!    name that survives a power cut must never lead to bytes that did not.
//! 5. **Name.** A rename that does not replace gives the blob its name
//!    `blobs/sha256/ab/cd/{hash}`. If the name is taken and the size is right, the newcomer is
//!    dropped; if the size is wrong, the old file is damage and is replaced atomically.
//! 6. **Sync the directories**, because a name is data of its directory. Only then
//!    success is reported, and only after that may a row point at the blob.
//!
//! A crash between any two steps leaves a temporary file, which the next open sweeps, or a
//! blob without a row, which garbage collection finds.
//!
//! [`S3Store`] has steps 4 to 6 in one: an object appears whole or not at all, and when the server
//! says so it is as durable as the server makes things. A [`DiskTier`] before it names its file
//! only after that, so that what is there is also below.
//!
//! # Staging
//!
//! Uploads that take several requests grow in the store itself, below `uploads/`, and become blobs
//! without being read again. What a replica has to know to go on with one, how far its digests got
//! included, is a text that the caller keeps. Bytes behind what that text says do not count. Every store
//! implements [`Staging`]; tiers have none, for what is staged belongs to the store below. Where nothing can be
//! renamed, in [`S3Store`], large ones stay where they arrived, and a link leads from the blob to them.
//!
//! Invariant: absence is `Ok(None)` and every other trouble is an error; a disk that does not
//! answer must never look like a blob that does not exist. No file I/O runs on an async
//! thread, except reads that the kernel refuses where they would wait for a disk, the unlink and the
//! last small write of a spool file that is given away.
//!
//! [`Durability::Strict`]: artifact_core::ports::Durability::Strict
//! [`Staging`]: artifact_core::ports::Staging

mod block_pool;
mod blocking;
mod directory_lock;
mod disk_tier;
mod error;
mod fan_out;
mod file_spool;
mod file_store;
mod file_stream;
mod free_space;
mod hasher;
mod memory;
mod opened_file;
mod positional;
mod s3;
mod staging;
mod tasks;
mod temporary;

pub use disk_tier::DiskTier;
pub use error::StoreError;
pub use file_spool::{FileSpool, Quota};
pub use file_store::FileStore;
pub use hasher::MultiHasher;
pub use memory::{MemoryStore, MemoryTier, TierLimits};
pub use s3::{Addressing, S3Failure, S3Settings, S3Store, S3Timeouts, Security};

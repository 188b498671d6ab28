//! Every store and the spool keep the contracts of their ports.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::unused_async, reason = "the suites await their factories: others start a server")]

use std::path::PathBuf;

use cas_store::{DiskTier, FileSpool, FileStore, MemoryStore, MemoryTier, Quota, TierLimits};

const LIMITS: TierLimits = TierLimits { total: 8 << 20, blob: 512 << 10 };

async fn file_store(directory: PathBuf) -> FileStore {
    FileStore::open(&directory).unwrap()
}

async fn memory_store(_: PathBuf) -> MemoryStore {
    MemoryStore::new()
}

async fn tier_over_files(directory: PathBuf) -> MemoryTier<FileStore> {
    MemoryTier::new(file_store(directory).await, LIMITS)
}

async fn tier_over_memory(directory: PathBuf) -> MemoryTier<MemoryStore> {
    MemoryTier::new(memory_store(directory).await, LIMITS)
}

async fn disk_over_memory(directory: PathBuf) -> DiskTier<MemoryStore> {
    let quota = Quota { bytes: 64 << 20, reserve: 0 };
    DiskTier::open(memory_store(directory.clone()).await, &directory, quota).unwrap()
}

async fn memory_over_disk(directory: PathBuf) -> MemoryTier<DiskTier<MemoryStore>> {
    MemoryTier::new(disk_over_memory(directory).await, LIMITS)
}

async fn file_spool(directory: PathBuf, bytes: u64) -> FileSpool {
    FileSpool::open(directory, Quota { bytes, reserve: 0 }).unwrap()
}

mod files {
    testkit::blob_store_contract!(super::file_store);
}

mod memory {
    testkit::blob_store_contract!(super::memory_store);
}

mod memory_before_files {
    testkit::blob_store_contract!(super::tier_over_files);
}

mod memory_before_memory {
    testkit::blob_store_contract!(super::tier_over_memory);
}

mod disk_before_memory {
    testkit::blob_store_contract!(super::disk_over_memory);
}

mod memory_before_disk {
    testkit::blob_store_contract!(super::memory_over_disk);
}

mod spool {
    testkit::spool_contract!(super::file_spool);
}

//! The contract, on both servers and below the tiers.

use std::path::PathBuf;

use cas_store::{DiskTier, MemoryTier, Quota, S3Store, TierLimits};
use testkit::services::shared;

use super::server::{settings_of, store_in_process};

const QUOTA: Quota = Quota { bytes: 64 << 20, reserve: 0 };
const LIMITS: TierLimits = TierLimits { total: 8 << 20, blob: 512 << 10 };

async fn in_process(directory: PathBuf) -> S3Store {
    store_in_process(&directory).await
}

async fn on_a_server(_: PathBuf) -> Option<S3Store> {
    Some(S3Store::new(&settings_of(shared::s3()?).await).unwrap())
}

async fn disk_over_s3(directory: PathBuf) -> DiskTier<S3Store> {
    let below = in_process(directory.join("server")).await;
    DiskTier::open(below, &directory.join("tier"), QUOTA).unwrap()
}

async fn memory_over_disk_over_s3(directory: PathBuf) -> MemoryTier<DiskTier<S3Store>> {
    MemoryTier::new(disk_over_s3(directory).await, LIMITS)
}

mod s3_in_this_process {
    testkit::blob_store_contract!(super::in_process);
}

mod s3_on_a_server {
    testkit::blob_store_contract!(if_there super::on_a_server);
}

mod disk_before_s3 {
    testkit::blob_store_contract!(super::disk_over_s3);
}

mod memory_before_disk_before_s3 {
    testkit::blob_store_contract!(super::memory_over_disk_over_s3);
}

//! Puts the embedded stores under the engine.

use std::sync::Arc;

use anyhow::Context;
use artifact_core::SystemClock;
use artifact_engine::{Engine, EngineParts, Settings};
use cas_store::{FileSpool, FileStore, MemoryTier, Quota, TierLimits};
use meta_db::{EncryptionKey, SqliteStore};
use ttl_cache::MemoryTtlCache;
use upstream::HttpUpstream;

use crate::configuration::Configuration;
use crate::providers;

/// Opens the data directory and starts the engine over it.
pub(crate) async fn start_engine(configuration: &Configuration) -> anyhow::Result<Arc<Engine>> {
    let parts = open(configuration).with_context(|| {
        format!("the data directory {} cannot be used", configuration.data_directory.display())
    })?;
    let settings = Settings { public_url: configuration.public_url.clone(), ..Settings::default() };
    Engine::start(parts, settings).await.context("the configuration cannot be loaded")
}

fn open(configuration: &Configuration) -> anyhow::Result<EngineParts> {
    let directory = &configuration.data_directory;
    // First, because it takes the lock: nothing may be touched while another process is in there.
    let files = FileStore::open(directory)?;
    let spool = FileSpool::open(files.spool_directory(), Quota::default())?;
    let key = encryption_key(configuration)?;
    Ok(EngineParts {
        meta: Arc::new(SqliteStore::open(directory, key)?),
        blobs: Arc::new(MemoryTier::new(files, TierLimits::default())),
        spool: Arc::new(spool),
        ttl: Arc::new(MemoryTtlCache::new()),
        upstream: Arc::new(HttpUpstream::new(upstream::Settings::default())?),
        providers: providers::all(),
        clock: Arc::new(SystemClock),
    })
}

fn encryption_key(configuration: &Configuration) -> anyhow::Result<EncryptionKey> {
    match &configuration.secret_key {
        Some(key) => Ok(EncryptionKey::from_base64(key.expose())?),
        None => Ok(EncryptionKey::load_or_create(&configuration.secret_key_file())?),
    }
}

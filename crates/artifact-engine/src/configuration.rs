//! The current configuration: read without a lock, replaced as a whole.

use std::sync::Arc;

use arc_swap::ArcSwap;
use artifact_core::Result;
use artifact_core::ports::MetaStore;

use crate::providers::Providers;
use crate::snapshot::Snapshot;
use crate::statistics::Statistics;

/// Holds the current [`Snapshot`] and renews it from the metadata store.
#[derive(Debug)]
pub struct Configuration {
    meta: Arc<dyn MetaStore>,
    providers: Providers,
    statistics: Arc<Statistics>,
    current: ArcSwap<Snapshot>,
    reloading: tokio::sync::Mutex<()>,
}

impl Configuration {
    /// Loads the configuration.
    pub(crate) async fn load(
        meta: Arc<dyn MetaStore>,
        providers: Providers,
        statistics: Arc<Statistics>,
    ) -> Result<Self> {
        let configuration = Self {
            meta,
            providers,
            statistics,
            current: ArcSwap::default(),
            reloading: tokio::sync::Mutex::new(()),
        };
        configuration.reload().await?;
        Ok(configuration)
    }

    /// The current snapshot. One request uses one snapshot from beginning to end.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The registered package types.
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// Reads the configuration again and swaps it in. Returns when a read that began after the call is in force.
    pub async fn reload(&self) -> Result<()> {
        let _one_at_a_time = self.reloading.lock().await;
        let change = self.meta.repositories().await?;
        let (snapshot, errors) = Snapshot::compile(change, &self.providers, &self.statistics);
        for error in errors {
            tracing::error!(%error, "repository left out of the configuration");
        }
        self.current.store(Arc::new(snapshot));
        Ok(())
    }
}

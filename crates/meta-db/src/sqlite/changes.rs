//! One process changes these files, so nobody else has anything to tell.

use artifact_core::ports::{ChangeFeed, ChangedRows, Changes, RepositoryStore, WakeUps};
use artifact_core::{Clock, Result, SystemClock, Timestamp};
use async_trait::async_trait;
use futures_util::stream;

use super::SqliteStore;

#[async_trait]
impl ChangeFeed for SqliteStore {
    async fn changes(&self, _since: Option<Timestamp>) -> Result<Changes> {
        let until = SystemClock.now();
        let configuration = self.configuration_generation().await?;
        Ok(Changes { configuration, until, rows: ChangedRows::Listed(Vec::new()) })
    }

    async fn forget_changes(&self) -> Result<()> {
        Ok(())
    }

    fn wake_ups(&self) -> WakeUps {
        Box::pin(stream::pending())
    }
}

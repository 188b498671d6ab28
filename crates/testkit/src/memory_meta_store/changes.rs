//! What other replicas of a test are told, and the access log.

use std::time::Duration;

use artifact_core::ports::{
    AccessLog, AccessLogRecord, ChangeFeed, ChangedRows, Changes, RowChange, Selector, WakeUps,
};
use artifact_core::{Clock, RepositoryId, Result, SystemClock, Timestamp};
use async_trait::async_trait;
use futures_util::stream;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::{MemoryMetaStore, State};

/// How long changes are remembered.
const MEMORY: Duration = Duration::from_secs(24 * 3600);

impl State {
    /// Notes that rows are no longer what they were.
    pub(super) fn note_change(&mut self, repository: RepositoryId, selector: Selector) {
        self.last_change += 1;
        let change = RowChange { id: self.last_change, repository, selector };
        self.changes.push((SystemClock.now(), change));
        // Fails only when nobody listens.
        let _ = self.wake_ups.send(());
    }
}

#[async_trait]
impl ChangeFeed for MemoryMetaStore {
    async fn changes(&self, since: Option<Timestamp>) -> Result<Changes> {
        let state = self.enter()?;
        let is_new = |at: Timestamp| since.is_some_and(|since| at >= since);
        let listed = state.changes.iter().filter(|(at, _)| is_new(*at));
        Ok(Changes {
            configuration: state.generation,
            until: SystemClock.now(),
            rows: ChangedRows::Listed(listed.map(|(_, change)| change.clone()).collect()),
        })
    }

    async fn forget_changes(&self) -> Result<()> {
        let now = SystemClock.now();
        self.enter()?.changes.retain(|(at, _)| at.plus(MEMORY) > now);
        Ok(())
    }

    fn wake_ups(&self) -> WakeUps {
        let state = self.lock();
        Box::pin(stream::unfold(state.wake_ups.subscribe(), |mut receiver| async {
            match receiver.recv().await {
                Ok(()) | Err(RecvError::Lagged(_)) => Some(((), receiver)),
                Err(RecvError::Closed) => None,
            }
        }))
    }
}

#[async_trait]
impl AccessLog for MemoryMetaStore {
    async fn append(&self, batch: Uuid, records: &[AccessLogRecord]) -> Result<()> {
        let mut state = self.enter()?;
        if state.batches.insert(batch) {
            state.log.extend_from_slice(records);
        }
        Ok(())
    }

    async fn forget_days_before(&self, moment: Timestamp) -> Result<()> {
        let day = |at: Timestamp| at.as_seconds().div_euclid(24 * 3600);
        self.enter()?.log.retain(|record| day(record.received_at) >= day(moment));
        Ok(())
    }
}

impl MemoryMetaStore {
    /// Every record of the access log, in the order of its batches.
    pub fn access_log(&self) -> Vec<AccessLogRecord> {
        self.lock().log.clone()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(20_000 * 86_400 + 43_200);

    fn record(received_at: Timestamp) -> AccessLogRecord {
        AccessLogRecord {
            received_at,
            request_id: "1".to_owned(),
            principal: String::new(),
            client: None,
            method: "GET".to_owned(),
            repository: None,
            path: "/".to_owned(),
            blob: None,
            status: 404,
            cache: "none",
            bytes_sent: 0,
            complete: true,
            duration: Duration::ZERO,
            user_agent: None,
        }
    }

    #[tokio::test]
    async fn a_batch_is_kept_once_and_forgotten_by_day() {
        let store = MemoryMetaStore::new();
        let (batch, day) = (Uuid::new_v4(), Duration::from_secs(86_400));
        let records = [record(NOON), record(NOON.plus(day))];
        for _ in 0..2 {
            store.append(batch, &records).await.unwrap();
        }
        assert_eq!(store.access_log(), records);
        store.forget_days_before(NOON.plus(day)).await.unwrap();
        assert_eq!(store.access_log(), records[1..]);
    }

    #[tokio::test]
    async fn a_removal_is_told_with_an_id_of_its_own_and_remembered_for_a_day() {
        let store = MemoryMetaStore::new();
        let mut wake_ups = store.wake_ups();
        let before = store.changes(None).await.unwrap().until;
        for id in 1..=2 {
            store.lock().note_change(RepositoryId(1), Selector::Prefix(String::new()));
            store.forget_changes().await.unwrap();
            let ChangedRows::Listed(rows) = store.changes(Some(before)).await.unwrap().rows else {
                panic!("not listed");
            };
            assert_eq!(rows.last().map(|change| change.id), Some(id));
            assert_eq!(wake_ups.next().now_or_never(), Some(Some(())));
        }
    }
}

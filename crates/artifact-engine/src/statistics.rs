//! Counting without getting in the way: the serving path adds to atomics and tries to
//! send, a task flushes. A full queue loses an access record, never an answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use artifact_core::ports::{AccessRecord, MetaStore, StatBucket};
use artifact_core::{Clock, RepositoryId, RowKey};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::request::CacheResult;

/// The span that one stored bucket covers.
const BUCKET_WIDTH: Duration = Duration::from_secs(60);
/// How long buckets are kept.
const RETENTION: Duration = Duration::from_secs(31 * 24 * 3600);
/// Access records that may wait for the next flush.
const QUEUE: usize = 65_536;

/// Counters of one repository since the last flush.
#[derive(Debug, Default)]
pub struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
    revalidated: AtomicU64,
    negative: AtomicU64,
    denied: AtomicU64,
    errors: AtomicU64,
    bytes_served: AtomicU64,
    bytes_fetched: AtomicU64,
    bytes_hit: AtomicU64,
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn answered(&self, result: CacheResult) {
        let counter = match result {
            CacheResult::Hit => &self.hits,
            CacheResult::Miss | CacheResult::Bypass => &self.misses,
            CacheResult::Stale => &self.stale,
            CacheResult::Revalidated => &self.revalidated,
            CacheResult::Negative => &self.negative,
            CacheResult::None => return,
        };
        add(counter, 1);
    }

    pub(crate) fn denied(&self) {
        add(&self.denied, 1);
    }

    pub(crate) fn failed(&self) {
        add(&self.errors, 1);
    }

    pub(crate) fn served(&self, bytes: u64, from_cache: bool) {
        add(&self.bytes_served, bytes);
        if from_cache {
            add(&self.bytes_hit, bytes);
        }
    }

    pub(crate) fn fetched(&self, bytes: u64) {
        add(&self.bytes_fetched, bytes);
    }

    fn answered_since_flush(&self) -> u64 {
        let answers = [
            &self.hits,
            &self.misses,
            &self.stale,
            &self.revalidated,
            &self.negative,
            &self.denied,
        ];
        answers.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
    }

    fn take(&self) -> StatBucket {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        StatBucket {
            hits: take(&self.hits),
            misses: take(&self.misses),
            stale: take(&self.stale),
            revalidated: take(&self.revalidated),
            negative: take(&self.negative),
            denied: take(&self.denied),
            errors: take(&self.errors),
            bytes_served: take(&self.bytes_served),
            bytes_fetched: take(&self.bytes_fetched),
            bytes_hit: take(&self.bytes_hit),
        }
    }
}

/// The counters of every repository; they outlive changes of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Statistics(Mutex<HashMap<RepositoryId, Arc<Counters>>>);

impl Statistics {
    /// The counters of a repository; for compiling a snapshot, not for the serving path.
    pub(crate) fn counters(&self, id: RepositoryId) -> Arc<Counters> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(id).or_default())
    }

    /// A number that changes with every answer of any repository. A flush changes it, too.
    pub(crate) fn answered(&self) -> u64 {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().map(|counters| counters.answered_since_flush()).sum()
    }

    fn take(&self) -> Vec<(RepositoryId, StatBucket)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .map(|(id, counters)| (*id, counters.take()))
            .filter(|(_, bucket)| *bucket != StatBucket::default())
            .collect()
    }

    /// Writes what was counted since the last flush.
    pub(crate) async fn flush(&self, meta: &dyn MetaStore, clock: &dyn Clock) {
        let buckets = self.take();
        if buckets.is_empty() {
            return;
        }
        if let Err(error) = meta.add_statistics(clock.now(), BUCKET_WIDTH, buckets).await {
            tracing::warn!(%error, "statistics could not be written");
        }
    }

    /// Flushes every `interval` until `stop`, and drops what is older than a month.
    pub(crate) async fn run(
        self: Arc<Self>,
        meta: Arc<dyn MetaStore>,
        clock: Arc<dyn Clock>,
        interval: Duration,
        stop: CancellationToken,
    ) {
        let mut last_cleaning = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(interval) => {}
            }
            self.flush(meta.as_ref(), clock.as_ref()).await;
            let day = clock.now().as_seconds().div_euclid(24 * 3600);
            if last_cleaning != Some(day) {
                last_cleaning = Some(day);
                let before = clock
                    .now()
                    .as_millis()
                    .saturating_sub(i64::try_from(RETENTION.as_millis()).unwrap_or(i64::MAX));
                let before = artifact_core::Timestamp::from_millis(before);
                if let Err(error) = meta.forget_statistics(before).await {
                    tracing::warn!(%error, "old statistics could not be removed");
                }
            }
        }
        self.flush(meta.as_ref(), clock.as_ref()).await;
    }
}

/// The queue of served rows.
#[derive(Debug)]
pub(crate) struct Accesses(mpsc::Sender<RowKey>);

impl Accesses {
    /// The queue and its other end.
    pub(crate) fn new() -> (Self, mpsc::Receiver<RowKey>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Notes that a row was served; drops the note when the queue is full.
    pub(crate) fn note(&self, key: &RowKey) {
        let _ = self.0.try_send(key.clone());
    }
}

/// Writes access records every `interval` until `stop`.
pub(crate) async fn flush_accesses(
    mut queue: mpsc::Receiver<RowKey>,
    meta: Arc<dyn MetaStore>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(interval) => {}
        }
        write_accesses(&mut queue, meta.as_ref(), clock.as_ref()).await;
    }
    write_accesses(&mut queue, meta.as_ref(), clock.as_ref()).await;
}

async fn write_accesses(
    queue: &mut mpsc::Receiver<RowKey>,
    meta: &dyn MetaStore,
    clock: &dyn Clock,
) {
    let mut hits: HashMap<RowKey, u64> = HashMap::new();
    while let Ok(key) = queue.try_recv() {
        *hits.entry(key).or_default() += 1;
    }
    if hits.is_empty() {
        return;
    }
    let accessed_at = clock.now();
    let records =
        hits.into_iter().map(|(key, hits)| AccessRecord { key, hits, accessed_at }).collect();
    if let Err(error) = meta.record_accesses(records).await {
        tracing::warn!(%error, "access records could not be written");
    }
}

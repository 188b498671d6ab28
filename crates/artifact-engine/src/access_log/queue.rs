//! Where records wait for their batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use artifact_core::ports::AccessLogRecord;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Records that may wait.
const CAPACITY: usize = 65_536;

/// Takes the records of requests that ended. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct AccessLogQueue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sender: mpsc::Sender<AccessLogRecord>,
    dropped: AtomicU64,
    spilled: AtomicU64,
    finished: CancellationToken,
}

impl AccessLogQueue {
    /// The queue and its other end.
    pub(super) fn new() -> (Self, mpsc::Receiver<AccessLogRecord>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let inner = Inner {
            sender,
            dropped: AtomicU64::new(0),
            spilled: AtomicU64::new(0),
            finished: CancellationToken::new(),
        };
        (Self(Arc::new(inner)), receiver)
    }

    /// Hands a record over without waiting; it is dropped and counted when the queue is full or
    /// the engine has stopped.
    pub fn try_send(&self, record: AccessLogRecord) {
        if self.0.sender.try_send(record).is_err() {
            self.note_dropped(1);
        }
    }

    /// Records that were lost since the start.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Records that wait to be written.
    pub fn waiting(&self) -> usize {
        self.0.sender.max_capacity() - self.0.sender.capacity()
    }

    /// Bytes on the local disk that the metadata store has not taken yet.
    pub fn spilled_bytes(&self) -> u64 {
        self.0.spilled.load(Ordering::Relaxed)
    }

    pub(super) fn note_dropped(&self, records: usize) {
        self.0.dropped.fetch_add(records as u64, Ordering::Relaxed);
    }

    pub(super) fn note_spilled(&self, bytes: u64) {
        self.0.spilled.store(bytes, Ordering::Relaxed);
    }

    /// Cancelled when nothing is written any more.
    pub(super) fn end(&self) -> CancellationToken {
        self.0.finished.clone()
    }

    /// Resolves when everything that was sent is written or spilled. To be awaited after the
    /// engine was told to stop.
    pub(crate) async fn finished(&self) {
        self.0.finished.cancelled().await;
    }
}

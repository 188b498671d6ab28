//! Writes batches, and keeps their order when it has to wait for the store.

use std::sync::Arc;
use std::time::Duration;

use artifact_core::ports::{AccessLogRecord, MetaStore};
use artifact_core::{Error, ErrorKind, Result};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::queue::AccessLogQueue;
use super::spill::{Batch, Spill};

/// Records of a full batch.
pub(super) const BATCH: usize = 500;
/// How long a record waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// The pause before a store that failed is asked again.
pub(super) const RETRY: Duration = Duration::from_secs(5);
/// How long the store may take for everything that is left at the end; the rest is spilled.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How often a store that answers may refuse a batch before it gives way to the next one.
const REFUSALS: u32 = 3;

/// The one task that writes.
pub(super) struct Writer {
    queue: AccessLogQueue,
    records: mpsc::Receiver<AccessLogRecord>,
    meta: Arc<dyn MetaStore>,
    spill: Spill,
    stop: CancellationToken,
    gathered: Vec<AccessLogRecord>,
    /// When what is gathered is written, however little it is.
    due: Option<Instant>,
    /// When the oldest spilled batch is tried again.
    retry: Option<Instant>,
    refusals: u32,
    is_dropping: bool,
    /// When the last words must be said.
    end: Option<Instant>,
}

/// What becomes of a spilled batch that the store did not take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Rejected {
    Wait,
    SetAside,
}

impl Writer {
    pub(super) fn new(
        queue: AccessLogQueue,
        records: mpsc::Receiver<AccessLogRecord>,
        meta: Arc<dyn MetaStore>,
        spill: Spill,
        stop: CancellationToken,
    ) -> Self {
        queue.note_spilled(spill.occupied());
        let retry = (!spill.is_empty()).then(Instant::now);
        Self {
            queue,
            records,
            meta,
            spill,
            stop,
            gathered: Vec::with_capacity(BATCH),
            due: None,
            retry,
            refusals: 0,
            is_dropping: false,
            end: None,
        }
    }

    /// Writes until the engine stops, then what is left.
    pub(super) async fn run(mut self) {
        let _finished = self.queue.end().drop_guard();
        loop {
            let room = BATCH - self.gathered.len();
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = moment(self.due) => self.write_gathered().await,
                () = moment(self.retry) => self.replay_oldest().await,
                _ = self.records.recv_many(&mut self.gathered, room) => self.gather().await,
            }
        }
        self.finish().await;
    }

    async fn gather(&mut self) {
        if self.gathered.len() >= BATCH {
            self.write_gathered().await;
        } else if self.due.is_none() {
            self.due = Some(Instant::now() + LINGER);
        }
    }

    async fn finish(&mut self) {
        self.records.close();
        self.end = Some(Instant::now() + LAST_WORDS);
        loop {
            let room = BATCH - self.gathered.len();
            if self.records.recv_many(&mut self.gathered, room).await == 0 {
                break;
            }
            self.gather().await;
        }
        self.write_gathered().await;
    }

    async fn write_gathered(&mut self) {
        self.due = None;
        if self.gathered.is_empty() {
            return;
        }
        let records = std::mem::replace(&mut self.gathered, Vec::with_capacity(BATCH));
        let batch = Batch { id: Uuid::new_v4(), records };
        // Behind others that wait, it waits, too.
        if self.spill.is_empty() {
            match self.append(&batch).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, "the access log cannot be written and is kept on the local disk");
                    self.retry = Some(Instant::now() + RETRY);
                }
            }
        }
        self.keep(batch).await;
    }

    async fn keep(&mut self, batch: Batch) {
        let count = batch.records.len();
        match self.spill.put(batch).await {
            Ok(()) => self.is_dropping = false,
            Err(error) => {
                self.queue.note_dropped(count);
                if !self.is_dropping {
                    tracing::error!(%error, "records of the access log are lost");
                }
                self.is_dropping = true;
            }
        }
        self.queue.note_spilled(self.spill.occupied());
    }

    async fn replay_oldest(&mut self) {
        self.retry = None;
        match self.spill.oldest().await {
            Ok(None) => {}
            Ok(Some(batch)) => match self.append(&batch).await {
                Ok(()) => self.replayed().await,
                Err(error) => self.rejected(&error).await,
            },
            Err(error) => self.set_aside(&error).await,
        }
        self.queue.note_spilled(self.spill.occupied());
    }

    async fn replayed(&mut self) {
        if let Err(error) = self.spill.remove_oldest().await {
            tracing::warn!(%error, "a spilled batch was written but stays");
        }
        if self.spill.is_empty() {
            tracing::info!("the access log has caught up");
        }
        self.go_on();
    }

    async fn rejected(&mut self, error: &Error) {
        self.refusals += 1;
        match judge(error.kind(), self.refusals) {
            Rejected::Wait => self.retry = Some(Instant::now() + RETRY),
            Rejected::SetAside => self.set_aside(error).await,
        }
    }

    async fn set_aside(&mut self, reason: &Error) {
        tracing::warn!(error = %reason, "a spilled batch of the access log is set aside");
        if let Err(error) = self.spill.set_oldest_aside().await {
            tracing::warn!(%error, "a spilled batch could not be set aside");
        }
        self.go_on();
    }

    /// Turns to the next spilled batch.
    fn go_on(&mut self) {
        self.refusals = 0;
        self.retry = (!self.spill.is_empty()).then(Instant::now);
    }

    async fn append(&self, batch: &Batch) -> Result<()> {
        tokio::select! {
            result = self.meta.append(batch.id, &batch.records) => result,
            () = self.out_of_time() => {
                Err(Error::new(ErrorKind::Unavailable, "the server stops before the store answers"))
            }
        }
    }

    async fn out_of_time(&self) {
        self.stop.cancelled().await;
        sleep_until(self.end.unwrap_or_else(|| Instant::now() + LAST_WORDS)).await;
    }
}

/// An outage ends; what is refused for another reason would be refused for ever, or nearly.
fn judge(kind: ErrorKind, refusals: u32) -> Rejected {
    let is_outage = matches!(kind, ErrorKind::Unavailable | ErrorKind::InsufficientStorage);
    if is_outage || refusals < REFUSALS { Rejected::Wait } else { Rejected::SetAside }
}

async fn moment(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_waited_out_and_a_refusal_is_not() {
        for (kind, refusals, expected) in [
            (ErrorKind::Unavailable, 1, Rejected::Wait),
            (ErrorKind::Unavailable, 1000, Rejected::Wait),
            (ErrorKind::InsufficientStorage, 1000, Rejected::Wait),
            (ErrorKind::Internal, REFUSALS - 1, Rejected::Wait),
            (ErrorKind::Internal, REFUSALS, Rejected::SetAside),
        ] {
            assert_eq!(judge(kind, refusals), expected, "{kind:?} {refusals}");
        }
    }
}

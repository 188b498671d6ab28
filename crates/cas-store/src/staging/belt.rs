//! Chunks on their way to what hashes or writes them on the blocking pool.
//!
//! A hop per chunk would cost as much as hashing it, so chunks wait here for company. While one
//! batch is worked on, the next one is gathered.

use std::sync::{Arc, Mutex};

use artifact_core::{Digests, Result};
use bytes::Bytes;

use super::{Chunks, ResumableHasher};
use crate::StoreError;
use crate::blocking::{self, Running, lock};

/// The hop is worth it from here on; a writer holds about twice as much.
const BATCH: usize = 512 * 1024;

/// Where the chunks go, in order.
pub(crate) trait Sink: Send + 'static {
    /// Takes in the next bytes. Blocks. After a failure nothing more is given to it.
    fn take(&mut self, chunks: &[Bytes]) -> Result<(), StoreError>;

    /// The digests as far as the bytes that were taken in.
    fn hasher(&self) -> &ResumableHasher;
}

/// The end of a belt at which a writer stands.
#[derive(Debug)]
pub(crate) struct Belt<S> {
    desk: Arc<Desk<S>>,
    running: Option<Running<()>>,
}

/// The end at which the blocking pool works. Locks are taken in the order of the fields: whoever
/// has the station takes everything that waits, so the order of tasks does not matter.
#[derive(Debug)]
pub(crate) struct Desk<S> {
    station: Mutex<Station<S>>,
    waiting: Mutex<Chunks>,
}

#[derive(Debug)]
struct Station<S> {
    sink: S,
    standing: Standing,
}

#[derive(Clone, Copy, Debug)]
enum Standing {
    Open,
    /// A failure is final: what the sink has taken is not known.
    Failed,
    Closed,
}

impl<S: Sink> Belt<S> {
    pub(crate) fn new(sink: S) -> Self {
        let station = Mutex::new(Station { sink, standing: Standing::Open });
        Self { desk: Arc::new(Desk { station, waiting: Mutex::default() }), running: None }
    }

    pub(crate) fn desk(&self) -> &Arc<Desk<S>> {
        &self.desk
    }

    /// Takes `chunk` along. A failure may be told by a later call.
    pub(crate) async fn push(&mut self, chunk: Bytes) -> Result<()> {
        if self.desk.gather(chunk) < BATCH {
            return Ok(());
        }
        self.settle().await?;
        // A hop that began late has taken what came after it, too.
        if self.desk.waiting() < BATCH {
            return Ok(());
        }
        let desk = Arc::clone(&self.desk);
        self.running = Some(tokio::task::spawn_blocking(move || desk.work(|_| Ok(()))));
        Ok(())
    }

    async fn settle(&mut self) -> Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let outcome = blocking::outcome(running).await;
        self.running = None;
        outcome
    }

    /// What `work` makes of the sink when everything that was pushed has arrived there.
    pub(crate) async fn arrived<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut S) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T> {
        self.settle().await?;
        let desk = Arc::clone(&self.desk);
        blocking::run(move || desk.work(work)).await
    }

    /// The digests of everything that was pushed.
    pub(crate) fn digests(&self) -> Digests {
        let station = lock(&self.desk.station);
        let mut hasher = station.sink.hasher().clone();
        for chunk in lock(&self.desk.waiting).snapshot() {
            hasher.update(&chunk);
        }
        hasher.finish()
    }
}

impl<S: Sink> Desk<S> {
    /// How much waits together with `chunk`.
    fn gather(&self, chunk: Bytes) -> usize {
        let mut waiting = lock(&self.waiting);
        waiting.push(chunk);
        waiting.length()
    }

    fn waiting(&self) -> usize {
        lock(&self.waiting).length()
    }

    fn work<T>(&self, work: impl FnOnce(&mut S) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut station = lock(&self.station);
        match station.standing {
            Standing::Open => {}
            Standing::Failed => return Err(StoreError::StagingFailed),
            Standing::Closed => return Err(StoreError::StagingTaken),
        }
        let chunks = lock(&self.waiting).take();
        let outcome = station.sink.take(&chunks).and_then(|()| work(&mut station.sink));
        if outcome.is_err() {
            station.standing = Standing::Failed;
        }
        outcome
    }

    /// Lets nothing more arrive. Waits for what is arriving, so it blocks.
    pub(crate) fn close(&self) {
        lock(&self.station).standing = Standing::Closed;
    }
}

#[cfg(test)]
mod tests {
    use artifact_core::ErrorKind;

    use super::*;

    /// Fails once it has been given more than `limit` bytes.
    struct Limited {
        taken: Vec<usize>,
        limit: usize,
        hasher: ResumableHasher,
    }

    impl Sink for Limited {
        fn take(&mut self, chunks: &[Bytes]) -> Result<(), StoreError> {
            self.taken.push(chunks.iter().map(Bytes::len).sum());
            self.hasher.take(chunks)?;
            if self.taken.iter().sum::<usize>() > self.limit {
                return Err(StoreError::SpoolFailed);
            }
            Ok(())
        }

        fn hasher(&self) -> &ResumableHasher {
            &self.hasher
        }
    }

    fn belt(limit: usize) -> Belt<Limited> {
        Belt::new(Limited { taken: Vec::new(), limit, hasher: ResumableHasher::new(&[]) })
    }

    #[tokio::test]
    async fn small_chunks_travel_together_and_digests_do_not_wait_for_them() {
        let mut belt = belt(usize::MAX);
        let mut expected = ResumableHasher::new(&[]);
        for _ in 0..40 {
            let chunk = Bytes::from(vec![7; BATCH / 10]);
            expected.update(&chunk);
            belt.push(chunk).await.unwrap();
            assert_eq!(belt.digests(), expected.clone().finish());
        }
        let taken = belt.arrived(|sink| Ok(sink.taken.clone())).await.unwrap();
        assert_eq!(taken.iter().sum::<usize>(), 40 * (BATCH / 10));
        let (_, hops) = taken.split_last().unwrap();
        assert!(hops.iter().all(|bytes| *bytes >= BATCH), "{taken:?}");
    }

    #[tokio::test]
    async fn a_failure_is_told_and_final() {
        let mut belt = belt(BATCH);
        belt.push(Bytes::from(vec![7; 2 * BATCH])).await.unwrap();
        let error = belt.arrived(|_| Ok(())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(belt.arrived(|_| Ok(())).await.is_err());
        let taken = lock(&belt.desk.station).sink.taken.clone();
        assert_eq!(taken, [2 * BATCH], "nothing more was given to it");
    }

    #[tokio::test]
    async fn nothing_arrives_at_a_closed_desk() {
        let mut belt = belt(usize::MAX);
        belt.push(Bytes::from_static(b"bytes")).await.unwrap();
        belt.desk().close();
        let error = belt.arrived(|_| Ok(())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(lock(&belt.desk.station).sink.taken.is_empty());
    }
}

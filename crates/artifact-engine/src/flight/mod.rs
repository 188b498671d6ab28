//! Flights: one fetch per key and process, read by everyone who asks meanwhile.
//!
//! A flight is a detached task that writes a spool file; every reader reads that file at its
//! own pace and waits on one `watch` for more. A slow reader slows nobody, a reader that
//! goes away cancels nothing by itself. The tail of the body is held back until length and
//! digests match, so that a wrong body can never be mistaken for a complete one.
//!
//! Invariant: a reader sees all bytes, or an error as the last item; never a clean early end.

mod board;
mod job;
mod leader;
mod pages;
mod reader;
mod room;
mod turn;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use artifact_core::ports::SpoolReader;
use artifact_core::{BlobId, ByteStream, Error, RowKey};
use http::HeaderMap;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

pub(crate) use board::{Board, Joined};
pub(crate) use job::Job;
pub(crate) use leader::{lead, salt};
pub(crate) use room::SpareRoom;

use crate::rows::HotRow;

/// How long those who have their bytes wait for these to be stored.
const STORING: Duration = Duration::from_millis(500);

/// One fetch under way.
#[derive(Debug)]
pub(crate) struct Flight {
    /// Unique among all replicas.
    id: String,
    key: RowKey,
    head: OnceLock<FlightHead>,
    progress: watch::Sender<Progress>,
    passengers: AtomicUsize,
    abandoned: Notify,
    /// Whether the disk had no room for the body.
    lacks_disk: AtomicBool,
    /// Until when the outcome of this flight answers for those who come next.
    remembered_until: OnceLock<Instant>,
}

/// The head of a body on its way.
#[derive(Debug)]
pub(crate) struct FlightHead {
    /// The whole length, if upstream said it.
    pub(crate) size: Option<u64>,
    /// The media type to send.
    pub(crate) content_type: Option<String>,
    /// The URL that answered, without its query.
    pub(crate) url: String,
    /// What upstream said of it, for replicas that read along.
    pub(crate) headers: HeaderMap,
    /// Whether the framing proves that the body is complete when it ends.
    pub(crate) framed: bool,
    /// Whether the result will be stored.
    pub(crate) stored: bool,
    /// The file.
    pub(crate) reader: Arc<dyn SpoolReader>,
}

/// A download as another replica reads along.
pub struct SharedFlight {
    /// What upstream said of it; without framing.
    pub headers: HeaderMap,
    /// The URL that answered, without its query.
    pub url: String,
    /// The whole length, if upstream said it.
    pub size: Option<u64>,
    /// Whether upstream's framing proves that the body is complete when it ends.
    pub framed: bool,
    /// The body from its first byte. It ends as the download does: completely or with an error.
    pub body: ByteStream,
}

impl fmt::Debug for SharedFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedFlight")
            .field("url", &self.url)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// How far a flight is.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    /// Bytes that readers may take.
    pub(crate) visible: u64,
    /// The phase.
    pub(crate) phase: Phase,
}

/// The phase of a flight; moves forward only.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// Upstream has not answered usefully yet.
    Waiting,
    /// The head is known and the body grows.
    Streaming,
    /// Every byte is visible and verified, and is being stored; the hash of the bytes.
    Verified(BlobId),
    /// Every byte is verified and will not be stored; the hash of the bytes.
    Unstored(BlobId),
    /// Stored.
    Published(Arc<HotRow>),
    /// Upstream confirmed the copy that we hold.
    Confirmed(Arc<HotRow>),
    /// There is no room to store it: whoever wants it has to fetch it past the store.
    Bypass(&'static str),
    /// It failed.
    Failed(Error),
}

impl Phase {
    fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting)
    }

    /// Whether the bytes are in the store and have their row.
    pub(crate) fn is_stored(&self) -> bool {
        matches!(self, Self::Published(_) | Self::Confirmed(_))
    }

    fn is_final(&self) -> bool {
        !matches!(self, Self::Waiting | Self::Streaming | Self::Verified(_))
    }
}

/// A place on a flight. As long as one is held, the flight has somebody to fly for.
#[derive(Debug)]
pub(crate) struct Passenger {
    flight: Arc<Flight>,
    progress: watch::Receiver<Progress>,
}

impl Flight {
    fn new(id: String, key: RowKey) -> Self {
        let (progress, _) = watch::channel(Progress { visible: 0, phase: Phase::Waiting });
        Self {
            id,
            key,
            head: OnceLock::new(),
            progress,
            passengers: AtomicUsize::new(0),
            abandoned: Notify::new(),
            lacks_disk: AtomicBool::new(false),
            remembered_until: OnceLock::new(),
        }
    }

    fn board(self: &Arc<Self>) -> Passenger {
        self.passengers.fetch_add(1, Ordering::AcqRel);
        Passenger { flight: Arc::clone(self), progress: self.progress.subscribe() }
    }

    fn remember_until(&self, deadline: Instant) {
        let _ = self.remembered_until.set(deadline);
    }

    /// Whether the flight has ended and newcomers must not learn its outcome any more.
    fn is_forgotten(&self) -> bool {
        self.remembered_until.get().is_some_and(|deadline| *deadline <= Instant::now())
            && self.phase().is_final()
    }

    fn note_lack_of_disk(&self) {
        self.lacks_disk.store(true, Ordering::Relaxed);
    }

    fn lacks_disk(&self) -> bool {
        self.lacks_disk.load(Ordering::Relaxed)
    }

    fn is_abandoned(&self) -> bool {
        self.passengers.load(Ordering::Acquire) == 0
    }

    fn enter(&self, phase: Phase) {
        self.progress.send_modify(|progress| progress.phase = phase);
    }

    fn reveal(&self, visible: u64) {
        self.progress.send_modify(|progress| progress.visible = visible);
    }

    fn phase(&self) -> Phase {
        self.progress.borrow().phase.clone()
    }
}

impl Drop for Passenger {
    fn drop(&mut self) {
        if self.flight.passengers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.flight.abandoned.notify_one();
        }
    }
}

impl Passenger {
    /// Waits until upstream's answer is known: never [`Phase::Waiting`].
    pub(crate) async fn started(&mut self) -> Phase {
        self.wait_for(|phase| !phase.is_waiting()).await
    }

    /// Waits until every byte is verified, or will not be.
    async fn verified(&mut self) -> Phase {
        self.wait_for(|phase| matches!(phase, Phase::Verified(_)) || phase.is_final()).await
    }

    /// Waits until every byte is verified, and a moment longer for them to be stored, so that who
    /// asks next finds them. A store that takes its time keeps nobody waiting.
    pub(crate) async fn arrived(&mut self) -> Phase {
        let phase = self.verified().await;
        if phase.is_final() {
            return phase;
        }
        timeout(STORING, self.finished()).await.unwrap_or(phase)
    }

    /// Waits until nothing changes any more.
    pub(crate) async fn finished(&mut self) -> Phase {
        self.wait_for(Phase::is_final).await
    }

    /// The head, once the body streams.
    pub(crate) fn head(&self) -> Option<&FlightHead> {
        self.flight.head.get()
    }

    /// Bytes that may be read at this moment.
    pub(crate) fn visible(&self) -> u64 {
        self.progress.borrow().visible
    }

    async fn wait_for(&mut self, mut reached: impl FnMut(&Phase) -> bool) -> Phase {
        match self.progress.wait_for(|progress| reached(&progress.phase)).await {
            Ok(progress) => progress.phase.clone(),
            // The flight owns its sender and a passenger owns the flight: not reached.
            Err(_) => self.flight.phase(),
        }
    }
}

//! Whose turn it is to fetch: one replica's at a time, as far as hints allow.
//!
//! The lease saves work and nothing else. A hint store that fails, hangs or forgets costs a second
//! fetch; a replica that dies delays the others until its lease ends; a failure here is never a
//! client's error.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use artifact_core::Error;
use artifact_core::ports::{Lease, LeaseOutcome, UpstreamResponse};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Flight, Job, Phase};
use crate::keys;
use crate::remote::remembered_absence;
use crate::rows::HotRow;
use crate::settings::Coordination;
use crate::shared::Shared;

/// How long a lease lasts that nobody renews: the most that a killed leader delays the others.
const LEASE: Duration = Duration::from_secs(15);
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(5);
/// A holder whose download has not grown for this long is taken for dead.
const STANDSTILL: Duration = Duration::from_secs(30);
/// How often those who wait look: at first, and at last.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LAST_LOOK: Duration = Duration::from_millis(500);

/// What the leader of a flight has to do.
pub(super) enum Turn {
    /// Ask upstream.
    Fetch,
    /// Nothing: another replica stored it.
    Landed(Arc<HotRow>),
    /// Nothing: another replica learned that it does not exist.
    Absent(Error),
    /// Read along with the replica that fetches it.
    Follow(Box<UpstreamResponse>),
}

/// What the holder of a lease tells those who wait.
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(default)]
struct Progress {
    flight: String,
    address: Option<String>,
    is_streaming: bool,
    bytes: u64,
}

/// The turns of one flight.
pub(super) struct Turns<'a> {
    shared: &'a Arc<Shared>,
    flight: &'a Arc<Flight>,
    job: &'a Job,
    tenure: Option<Tenure>,
    /// Downloads of other replicas that broke off or were not to be had.
    forsaken: HashSet<String>,
}

/// A lease that is held and kept up.
struct Tenure {
    lease: Lease,
    renewal: DropGuard,
}

impl<'a> Turns<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, flight: &'a Arc<Flight>, job: &'a Job) -> Self {
        Self { shared, flight, job, tenure: None, forsaken: HashSet::new() }
    }

    /// Waits for the next turn of this flight. Asked again after a failure, it goes on with what is held.
    pub(super) async fn next(&mut self) -> Turn {
        if self.shared.settings.coordination == Coordination::Alone || self.tenure.is_some() {
            return Turn::Fetch;
        }
        let key = keys::lease(&self.job.key);
        let mut vigil = Vigil::begin();
        loop {
            let outcome = self.shared.parts.ttl.acquire(&key, &self.flight.id, LEASE).await;
            match outcome {
                Ok(LeaseOutcome::Acquired(lease)) => {
                    self.tenure = Some(Tenure::begin(self.shared, self.flight, lease));
                    // Whoever held it before may have brought what is wanted.
                    return self.brought().await.unwrap_or(Turn::Fetch);
                }
                Ok(LeaseOutcome::Held(state)) => {
                    if let Some(turn) = self.turn_of_another(&state).await {
                        return turn;
                    }
                    if vigil.is_hopeless(state) {
                        return Turn::Fetch;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "fetching without a lease");
                    return Turn::Fetch;
                }
            }
            vigil.pause(self.shared, &key).await;
        }
    }

    async fn turn_of_another(&mut self, state: &[u8]) -> Option<Turn> {
        if let Some(turn) = self.brought().await {
            return Some(turn);
        }
        self.join(state).await.map(|response| Turn::Follow(Box::new(response)))
    }

    /// What another replica's fetch came to since this flight was wanted.
    async fn brought(&self) -> Option<Turn> {
        if let Some(row) = self.stored().await {
            return Some(Turn::Landed(row));
        }
        if self.job.held.is_some() {
            return None;
        }
        remembered_absence(self.shared, &self.job.key).await.map(Turn::Absent)
    }

    /// The row that another replica wrote since this flight was wanted.
    async fn stored(&self) -> Option<Arc<HotRow>> {
        let current = self.shared.rows.read(&self.job.key).await.ok().flatten()?;
        self.job.is_satisfied_by(&current).then_some(current)
    }

    async fn join(&mut self, state: &[u8]) -> Option<UpstreamResponse> {
        let peers = self.shared.parts.peers.as_ref()?;
        let Progress { flight, address, is_streaming, .. } = serde_json::from_slice(state).ok()?;
        let address = address?;
        if !is_streaming || self.forsaken.contains(&flight) {
            return None;
        }
        let joined = peers.follow(&address, &flight).await;
        // Joined once, whatever comes of it: a download that breaks off twice is not worth a third try.
        self.forsaken.insert(flight);
        joined.inspect_err(|error| tracing::debug!(%error, "not reading along")).ok()
    }

    /// Waits a moment for the row of a download that this flight read along: whoever led it is
    /// storing it.
    pub(super) async fn landed(&self) -> Option<Arc<HotRow>> {
        let key = keys::lease(&self.job.key);
        let mut vigil = Vigil::begin();
        while vigil.since.elapsed() < LEASE {
            if let Some(row) = self.stored().await {
                return Some(row);
            }
            match self.shared.parts.ttl.acquire(&key, &self.flight.id, LEASE).await {
                Ok(LeaseOutcome::Held(_)) => vigil.pause(self.shared, &key).await,
                Ok(LeaseOutcome::Acquired(lease)) => {
                    let _ = self.shared.parts.ttl.release(&lease).await;
                    return self.stored().await;
                }
                Err(_) => return None,
            }
        }
        None
    }

    /// Gives the lease back and tells those who wait.
    pub(super) async fn end(self) {
        let Some(Tenure { lease, renewal }) = self.tenure else { return };
        drop(renewal);
        let ttl = &self.shared.parts.ttl;
        let released = ttl.release(&lease).await;
        let told = ttl.announce(keys::LANDED, &lease.key).await;
        if let Err(error) = released.map(drop).and(told) {
            tracing::debug!(%error, "a lease ends by itself");
        }
    }
}

impl Tenure {
    fn begin(shared: &Arc<Shared>, flight: &Arc<Flight>, lease: Lease) -> Self {
        let stop = CancellationToken::new();
        let renewal = renew(Arc::clone(shared), Arc::clone(flight), lease.clone());
        shared.tasks.spawn(stop.clone().run_until_cancelled_owned(renewal));
        Self { lease, renewal: stop.drop_guard() }
    }
}

/// Keeps a lease up and tells how far the download is: at once when it begins to stream. A
/// lease that is lost stops nothing.
async fn renew(shared: Arc<Shared>, flight: Arc<Flight>, lease: Lease) {
    let mut progress = flight.progress.subscribe();
    let mut is_streaming = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(RENEWAL) => {}
            _ = progress.wait_for(|progress| !matches!(progress.phase, Phase::Waiting)), if !is_streaming => {
                is_streaming = true;
            }
        }
        let state = Progress {
            flight: flight.id.clone(),
            address: shared.settings.peer_address.clone(),
            is_streaming: flight.head.get().is_some(),
            bytes: progress.borrow().visible,
        };
        let state = serde_json::to_vec(&state).unwrap_or_default();
        match shared.parts.ttl.renew(&lease, Bytes::from(state), LEASE).await {
            Ok(true) => {}
            Ok(false) => tracing::debug!(key = lease.key, "the lease was lost, fetching goes on"),
            Err(error) => {
                tracing::debug!(%error, key = lease.key, "the lease could not be renewed");
            }
        }
    }
}

/// Waiting for somebody else's download.
struct Vigil {
    since: Instant,
    pause: Duration,
    /// What the holder told last, and since when it tells nothing else.
    state: Bytes,
    unchanged_since: Instant,
}

impl Vigil {
    fn begin() -> Self {
        let now = Instant::now();
        Self { since: now, pause: FIRST_LOOK, state: Bytes::new(), unchanged_since: now }
    }

    fn is_hopeless(&mut self, state: Bytes) -> bool {
        if state != self.state {
            self.state = state;
            self.unchanged_since = Instant::now();
        }
        self.unchanged_since.elapsed() >= STANDSTILL
    }

    /// Waits until the holder says that it is done, or for a moment.
    async fn pause(&mut self, shared: &Shared, key: &str) {
        let mut announcements = shared.parts.ttl.changes();
        let landed = async {
            while let Some(announcement) = announcements.next().await {
                if announcement.topic == keys::LANDED && announcement.message == key {
                    return;
                }
            }
            std::future::pending::<()>().await;
        };
        let _ = tokio::time::timeout(self.pause, landed).await;
        self.pause = (self.pause * 2).min(LAST_LOOK);
    }
}

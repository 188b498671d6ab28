//! The garbage collector: online, on every replica at once, and never in a hurry.
//!
//! A run reviews what changed long enough ago and condemns what nothing needs, deletes what was
//! condemned long enough ago, and once in a while compares the store with the index. How the
//! steps exclude each other and those who publish is the business of
//! [`BlobIndex`](artifact_core::ports::BlobIndex); here stands in which order, how much at once, and when to stop.
//!
//! Invariant: whatever is in doubt is kept. A run stops at the first thing that it does not
//! understand.

mod erase;
mod guard;
mod sweep;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use artifact_core::ports::{
    BlobStore, CollectorHistory, CollectorRun, GarbagePass, GarbageSurvey, MetaStore, Reclaimed,
    Restoration, Reviewed, RunOutcome,
};
use artifact_core::{Clock, Error, ErrorKind, Result, Timestamp};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::EngineParts;
use crate::settings::{CollectorSettings, Settings};
use erase::Erasing;

/// Blobs that one transaction reviews.
const REVIEWED_AT_ONCE: usize = 500;
/// Blobs that one transaction deletes; their locks are held meanwhile.
const DELETED_AT_ONCE: usize = 32;
/// The longest rest after a batch: a run works at most half of the time.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// What a run is asked to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CollectionRequest {
    /// The usual, with every guard.
    Scheduled,
    /// The usual, by an operator who has looked: guards that only ask for a look are passed.
    Confirmed,
}

/// What the collectors did and what there is to do.
#[derive(Clone, Debug)]
pub struct Collection {
    /// Whether a run is under way in this process.
    pub is_running: bool,
    /// What is to do.
    pub survey: GarbageSurvey,
    /// What was done, by all replicas.
    pub history: CollectorHistory,
}

/// Collects garbage in one process. One run at a time; other replicas may run beside it.
#[derive(Debug)]
pub struct Collector {
    meta: Arc<dyn MetaStore>,
    blobs: Arc<dyn BlobStore>,
    clock: Arc<dyn Clock>,
    settings: CollectorSettings,
    replica: String,
    running: Mutex<()>,
    is_stopping: AtomicBool,
}

/// How far a run came.
#[derive(Debug, Default)]
struct Progress {
    reviewed: Reviewed,
    reclaimed: Reclaimed,
    adopted: u64,
}

/// Why a run ended before its end.
#[derive(Debug)]
enum Halt {
    /// A guard refused; the reason for people.
    Refused(String),
    /// A store failed.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Collector {
    pub(crate) fn new(parts: &EngineParts, settings: &Settings) -> Self {
        Self {
            meta: Arc::clone(&parts.meta),
            blobs: Arc::clone(&parts.blobs),
            clock: Arc::clone(&parts.clock),
            settings: settings.collector.clone(),
            replica: settings.replica.clone(),
            running: Mutex::default(),
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Runs every interval until `stop`.
    pub(crate) async fn run_on_schedule(self: Arc<Self>, stop: CancellationToken) {
        if self.settings.interval.is_zero() {
            return;
        }
        while stop.run_until_cancelled(tokio::time::sleep(self.settings.interval)).await.is_some() {
            let run = self.run(CollectionRequest::Scheduled);
            tokio::pin!(run);
            tokio::select! {
                outcome = &mut run => log(outcome),
                () = stop.cancelled() => {
                    // A batch that has begun is finished: its outcome must not be left in doubt.
                    self.is_stopping.store(true, Ordering::Relaxed);
                    log(run.await);
                }
            }
        }
    }

    /// What there is to do and what was done.
    pub async fn look(&self) -> Result<Collection> {
        let survey = self.meta.survey(self.pass(0)).await?;
        let history = self.meta.history().await?;
        Ok(Collection { is_running: self.running.try_lock().is_err(), survey, history })
    }

    /// Collects once and says what became of it. Fails with [`ErrorKind::Conflict`] while
    /// another run of this process is under way.
    pub async fn run(&self, request: CollectionRequest) -> Result<CollectorRun> {
        let Ok(_alone) = self.running.try_lock() else {
            return Err(Error::new(ErrorKind::Conflict, "a collection is under way"));
        };
        let started_at = self.clock.now();
        let mut progress = Progress::default();
        let outcome = match self.collect(request, &mut progress).await {
            Ok(()) => RunOutcome::Completed,
            Err(Halt::Refused(reason)) => RunOutcome::Stopped(reason),
            Err(Halt::Failed(error)) => {
                tracing::warn!(%error, source = ?std::error::Error::source(&error), "collecting garbage failed");
                RunOutcome::Failed(error.public().to_owned())
            }
        };
        let Progress { reviewed, reclaimed, adopted } = progress;
        let run = CollectorRun {
            replica: self.replica.clone(),
            started_at,
            finished_at: self.clock.now(),
            reviewed,
            reclaimed,
            adopted,
            outcome,
        };
        if let Err(error) = self.meta.record_run(&run).await {
            tracing::warn!(%error, "a run of the collector could not be recorded");
        }
        Ok(run)
    }

    async fn collect(
        &self,
        request: CollectionRequest,
        progress: &mut Progress,
    ) -> Result<(), Halt> {
        self.review(progress).await?;
        let survey = self.meta.survey(self.pass(0)).await?;
        if survey.due_for_deletion > 0 {
            if request == CollectionRequest::Scheduled {
                guard::share(&survey, self.settings.share_limit_percent).map_err(Halt::Refused)?;
            }
            self.open_epoch(request).await?;
            self.reclaim(progress).await?;
        }
        if self.meta.claim_sweep(self.clock.now(), self.settings.sweep_interval).await? {
            progress.adopted = self.sweep().await?;
        }
        Ok(())
    }

    async fn review(&self, progress: &mut Progress) -> Result<(), Halt> {
        loop {
            let began = Instant::now();
            let reviewed = self.meta.review(self.pass(REVIEWED_AT_ONCE)).await?;
            progress.reviewed.kept += reviewed.kept;
            progress.reviewed.condemned += reviewed.condemned;
            if reviewed == Reviewed::default() {
                return Ok(());
            }
            self.rest(began).await?;
        }
    }

    /// Makes this run known to the blob store before anything is deleted. A metadata store that
    /// is older than what the blob store has seen was restored, and may lack references.
    async fn open_epoch(&self, request: CollectionRequest) -> Result<(), Halt> {
        let restoration = match request {
            CollectionRequest::Scheduled => Restoration::Refuse,
            CollectionRequest::Confirmed => Restoration::Accept,
        };
        let seen = self.blobs.epoch().await?;
        let Some(epoch) = self.meta.advance_epoch(seen, restoration).await? else {
            return Err(Halt::Refused(guard::RESTORED.to_owned()));
        };
        self.blobs.set_epoch(epoch).await?;
        Ok(())
    }

    async fn reclaim(&self, progress: &mut Progress) -> Result<(), Halt> {
        let erasing = Erasing::new(Arc::clone(&self.blobs));
        loop {
            let began = Instant::now();
            let reclaimed = self.meta.reclaim(self.pass(DELETED_AT_ONCE), &erasing).await?;
            add(&mut progress.reclaimed, reclaimed);
            if reclaimed.failed > 0 {
                // Whatever is wrong with the store, asking it for more deletions does not help.
                let text = "the blob store did not delete everything";
                return Err(Error::new(ErrorKind::Unavailable, text).into());
            }
            if reclaimed == Reclaimed::default() {
                return Ok(());
            }
            self.rest(began).await?;
        }
    }

    fn pass(&self, limit: usize) -> GarbagePass {
        GarbagePass {
            now: self.clock.now(),
            review_delay: self.settings.review_delay,
            delete_delay: self.settings.delete_delay,
            limit,
        }
    }

    /// Leaves the stores to others for as long as the last batch kept them busy.
    async fn rest(&self, began: Instant) -> Result<(), Halt> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err(Halt::Refused("the server is shutting down".to_owned()));
        }
        tokio::time::sleep(began.elapsed().min(LONGEST_REST)).await;
        Ok(())
    }

    async fn sweep(&self) -> Result<u64> {
        let orphaned_before = before(self.clock.now(), self.settings.orphan_age);
        sweep::adopt_orphans(&*self.blobs, &*self.meta, orphaned_before, self.clock.now()).await
    }
}

fn before(now: Timestamp, span: Duration) -> Timestamp {
    let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(span))
}

fn add(sum: &mut Reclaimed, batch: Reclaimed) {
    sum.blobs += batch.blobs;
    sum.bytes += batch.bytes;
    sum.revived += batch.revived;
    sum.failed += batch.failed;
}

fn log(outcome: Result<CollectorRun>) {
    match outcome {
        Ok(CollectorRun { outcome: RunOutcome::Stopped(reason), .. }) => {
            tracing::error!(event = "collector_stopped", reason, "garbage is not collected");
        }
        Ok(run) if run.reclaimed.blobs > 0 || run.reviewed.condemned > 0 || run.adopted > 0 => {
            tracing::info!(
                condemned = run.reviewed.condemned,
                deleted = run.reclaimed.blobs,
                bytes = run.reclaimed.bytes,
                orphans = run.adopted,
                "garbage collected"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::debug!(%error, "no collection"),
    }
}

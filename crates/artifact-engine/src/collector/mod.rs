//! The garbage collector: online, on every replica at once, and never in a hurry.
//!
//! A run reviews what changed long enough ago and condemns what nothing needs, deletes what was
//! condemned long enough ago, and once in a while compares the store with the index: bytes without an
//! entry are garbage, entries without bytes are damage that somebody must learn of. How the
//! steps exclude each other and those who publish is the business of
//! [`BlobIndex`](artifact_core::ports::BlobIndex); here stands in which order, how much at once, and when to stop.
//!
//! Invariant: whatever is in doubt is kept. A run stops at the first thing that it does not
//! understand.

mod erase;
mod guard;
mod pace;
mod sweep;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use artifact_core::ports::{
    BlobStore, CollectorHistory, CollectorRun, GarbagePass, GarbageSurvey, LostFiles, MetaStore,
    Reclaimed, Restoration, Reviewed, RunOutcome,
};
use artifact_core::{Clock, Error, ErrorKind, Result};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::EngineParts;
use crate::settings::{CollectorSettings, Settings};
use crate::statistics::Statistics;
use erase::Erasing;
use pace::Pace;
use sweep::Sweep;

/// Blobs of each kind that are counted for who looks, which takes milliseconds.
const COUNTED: usize = 10_000;
/// The same for who wants to know what a run would do, and waits for it.
const COUNTED_FOR_REHEARSAL: usize = 100_000;
/// Lost hosted files that are named; the rest is counted.
const NAMED: usize = 100;

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
    /// What is to do, no more than [`Collection::counted`] of each kind.
    pub survey: GarbageSurvey,
    /// Where counting ended: a count that reaches it is a lower bound.
    pub counted: u64,
    /// What was done, by all replicas.
    pub history: CollectorHistory,
    /// What the store has lost, as far as it was noticed.
    pub lost: LostFiles,
}

/// Collects garbage in one process. One run at a time; other replicas may run beside it.
#[derive(Debug)]
pub struct Collector {
    meta: Arc<dyn MetaStore>,
    blobs: Arc<dyn BlobStore>,
    clock: Arc<dyn Clock>,
    settings: CollectorSettings,
    statistics: Arc<Statistics>,
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
    pub(crate) fn new(
        parts: &EngineParts,
        settings: &Settings,
        statistics: Arc<Statistics>,
    ) -> Self {
        Self {
            meta: Arc::clone(&parts.meta),
            blobs: Arc::clone(&parts.blobs),
            clock: Arc::clone(&parts.clock),
            settings: settings.collector.clone(),
            statistics,
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
        self.count(COUNTED).await
    }

    /// The same, counted further.
    pub async fn rehearse(&self) -> Result<Collection> {
        self.count(COUNTED_FOR_REHEARSAL).await
    }

    async fn count(&self, limit: usize) -> Result<Collection> {
        let survey = self.meta.survey(self.pass(limit)).await?;
        let history = self.meta.history().await?;
        let lost = self.meta.lost_files(NAMED).await?;
        let is_running = self.running.try_lock().is_err();
        let counted = u64::try_from(limit).unwrap_or(u64::MAX);
        Ok(Collection { is_running, survey, counted, history, lost })
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
        // One is enough to know whether there is anything to do.
        let survey = self.meta.survey(self.pass(1)).await?;
        if survey.due_for_deletion > 0 {
            if request == CollectionRequest::Scheduled {
                self.guard_share(&survey).await?;
            }
            self.open_epoch(request).await?;
            self.reclaim(progress).await?;
        }
        if self.meta.claim_sweep(self.clock.now(), self.settings.sweep_interval).await? {
            progress.adopted = self.sweep().await?;
        }
        Ok(())
    }

    async fn guard_share(&self, survey: &GarbageSurvey) -> Result<(), Halt> {
        let limit_percent = self.settings.share_limit_percent;
        let counted = guard::counted(survey, limit_percent);
        let survey = self.meta.survey(self.pass(counted)).await?;
        guard::share(&survey, limit_percent).map_err(Halt::Refused)
    }

    async fn review(&self, progress: &mut Progress) -> Result<(), Halt> {
        let mut pace = Pace::new(Arc::clone(&self.statistics));
        // What becomes due meanwhile is the next run's: a busy server would review for ever and delete nothing.
        let now = self.clock.now();
        loop {
            let began = Instant::now();
            let pass = GarbagePass { now, ..self.pass(pace.batch()) };
            let reviewed = self.meta.review(pass).await?;
            progress.reviewed.kept += reviewed.kept;
            progress.reviewed.condemned += reviewed.condemned;
            if reviewed == Reviewed::default() {
                return Ok(());
            }
            self.continue_or_stop()?;
            pace.rest(began).await;
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
        let mut pace = Pace::new(Arc::clone(&self.statistics));
        let now = self.clock.now();
        loop {
            let began = Instant::now();
            let erasing = Erasing::new(Arc::clone(&self.blobs), pace.erased_at_once());
            let pass = GarbagePass { now, ..self.pass(pace.batch()) };
            let reclaimed = self.meta.reclaim(pass, &erasing).await?;
            add(&mut progress.reclaimed, reclaimed);
            if reclaimed.failed > 0 {
                // Whatever is wrong with the store, asking it for more deletions does not help.
                let text = "the blob store did not delete everything";
                return Err(Error::new(ErrorKind::Unavailable, text).into());
            }
            if reclaimed == Reclaimed::default() {
                return Ok(());
            }
            self.continue_or_stop()?;
            pace.rest(began).await;
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

    fn continue_or_stop(&self) -> Result<(), Halt> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err(Halt::Refused("the server is shutting down".to_owned()));
        }
        Ok(())
    }

    async fn sweep(&self) -> Result<u64> {
        let sweep = Sweep {
            blobs: &*self.blobs,
            meta: &*self.meta,
            clock: &*self.clock,
            orphaned_before: self.clock.now().minus(self.settings.orphan_age),
        };
        let adopted = sweep.run().await?;
        alert(&self.meta.lost_files(NAMED).await?);
        Ok(adopted)
    }
}

fn add(sum: &mut Reclaimed, batch: Reclaimed) {
    sum.blobs += batch.blobs;
    sum.bytes += batch.bytes;
    sum.revived += batch.revived;
    sum.failed += batch.failed;
}

/// Hosted files that are lost are somebody's business; cached ones are fetched again.
fn alert(lost: &LostFiles) {
    if lost.cached > 0 {
        tracing::warn!(
            event = "bytes_lost",
            files = lost.cached,
            "the blob store lost cached files, which are fetched again when they are asked for"
        );
    }
    if let Some(first) = lost.listed.first() {
        tracing::error!(
            event = "bytes_lost", files = lost.hosted, repository = %first.repository, path = %first.path,
            "the blob store lost hosted files, which must be uploaded again: see GET /api/v2/gc"
        );
    }
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

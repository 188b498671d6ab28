//! The collector for operators.

use admin_types::{BlobCount, CollectQuery, CollectorState, Problem, RunOutcome};
use artifact_core::Timestamp;
use artifact_core::ports;

use super::Admin;
use super::problem::from_error;
use crate::collector::{Collection, CollectionRequest};

impl Admin {
    pub(super) async fn look_at_collector(&self) -> Result<admin_types::Collector, Problem> {
        let look = self.engine.collector().look().await.map_err(from_error)?;
        Ok(view(look))
    }

    pub(super) async fn run_collector(
        &self,
        query: CollectQuery,
    ) -> Result<admin_types::CollectorRun, Problem> {
        let collector = self.engine.collector();
        if query.dry_run {
            let look = collector.look().await.map_err(from_error)?;
            let replica = self.engine.settings().replica.clone();
            return Ok(rehearsal(&look.survey, replica, self.now()));
        }
        let request =
            if query.confirm { CollectionRequest::Confirmed } else { CollectionRequest::Scheduled };
        collector.run(request).await.map(run).map_err(from_error)
    }
}

const fn count(blobs: u64, bytes: u64) -> BlobCount {
    BlobCount { blobs, bytes }
}

fn view(look: Collection) -> admin_types::Collector {
    let Collection { is_running, survey, history } = look;
    admin_types::Collector {
        state: if is_running { CollectorState::Running } else { CollectorState::Idle },
        epoch: history.epoch,
        stored: count(survey.blobs, survey.bytes),
        due_for_review: survey.due_for_review,
        unreferenced: count(survey.unreferenced, survey.unreferenced_bytes),
        condemned: count(survey.condemned, survey.condemned_bytes),
        due_for_deletion: count(survey.due_for_deletion, survey.due_for_deletion_bytes),
        reclaimed: count(history.reclaimed_blobs, history.reclaimed_bytes),
        swept_at: history.swept_at.map(Timestamp::to_rfc3339),
        last_run: history.last_run.map(run),
    }
}

fn run(run: ports::CollectorRun) -> admin_types::CollectorRun {
    let (outcome, reason) = match run.outcome {
        ports::RunOutcome::Completed => (RunOutcome::Completed, None),
        ports::RunOutcome::Stopped(reason) => (RunOutcome::Stopped, Some(reason)),
        ports::RunOutcome::Failed(reason) => (RunOutcome::Failed, Some(reason)),
    };
    admin_types::CollectorRun {
        outcome,
        reason,
        replica: run.replica,
        started_at: run.started_at.to_rfc3339(),
        finished_at: run.finished_at.to_rfc3339(),
        kept: run.reviewed.kept,
        condemned: run.reviewed.condemned,
        deleted: count(run.reclaimed.blobs, run.reclaimed.bytes),
        revived: run.reclaimed.revived,
        failed: run.reclaimed.failed,
        orphans: run.adopted,
    }
}

fn rehearsal(
    survey: &ports::GarbageSurvey,
    replica: String,
    now: Timestamp,
) -> admin_types::CollectorRun {
    admin_types::CollectorRun {
        outcome: RunOutcome::Rehearsed,
        reason: None,
        replica,
        started_at: now.to_rfc3339(),
        finished_at: now.to_rfc3339(),
        kept: survey.due_for_review.saturating_sub(survey.unreferenced),
        condemned: survey.unreferenced,
        deleted: count(survey.due_for_deletion, survey.due_for_deletion_bytes),
        revived: 0,
        failed: 0,
        orphans: 0,
    }
}

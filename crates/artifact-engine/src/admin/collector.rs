//! The collector for operators.

use admin_types::{BlobCount, CollectQuery, CollectorState, Lost, LostFile, Problem, RunOutcome};
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
            let look = collector.rehearse().await.map_err(from_error)?;
            let replica = self.engine.settings().replica.clone();
            return Ok(rehearsal(&look, replica, self.now()));
        }
        let request =
            if query.confirm { CollectionRequest::Confirmed } else { CollectionRequest::Scheduled };
        collector.run(request).await.map(run).map_err(from_error)
    }
}

/// What was counted, and whether to the end.
struct Found {
    unreferenced: BlobCount,
    condemned: BlobCount,
    due_for_deletion: BlobCount,
}

impl Found {
    fn of(look: &Collection) -> Self {
        let Collection { survey, counted, .. } = look;
        let found = |blobs, bytes, kind| BlobCount { blobs, bytes, at_least: kind >= *counted };
        Self {
            unreferenced: found(
                survey.unreferenced,
                survey.unreferenced_bytes,
                survey.due_for_review,
            ),
            condemned: found(survey.condemned, survey.condemned_bytes, survey.condemned),
            due_for_deletion: found(
                survey.due_for_deletion,
                survey.due_for_deletion_bytes,
                survey.due_for_deletion,
            ),
        }
    }
}

const fn count(blobs: u64, bytes: u64) -> BlobCount {
    BlobCount { blobs, bytes, at_least: false }
}

fn view(look: Collection) -> admin_types::Collector {
    let found = Found::of(&look);
    let Collection { is_running, survey, history, lost: losses, .. } = look;
    admin_types::Collector {
        state: if is_running { CollectorState::Running } else { CollectorState::Idle },
        epoch: history.epoch,
        stored: count(survey.blobs, survey.bytes),
        due_for_review: survey.due_for_review,
        unreferenced: found.unreferenced,
        condemned: found.condemned,
        due_for_deletion: found.due_for_deletion,
        reclaimed: count(history.reclaimed_blobs, history.reclaimed_bytes),
        lost: lost(losses),
        swept_at: history.swept_at.map(Timestamp::to_rfc3339),
        last_run: history.last_run.map(run),
    }
}

fn lost(lost: ports::LostFiles) -> Lost {
    let file = |file: ports::LostFile| LostFile {
        repository: file.repository.to_string(),
        path: file.path.to_string(),
    };
    let files = lost.listed.into_iter().map(file).collect();
    Lost { cached: lost.cached, hosted: lost.hosted, files }
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

fn rehearsal(look: &Collection, replica: String, now: Timestamp) -> admin_types::CollectorRun {
    let found = Found::of(look);
    let ended_early = found.unreferenced.at_least || found.due_for_deletion.at_least;
    admin_types::CollectorRun {
        outcome: RunOutcome::Rehearsed,
        reason: ended_early.then(|| {
            format!("counting ended at {} blobs of a kind: there may be more", look.counted)
        }),
        replica,
        started_at: now.to_rfc3339(),
        finished_at: now.to_rfc3339(),
        kept: look.survey.due_for_review.saturating_sub(look.survey.unreferenced),
        condemned: found.unreferenced.blobs,
        deleted: found.due_for_deletion,
        revived: 0,
        failed: 0,
        orphans: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_reach_where_counting_ended_are_lower_bounds() {
        let survey = ports::GarbageSurvey {
            due_for_review: 10,
            unreferenced: 3,
            unreferenced_bytes: 30,
            condemned: 10,
            condemned_bytes: 100,
            due_for_deletion: 9,
            due_for_deletion_bytes: 90,
            ..ports::GarbageSurvey::default()
        };
        let history = ports::CollectorHistory::default();
        let lost = ports::LostFiles::default();
        let look = Collection { is_running: false, survey, counted: 10, history, lost };
        let found = Found::of(&look);
        assert_eq!(found.unreferenced, BlobCount { blobs: 3, bytes: 30, at_least: true });
        assert_eq!(found.condemned, BlobCount { blobs: 10, bytes: 100, at_least: true });
        assert_eq!(found.due_for_deletion, count(9, 90));

        let run = rehearsal(&look, "one".to_owned(), Timestamp::from_millis(0));
        assert_eq!((run.kept, run.condemned, run.deleted), (7, 3, count(9, 90)));
        let reason = "counting ended at 10 blobs of a kind: there may be more";
        assert_eq!(run.reason.as_deref(), Some(reason));
        let look = Collection { counted: 11, ..look };
        assert_eq!(rehearsal(&look, "one".to_owned(), Timestamp::from_millis(0)).reason, None);
    }
}

//! The stored form of a collector's run: JSON that stays readable by every later version.

use artifact_core::Timestamp;
use artifact_core::ports::{CollectorRun, Reclaimed, Reviewed, RunOutcome};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

#[derive(Deserialize, Serialize)]
struct StoredRun {
    replica: String,
    started_at: Timestamp,
    finished_at: Timestamp,
    kept: u64,
    condemned: u64,
    deleted: u64,
    deleted_bytes: u64,
    revived: u64,
    failed: u64,
    adopted: u64,
    outcome: StoredOutcome,
    reason: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum StoredOutcome {
    Completed,
    Stopped,
    Failed,
}

pub(crate) fn write(run: &CollectorRun) -> Result<String, StoreError> {
    let (outcome, reason) = match &run.outcome {
        RunOutcome::Completed => (StoredOutcome::Completed, None),
        RunOutcome::Stopped(reason) => (StoredOutcome::Stopped, Some(reason.clone())),
        RunOutcome::Failed(reason) => (StoredOutcome::Failed, Some(reason.clone())),
    };
    let stored = StoredRun {
        replica: run.replica.clone(),
        started_at: run.started_at,
        finished_at: run.finished_at,
        kept: run.reviewed.kept,
        condemned: run.reviewed.condemned,
        deleted: run.reclaimed.blobs,
        deleted_bytes: run.reclaimed.bytes,
        revived: run.reclaimed.revived,
        failed: run.reclaimed.failed,
        adopted: run.adopted,
        outcome,
        reason,
    };
    serde_json::to_string(&stored).map_err(|error| StoreError::malformed("collector run", error))
}

pub(crate) fn read(text: &str) -> Result<CollectorRun, StoreError> {
    let stored: StoredRun = serde_json::from_str(text)
        .map_err(|error| StoreError::malformed("collector run", error))?;
    let reason = stored.reason.unwrap_or_default();
    Ok(CollectorRun {
        replica: stored.replica,
        started_at: stored.started_at,
        finished_at: stored.finished_at,
        reviewed: Reviewed { kept: stored.kept, condemned: stored.condemned },
        reclaimed: Reclaimed {
            blobs: stored.deleted,
            bytes: stored.deleted_bytes,
            revived: stored.revived,
            failed: stored.failed,
        },
        adopted: stored.adopted,
        outcome: match stored.outcome {
            StoredOutcome::Completed => RunOutcome::Completed,
            StoredOutcome::Stopped => RunOutcome::Stopped(reason),
            StoredOutcome::Failed => RunOutcome::Failed(reason),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_of_a_run_stays_as_it_is() {
        let golden = concat!(
            r#"{"replica":"one","started_at":1000,"finished_at":2000,"kept":1,"condemned":2,"#,
            r#""deleted":3,"deleted_bytes":4,"revived":5,"failed":6,"adopted":7,"#,
            r#""outcome":"stopped","reason":"too much"}"#
        );
        let run = read(golden).unwrap();
        assert_eq!(run.outcome, RunOutcome::Stopped("too much".to_owned()));
        assert_eq!(run.reclaimed, Reclaimed { blobs: 3, bytes: 4, revived: 5, failed: 6 });
        assert_eq!(write(&run).unwrap(), golden);
        assert!(read("{}").is_err());
    }
}

//! When a run must not delete anything before somebody has looked.

use artifact_core::ports::GarbageSurvey;

/// Stores of fewer blobs are too small for a share to mean anything.
const FEW: u64 = 1000;

/// Why a run refuses after a restore.
pub(super) const RESTORED: &str = "the metadata is older than what the blob store has seen: it was \
    restored from a backup and may lack references; check it, then run the collector with confirm=true";

/// How many blobs have to be counted to judge whether their share is too large.
pub(super) fn counted(survey: &GarbageSurvey, limit_percent: u8) -> usize {
    let most = u128::from(survey.blobs) * u128::from(limit_percent) / 100;
    usize::try_from(most).unwrap_or(usize::MAX).saturating_add(1)
}

/// Refuses a run that would delete more than `limit_percent` of all blobs or bytes: so much
/// garbage at once is more likely a mistake than garbage.
pub(super) fn share(survey: &GarbageSurvey, limit_percent: u8) -> Result<(), String> {
    let exceeds = |part: u64, whole: u64| {
        u128::from(part) * 100 > u128::from(whole) * u128::from(limit_percent)
    };
    let is_much = exceeds(survey.due_for_deletion, survey.blobs)
        || exceeds(survey.due_for_deletion_bytes, survey.bytes);
    if survey.blobs < FEW || !is_much {
        return Ok(());
    }
    Err(format!(
        "at least {} of {} blobs and {} of {} bytes are due for deletion, more than \
         {limit_percent} %: look at them with dry_run=true, then run the collector with confirm=true",
        survey.due_for_deletion, survey.blobs, survey.due_for_deletion_bytes, survey.bytes
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_the_share_is_counted() {
        for (blobs, percent, expected) in [
            (0, 20, 1),
            (1000, 20, 201),
            (1004, 20, 201),
            (1000, 100, 1001),
            (u64::MAX, 255, usize::MAX),
        ] {
            let survey = GarbageSurvey { blobs, ..GarbageSurvey::default() };
            assert_eq!(counted(&survey, percent), expected);
        }
    }

    #[test]
    fn only_an_unusual_share_of_a_store_that_is_not_tiny_is_refused() {
        for (blobs, bytes, due, due_bytes, is_refused) in [
            (10, 100, 10, 100, false),
            (999, 999, 999, 999, false),
            (1000, 10_000, 200, 2000, false),
            (1000, 10_000, 201, 0, true),
            (1000, 10_000, 1, 2001, true),
            (1000, u64::MAX, 1, u64::MAX, true),
        ] {
            let survey = GarbageSurvey {
                blobs,
                bytes,
                due_for_deletion: due,
                due_for_deletion_bytes: due_bytes,
                ..GarbageSurvey::default()
            };
            assert_eq!(share(&survey, 20).is_err(), is_refused, "{survey:?}");
            assert_eq!(share(&survey, 100), Ok(()));
        }
    }
}

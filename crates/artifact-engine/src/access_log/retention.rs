//! Forgetting days that are over.

use std::sync::Arc;
use std::time::Duration;

use artifact_core::Timestamp;

use crate::shared::Shared;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How often it is asked whether another day began; also the pause after a failure.
const EVERY: Duration = Duration::from_secs(3600);

/// Once a day, forgets what is older than `days`, until the engine stops.
pub(super) async fn forget_old_days(shared: Arc<Shared>, days: u32) {
    let mut cleaned = None;
    loop {
        let now = shared.parts.clock.now();
        if cleaned != Some(day_of(now)) {
            match shared.parts.meta.forget_days_before(first_kept(now, days)).await {
                Ok(()) => cleaned = Some(day_of(now)),
                Err(error) => tracing::warn!(%error, "old days of the access log stay for now"),
            }
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn day_of(moment: Timestamp) -> i64 {
    moment.as_millis().div_euclid(millis(DAY))
}

fn first_kept(now: Timestamp, days: u32) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_sub(millis(DAY.saturating_mul(days))))
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_kept_for_its_days_at_least() {
        let now = Timestamp::from_seconds(1_800_000_000);
        assert_eq!(first_kept(now, 1), Timestamp::from_seconds(1_800_000_000 - 86_400));
        assert_eq!(first_kept(now, 30), Timestamp::from_seconds(1_800_000_000 - 30 * 86_400));
        assert_eq!(day_of(now) - day_of(first_kept(now, 30)), 30);
    }
}

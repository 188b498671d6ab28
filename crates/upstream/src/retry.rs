//! Whether a request that failed before its head arrived is sent again.

use std::time::Duration;

use http::{Method, StatusCode};
use tokio::time::Instant;

use crate::window::{Counts, Window};

const BUDGET_SECONDS: u64 = 10;
const BUDGET_SHARE: u64 = 10;
const BUDGET_FLOOR_PER_SECOND: u64 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Whether a request of `method` may be sent twice.
pub(crate) fn is_repeatable(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Whether an answer of `status` is likely to be another one a moment later.
pub(crate) fn is_transient(status: StatusCode) -> bool {
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => true,
        StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => false,
        _ => status.is_server_error(),
    }
}

/// The pause before retry number `retry` (from zero): full jitter below a doubling bound.
pub(crate) fn pause(retry: u32, jitter: f64) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << retry.min(8)).min(LONGEST_PAUSE).mul_f64(jitter)
}

/// How many retries a remote may cause: a tenth of its requests, and never fewer than a few per
/// second, so that retries cannot multiply the load on an upstream that is going down.
#[derive(Debug)]
pub(crate) struct Budget(Window);

impl Budget {
    pub(crate) fn new(now: Instant) -> Self {
        Self(Window::new(BUDGET_SECONDS, now))
    }

    /// Counts a request.
    pub(crate) fn deposit(&mut self, now: Instant) {
        self.0.add(now, Counts { usual: 1, unusual: 0 });
    }

    /// Takes a retry, unless the budget is spent.
    pub(crate) fn withdraw(&mut self, now: Instant) -> bool {
        let Counts { usual: requests, unusual: retries } = self.0.counts(now);
        let allowed = (requests / BUDGET_SHARE).max(BUDGET_FLOOR_PER_SECOND * BUDGET_SECONDS);
        let is_granted = retries < allowed;
        if is_granted {
            self.0.add(now, Counts { usual: 0, unusual: 1 });
        }
        is_granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn withdrawals(budget: &mut Budget, now: Instant) -> usize {
        (0..1000).take_while(|_| budget.withdraw(now)).count()
    }

    #[test]
    fn transient_statuses_are_retried() {
        for (status, expected) in [
            (200, false),
            (304, false),
            (401, false),
            (404, false),
            (408, true),
            (425, true),
            (429, false),
            (500, true),
            (501, false),
            (502, true),
            (503, true),
            (504, true),
            (505, false),
        ] {
            assert_eq!(is_transient(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }

    #[test]
    fn only_reads_are_repeated() {
        assert!(is_repeatable(&Method::GET) && is_repeatable(&Method::HEAD));
        assert!(!is_repeatable(&Method::POST) && !is_repeatable(&Method::PUT));
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_start_at_zero() {
        for (retry, millis) in [(0, 200), (1, 400), (2, 800), (3, 1600), (4, 2000), (60, 2000)] {
            assert_eq!(pause(retry, 1.0), Duration::from_millis(millis));
            assert_eq!(pause(retry, 0.0), Duration::ZERO);
        }
    }

    #[test]
    fn a_quiet_remote_has_the_floor() {
        let now = Instant::now();
        assert_eq!(withdrawals(&mut Budget::new(now), now), 30);
    }

    #[test]
    fn a_busy_remote_has_a_tenth_of_its_requests() {
        let now = Instant::now();
        let mut budget = Budget::new(now);
        (0..800).for_each(|_| budget.deposit(now));
        assert_eq!(withdrawals(&mut budget, now), 80);
    }

    #[test]
    fn the_budget_recovers_with_time() {
        let now = Instant::now();
        let mut budget = Budget::new(now);
        assert_eq!(withdrawals(&mut budget, now), 30);
        assert_eq!(withdrawals(&mut budget, now + Duration::from_secs(9)), 0);
        assert_eq!(withdrawals(&mut budget, now + Duration::from_secs(10)), 30);
    }
}

//! Times to live, and deadlines on the runtime's clock, so that tests can pause it.

use std::time::Duration;

use tokio::time::Instant;

/// As long as makes no difference to for ever, and can be added to any clock.
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// When something set now with `ttl` is over.
pub(crate) fn deadline(ttl: Duration) -> Instant {
    Instant::now() + ttl.min(LONGEST)
}

/// Whether `deadline` has come.
pub(crate) fn is_over(deadline: Instant) -> bool {
    deadline <= Instant::now()
}

//! Keeps a connection: opens it, lets it serve its purpose, and opens it again when it is over.

use std::sync::Arc;
use std::time::Duration;

use fred::types::RespVersion;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::RedisError;
use super::session::{Connector, Session};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a connection is for.
pub(crate) trait Purpose: Send + Sync + 'static {
    /// For the log.
    const NAME: &'static str;

    /// Uses `session` until it is over, and says why it is.
    fn serve(&self, session: Session) -> impl Future<Output = RedisError> + Send;
}

/// Keeps a connection for `purpose` as long as the handle lives.
pub(crate) fn keep(connector: Arc<Connector>, purpose: impl Purpose) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(restore_for_ever(connector, purpose)))
}

async fn restore_for_ever<P: Purpose>(connector: Arc<Connector>, purpose: P) {
    let mut pauses = Pauses::default();
    let mut outage = Outage { purpose: P::NAME, is_known: false };
    loop {
        let began = Instant::now();
        let failed = match Session::open(&connector, RespVersion::RESP3).await {
            Ok(session) => {
                outage.is_over(connector.server());
                purpose.serve(session).await
            }
            Err(failed) => failed,
        };
        outage.goes_on(&failed);
        sleep(pauses.after(began.elapsed())).await;
    }
}

/// Says once that a connection is gone, and once that it is back.
struct Outage {
    purpose: &'static str,
    is_known: bool,
}

impl Outage {
    fn is_over(&mut self, server: &str) {
        self.is_known = false;
        tracing::info!(purpose = self.purpose, server, "redis is connected");
    }

    fn goes_on(&mut self, error: &RedisError) {
        if !std::mem::replace(&mut self.is_known, true) {
            tracing::warn!(purpose = self.purpose, %error, "no connection to redis");
        }
    }
}

/// How long to wait before the next attempt.
#[derive(Debug, Default)]
struct Pauses {
    next: Duration,
}

impl Pauses {
    /// The pause after a connection, or an attempt at one, that took `lived`. It doubles until a
    /// connection has lived longer than any pause.
    fn after(&mut self, lived: Duration) -> Duration {
        if lived > LONGEST_PAUSE {
            self.next = Duration::ZERO;
        }
        let pause = self.next.clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.next = pause * 2;
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_seconds() {
        let mut pauses = Pauses::default();
        for expected in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            let pause = pauses.after(Duration::from_secs(1));
            assert_eq!(pause, Duration::from_millis(expected));
        }
    }

    #[test]
    fn a_connection_that_lived_starts_again_with_a_short_pause() {
        let mut pauses = Pauses::default();
        for _ in 0..10 {
            pauses.after(Duration::ZERO);
        }
        assert_eq!(pauses.after(Duration::from_secs(60)), FIRST_PAUSE);
        assert_eq!(pauses.after(Duration::ZERO), FIRST_PAUSE * 2);
    }
}

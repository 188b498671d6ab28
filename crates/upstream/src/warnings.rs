//! What replicas tell each other about origins.
//!
//! Invariant: what another replica found out is never told on, so a warning goes one hop.

use std::time::Duration;

use artifact_core::RepositoryId;
use artifact_core::ports::{OriginWarning, WarningReason, Warnings};
use futures_util::stream::unfold;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Warnings that a slow receiver may be behind before it loses some.
const WARNINGS: usize = 256;
/// No pause of another replica is heeded for longer.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Longer than any origin of a host name.
const ORIGIN_BYTES: usize = 512;

/// Tells warnings to whoever listens.
#[derive(Debug)]
pub(crate) struct Teller(broadcast::Sender<OriginWarning>);

impl Teller {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(WARNINGS))
    }

    /// `origin` of `remote` should be left alone for `pause`.
    pub(crate) fn tell(
        &self,
        remote: RepositoryId,
        origin: String,
        reason: WarningReason,
        pause: Duration,
    ) {
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        // Fails only when nobody listens.
        let _ = self.0.send(OriginWarning { remote, origin, reason, pause_ms });
    }

    /// Warnings from now on.
    pub(crate) fn told(&self) -> Warnings {
        Box::pin(unfold(self.0.subscribe(), |mut receiver| async {
            loop {
                match receiver.recv().await {
                    Ok(warning) => return Some((warning, receiver)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        }))
    }
}

/// For how long `warning` is heeded, if it says anything.
pub(crate) fn heeded_pause(warning: &OriginWarning) -> Option<Duration> {
    let pause = Duration::from_millis(warning.pause_ms).min(LONGEST);
    (!pause.is_zero() && warning.origin.len() <= ORIGIN_BYTES).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_heeded_within_bounds() {
        let long = "x".repeat(ORIGIN_BYTES + 1);
        for (origin, pause_ms, expected) in [
            ("https://a.example", 10_000, Some(Duration::from_secs(10))),
            ("https://a.example", 900_001, Some(LONGEST)),
            ("https://a.example", u64::MAX, Some(LONGEST)),
            ("https://a.example", 0, None),
            (long.as_str(), 10_000, None),
        ] {
            let warning = OriginWarning {
                remote: RepositoryId(1),
                origin: origin.to_owned(),
                reason: WarningReason::Failing,
                pause_ms,
            };
            assert_eq!(heeded_pause(&warning), expected, "{pause_ms}");
        }
    }
}

//! Leaves a failing server alone: a pure state machine that is told the time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::RedisError;

/// So many failures in a row open the circuit.
const FAILURES: u32 = 5;
/// For how long.
const PAUSE: Duration = Duration::from_secs(5);

/// How an operation was let through; handed back with its outcome.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Admission {
    Ordinary,
    Probe,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Success,
    Failure,
    /// Nobody waited for the end.
    Unknown,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    Probing,
}

impl State {
    fn admit(&mut self, now: Instant) -> Option<Admission> {
        match *self {
            Self::Closed { .. } => Some(Admission::Ordinary),
            Self::Open { until } if until <= now => {
                *self = Self::Probing;
                Some(Admission::Probe)
            }
            Self::Open { .. } | Self::Probing => None,
        }
    }

    /// What began before the circuit opened does not move it any more.
    fn record(&mut self, admission: Admission, outcome: Outcome, now: Instant) {
        *self = match (&*self, admission, outcome) {
            (Self::Closed { .. }, _, Outcome::Success)
            | (Self::Probing, Admission::Probe, Outcome::Success) => Self::Closed { failures: 0 },
            (Self::Closed { failures }, _, Outcome::Failure) if failures + 1 < FAILURES => {
                Self::Closed { failures: failures + 1 }
            }
            (Self::Closed { .. }, _, Outcome::Failure)
            | (Self::Probing, Admission::Probe, Outcome::Failure) => {
                Self::Open { until: now + PAUSE }
            }
            (Self::Probing, Admission::Probe, Outcome::Unknown) => Self::Open { until: now },
            _ => return,
        };
    }
}

/// Decides whether the server is asked.
#[derive(Debug)]
pub(crate) struct Circuit(Mutex<State>);

/// An operation that was let through. Dropped without an outcome it says nothing.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    circuit: &'a Circuit,
    admission: Admission,
    outcome: Outcome,
}

impl Circuit {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State::Closed { failures: 0 }))
    }

    /// Lets an operation through, unless the server is left alone.
    pub(crate) fn admit(&self) -> Result<Pass<'_>, RedisError> {
        let admission = self.lock().admit(Instant::now()).ok_or(RedisError::LeftAlone)?;
        Ok(Pass { circuit: self, admission, outcome: Outcome::Unknown })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Takes note of how it ended.
    pub(crate) fn settle(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.circuit.lock().record(self.admission, self.outcome, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);
    /// A moment less than the pause.
    const ALMOST: Duration = Duration::from_millis(4999);

    fn request(circuit: &Circuit, outcome: Outcome) -> bool {
        circuit.admit().map(|pass| pass.settle(outcome)).is_ok()
    }

    fn opened() -> Circuit {
        let circuit = Circuit::new();
        for _ in 0..FAILURES {
            assert!(request(&circuit, Outcome::Failure));
        }
        circuit
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_it_for_five_seconds() {
        let circuit = Circuit::new();
        for outcome in [Outcome::Success, Outcome::Unknown] {
            for _ in 0..FAILURES - 1 {
                assert!(request(&circuit, Outcome::Failure));
            }
            assert!(request(&circuit, outcome));
        }
        assert!(request(&circuit, Outcome::Failure), "an unknown outcome says nothing");
        assert!(!request(&circuit, Outcome::Success));
        tokio::time::advance(ALMOST).await;
        assert!(!request(&circuit, Outcome::Success));
        tokio::time::advance(MOMENT).await;
        assert!(request(&circuit, Outcome::Success));
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_at_a_time_decides() {
        for (outcome, closes) in [(Outcome::Success, true), (Outcome::Failure, false)] {
            let circuit = opened();
            tokio::time::advance(PAUSE).await;
            let probe = circuit.admit().unwrap();
            assert!(!request(&circuit, Outcome::Success), "a probe is under way");
            probe.settle(outcome);
            assert_eq!(request(&circuit, Outcome::Success), closes);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_abandoned_probe_makes_room_for_the_next() {
        let circuit = opened();
        tokio::time::advance(PAUSE).await;
        drop(circuit.admit().unwrap());
        assert!(request(&circuit, Outcome::Success));
    }

    #[tokio::test(start_paused = true)]
    async fn stragglers_neither_close_nor_prolong() {
        let circuit = Circuit::new();
        let stragglers = [circuit.admit().unwrap(), circuit.admit().unwrap()];
        for _ in 0..FAILURES {
            request(&circuit, Outcome::Failure);
        }
        tokio::time::advance(ALMOST).await;
        for (pass, outcome) in stragglers.into_iter().zip([Outcome::Success, Outcome::Failure]) {
            pass.settle(outcome);
        }
        assert!(!request(&circuit, Outcome::Success));
        tokio::time::advance(MOMENT).await;
        assert!(request(&circuit, Outcome::Success));
    }
}

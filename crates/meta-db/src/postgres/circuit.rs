//! When the database is asked at all.
//!
//! A server that hangs must not make every caller wait for it: after a few failures in a row
//! callers are told at once, and one of them now and then finds out whether it is back.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many failures in a row stop the questions.
const FAILURES: u32 = 3;
/// For how long nobody asks before one caller tries again.
const PAUSE: Duration = Duration::from_secs(1);

/// Remembers how the database is doing.
#[derive(Debug, Default)]
pub(crate) struct Circuit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Until when nobody asks, once there were too many failures.
    paused_until: Option<Instant>,
    is_probing: bool,
}

impl State {
    /// Whether a caller may ask, and whether it is the one who finds out.
    fn admit(&mut self, now: Instant) -> Option<Role> {
        let Some(paused_until) = self.paused_until else { return Some(Role::Usual) };
        if now < paused_until || self.is_probing {
            return None;
        }
        self.is_probing = true;
        Some(Role::Probe)
    }

    fn answered(&mut self) {
        *self = Self::default();
    }

    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.paused_until = Some(now + PAUSE);
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Usual,
    Probe,
}

/// Leave to ask once. Dropped without a word, it says nothing about the database.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    circuit: &'a Circuit,
    role: Role,
}

impl Circuit {
    /// Leave to ask, unless the database is known to fail.
    pub(crate) fn admit(&self) -> Option<Permit<'_>> {
        let role = self.change(|state| state.admit(Instant::now()))?;
        Some(Permit { circuit: self, role })
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Permit<'_> {
    /// The database answered, whatever it said.
    pub(crate) fn answered(self) {
        self.circuit.change(State::answered);
    }

    /// The database did not answer.
    pub(crate) fn failed(self) {
        self.circuit.change(|state| state.failed(Instant::now()));
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.role == Role::Probe {
            self.circuit.change(|state| state.is_probing = false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(circuit: &Circuit, times: usize) {
        for _ in 0..times {
            circuit.admit().unwrap().failed();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn three_failures_in_a_row_stop_the_questions_for_a_second() {
        let circuit = Circuit::default();
        fail(&circuit, 2);
        circuit.admit().unwrap().answered();
        fail(&circuit, 3);
        assert!(circuit.admit().is_none());
        tokio::time::advance(PAUSE).await;
        assert!(circuit.admit().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn one_caller_alone_finds_out_whether_it_is_back() {
        let circuit = Circuit::default();
        fail(&circuit, 3);
        tokio::time::advance(PAUSE).await;
        let probe = circuit.admit().unwrap();
        assert!(circuit.admit().is_none());
        probe.failed();
        assert!(circuit.admit().is_none(), "the pause begins anew");
        tokio::time::advance(PAUSE).await;
        circuit.admit().unwrap().answered();
        let both = (circuit.admit(), circuit.admit());
        assert!(matches!(both, (Some(_), Some(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_leaves_room_for_the_next() {
        let circuit = Circuit::default();
        fail(&circuit, 3);
        tokio::time::advance(PAUSE).await;
        drop(circuit.admit().unwrap());
        assert!(circuit.admit().is_some());
    }

    #[test]
    fn a_permit_that_is_given_up_counts_as_nothing() {
        let circuit = Circuit::default();
        for _ in 0..10 {
            drop(circuit.admit().unwrap());
        }
        assert!(circuit.admit().is_some());
    }
}

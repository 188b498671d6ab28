//! Not asking a store that does not answer.
//!
//! A hung store would make every request wait for its timeout. After a few in a row nothing is
//! sent for a moment, then one request finds out whether the store is back.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::failure::S3Failure;
use crate::blocking::lock;

const SILENCES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(2);

/// Whether the store may be asked.
#[derive(Debug, Default)]
pub(super) struct Circuit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Requests in a row that were not answered.
    silences: u32,
    /// Set while the store is given a rest.
    resting_until: Option<Instant>,
    /// Whether one request is finding out.
    is_probing: bool,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sign {
    /// The server answered, whatever it said.
    Life,
    /// It did not.
    Silence,
    /// Nobody waited for it.
    Unknown,
}

impl State {
    fn admit(&mut self, now: Instant) -> bool {
        match self.resting_until {
            None => true,
            Some(until) if now < until || self.is_probing => false,
            Some(_) => {
                self.is_probing = true;
                true
            }
        }
    }

    fn settle(&mut self, sign: Sign, now: Instant) {
        self.is_probing = false;
        match sign {
            Sign::Life => *self = Self::default(),
            Sign::Silence => {
                self.silences = self.silences.saturating_add(1);
                if self.silences >= SILENCES {
                    self.resting_until = Some(now + PAUSE);
                }
            }
            Sign::Unknown => {}
        }
    }
}

impl Circuit {
    /// The right to send one request, or the refusal.
    pub(super) fn enter(&self) -> Result<Pass<'_>, S3Failure> {
        if lock(&self.0).admit(Instant::now()) {
            return Ok(Pass { circuit: self, sign: Sign::Unknown });
        }
        Err(S3Failure::NotAsked)
    }
}

/// One request under way. Dropping it tells what became of it.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    circuit: &'a Circuit,
    sign: Sign,
}

impl Pass<'_> {
    /// Notes what became of the request.
    pub(super) fn settle<T>(mut self, outcome: &Result<T, S3Failure>) {
        let is_silence = outcome.as_ref().is_err_and(S3Failure::is_silence);
        self.sign = if is_silence { Sign::Silence } else { Sign::Life };
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        lock(&self.circuit.0).settle(self.sign, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn resting(start: Instant) -> State {
        let mut state = State::default();
        for _ in 0..SILENCES {
            assert!(state.admit(start));
            state.settle(Sign::Silence, start);
        }
        state
    }

    #[test]
    fn three_silences_in_a_row_make_a_pause() {
        let start = Instant::now();
        let mut state = State::default();
        for sign in [Sign::Silence, Sign::Silence, Sign::Life, Sign::Silence, Sign::Silence] {
            assert!(state.admit(start), "{sign:?}");
            state.settle(sign, start);
        }
        assert!(state.admit(start));
        state.settle(Sign::Silence, start);
        assert!(!state.admit(start));
        assert!(!state.admit(second(start, 1)));
    }

    #[test]
    fn after_the_pause_one_request_finds_out() {
        let start = Instant::now();
        let mut state = resting(start);
        assert!(state.admit(second(start, 2)));
        assert!(!state.admit(second(start, 4)), "one is enough");
        state.settle(Sign::Silence, second(start, 7));
        assert!(!state.admit(second(start, 8)), "one more silence is one more pause");
        assert!(state.admit(second(start, 9)));
        state.settle(Sign::Life, second(start, 9));
        assert!(state.admit(second(start, 9)));
        assert!(state.admit(second(start, 9)));
    }

    #[test]
    fn a_probe_that_nobody_waited_for_leaves_its_place() {
        let start = Instant::now();
        let mut state = resting(start);
        assert!(state.admit(second(start, 2)));
        state.settle(Sign::Unknown, second(start, 3));
        assert!(state.admit(second(start, 3)));
    }
}

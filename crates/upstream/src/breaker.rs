//! The circuit breaker of one origin: a pure state machine that is told the time.
//!
//! Invariant: a request that was admitted while the circuit was closed never moves a half-open
//! circuit; only the probe does.

use std::time::Duration;

use tokio::time::Instant;

use crate::window::{Counts, Window};

const CONSECUTIVE_FAILURES: u32 = 5;
const WINDOW_SECONDS: u64 = 30;
const WINDOW_REQUESTS: u64 = 20;
const PROBE_SUCCESSES: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// What a request is told that meets another one's probe.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);

/// Decides whether an origin is asked.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: State,
    window: Window,
    consecutive_failures: u32,
    /// How often it opened since it was last closed.
    trips: u32,
}

#[derive(Debug)]
enum State {
    Closed,
    Open { until: Instant },
    HalfOpen { is_probing: bool, successes: u32 },
}

/// How a request was let through; handed back with its outcome.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Admission {
    Ordinary,
    Probe,
}

/// How a request ended, as far as the origin is to blame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Success,
    Failure,
    /// Says nothing about the origin: the client went away or we were busy.
    Unknown,
}

/// What the breaker would tell somebody who only looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    Closed,
    Open { retry_after: Duration },
    HalfOpen,
}

impl Breaker {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            state: State::Closed,
            window: Window::new(WINDOW_SECONDS, now),
            consecutive_failures: 0,
            trips: 0,
        }
    }

    /// Lets a request through, or says when to come back.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<Admission, Duration> {
        if let State::Open { until } = self.state {
            if now < until {
                return Err(until - now);
            }
            self.state = State::HalfOpen { is_probing: false, successes: 0 };
        }
        match &mut self.state {
            State::HalfOpen { is_probing: true, .. } => Err(PROBE_PATIENCE),
            State::HalfOpen { is_probing, .. } => {
                *is_probing = true;
                Ok(Admission::Probe)
            }
            State::Closed | State::Open { .. } => Ok(Admission::Ordinary),
        }
    }

    /// Takes note of how an admitted request ended. `jitter` in `[0, 1)` spreads the pause that
    /// a failure may start over ±20 %.
    pub(crate) fn record(
        &mut self,
        admission: Admission,
        outcome: Outcome,
        now: Instant,
        jitter: f64,
    ) {
        match admission {
            Admission::Ordinary => self.record_ordinary(outcome, now, jitter),
            Admission::Probe => self.record_probe(outcome, now, jitter),
        }
    }

    /// Takes over that another replica leaves the origin alone for `pause`. A pause of ours is
    /// never shortened, and a probe of ours that is under way will know better.
    pub(crate) fn heed(&mut self, pause: Duration, now: Instant) {
        let until = now + pause;
        match self.state {
            State::Open { until: own } if own >= until => {}
            State::HalfOpen { is_probing: true, .. } => {}
            State::Closed | State::Open { .. } | State::HalfOpen { .. } => {
                self.state = State::Open { until };
            }
        }
    }

    pub(crate) fn standing(&self, now: Instant) -> Standing {
        match self.state {
            State::Closed => Standing::Closed,
            State::Open { until } if now < until => Standing::Open { retry_after: until - now },
            // The pause is over: the next request is the probe.
            State::Open { .. } | State::HalfOpen { .. } => Standing::HalfOpen,
        }
    }

    /// Whether forgetting this breaker loses nothing.
    pub(crate) fn is_blank(&mut self, now: Instant) -> bool {
        matches!(self.state, State::Closed) && self.window.counts(now) == Counts::default()
    }

    fn record_ordinary(&mut self, outcome: Outcome, now: Instant, jitter: f64) {
        if !matches!(self.state, State::Closed) {
            return;
        }
        match outcome {
            Outcome::Unknown => {}
            Outcome::Success => {
                self.consecutive_failures = 0;
                self.window.add(now, Counts { usual: 1, unusual: 0 });
            }
            Outcome::Failure => {
                self.consecutive_failures += 1;
                self.window.add(now, Counts { usual: 0, unusual: 1 });
                if self.is_tripped(now) {
                    self.open(now, jitter);
                }
            }
        }
    }

    fn record_probe(&mut self, outcome: Outcome, now: Instant, jitter: f64) {
        let State::HalfOpen { is_probing, successes } = &mut self.state else {
            return;
        };
        *is_probing = false;
        match outcome {
            Outcome::Unknown => {}
            Outcome::Failure => self.open(now, jitter),
            Outcome::Success => {
                *successes += 1;
                if *successes >= PROBE_SUCCESSES {
                    self.close();
                }
            }
        }
    }

    fn is_tripped(&mut self, now: Instant) -> bool {
        let Counts { usual: successes, unusual: failures } = self.window.counts(now);
        let requests = successes + failures;
        self.consecutive_failures >= CONSECUTIVE_FAILURES
            || (requests >= WINDOW_REQUESTS && failures * 2 >= requests)
    }

    fn open(&mut self, now: Instant, jitter: f64) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.trips.min(5)).min(LONGEST_PAUSE);
        self.trips = self.trips.saturating_add(1);
        self.state = State::Open { until: now + pause.mul_f64(0.8 + 0.4 * jitter) };
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.window.clear();
        self.consecutive_failures = 0;
        self.trips = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A jitter that leaves the pause as it is.
    const EVEN: f64 = 0.5;

    struct Bench {
        breaker: Breaker,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let now = Instant::now();
            Self { breaker: Breaker::new(now), now }
        }

        fn wait(&mut self, millis: u64) {
            self.now += Duration::from_millis(millis);
        }

        fn request(&mut self, outcome: Outcome) -> Admission {
            let admission = self.breaker.admit(self.now).expect("admitted");
            self.breaker.record(admission, outcome, self.now, EVEN);
            admission
        }

        fn trip(&mut self) {
            for _ in 0..5 {
                self.request(Outcome::Failure);
            }
        }

        fn pause(&self) -> Duration {
            match self.breaker.standing(self.now) {
                Standing::Open { retry_after } => retry_after,
                other => panic!("not open: {other:?}"),
            }
        }
    }

    #[test]
    fn five_failures_in_a_row_open_it_for_ten_seconds() {
        let mut bench = Bench::new();
        for _ in 0..4 {
            bench.request(Outcome::Failure);
        }
        bench.request(Outcome::Success);
        for _ in 0..4 {
            bench.request(Outcome::Failure);
        }
        assert_eq!(bench.breaker.standing(bench.now), Standing::Closed);
        bench.request(Outcome::Failure);
        assert_eq!(bench.pause(), Duration::from_secs(10));
        assert_eq!(bench.breaker.admit(bench.now), Err(Duration::from_secs(10)));
    }

    #[test]
    fn half_of_twenty_requests_within_thirty_seconds_open_it() {
        let mut bench = Bench::new();
        for index in 0..19 {
            let outcome = if index % 2 == 0 { Outcome::Success } else { Outcome::Failure };
            bench.request(outcome);
        }
        assert_eq!(bench.breaker.standing(bench.now), Standing::Closed);
        bench.request(Outcome::Failure);
        assert_eq!(bench.pause(), Duration::from_secs(10));
    }

    #[test]
    fn failures_older_than_the_window_are_forgotten() {
        let mut bench = Bench::new();
        for index in 0..18 {
            bench.request(if index % 2 == 0 { Outcome::Success } else { Outcome::Failure });
        }
        bench.wait(31_000);
        bench.request(Outcome::Success);
        bench.request(Outcome::Failure);
        assert_eq!(bench.breaker.standing(bench.now), Standing::Closed);
    }

    #[test]
    fn unknown_outcomes_say_nothing() {
        let mut bench = Bench::new();
        for _ in 0..4 {
            bench.request(Outcome::Failure);
        }
        for _ in 0..100 {
            bench.request(Outcome::Unknown);
        }
        assert_eq!(bench.breaker.standing(bench.now), Standing::Closed);
        bench.request(Outcome::Failure);
        assert!(matches!(bench.breaker.standing(bench.now), Standing::Open { .. }));
    }

    #[test]
    fn one_probe_at_a_time_and_two_successes_close_it() {
        let mut bench = Bench::new();
        bench.trip();
        bench.wait(10_000);
        assert_eq!(bench.breaker.admit(bench.now), Ok(Admission::Probe));
        assert_eq!(bench.breaker.admit(bench.now), Err(PROBE_PATIENCE));
        bench.breaker.record(Admission::Probe, Outcome::Success, bench.now, EVEN);
        assert_eq!(bench.breaker.standing(bench.now), Standing::HalfOpen);
        assert_eq!(bench.request(Outcome::Success), Admission::Probe);
        assert_eq!(bench.request(Outcome::Success), Admission::Ordinary);
    }

    #[test]
    fn an_abandoned_probe_makes_room_for_the_next() {
        let mut bench = Bench::new();
        bench.trip();
        bench.wait(10_000);
        assert_eq!(bench.request(Outcome::Unknown), Admission::Probe);
        assert_eq!(bench.request(Outcome::Unknown), Admission::Probe);
    }

    #[test]
    fn stragglers_do_not_move_a_half_open_circuit() {
        let mut bench = Bench::new();
        bench.trip();
        bench.wait(10_000);
        assert_eq!(bench.breaker.admit(bench.now), Ok(Admission::Probe));
        for outcome in [Outcome::Failure, Outcome::Success, Outcome::Success] {
            bench.breaker.record(Admission::Ordinary, outcome, bench.now, EVEN);
        }
        assert_eq!(bench.breaker.standing(bench.now), Standing::HalfOpen);
    }

    #[test]
    fn failed_probes_double_the_pause_up_to_five_minutes() {
        let mut bench = Bench::new();
        bench.trip();
        for seconds in [10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(bench.pause(), Duration::from_secs(seconds));
            bench.wait(seconds * 1000);
            bench.request(Outcome::Failure);
        }
    }

    #[test]
    fn closing_forgets_earlier_pauses() {
        let mut bench = Bench::new();
        bench.trip();
        bench.wait(10_000);
        bench.request(Outcome::Failure);
        bench.wait(20_000);
        bench.request(Outcome::Success);
        bench.request(Outcome::Success);
        bench.trip();
        assert_eq!(bench.pause(), Duration::from_secs(10));
    }

    #[test]
    fn a_warning_opens_it_and_never_shortens_a_pause() {
        for (own, told, expected) in [
            (None, 7_000, 7_000),
            (None, 900_000, 900_000),
            (Some(0), 3_000, 10_000),
            (Some(0), 30_000, 30_000),
            (Some(9_000), 3_000, 3_000),
            // The pause is over and no probe is under way.
            (Some(10_000), 3_000, 3_000),
        ] {
            let mut bench = Bench::new();
            if let Some(waited) = own {
                bench.trip();
                bench.wait(waited);
            }
            bench.breaker.heed(Duration::from_millis(told), bench.now);
            assert_eq!(bench.pause(), Duration::from_millis(expected), "{own:?} {told}");
        }
    }

    #[test]
    fn a_warning_between_two_probes_opens_it_again() {
        let mut bench = Bench::new();
        bench.trip();
        bench.wait(10_000);
        bench.request(Outcome::Success);
        bench.breaker.heed(Duration::from_secs(20), bench.now);
        assert_eq!(bench.pause(), Duration::from_secs(20));
    }

    #[test]
    fn a_probe_under_way_outranks_a_warning() {
        for (outcome, expected) in [
            (Outcome::Success, Standing::HalfOpen),
            (Outcome::Failure, Standing::Open { retry_after: Duration::from_secs(20) }),
        ] {
            let mut bench = Bench::new();
            bench.trip();
            bench.wait(10_000);
            assert_eq!(bench.breaker.admit(bench.now), Ok(Admission::Probe));
            bench.breaker.heed(Duration::from_secs(60), bench.now);
            bench.breaker.record(Admission::Probe, outcome, bench.now, EVEN);
            assert_eq!(bench.breaker.standing(bench.now), expected);
        }
    }

    #[test]
    fn a_heeded_pause_ends_with_a_probe() {
        let mut bench = Bench::new();
        bench.breaker.heed(Duration::from_secs(7), bench.now);
        bench.breaker.record(Admission::Ordinary, Outcome::Success, bench.now, EVEN);
        assert_eq!(bench.breaker.admit(bench.now), Err(Duration::from_secs(7)));
        bench.wait(7_000);
        assert_eq!(bench.request(Outcome::Success), Admission::Probe);
        assert_eq!(bench.request(Outcome::Success), Admission::Probe);
        assert_eq!(bench.request(Outcome::Success), Admission::Ordinary);
    }

    #[test]
    fn jitter_spreads_the_pause_by_a_fifth() {
        for (jitter, millis) in [(0.0, 8_000), (0.5, 10_000), (1.0, 12_000)] {
            let mut bench = Bench::new();
            for _ in 0..5 {
                bench.breaker.record(Admission::Ordinary, Outcome::Failure, bench.now, jitter);
            }
            assert_eq!(bench.pause(), Duration::from_millis(millis));
        }
    }
}

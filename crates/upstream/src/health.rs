//! What this process knows about the origins of each remote: breakers, cool-downs, retry budgets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use artifact_core::RepositoryId;
use artifact_core::ports::{
    OriginState, OriginWarning, UpstreamReason, UpstreamTarget, WarningReason, Warnings,
};
use tokio::time::Instant;
use url::Url;

use crate::breaker::{Admission, Breaker, Outcome, Standing};
use crate::failure::Failure;
use crate::random;
use crate::retry::Budget;
use crate::warnings::{self, Teller};

/// Above this many origins of one remote the healthy ones are forgotten.
const ORIGINS: usize = 256;
/// Above this many remotes warnings about others are not kept.
const REMOTES: usize = 4096;
/// A cool-down that grows by less is no news: requests that were under way together are told
/// one after the other.
const NEWS: Duration = Duration::from_secs(1);

/// The health of every origin; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Health(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    remotes: Mutex<HashMap<RepositoryId, RemoteHealth>>,
    teller: Teller,
}

#[derive(Debug)]
struct RemoteHealth {
    /// Absent as long as the remote is known from warnings only.
    revision: Option<i64>,
    cool_down_until: Option<Instant>,
    budget: Budget,
    breakers: HashMap<String, Breaker>,
}

impl RemoteHealth {
    fn new(revision: Option<i64>, now: Instant) -> Self {
        let budget = Budget::new(now);
        Self { revision, cool_down_until: None, budget, breakers: HashMap::new() }
    }

    /// Whether the breaker of `origin` is there or fits in.
    fn has_room(&mut self, origin: &str, now: Instant) -> bool {
        if self.breakers.contains_key(origin) {
            return true;
        }
        if self.breakers.len() >= ORIGINS {
            self.breakers.retain(|_, breaker| !breaker.is_blank(now));
        }
        self.breakers.len() < ORIGINS
    }

    /// What is asked gets its breaker even where there is no room.
    fn breaker(&mut self, origin: &str, now: Instant) -> &mut Breaker {
        self.has_room(origin, now);
        self.breakers.entry(origin.to_owned()).or_insert_with(|| Breaker::new(now))
    }

    /// Takes over another replica's warning.
    fn heed(&mut self, warning: &OriginWarning, pause: Duration, now: Instant) {
        match warning.reason {
            WarningReason::RateLimited => {
                self.cool_down_until = self.cool_down_until.max(Some(now + pause));
            }
            WarningReason::Failing => {
                if self.has_room(&warning.origin, now) {
                    self.breaker(&warning.origin, now).heed(pause, now);
                }
            }
        }
    }

    fn cool_down(&self, now: Instant) -> Option<Duration> {
        self.cool_down_until
            .and_then(|until| until.checked_duration_since(now))
            .filter(|left| !left.is_zero())
    }
}

impl Health {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared { remotes: Mutex::default(), teller: Teller::new() }))
    }

    /// What this process finds out from now on.
    pub(crate) fn warnings(&self) -> Warnings {
        self.0.teller.told()
    }

    /// Takes over what another replica found out.
    pub(crate) fn heed(&self, warning: &OriginWarning) {
        let Some(pause) = warnings::heeded_pause(warning) else { return };
        let now = Instant::now();
        let mut remotes = self.lock();
        if remotes.len() >= REMOTES && !remotes.contains_key(&warning.remote) {
            return;
        }
        let unknown = || RemoteHealth::new(None, now);
        remotes.entry(warning.remote).or_insert_with(unknown).heed(warning, pause, now);
        drop(remotes);
        tracing::info!(
            origin = %warning.origin, reason = ?warning.reason, seconds = pause.as_secs(),
            "another replica leaves the origin alone"
        );
    }

    /// Counts a request of the remote, unless it has to cool down.
    pub(crate) fn begin(&self, target: &UpstreamTarget) -> Result<(), Failure> {
        let now = Instant::now();
        self.with(target, now, |remote| {
            if let Some(left) = remote.cool_down(now) {
                let message = format!("{} asked us to wait", target.name);
                return Err(Failure::postponed(UpstreamReason::CoolDown, message, left));
            }
            remote.budget.deposit(now);
            Ok(())
        })
    }

    /// Lets a request to the origin of `url` through, unless its circuit is open.
    pub(crate) fn admit(&self, target: &UpstreamTarget, url: &Url) -> Result<Ticket, Failure> {
        let now = Instant::now();
        let origin = url.origin().ascii_serialization();
        let admitted = self.with(target, now, |remote| remote.breaker(&origin, now).admit(now));
        match admitted {
            Ok(admission) => Ok(Ticket {
                health: self.clone(),
                remote: target.id,
                revision: target.revision,
                origin,
                admission,
                unsettled: Some(Outcome::Unknown),
            }),
            Err(pause) => {
                let message = format!("the circuit of {origin} is open");
                Err(Failure::postponed(UpstreamReason::CircuitOpen, message, pause))
            }
        }
    }

    /// Leaves the remote alone for `pause`.
    pub(crate) fn cool_down(&self, target: &UpstreamTarget, pause: Duration) {
        let now = Instant::now();
        let is_news = self.with(target, now, |remote| {
            let before = remote.cool_down(now).unwrap_or_default();
            remote.cool_down_until = remote.cool_down_until.max(Some(now + pause));
            pause > before + NEWS || before.is_zero()
        });
        if is_news {
            let origin = target.base_url.origin().ascii_serialization();
            self.0.teller.tell(target.id, origin, WarningReason::RateLimited, pause);
        }
        tracing::warn!(remote = %target.name, seconds = pause.as_secs(), "upstream asks us to slow down");
    }

    /// Takes a retry out of the remote's budget, unless it is spent.
    pub(crate) fn take_retry(&self, target: &UpstreamTarget) -> bool {
        let now = Instant::now();
        self.with(target, now, |remote| remote.budget.withdraw(now))
    }

    /// How the origin of the remote's `base_url` is doing.
    pub(crate) fn state(&self, target: &UpstreamTarget) -> OriginState {
        let now = Instant::now();
        let origin = target.base_url.origin().ascii_serialization();
        let remotes = self.lock();
        let Some(remote) = remotes.get(&target.id) else {
            return OriginState::Closed;
        };
        if let Some(retry_after) = remote.cool_down(now) {
            return OriginState::CoolDown { retry_after };
        }
        match remote.breakers.get(&origin).map(|breaker| breaker.standing(now)) {
            None | Some(Standing::Closed) => OriginState::Closed,
            Some(Standing::HalfOpen) => OriginState::HalfOpen,
            Some(Standing::Open { retry_after }) => OriginState::Open { retry_after },
        }
    }

    /// A new revision of a remote starts with a clean sheet: the operator may just have
    /// repaired what was failing.
    fn with<T>(
        &self,
        target: &UpstreamTarget,
        now: Instant,
        act: impl FnOnce(&mut RemoteHealth) -> T,
    ) -> T {
        let mut remotes = self.lock();
        let fresh = || RemoteHealth::new(Some(target.revision), now);
        let remote = remotes.entry(target.id).or_insert_with(fresh);
        if remote.revision.is_some_and(|known| known < target.revision) {
            *remote = fresh();
        }
        remote.revision.get_or_insert(target.revision);
        act(remote)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RepositoryId, RemoteHealth>> {
        self.0.remotes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that was let through. Dropped before its head is known to be good, it says nothing
/// about the origin: whoever waited went away. Dropped later it counts as a success, because
/// the origin did its part up to then.
#[derive(Debug)]
pub(crate) struct Ticket {
    health: Health,
    remote: RepositoryId,
    revision: i64,
    origin: String,
    admission: Admission,
    /// What is recorded when this is dropped.
    unsettled: Option<Outcome>,
}

impl Ticket {
    /// The head is there and no failure. A probe has seen enough: its body may take hours, in
    /// which nobody else would be let through.
    pub(crate) fn head_is_good(&mut self) {
        if self.admission == Admission::Probe {
            self.settle(Outcome::Success);
            self.admission = Admission::Ordinary;
        }
        self.unsettled = Some(Outcome::Success);
    }

    /// The origin failed.
    pub(crate) fn fail(mut self) {
        self.settle(Outcome::Failure);
    }

    fn settle(&mut self, outcome: Outcome) {
        self.unsettled = None;
        let now = Instant::now();
        let mut remotes = self.health.lock();
        let remote = remotes.get_mut(&self.remote).filter(|r| r.revision == Some(self.revision));
        let Some(remote) = remote else { return };
        let Some(breaker) = remote.breakers.get_mut(&self.origin) else {
            return;
        };
        let before = breaker.standing(now);
        breaker.record(self.admission, outcome, now, random::fraction());
        let after = breaker.standing(now);
        drop(remotes);
        if std::mem::discriminant(&before) == std::mem::discriminant(&after) {
            return;
        }
        tracing::warn!(origin = %self.origin, ?before, ?after, "the circuit changed");
        if let Standing::Open { retry_after } = after {
            let (teller, origin) = (&self.health.0.teller, self.origin.clone());
            teller.tell(self.remote, origin, WarningReason::Failing, retry_after);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(outcome) = self.unsettled {
            self.settle(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    fn target(revision: i64) -> UpstreamTarget {
        UpstreamTarget {
            id: RepositoryId(1),
            revision,
            name: "remote".parse().unwrap(),
            base_url: "https://registry.example:8443/npm".parse().unwrap(),
            credential: None,
            allowed_hosts: Vec::new(),
            ca_certificates: String::new(),
        }
    }

    fn warning(reason: WarningReason, pause_ms: u64) -> OriginWarning {
        let origin = "https://registry.example:8443".to_owned();
        OriginWarning { remote: RepositoryId(1), origin, reason, pause_ms }
    }

    fn fail(health: &Health, times: usize) {
        for _ in 0..times {
            health.admit(&target(1), &target(1).base_url).unwrap().fail();
        }
    }

    fn told(warnings: &mut Warnings) -> Vec<(WarningReason, u64)> {
        std::iter::from_fn(|| warnings.next().now_or_never().flatten())
            .inspect(|told| assert_eq!(*told, warning(told.reason, told.pause_ms)))
            .map(|told| (told.reason, told.pause_ms))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_circuit_that_opens_is_told_once() {
        let health = Health::new();
        let mut warnings = health.warnings();
        fail(&health, 4);
        assert_eq!(told(&mut warnings), []);
        let stragglers = [(); 3].map(|()| health.admit(&target(1), &target(1).base_url).unwrap());
        fail(&health, 1);
        stragglers.into_iter().for_each(Ticket::fail);
        let warned = told(&mut warnings);
        let OriginState::Open { retry_after } = health.state(&target(1)) else {
            panic!("not open");
        };
        let pause = u64::try_from(retry_after.as_millis()).unwrap();
        assert_eq!(warned, [(WarningReason::Failing, pause)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_is_told_again() {
        let health = Health::new();
        fail(&health, 5);
        let mut warnings = health.warnings();
        tokio::time::advance(Duration::from_secs(13)).await;
        fail(&health, 1);
        assert_eq!(told(&mut warnings).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cool_down_is_told_when_it_is_news() {
        let health = Health::new();
        let mut warnings = health.warnings();
        for (seconds, waited, is_news) in
            [(30, 0, true), (30, 0, false), (10, 5, false), (26, 0, false), (60, 0, true)]
        {
            tokio::time::advance(Duration::from_secs(waited)).await;
            health.cool_down(&target(1), Duration::from_secs(seconds));
            let expected = is_news.then_some((WarningReason::RateLimited, seconds * 1000));
            assert_eq!(told(&mut warnings), expected.as_slice(), "{seconds}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_warning_is_heeded_but_not_told_on() {
        use WarningReason::{Failing, RateLimited};
        let seconds = Duration::from_secs;
        for (reason, pause_ms, expected) in [
            (Failing, 7_000, OriginState::Open { retry_after: seconds(7) }),
            (Failing, u64::MAX, OriginState::Open { retry_after: seconds(900) }),
            (Failing, 0, OriginState::Closed),
            (RateLimited, 7_000, OriginState::CoolDown { retry_after: seconds(7) }),
            (RateLimited, u64::MAX, OriginState::CoolDown { retry_after: seconds(900) }),
            (RateLimited, 0, OriginState::Closed),
        ] {
            let health = Health::new();
            let mut warnings = health.warnings();
            health.heed(&warning(reason, pause_ms));
            assert_eq!(health.state(&target(1)), expected, "{reason:?} {pause_ms}");
            // The first request of the remote does not forget it.
            let admitted = health.begin(&target(1)).is_ok()
                && health.admit(&target(1), &target(1).base_url).is_ok();
            assert_eq!(admitted, expected == OriginState::Closed, "{reason:?} {pause_ms}");
            assert_eq!(told(&mut warnings), []);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_warning_never_shortens_a_cool_down() {
        let health = Health::new();
        health.cool_down(&target(1), Duration::from_secs(60));
        for (told, expected) in [(10, 60), (60, 60), (90, 90), (5, 90)] {
            health.heed(&warning(WarningReason::RateLimited, told * 1000));
            let retry_after = Duration::from_secs(expected);
            assert_eq!(health.state(&target(1)), OriginState::CoolDown { retry_after });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_revision_forgets_warnings() {
        let health = Health::new();
        health.begin(&target(1)).unwrap();
        health.heed(&warning(WarningReason::RateLimited, 60_000));
        health.begin(&target(1)).unwrap_err();
        health.begin(&target(2)).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn warnings_about_strangers_are_bounded() {
        let health = Health::new();
        for id in 0..10_000 {
            let remote = RepositoryId(id);
            health.heed(&OriginWarning { remote, ..warning(WarningReason::Failing, 60_000) });
        }
        for n in 0..10_000 {
            let origin = format!("https://{n}.example");
            health.heed(&OriginWarning { origin, ..warning(WarningReason::Failing, 60_000) });
        }
        let remotes = health.lock();
        assert_eq!(remotes.len(), REMOTES);
        assert_eq!(remotes[&RepositoryId(1)].breakers.len(), ORIGINS);
    }
}

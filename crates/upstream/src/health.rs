//! What this process knows about the origins of each remote: breakers, cool-downs, retry budgets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use artifact_core::RepositoryId;
use artifact_core::ports::{OriginState, UpstreamReason, UpstreamTarget};
use tokio::time::Instant;
use url::Url;

use crate::breaker::{Admission, Breaker, Outcome, Standing};
use crate::failure::Failure;
use crate::random;
use crate::retry::Budget;

/// Above this many origins of one remote the healthy ones are forgotten.
const ORIGINS: usize = 256;

/// The health of every origin; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health(Arc<Mutex<HashMap<RepositoryId, RemoteHealth>>>);

#[derive(Debug)]
struct RemoteHealth {
    revision: i64,
    cool_down_until: Option<Instant>,
    budget: Budget,
    breakers: HashMap<String, Breaker>,
}

impl RemoteHealth {
    fn new(revision: i64, now: Instant) -> Self {
        let budget = Budget::new(now);
        Self { revision, cool_down_until: None, budget, breakers: HashMap::new() }
    }

    fn breaker(&mut self, origin: &str, now: Instant) -> &mut Breaker {
        if self.breakers.len() >= ORIGINS && !self.breakers.contains_key(origin) {
            self.breakers.retain(|_, breaker| !breaker.is_blank(now));
        }
        self.breakers.entry(origin.to_owned()).or_insert_with(|| Breaker::new(now))
    }

    fn cool_down(&self, now: Instant) -> Option<Duration> {
        self.cool_down_until
            .and_then(|until| until.checked_duration_since(now))
            .filter(|left| !left.is_zero())
    }
}

impl Health {
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
        self.with(target, now, |remote| {
            remote.cool_down_until = remote.cool_down_until.max(Some(now + pause));
        });
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
        let fresh = || RemoteHealth::new(target.revision, now);
        let remote = remotes.entry(target.id).or_insert_with(fresh);
        if remote.revision < target.revision {
            *remote = fresh();
        }
        act(remote)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RepositoryId, RemoteHealth>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let remote = remotes.get_mut(&self.remote).filter(|r| r.revision == self.revision);
        let Some(remote) = remote else { return };
        let Some(breaker) = remote.breakers.get_mut(&self.origin) else {
            return;
        };
        let before = breaker.standing(now);
        breaker.record(self.admission, outcome, now, random::fraction());
        let after = breaker.standing(now);
        drop(remotes);
        if std::mem::discriminant(&before) != std::mem::discriminant(&after) {
            tracing::warn!(origin = %self.origin, ?before, ?after, "the circuit changed");
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

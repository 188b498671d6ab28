//! Leases of one process: at most one owner of a key at a time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use artifact_core::ports::{Lease, LeaseOutcome};
use bytes::Bytes;
use tokio::time::Instant;

use crate::expiry::{deadline, is_over};

/// Below this many leases the expired ones among them are not worth a search.
const FIRST_SWEEP: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    held: HashMap<String, Held>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Held {
    owner: String,
    state: Bytes,
    deadline: Instant,
}

impl Leases {
    pub(crate) fn acquire(&self, key: &str, owner: &str, ttl: Duration) -> LeaseOutcome {
        let mut table = self.table();
        if let Some(held) = table.live(key) {
            return LeaseOutcome::Held(held.state.clone());
        }
        table.sweep();
        let held = Held { owner: owner.to_owned(), state: Bytes::new(), deadline: deadline(ttl) };
        table.held.insert(key.to_owned(), held);
        LeaseOutcome::Acquired(Lease { key: key.to_owned(), owner: owner.to_owned() })
    }

    pub(crate) fn renew(&self, lease: &Lease, state: Bytes, ttl: Duration) -> bool {
        let mut table = self.table();
        let Some(held) = table.live(&lease.key).filter(|held| held.owner == lease.owner) else {
            return false;
        };
        held.state = state;
        held.deadline = deadline(ttl);
        true
    }

    pub(crate) fn release(&self, lease: &Lease) -> bool {
        let mut table = self.table();
        let is_ours = table.live(&lease.key).is_some_and(|held| held.owner == lease.owner);
        if is_ours {
            table.held.remove(&lease.key);
        }
        is_ours
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn live(&mut self, key: &str) -> Option<&mut Held> {
        self.held.get_mut(key).filter(|held| !is_over(held.deadline))
    }

    /// Drops expired leases whenever the table has doubled, so that holders that died do not
    /// fill it and a live one is not searched at every acquisition.
    fn sweep(&mut self) {
        if self.held.len() < self.sweep_at.max(FIRST_SWEEP) {
            return;
        }
        self.held.retain(|_, held| !is_over(held.deadline));
        self.sweep_at = self.held.len() * 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn leases_of_dead_holders_do_not_pile_up() {
        let leases = Leases::default();
        for _ in 0..10 {
            for n in 0..FIRST_SWEEP {
                leases.acquire(&n.to_string(), "dead", SECOND);
            }
            tokio::time::advance(SECOND).await;
        }
        for n in 0..10 * FIRST_SWEEP {
            leases.acquire(&format!("other {n}"), "dead", SECOND);
            tokio::time::advance(SECOND).await;
        }
        assert!(leases.table().held.len() <= FIRST_SWEEP);
    }

    #[test]
    fn a_sweep_keeps_what_is_live() {
        let leases = Leases::default();
        for n in 0..3 * FIRST_SWEEP {
            leases.acquire(&n.to_string(), "one", SECOND * 1000);
        }
        let outcome = leases.acquire("0", "two", SECOND);
        assert_eq!(outcome, LeaseOutcome::Held(Bytes::new()));
    }
}

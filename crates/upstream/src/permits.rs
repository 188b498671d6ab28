//! How many requests are under way at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::Limits;

/// Above this many hosts the idle ones are forgotten.
const HOSTS: usize = 512;

/// Hands out the right to have a request under way.
#[derive(Debug)]
pub(crate) struct Permits {
    per_host: usize,
    process: Arc<Semaphore>,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
    patience: Duration,
}

/// The right to have one request under way, until dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    _host: OwnedSemaphorePermit,
    _process: OwnedSemaphorePermit,
}

/// Nothing became free in time.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Crowded;

impl From<AcquireError> for Crowded {
    fn from(_: AcquireError) -> Self {
        Self
    }
}

impl Permits {
    pub(crate) fn new(limits: &Limits, patience: Duration) -> Self {
        Self {
            per_host: limits.per_host,
            process: Arc::new(Semaphore::new(limits.process)),
            hosts: Mutex::default(),
            patience,
        }
    }

    /// Waits for a turn towards `host`. The host's turn comes first, so that requests which
    /// queue for a slow host take no room from the others.
    pub(crate) async fn acquire(&self, host: &str) -> Result<Permit, Crowded> {
        let of_host = self.of_host(host);
        let both = async {
            let host = of_host.acquire_owned().await?;
            let process = Arc::clone(&self.process).acquire_owned().await?;
            Ok(Permit { _host: host, _process: process })
        };
        timeout(self.patience, both).await.unwrap_or(Err(Crowded))
    }

    fn of_host(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(host) {
            return Arc::clone(known);
        }
        if hosts.len() >= HOSTS {
            // A permit and a waiter each hold the semaphore.
            hosts.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
        }
        let fresh = Arc::new(Semaphore::new(self.per_host));
        hosts.insert(host.to_owned(), Arc::clone(&fresh));
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(per_host: usize, process: usize) -> Permits {
        let limits = Limits { per_host, process, ..Limits::default() };
        Permits::new(&limits, Duration::from_secs(5))
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_host_does_not_stop_another() {
        let permits = permits(1, 10);
        let held = permits.acquire("a").await.unwrap();
        assert_eq!(permits.acquire("a").await.unwrap_err(), Crowded);
        permits.acquire("b").await.unwrap();
        drop(held);
        permits.acquire("a").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_queue_for_a_host_take_no_room_in_the_process() {
        let permits = Arc::new(permits(1, 2));
        let _held = permits.acquire("a").await.unwrap();
        let queueing = Arc::clone(&permits);
        let queued = tokio::spawn(async move { queueing.acquire("a").await.map(drop) });
        tokio::task::yield_now().await;
        permits.acquire("b").await.unwrap();
        assert_eq!(queued.await.unwrap(), Err(Crowded));
    }

    #[tokio::test(start_paused = true)]
    async fn the_process_is_bounded_over_all_hosts() {
        let permits = permits(10, 1);
        let _held = permits.acquire("a").await.unwrap();
        assert_eq!(permits.acquire("b").await.unwrap_err(), Crowded);
    }

    #[tokio::test]
    async fn idle_hosts_are_forgotten() {
        let permits = permits(1, 10);
        let _held = permits.acquire("busy").await.unwrap();
        for index in 0..2 * HOSTS {
            permits.acquire(&format!("host-{index}")).await.unwrap();
        }
        let hosts = permits.hosts.lock().unwrap();
        assert!(hosts.len() <= HOSTS && hosts.contains_key("busy"));
    }
}

//! Which flights are under way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact_core::RowKey;

use super::{Flight, Passenger, Phase, SharedFlight};

/// The flights of this process. An entry stays until its flight calls [`Board::land`]; a
/// failed flight stays a little longer, so that a crowd shares one failure.
#[derive(Debug)]
pub(crate) struct Board {
    replica: String,
    count: AtomicU64,
    flights: Mutex<HashMap<RowKey, Arc<Flight>>>,
}

/// A place on a flight.
#[derive(Debug)]
pub(crate) enum Joined {
    /// The flight is new and has to be led by the caller.
    Leader(Arc<Flight>, Passenger),
    /// Somebody else leads.
    Follower(Passenger),
}

impl Board {
    /// The empty board of the replica of this name.
    pub(crate) fn new(replica: &str) -> Self {
        Self { replica: replica.to_owned(), count: AtomicU64::new(0), flights: Mutex::default() }
    }

    /// The flight of that id for a replica that reads along, once its head is known.
    pub(crate) fn share(&self, id: &str) -> Option<SharedFlight> {
        let passenger = {
            let flights = self.flights();
            let flight = flights.values().find(|flight| flight.id == id)?;
            flight.head.get()?;
            flight.board()
        };
        let head = passenger.head()?;
        let (headers, url) = (head.headers.clone(), head.url.clone());
        let (size, framed) = (head.size, head.framed);
        Some(SharedFlight { headers, url, size, framed, body: passenger.into_stream(None) })
    }

    /// Joins the flight of `key`, or registers a new one.
    pub(crate) fn join(&self, key: &RowKey) -> Joined {
        let mut flights = self.flights();
        if let Some(flight) = flights.get(key).filter(|flight| !flight.is_forgotten()) {
            return Joined::Follower(flight.board());
        }
        let flight = Arc::new(Flight::new(self.next_id(), key.clone()));
        flights.insert(key.clone(), Arc::clone(&flight));
        let passenger = flight.board();
        Joined::Leader(flight, passenger)
    }

    /// Joins the flight of `key` if there is one.
    pub(crate) fn follow(&self, key: &RowKey) -> Option<Passenger> {
        self.flights().get(key).map(Flight::board)
    }

    /// Lets the next request for `key` fly anew although the last flight failed a moment ago.
    pub(crate) fn forget_failure(&self, key: &RowKey) {
        let mut flights = self.flights();
        if flights.get(key).is_some_and(|flight| matches!(flight.phase(), Phase::Failed(_))) {
            flights.remove(key);
        }
    }

    /// Takes a flight off the board. Later requests find the stored row, or fly anew.
    pub(super) fn land(&self, flight: &Arc<Flight>) {
        let mut flights = self.flights();
        if flights.get(&flight.key).is_some_and(|current| Arc::ptr_eq(current, flight)) {
            flights.remove(&flight.key);
        }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<RowKey, Arc<Flight>>> {
        // Nothing that panics runs under the lock, so the map is sound even if it was poisoned.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_id(&self) -> String {
        format!("{}-{}", self.replica, self.count.fetch_add(1, Ordering::Relaxed))
    }
}

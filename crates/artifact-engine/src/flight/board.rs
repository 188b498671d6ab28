//! Which flights are under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact_core::RowKey;

use super::{Flight, Passenger, Phase};

/// The flights of this process. An entry stays until its flight calls [`Board::land`]; a
/// failed flight stays a little longer, so that a crowd shares one failure.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<HashMap<RowKey, Arc<Flight>>>);

/// A place on a flight.
#[derive(Debug)]
pub(crate) enum Joined {
    /// The flight is new and has to be led by the caller.
    Leader(Arc<Flight>, Passenger),
    /// Somebody else leads.
    Follower(Passenger),
}

impl Board {
    /// Joins the flight of `key`, or registers a new one.
    pub(crate) fn join(&self, key: &RowKey) -> Joined {
        let mut flights = self.flights();
        if let Some(flight) = flights.get(key).filter(|flight| !flight.is_forgotten()) {
            return Joined::Follower(flight.board());
        }
        let flight = Arc::new(Flight::new(key.clone()));
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! How much of the machine a run takes: a small part while requests are served, all that it can
//! use while nobody asks for anything.
//!
//! The stores often share their machine with this server, and what a batch costs is mostly spent
//! there. So it is judged by the time that the batch took, not by what it costs in this process.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::statistics::Statistics;

/// Fewer blobs than these are no batch: what every transaction costs would be most of it. So few
/// are deleted in time by a store that takes a second for each.
const SMALLEST_BATCH: usize = 16;
/// More blobs than these are never locked at once.
const LARGEST_BATCH: usize = 512;
/// How many times longer than a batch took the rest after it is, while requests are served: far less than
/// a hundredth of the answers, then, meets a batch.
const RESTS: u32 = 255;
/// After so long the rests become half as long, and so on: whoever makes garbage faster than a careful run collects it
/// must not be left with ever more of it.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// Rests do not become shorter than so many times what a batch took.
const FEWEST_RESTS: u32 = 15;
/// The longest rest. The smallest batch takes so long only where the store is slow, and not this machine.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// Whether anybody would notice a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Demand {
    /// Nobody has asked for anything since the last batch.
    None,
    /// Requests are served.
    Some,
}

impl Demand {
    /// How long a batch should take. Its blobs are locked meanwhile, and requests may wait.
    fn span(self) -> Duration {
        match self {
            Self::None => Duration::from_millis(200),
            Self::Some => Duration::from_millis(2),
        }
    }

    /// The size of the batch after one of `size` blobs that took `worked`.
    fn next_size(self, size: usize, worked: Duration) -> usize {
        let next = if worked > self.span() {
            size / 2
        } else if worked * 2 < self.span() {
            size * 2
        } else {
            size
        };
        next.clamp(SMALLEST_BATCH, LARGEST_BATCH)
    }

    /// The rest after a batch that took `worked`, of a run that began so long ago.
    fn rest(self, worked: Duration, running: Duration) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Some => worked.saturating_mul(rests(running)).min(LONGEST_REST),
        }
    }
}

fn rests(running: Duration) -> u32 {
    let halvings = u32::try_from(running.as_secs() / PATIENCE.as_secs()).unwrap_or(u32::MAX);
    RESTS.checked_shr(halvings).unwrap_or_default().max(FEWEST_RESTS)
}

/// The pace of one kind of work. Begins carefully.
#[derive(Debug)]
pub(super) struct Pace {
    statistics: Arc<Statistics>,
    began: Instant,
    answered: u64,
    demand: Demand,
    size: usize,
}

impl Pace {
    pub(super) fn new(statistics: Arc<Statistics>) -> Self {
        let answered = statistics.answered();
        let began = Instant::now();
        Self { statistics, began, answered, demand: Demand::Some, size: SMALLEST_BATCH }
    }

    /// How many blobs the next batch is of.
    pub(super) fn batch(&self) -> usize {
        self.size
    }

    /// How many blobs are deleted from the store at the same time. A store on this machine would
    /// take a processor for each.
    pub(super) fn erased_at_once(&self) -> usize {
        match self.demand {
            Demand::None => 8,
            Demand::Some => 1,
        }
    }

    /// Rests after the batch that `began` then.
    pub(super) async fn rest(&mut self, began: Instant) {
        let worked = began.elapsed();
        self.size = self.demand.next_size(self.size, worked);
        self.look();
        tokio::time::sleep(self.demand.rest(worked, self.began.elapsed())).await;
    }

    /// Looks whether anybody has asked for anything since the last time.
    fn look(&mut self) {
        let answered = self.statistics.answered();
        let demand = if answered == self.answered { Demand::None } else { Demand::Some };
        if demand != self.demand {
            self.size = SMALLEST_BATCH;
        }
        (self.answered, self.demand) = (answered, demand);
    }
}

#[cfg(test)]
mod tests {
    use artifact_core::RepositoryId;

    use super::*;
    use crate::request::CacheResult;

    const fn millis(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn a_run_works_a_hundredth_of_the_time_at_most_while_requests_are_served_and_all_of_it_otherwise()
     {
        for (demand, worked, expected) in [
            (Demand::Some, millis(0), millis(0)),
            (Demand::Some, millis(2), millis(510)),
            (Demand::Some, millis(20_000), LONGEST_REST),
            (Demand::Some, Duration::MAX, LONGEST_REST),
            (Demand::None, millis(10), millis(0)),
        ] {
            assert_eq!(demand.rest(worked, Duration::ZERO), expected, "{demand:?} {worked:?}");
        }
    }

    #[test]
    fn a_run_that_does_not_come_to_its_end_becomes_less_careful() {
        let quarter = |number: u32| PATIENCE * number;
        for (running, expected) in [
            (Duration::ZERO, 255),
            (quarter(1).saturating_sub(millis(1)), 255),
            (quarter(1), 127),
            (quarter(3), 31),
            (quarter(4), 15),
            (quarter(5), FEWEST_RESTS),
            (Duration::MAX, FEWEST_RESTS),
        ] {
            assert_eq!(rests(running), expected, "{running:?}");
        }
    }

    #[test]
    fn batches_grow_and_shrink_towards_their_span() {
        for (demand, size, worked, expected) in [
            (Demand::Some, 16, Duration::from_micros(999), 32),
            (Demand::Some, 32, millis(1), 32),
            (Demand::Some, 32, millis(2), 32),
            (Demand::Some, 64, millis(3), 32),
            (Demand::Some, 16, millis(1000), SMALLEST_BATCH),
            (Demand::None, 64, millis(21), 128),
            (Demand::None, 512, millis(1), LARGEST_BATCH),
            (Demand::None, 512, millis(201), 256),
        ] {
            assert_eq!(demand.next_size(size, worked), expected, "{demand:?} {size} {worked:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_hurries_while_nobody_asks_and_is_careful_at_the_next_answer() {
        let statistics = Arc::new(Statistics::default());
        let mut pace = Pace::new(Arc::clone(&statistics));
        assert_eq!((pace.batch(), pace.erased_at_once()), (SMALLEST_BATCH, 1));
        let worked = async |pace: &mut Pace| {
            let began = Instant::now();
            tokio::time::advance(millis(1)).await;
            pace.rest(began).await;
            began.elapsed().saturating_sub(millis(1))
        };
        assert!(worked(&mut pace).await < millis(3));
        for expected in [32, 64, 128] {
            worked(&mut pace).await;
            assert_eq!((pace.batch(), pace.erased_at_once()), (expected, 8));
        }
        statistics.counters(RepositoryId(1)).answered(CacheResult::Hit);
        assert!(worked(&mut pace).await >= millis(255));
        assert_eq!((pace.batch(), pace.erased_at_once()), (SMALLEST_BATCH, 1));
    }
}

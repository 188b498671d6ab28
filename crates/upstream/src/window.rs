//! Two counters over the last seconds, in buckets of one second, so that memory does not grow
//! with the traffic.

use std::collections::VecDeque;

use tokio::time::Instant;

/// Counts two kinds of event over a sliding span of whole seconds.
#[derive(Debug)]
pub(crate) struct Window {
    seconds: u64,
    born: Instant,
    buckets: VecDeque<Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    second: u64,
    counts: Counts,
}

/// What a window saw.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    /// The ordinary kind: a success, a request.
    pub(crate) usual: u64,
    /// The other kind: a failure, a retry.
    pub(crate) unusual: u64,
}

impl Window {
    pub(crate) fn new(seconds: u64, now: Instant) -> Self {
        Self { seconds, born: now, buckets: VecDeque::new() }
    }

    pub(crate) fn add(&mut self, now: Instant, counts: Counts) {
        let second = self.forget(now);
        match self.buckets.back_mut() {
            Some(bucket) if bucket.second == second => {
                bucket.counts.usual += counts.usual;
                bucket.counts.unusual += counts.unusual;
            }
            _ => self.buckets.push_back(Bucket { second, counts }),
        }
    }

    pub(crate) fn counts(&mut self, now: Instant) -> Counts {
        self.forget(now);
        self.buckets.iter().fold(Counts::default(), |sum, bucket| Counts {
            usual: sum.usual + bucket.counts.usual,
            unusual: sum.unusual + bucket.counts.unusual,
        })
    }

    pub(crate) fn clear(&mut self) {
        self.buckets.clear();
    }

    fn forget(&mut self, now: Instant) -> u64 {
        let second = now.saturating_duration_since(self.born).as_secs();
        while self.buckets.front().is_some_and(|oldest| oldest.second + self.seconds <= second) {
            self.buckets.pop_front();
        }
        second
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn events_leave_the_window_after_its_span() {
        let born = Instant::now();
        let mut window = Window::new(10, born);
        let one = Counts { usual: 1, unusual: 0 };
        for second in 0..15 {
            window.add(born + Duration::from_secs(second), one);
        }
        assert_eq!(window.counts(born + Duration::from_secs(14)).usual, 10);
        assert_eq!(window.counts(born + Duration::from_secs(20)).usual, 4);
        assert_eq!(window.counts(born + Duration::from_secs(60)), Counts::default());
        assert!(window.buckets.is_empty());
    }
}

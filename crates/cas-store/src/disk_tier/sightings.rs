//! Large blobs that were read once. The second time, they are worth the room.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use artifact_core::BlobId;
use tokio::time::Instant;

const REMEMBERED: usize = 4096;
const MEMORY: Duration = Duration::from_secs(600);

/// What was seen lately.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    seen: HashMap<BlobId, Instant>,
    order: VecDeque<(BlobId, Instant)>,
}

impl Sightings {
    /// Notes that `id` is read, and tells whether it was read lately before.
    pub(super) fn is_second(&mut self, id: BlobId, now: Instant) -> bool {
        self.forget_old(now);
        if self.seen.remove(&id).is_some() {
            return true;
        }
        self.seen.insert(id, now);
        self.order.push_back((id, now));
        false
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((id, at)) = self.order.front().copied() {
            if self.order.len() < REMEMBERED && now.duration_since(at) < MEMORY {
                return;
            }
            self.order.pop_front();
            if self.seen.get(&id) == Some(&at) {
                self.seen.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> BlobId {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        BlobId::from_bytes(bytes)
    }

    #[test]
    fn only_two_reads_within_ten_minutes_count() {
        let start = Instant::now();
        let minutes = |count: u64| start + Duration::from_secs(60 * count);
        let mut sightings = Sightings::default();
        assert!(!sightings.is_second(id(1), minutes(0)));
        assert!(sightings.is_second(id(1), minutes(9)));
        assert!(!sightings.is_second(id(2), minutes(9)));
        assert!(!sightings.is_second(id(2), minutes(20)));
        assert!(sightings.is_second(id(2), minutes(21)));
    }

    #[test]
    fn memory_is_bounded() {
        let now = Instant::now();
        let mut sightings = Sightings::default();
        for number in 0..3 * 4096 {
            sightings.is_second(id(number), now);
        }
        assert!(sightings.seen.len() <= REMEMBERED && sightings.order.len() <= REMEMBERED);
        assert!(!sightings.is_second(id(0), now), "forgotten");
    }
}

//! Who may bring a blob in.
//!
//! One at a time, nobody while it is being deleted, and a deletion takes the right away from
//! whoever has it: what was read before the deletion must not be admitted after it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use artifact_core::BlobId;

use crate::blocking::lock;

/// Reads that are written down at the same time; others only pass by.
const AT_A_TIME: usize = 64;

/// The rights that are given away at the moment.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    holders: HashMap<BlobId, Holder>,
    given: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Holder {
    /// The claim of this number.
    Claim(u64),
    /// So many deletions.
    Deletions(usize),
}

impl Claims {
    /// The right to write down a blob that is read, unless somebody else brings it in.
    pub(super) fn for_read(self: &Arc<Self>, id: BlobId) -> Option<Claim> {
        let mut held = lock(&self.0);
        if held.holders.len() >= AT_A_TIME || held.holders.contains_key(&id) {
            return None;
        }
        Some(self.give(&mut held, id))
    }

    /// The right to bring in a finished file; it takes the place of a read.
    pub(super) fn for_put(self: &Arc<Self>, id: BlobId) -> Option<Claim> {
        let mut held = lock(&self.0);
        if matches!(held.holders.get(&id), Some(Holder::Deletions(_))) {
            return None;
        }
        Some(self.give(&mut held, id))
    }

    fn give(self: &Arc<Self>, held: &mut Held, id: BlobId) -> Claim {
        held.given += 1;
        held.holders.insert(id, Holder::Claim(held.given));
        Claim { claims: Arc::clone(self), id, number: held.given }
    }

    /// Takes the right to bring `id` in from everybody until the guard is dropped.
    pub(super) fn deletion(self: &Arc<Self>, id: BlobId) -> Deletion {
        let mut held = lock(&self.0);
        let running = match held.holders.get(&id) {
            Some(Holder::Deletions(running)) => *running,
            _ => 0,
        };
        held.holders.insert(id, Holder::Deletions(running + 1));
        Deletion { claims: Arc::clone(self), id }
    }
}

/// The right to bring one blob in, as long as it lasts.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Arc<Claims>,
    id: BlobId,
    number: u64,
}

impl Claim {
    pub(super) fn id(&self) -> BlobId {
        self.id
    }

    /// Whether it was not taken away. Who brings a blob in asks this last: a deletion either sees
    /// the blob or is seen here, whatever the timing.
    pub(super) fn is_valid(&self) -> bool {
        lock(&self.claims.0).holders.get(&self.id) == Some(&Holder::Claim(self.number))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut held = lock(&self.claims.0);
        if held.holders.get(&self.id) == Some(&Holder::Claim(self.number)) {
            held.holders.remove(&self.id);
        }
    }
}

/// A deletion under way.
#[derive(Debug)]
pub(super) struct Deletion {
    claims: Arc<Claims>,
    id: BlobId,
}

impl Drop for Deletion {
    fn drop(&mut self) {
        let mut held = lock(&self.claims.0);
        match held.holders.get_mut(&self.id) {
            Some(Holder::Deletions(running)) if *running > 1 => *running -= 1,
            _ => {
                held.holders.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: BlobId = BlobId::from_bytes([1; 32]);

    #[test]
    fn one_read_at_a_time_brings_a_blob_in() {
        let claims = Arc::new(Claims::default());
        let first = claims.for_read(ID).unwrap();
        assert!(claims.for_read(ID).is_none());
        assert!(claims.for_read(BlobId::from_bytes([2; 32])).is_some());
        drop(first);
        assert!(claims.for_read(ID).is_some());
    }

    #[test]
    fn a_put_takes_the_place_of_a_read_and_of_another_put() {
        let claims = Arc::new(Claims::default());
        let read = claims.for_read(ID).unwrap();
        let first = claims.for_put(ID).unwrap();
        let second = claims.for_put(ID).unwrap();
        assert!(!read.is_valid() && !first.is_valid() && second.is_valid());
        drop((read, first));
        assert!(second.is_valid(), "what was taken away gives nothing back");
    }

    #[test]
    fn a_deletion_takes_every_right_away_and_gives_none_until_it_ends() {
        let claims = Arc::new(Claims::default());
        let read = claims.for_read(ID).unwrap();
        let (one, two) = (claims.deletion(ID), claims.deletion(ID));
        assert!(!read.is_valid());
        drop(read);
        drop(one);
        assert!(claims.for_read(ID).is_none() && claims.for_put(ID).is_none());
        drop(two);
        assert!(claims.for_read(ID).is_some());
    }

    #[test]
    fn reads_that_are_written_down_are_bounded() {
        let claims = Arc::new(Claims::default());
        let id = |number: u8| BlobId::from_bytes([number; 32]);
        let held: Vec<_> = (0..200).filter_map(|number| claims.for_read(id(number))).collect();
        assert_eq!(held.len(), AT_A_TIME);
        assert!(claims.for_put(id(201)).is_some());
    }
}

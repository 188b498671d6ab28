//! Where the bytes of an upload are: what its state says, checked against how parts are cut.

use super::schedule::{length_of, part_length};
use crate::StoreError;
use crate::staging::{Objects, Place, Progress};

/// The bytes of an upload.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Located {
    pub(super) size: u64,
    pub(super) objects: Objects,
    /// How many bytes are in no part.
    pub(super) tail_size: u64,
}

impl Located {
    /// Where the bytes are that `progress` tells of.
    pub(super) fn of(progress: Option<Progress>) -> Result<Self, StoreError> {
        let unusable = |problem| StoreError::StagingState { problem };
        let Some(Progress { size, place, .. }) = progress else { return Ok(Self::default()) };
        let Place::Objects(objects) = place else {
            return Err(unusable("it is of another kind of store"));
        };
        let parts = objects.multipart.as_ref().map_or(0, |multipart| multipart.parts.len());
        let contradiction = || unusable("its parts contradict its size");
        let tail_size = size.checked_sub(length_of(parts)).ok_or_else(contradiction)?;
        let has_parts = parts > 0 || objects.multipart.is_none();
        let has_tail = objects.tail.is_some() == (tail_size > 0);
        let is_short = tail_size == 0 || part_length(parts + 1).is_some_and(|it| tail_size < it);
        if has_parts && has_tail && is_short {
            return Ok(Self { size, objects, tail_size });
        }
        Err(contradiction())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::staging::Multipart;

    const PART: u64 = 8 << 20;

    fn located(size: u64, parts: Option<usize>, has_tail: bool) -> Option<u64> {
        let multipart = parts.map(|count| Multipart {
            id: "id".into(),
            marker: "marker".into(),
            parts: vec!["tag".into(); count],
        });
        let objects = Objects { multipart, tail: has_tail.then(|| "tail".into()) };
        let place = Place::Objects(objects);
        let progress = Progress { size, digests: BTreeMap::new(), place };
        Located::of(Some(progress)).ok().map(|located| located.tail_size)
    }

    #[test]
    fn parts_and_tail_must_be_the_size() {
        let table = [
            (0, None, false, Some(0)),
            (5, None, true, Some(5)),
            (PART - 1, None, true, Some(PART - 1)),
            (PART, Some(1), false, Some(0)),
            (2 * PART + 7, Some(2), true, Some(7)),
            (5, None, false, None),
            (0, None, true, None),
            (PART, None, true, None),
            (PART - 1, Some(1), false, None),
            (PART, Some(1), true, None),
            (PART + 1, Some(1), false, None),
            (2 * PART, Some(1), true, None),
            (5, Some(0), true, None),
            (u64::MAX, Some(2), true, None),
        ];
        for (size, parts, has_tail, expected) in table {
            assert_eq!(located(size, parts, has_tail), expected, "{size} {parts:?} {has_tail}");
        }
        assert_eq!(Located::of(None).unwrap(), Located::default());
    }
}

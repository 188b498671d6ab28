//! How a file is cut for its upload.

use artifact_core::ports::ByteRange;

/// Up to this size one request does it.
const AT_ONCE: u64 = 64 << 20;
const SMALLEST_PART: u64 = 16 << 20;
/// Servers take 10 000; the rest is for sizes that do not divide well.
const MOST_PARTS: u64 = 9_000;

/// Whether a file of `size` bytes is sent in one request.
pub(super) fn is_sent_at_once(size: u64) -> bool {
    size <= AT_ONCE
}

/// The parts of a file of `size` bytes, numbered from 1.
pub(super) fn parts(size: u64) -> impl Iterator<Item = (i64, ByteRange)> {
    let length = SMALLEST_PART.max(size.div_ceil(MOST_PARTS));
    let starts = (0..size).step_by(usize::try_from(length).unwrap_or(usize::MAX));
    (1..).zip(
        starts.map(move |start| ByteRange { start, end: start.saturating_add(length).min(size) }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn parts_lie_end_to_end_and_are_not_too_many() {
        for size in [AT_ONCE + 1, 100 << 20, GIB, 10 * GIB + 7, 5 << 40] {
            let mut end = 0;
            let mut count = 0;
            for (number, range) in parts(size) {
                count += 1;
                assert_eq!((number, range.start), (count, end), "{size}");
                assert!(range.length() >= SMALLEST_PART || range.end == size, "{size}");
                assert!(range.length() > 0);
                end = range.end;
            }
            assert_eq!(end, size);
            assert!(count <= 10_000, "{size}: {count}");
        }
    }
}

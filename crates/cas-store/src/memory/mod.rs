//! Blobs in memory: a whole store for embedding and tests, and a tier before another store.

mod staging;
mod store;
mod tier;

pub use self::store::MemoryStore;
pub use self::tier::{MemoryTier, TierLimits};

use artifact_core::ports::ByteRange;
use bytes::Bytes;

/// The bytes of `range`, clamped to what there is; all without a range. Copies nothing.
fn cut(bytes: &Bytes, range: Option<ByteRange>) -> Bytes {
    let Some(range) = range else { return bytes.clone() };
    let clamp =
        |position: u64| usize::try_from(position).map_or(bytes.len(), |p| p.min(bytes.len()));
    let end = clamp(range.end);
    bytes.slice(clamp(range.start).min(end)..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_and_clamped() {
        let bytes = Bytes::from_static(b"0123456789");
        let table: [(u64, u64, &str); 7] = [
            (0, 10, "0123456789"),
            (2, 5, "234"),
            (8, 99, "89"),
            (10, 12, ""),
            (99, u64::MAX, ""),
            (5, 5, ""),
            (7, 3, ""),
        ];
        for (start, end, expected) in table {
            assert_eq!(cut(&bytes, Some(ByteRange { start, end })), expected, "{start}..{end}");
        }
        assert_eq!(cut(&bytes, None), bytes);
    }
}

//! The last bytes of a spool file, which are not on the disk yet.
//!
//! A hop to the blocking pool per chunk would cost as much as hashing it, so small chunks
//! wait here for company. Readers see them from here, without a copy and without the disk.

use bytes::{Bytes, BytesMut};

/// The chunks behind `start`, the length of the file on the disk.
#[derive(Debug, Default)]
pub(super) struct Tail {
    start: u64,
    chunks: Vec<Bytes>,
    length: usize,
}

/// What a read of the spool consists of: first bytes from the disk, then bytes from memory.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct View {
    pub(super) on_disk: usize,
    pub(super) in_memory: Bytes,
}

impl Tail {
    pub(super) fn push(&mut self, chunk: Bytes) {
        self.length += chunk.len();
        self.chunks.push(chunk);
    }

    /// Bytes that wait here.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// The length of the whole spool file.
    pub(super) fn end(&self) -> u64 {
        self.start + self.length as u64
    }

    /// Where the tail starts in the file, and its chunks.
    pub(super) fn snapshot(&self) -> (u64, Vec<Bytes>) {
        (self.start, self.chunks.clone())
    }

    /// The first `count` chunks are on the disk now.
    pub(super) fn written(&mut self, count: usize) {
        let count = count.min(self.chunks.len());
        let length: usize = self.chunks.drain(..count).map(|chunk| chunk.len()).sum();
        self.length -= length;
        self.start += length as u64;
    }

    /// What a read of `length` bytes from `offset` consists of; less at the end.
    pub(super) fn view(&self, offset: u64, length: usize) -> View {
        let wanted_end = offset.saturating_add(length as u64).min(self.end());
        let on_disk = wanted_end.min(self.start).saturating_sub(offset);
        let from = offset.max(self.start) - self.start;
        let to = wanted_end.saturating_sub(self.start);
        View { on_disk: narrow(on_disk), in_memory: self.cut(narrow(from), narrow(to)) }
    }

    /// The bytes `from..to` of the tail: a slice where one chunk holds them all, else a copy.
    fn cut(&self, from: usize, to: usize) -> Bytes {
        let mut pieces = self.pieces(from, to);
        let first = pieces.next().unwrap_or_default();
        let Some(second) = pieces.next() else { return first };
        let mut joined = BytesMut::with_capacity(to - from);
        joined.extend_from_slice(&first);
        joined.extend_from_slice(&second);
        pieces.for_each(|piece| joined.extend_from_slice(&piece));
        joined.freeze()
    }

    fn pieces(&self, from: usize, to: usize) -> impl Iterator<Item = Bytes> {
        let mut chunk_start = 0;
        self.chunks.iter().filter_map(move |chunk| {
            let start = from.max(chunk_start) - chunk_start;
            let end = to.min(chunk_start + chunk.len()).saturating_sub(chunk_start);
            chunk_start += chunk.len();
            (start < end).then(|| chunk.slice(start..end))
        })
    }
}

/// Lengths that a read is made of: never more than the `usize` that the reader asked for.
fn narrow(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `0123456789`, of which `0123` is on the disk.
    fn tail() -> Tail {
        let mut tail = Tail::default();
        for chunk in ["0123", "45", "6", "789"] {
            tail.push(Bytes::from_static(chunk.as_bytes()));
        }
        tail.written(1);
        tail
    }

    #[test]
    fn a_read_is_split_between_disk_and_memory() {
        let table: [(u64, usize, usize, &str); 10] = [
            (0, 4, 4, ""),
            (0, 3, 3, ""),
            (3, 3, 1, "45"),
            (0, 100, 4, "456789"),
            (4, 2, 0, "45"),
            (5, 3, 0, "567"),
            (8, 100, 0, "89"),
            (10, 5, 0, ""),
            (u64::MAX, 5, 0, ""),
            (2, 0, 0, ""),
        ];
        for (offset, length, on_disk, in_memory) in table {
            let expected = View { on_disk, in_memory: Bytes::from_static(in_memory.as_bytes()) };
            assert_eq!(tail().view(offset, length), expected, "{length} bytes from {offset}");
        }
    }

    #[test]
    fn bytes_of_one_chunk_are_not_copied() {
        let tail = tail();
        let (_, chunks) = tail.snapshot();
        assert_eq!(tail.view(8, 2).in_memory.as_ptr(), chunks[2][1..].as_ptr());
    }

    #[test]
    fn written_chunks_leave_the_tail_and_keep_the_end() {
        let mut tail = tail();
        assert_eq!((tail.length(), tail.end()), (6, 10));
        tail.written(2);
        assert_eq!((tail.length(), tail.end()), (3, 10));
        tail.written(9);
        assert_eq!((tail.length(), tail.end()), (0, 10));
    }
}

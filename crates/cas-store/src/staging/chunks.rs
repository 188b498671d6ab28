//! Bytes that wait, as the chunks in which they came: nothing is copied but what is too small to
//! be worth a place of its own. Without that a client that sends single bytes would fill the
//! memory with their handles.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Shorter chunks are joined.
const SMALL: usize = 4 * 1024;
/// Up to about this length.
const JOINED: usize = 64 * 1024;

/// Chunks in order.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    whole: VecDeque<Bytes>,
    /// Behind `whole`: what is being joined.
    loose: BytesMut,
    length: usize,
}

impl Chunks {
    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.length += chunk.len();
        if chunk.len() >= SMALL {
            self.close();
            self.whole.push_back(chunk);
            return;
        }
        self.loose.extend_from_slice(&chunk);
        if self.loose.len() >= JOINED {
            self.close();
        }
    }

    fn close(&mut self) {
        if !self.loose.is_empty() {
            self.whole.push_back(self.loose.split().freeze());
        }
    }

    /// How many bytes wait.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// A look at all of them.
    pub(crate) fn snapshot(&mut self) -> Vec<Bytes> {
        self.close();
        self.whole.iter().cloned().collect()
    }

    /// All of them.
    pub(crate) fn take(&mut self) -> Vec<Bytes> {
        self.split(self.length)
    }

    /// The first `length` bytes, or all if there are fewer.
    pub(crate) fn split(&mut self, length: usize) -> Vec<Bytes> {
        self.close();
        let mut missing = length.min(self.length);
        self.length -= missing;
        let mut first = Vec::new();
        while missing > 0 {
            let Some(mut chunk) = self.whole.pop_front() else { break };
            if chunk.len() > missing {
                let head = chunk.split_to(missing);
                self.whole.push_front(chunk);
                chunk = head;
            }
            missing -= chunk.len();
            first.push(chunk);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(lengths: &[usize]) -> (Chunks, Vec<u8>) {
        let (mut chunks, mut all) = (Chunks::default(), Vec::new());
        for (number, length) in (0..).zip(lengths) {
            let chunk = vec![number; *length];
            all.extend_from_slice(&chunk);
            chunks.push(Bytes::from(chunk));
        }
        (chunks, all)
    }

    #[test]
    fn bytes_come_out_in_order_however_they_are_cut() {
        let table: [&[usize]; 5] = [
            &[],
            &[1, 2, 3],
            &[SMALL, 1, SMALL, SMALL - 1, 0, 7],
            &[1, 100_000, 1],
            &[JOINED / 2, JOINED / 2, 5],
        ];
        for lengths in table {
            for step in [1000, 4096, 70_000, usize::MAX] {
                let (mut chunks, all) = gathered(lengths);
                assert_eq!(chunks.snapshot().concat(), all);
                let mut found = Vec::new();
                while chunks.length() > 0 {
                    let expected = step.min(chunks.length());
                    let first = chunks.split(step).concat();
                    assert_eq!(first.len(), expected, "{lengths:?} by {step}");
                    found.extend(first);
                }
                assert_eq!(found, all, "{lengths:?} by {step}");
                assert!(chunks.take().is_empty());
            }
        }
    }

    #[test]
    fn a_long_chunk_is_not_copied_and_short_ones_share_a_place() {
        let long = Bytes::from(vec![7; 10_000]);
        let mut chunks = Chunks::default();
        chunks.push(long.clone());
        for _ in 0..10_000 {
            chunks.push(Bytes::from_static(b"x"));
        }
        let found = chunks.take();
        assert_eq!(found[0].as_ptr(), long.as_ptr());
        assert_eq!(found.len(), 2);
    }
}

//! Buffers for streaming, used again instead of being given back to the system: at gigabytes per
//! second the page faults of fresh buffers cost more than the bookkeeping of used ones.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Buffers kept for later: 8 MiB of the usual blocks, whatever the number of readers was.
const KEPT: usize = 32;

static POOL: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// An empty buffer, a used one if there is one.
pub(crate) fn take() -> Vec<u8> {
    let mut buffer = used();
    buffer.clear();
    buffer
}

/// A buffer of `length` bytes that say nothing: to clear them would cost as much as to fill them.
pub(crate) fn take_filled(length: usize) -> Vec<u8> {
    let mut buffer = used();
    buffer.resize(length, 0);
    buffer
}

fn used() -> Vec<u8> {
    pool().pop().unwrap_or_default()
}

/// `buffer` as bytes that go back to the pool when their last handle is dropped.
pub(crate) fn share(buffer: Vec<u8>) -> Bytes {
    Bytes::from_owner(Block(buffer))
}

struct Block(Vec<u8>);

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
        let mut pool = pool();
        if pool.len() < KEPT {
            pool.push(buffer);
        }
    }
}

fn pool() -> MutexGuard<'static, Vec<Vec<u8>>> {
    // Only whole buffers are pushed and popped, so a poisoned pool is as good as any.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_bytes_are_the_buffer_and_the_next_buffer_is_empty() {
        for round in 0..100_u8 {
            let mut buffer = take();
            assert!(buffer.is_empty());
            buffer.extend_from_slice(&[round; 1000]);
            let bytes = share(buffer);
            let part = bytes.slice(10..20);
            drop(bytes);
            assert_eq!(part, [round; 10].as_slice());
            assert_eq!(take_filled(700).len(), 700);
        }
        assert!(pool().len() <= KEPT);
    }
}

//! A source whose own failures can be told apart from a decoder's.

use std::io::{self, BufRead, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// Where the failure of a source is kept, because decoders turn errors into their own.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure(Arc<Mutex<Option<io::Error>>>);

impl Failure {
    pub(super) fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let seen = io::Error::new(error.kind(), "the source failed");
            if error.kind() != io::ErrorKind::Interrupted {
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
            seen
        })
    }
}

/// Reads from `inner` and keeps its failure.
pub(super) struct Source<R> {
    pub(super) inner: R,
    pub(super) failure: Failure,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.failure.keep(self.inner.read(buffer))
    }
}

impl<R: BufRead> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.failure.keep(self.inner.fill_buf())
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }
}

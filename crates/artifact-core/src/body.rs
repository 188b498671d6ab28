//! Bodies in motion.

use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;

use crate::Error;

/// A body in chunks. It ends in exactly two ways: all bytes, or an `Err` as its last item.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// The body of a client's request, not yet read.
pub struct RequestBody {
    /// The bytes; an `Err` means that the client went away or broke the framing.
    pub stream: ByteStream,
    /// The announced length, absent when chunked.
    pub length: Option<u64>,
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestBody").field("length", &self.length).finish_non_exhaustive()
    }
}

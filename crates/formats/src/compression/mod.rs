//! Undoing the compressions in which indexes and archives are published, as bounded streams.
//!
//! What a stream is is told by its first bytes, never by its name. Invariants: nothing is read
//! whole; a stream that decompresses to more than the caller admits, or that wants more memory,
//! ends with an error; the failures of the source are told apart from those of the format.

mod decoder;
mod source;
mod zstandard;

pub use decoder::{Compression, CompressionError, Decompressed, Limits};

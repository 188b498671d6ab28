//! What the staging of all stores has in common: gathering chunks, hashing them in a way that
//! another replica can go on with, and writing down how far that got.

mod belt;
mod chunks;
mod hasher;
mod progress;

pub(crate) use self::belt::{Belt, Desk, Sink};
pub(crate) use self::chunks::Chunks;
pub(crate) use self::hasher::ResumableHasher;
pub(crate) use self::progress::{Multipart, Objects, Place, Progress, begin, size_at};

//! Blobs as objects of an S3-compatible store.
//!
//! The client is rusoto, of which only the requests and the parsing of answers are used: its
//! connections, its signing at the right moment, its timeouts, its retries and its errors are
//! ours ([`link`], [`bucket`], [`failure`]). No type of rusoto leaves this folder.
//!
//! A blob is the object of its name, or a link leads to its bytes ([`linked`]).
//!
//! Invariant: "not there" is said only of a bucket that exists. A key is a hash, so a write that
//! is repeated or that overlaps another one writes the same bytes: no condition is needed on it.

mod answer;
mod body;
mod bucket;
mod circuit;
mod copy;
mod failure;
mod keys;
mod link;
mod linked;
mod list;
mod multipart;
mod parts;
mod put;
mod read;
mod settings;
mod staging;
mod store;
mod tls;

pub use self::failure::S3Failure;
pub use self::settings::{Addressing, S3Settings, S3Timeouts, Security};
pub use self::store::S3Store;

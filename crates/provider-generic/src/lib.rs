//! The rule book of plain files: anything under any path, proxied or hosted.
//!
//! Exists for everything that no other type speaks for: release archives, installers, data.
//! On a remote nothing is mutable until the operator says which paths are.
//!
//! Invariant: a file's bytes are never interpreted, and a listing never carries a name as markup.

mod digest_headers;
mod hosting;
mod listing;
mod media_type;
mod provider;
mod route;
mod snippets;

pub use provider::GenericProvider;

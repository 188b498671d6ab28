//! The rule book of Alpine packages: indexes of the second format and the packages beside them.
//!
//! What a remote serves is upstream's, byte for byte, because upstream signed it. What a virtual
//! repository serves is made of its members' indexes and signed by us.
//!
//! Invariant: a package is described by the very text of the index that lists it; we add nothing
//! and change its architecture at most, because that decides where clients look for it.

mod error_body;
mod index;
mod layout;
mod provider;
mod route;
mod snippets;

pub use provider::AlpineProvider;

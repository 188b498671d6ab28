//! The rule book of the npm package type: what requests mean, what package documents
//! ("packuments") say, and how both look to npm, pnpm and yarn.
//!
//! Invariants: no I/O, no clock, no state. A packument is walked once and edited by spans; what
//! this crate does not have to change leaves it byte for byte as upstream wrote it.

mod name;
mod packument;
mod provider;
mod route;
mod snippets;

pub use provider::NpmProvider;

//! The rule book of Helm charts: the classic chart repository with its one index.
//!
//! Exists so that `helm repo add` works with every repository below one address, whatever other
//! hosts its charts lie on. Helm refuses a whole index for one key that it does not know or one value of
//! the wrong kind, so ours is written anew out of what Helm's own format has.
//!
//! Invariant: the address of a chart comes from an index that upstream sent or is its own path below
//! upstream's root, never more of the request; and every scalar of a chart's description stays the
//! text as which it was written, whatever YAML would make of it.

mod error_body;
mod index;
mod layout;
mod provider;
mod route;
mod snippets;

pub use provider::HelmProvider;

//! The rule book of Python packages: the simple repository API in JSON and in HTML.
//!
//! Exists so that installers see one index in the representation they prefer, whatever the
//! upstream speaks, with every link leading back to us.
//!
//! Invariant: the address of a file at upstream comes from an index that upstream sent, never
//! from a request; and a file that is listed keeps its hashes and its yanked mark.

mod error_body;
mod filename;
mod list;
mod name;
mod negotiate;
mod page;
mod provider;
mod release;
mod rewrite;
mod route;
mod snippets;
mod text;

pub use name::{InvalidProjectName, ProjectName};
pub use provider::PypiProvider;

//! The rule book of Puppet modules: the Forge API, version 3.
//!
//! Exists so that `puppet module` and r10k find every module below one URL, whatever forge it
//! comes from. Both join the repository's URL with the links that they find in documents, so a
//! link is right only as `/v3/…`: without a host and without the path under which we are mounted.
//!
//! Invariant: the address of a file at upstream comes from a document that upstream sent or
//! from the file's own name, never from a query; and what is not changed stays byte for byte.

mod document;
mod error_body;
mod fields;
mod link;
mod paging;
mod provider;
mod query;
mod route;
mod slug;
mod snippets;

pub use provider::PuppetProvider;

//! RPM repositories (`rpm`), as dnf and zypper read them.
//!
//! A repository is a directory with `repodata/repomd.xml`, which names files of any size with their
//! digests; packages lie anywhere beside it. A remote passes all of it on byte for byte, so that
//! upstream's signature stays good. Only what would send clients to other hosts, and what is put
//! together of several repositories, is written anew, as a stream, and signed by us.
//!
//! Invariants: the number of packages decides how long something takes, never how much memory beyond
//! a few hundred bytes for each; no foreign element is copied that was not checked whole; no link
//! that we write leads past us.

mod error_body;
mod failure;
mod inspect;
mod locations;
mod merge;
mod mirrors;
mod namespaces;
mod primary;
mod provider;
mod repo_file;
mod repomd;
mod rewrite;
mod route;
mod snippets;
mod survey;

pub use provider::RpmProvider;

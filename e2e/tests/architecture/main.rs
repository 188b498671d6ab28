//! The architecture as tests: what a crate is for, what it may know, and what must stay absent.
//! `docs/ARCHITECTURE.md` explains the rules; a test that fails here names the one that broke.

mod dependencies;
mod features;
mod repository;
mod source;
mod sources;
mod workspace;

pub(crate) use source::SourceFile;
pub(crate) use workspace::Workspace;

//! Reading XML that strangers wrote, and copying pieces of it into XML that we write.
//!
//! An index of packages is up to a gigabyte of XML, most of which is passed on as it is. [`Children`]
//! cuts such a stream into the children of its root, each of which is small and is handed out as the
//! text that it is; [`Reader`] walks over one text and checks all of it, so that nothing that is
//! copied can break the document that it is copied into.
//!
//! Invariants: what is accepted is well-formed XML 1.0 in UTF-8 with ASCII names; entities other
//! than the five predefined ones do not exist, so that nothing expands; nothing nests deeper than
//! [`Reader::MAX_DEPTH`]; memory is bounded by the largest element that the caller admits.

mod characters;
mod children;
mod declaration;
mod reader;
mod tag;
mod text;

pub use children::{Children, StreamError};
pub use reader::{Event, Reader, XmlError};
pub use tag::Tag;
pub use text::{Text, escape};

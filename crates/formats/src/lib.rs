//! Bounded readers and writers for the text formats of package indexes.
//!
//! Package types share what they need to read and edit documents that strangers wrote.
//! Invariant: nothing here knows a package type, performs I/O or grows with the depth of
//! its input.

pub mod archive;
pub mod compression;
pub mod html;
pub mod json;
pub mod version;
pub mod xml;
pub mod yaml;

//! Archives that fit into memory: gzip by members, and tar.
//!
//! Some formats give a meaning to the borders between gzip members, and sign what is between
//! them; so they are read and written one by one. What is written is the same for the same input.

mod gzip;
mod tar;

pub use gzip::{Member, compress, members};
pub use tar::{Entries, Entry, EntryKind, TarWriter};

/// What is wrong with an archive.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ArchiveError {
    /// It is not gzip, or damaged.
    #[error("the gzip member at byte {at} is damaged: {reason}")]
    Gzip {
        /// Where the member begins.
        at: usize,
        /// What the decoder said.
        reason: String,
    },
    /// It decompresses to more than is admitted.
    #[error("it decompresses to more than {0} bytes")]
    TooLarge(u64),
    /// It has more members than any archive that people make.
    #[error("it has more than {0} gzip members")]
    TooManyMembers(usize),
    /// It is not tar, or damaged.
    #[error("the tar entry at byte {at} is damaged: {reason}")]
    Tar {
        /// Where the entry begins.
        at: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A name or a content does not fit into an entry.
    #[error("{0:?} does not fit into a tar entry")]
    Unwritable(String),
}

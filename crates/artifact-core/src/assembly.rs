//! Indexes that are sets of files of any size: reading, comparing and merging them as streams.

use std::fmt;
use std::io::{self, Read, Write};

use crate::signer::Signer;
use crate::{Base, BlobId, DocumentError, FileFact, SourceDocument, Timestamp};

/// The rules of types whose index is a document that names further files, too large to be held in
/// memory. Synchronous and run on threads that may block; all reading and writing is done through the
/// traits below, memory stays bounded whatever the size.
pub trait Assembly: fmt::Debug + Send + Sync {
    /// Reads the parts of one generation and tells `found` of every file that they list, by canonical
    /// repository path. Fails on parts that cannot be read, so that a broken generation is never served.
    fn survey(
        &self,
        generation: &mut dyn Generation,
        found: &mut dyn FnMut(&str, FileFact),
    ) -> Result<Survey, AssemblyError>;

    /// Makes one generation of several, in order of precedence, and stores its files. The index
    /// document itself is stored last. The same input gives the same bytes.
    fn assemble(
        &self,
        generations: &mut [Box<dyn Generation>],
        context: &AssemblyContext<'_>,
        output: &mut dyn Output,
    ) -> Result<(), AssemblyError>;
}

/// An index document and the files that it names.
pub trait Generation: Send {
    /// The index document.
    fn document(&self) -> SourceDocument<'_>;

    /// Opens a part by its canonical repository path. `None`: upstream does not have it.
    fn open(&mut self, path: &str) -> Result<Option<Box<dyn Read + Send>>, AssemblyError>;
}

/// What [`Assembly::survey`] found out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Survey {
    /// Whether clients would be sent to other hosts, so that the generation must not be served as
    /// it is but has to be assembled, alone, with links that lead to us.
    pub leads_elsewhere: bool,
    /// Where the files on other hosts are, by the paths that an assembly gives them: these belong to
    /// the facts of the index document. Few, however many files there are.
    pub bases: Vec<Base>,
}

/// What an assembly has to respect.
pub struct AssemblyContext<'a> {
    /// Whether files have to be addressed through their member, see [`crate::MEMBERS`]: in
    /// virtual repositories.
    pub by_member: bool,
    /// Whether a policy admits a file path of the generation at this position. What it refuses is left out.
    pub admits: &'a (dyn Fn(usize, &str) -> bool + Send + Sync),
    /// When the newest of the index documents was stored: the same on every replica.
    pub changed_at: Timestamp,
    /// The keys of this installation. Without them nothing that has to be signed can be made.
    pub signer: Option<&'a dyn Signer>,
}

impl fmt::Debug for AssemblyContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssemblyContext")
            .field("by_member", &self.by_member)
            .field("changed_at", &self.changed_at)
            .finish_non_exhaustive()
    }
}

/// Where assembled files go.
pub trait Output {
    /// Stores what `write` writes and says what was stored. Nobody sees it before it is named.
    fn store(
        &mut self,
        write: &mut dyn FnMut(&mut dyn Write) -> Result<(), AssemblyError>,
    ) -> Result<StoredFile, AssemblyError>;

    /// Names a stored file: its canonical repository path and its media type.
    fn name(
        &mut self,
        file: StoredFile,
        path: &str,
        content_type: &'static str,
    ) -> Result<(), AssemblyError>;
}

/// A stored file that has no name yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StoredFile {
    /// Its SHA-256.
    pub blob: BlobId,
    /// Its size in bytes.
    pub size: u64,
}

/// Why an assembly failed.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// A document or a part cannot be understood.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A part could not be read or a file not be written.
    #[error("a file of the index cannot be read or written")]
    Io(#[from] io::Error),
    /// A store or a key failed.
    #[error(transparent)]
    Failed(#[from] crate::Error),
}

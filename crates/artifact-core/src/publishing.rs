//! How a package type is published whose clients talk in several requests: files first, in uploads that can
//! be continued, and at last a document that names them.
//!
//! As in [`crate::Provider`] everything here is pure: [`Publishing::intent`] says what a request asks for, the
//! engine does it, and [`Publishing::word`] puts what happened into the words of the protocol.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::ports::{Absence, Afterwards, RelatedRow, UploadId};
use crate::{
    Algorithm, ArtifactRow, BlobId, Digest, Digests, PackageRequest, Reject, RepoPath, Target,
};

/// The rules of publishing in several requests. All requests to a hosted repository of such a type come here.
///
/// A *name* is what the repository holds several of, such as an image. Files and documents are visible
/// under the names that they were published for, and under no other. A path is a name, then segments of which the
/// first begins with an underscore; no segment of a name does.
pub trait Publishing: fmt::Debug + Send + Sync {
    /// What a request asks for. Total and deterministic.
    fn intent(&self, request: &PackageRequest<'_>) -> Result<Intent, Reject>;

    /// How the paths of rows begin of which a hosted repository has at least one if it holds `name`. In a virtual
    /// repository nobody else is then asked for anything of that name.
    fn witness(&self, name: &str) -> String;

    /// Under which path the file with `digest` is visible for `name`.
    fn file_path(&self, name: &str, digest: &Digest) -> RepoPath;

    /// Reads a document that is to be published. `digests` are those of `body`: SHA-256 and SHA-512.
    fn read(
        &self,
        submission: &Submission,
        body: &Bytes,
        digests: &Digests,
    ) -> Result<Publication, Reject>;

    /// The request whose answer is this document of a hosted repository, where virtual repositories merge it with those
    /// of their other members. It asks for everything at once.
    fn document(&self, target: &Target) -> Option<Intent>;

    /// Puts what happened into the words of the protocol. `mount` is the path of the repository as the client sees
    /// it, without a trailing slash: links begin with it.
    fn word(&self, outcome: &Outcome<'_>, mount: &str) -> Worded;

    /// The page of names that is asked of all repositories together.
    fn catalog(&self, query: Option<&str>) -> Result<CatalogRequest, Reject>;

    /// The word that the protocol has for what the engine found wrong with a request.
    fn code(&self, fault: Fault) -> &'static str;

    /// The headers that describe a file or a document, beside those that every file has. They replace headers of
    /// the same name. For what is hosted and for what is cached.
    fn describe(&self, file: &Described<'_>) -> HeaderMap;
}

/// What is known of a file when its head is written.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    /// Its path.
    pub path: &'a RepoPath,
    /// Its media type as it is stored, or as upstream states it.
    pub content_type: Option<&'a str>,
    /// [`ArtifactRow::upstream_etag`]: of an alias the digest of what it leads to.
    pub etag: Option<&'a str>,
    /// Its bytes, once they are stored.
    pub blob: Option<BlobId>,
}

impl<'a> Described<'a> {
    /// What is known of a stored file.
    pub fn of(row: &'a ArtifactRow) -> Self {
        Self {
            path: &row.key.path,
            content_type: row.content_type.as_deref(),
            etag: row.upstream_etag.as_deref(),
            blob: Some(row.blob),
        }
    }
}

/// What a request to a hosted repository asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Intent {
    /// A stored file or document.
    Read(Reading),
    /// A new upload, or a file that is here already.
    Begin(Beginning),
    /// More bytes of an upload, and perhaps its end.
    Continue(Continuation),
    /// How far an upload got.
    Ask(UploadReference),
    /// The end of an upload without a file.
    Cancel(UploadReference),
    /// A document that names files.
    Publish(Submission),
    /// The removal of a file, a document or an alias of one.
    Remove(RemovalRequest),
    /// What there is of a name, in order.
    List(ListRequest),
    /// The documents that say something of another one.
    Relate(RelationRequest),
}

/// A request for a stored file or document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reading {
    /// Its path.
    pub path: RepoPath,
    /// Whether the answer to a HEAD is a promise that the file stays for a while.
    pub promises: bool,
}

/// The upload of a request, and the name that it has to be for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UploadReference {
    /// The name in the path.
    pub name: String,
    /// The id in the path.
    pub id: UploadId,
}

/// The beginning of an upload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Beginning {
    /// What it is for.
    pub name: String,
    /// The digest of the whole file, whose bytes are the body of this request. Where there is no body and these are not
    /// the digest of nothing, an upload begins all the same.
    pub whole: Option<Digest>,
    /// The digest that will be stated at the end, where the client announces another than SHA-256.
    pub algorithm: Algorithm,
    /// A file that may be here already.
    pub source: Option<Source>,
}

/// A file that may be here already, under another name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// Its digest.
    pub digest: Digest,
    /// The name that has it, as the client writes it: behind that of its repository, or without one where the
    /// client's host stands for the repository. `None`: any name of the same repository.
    pub from: Option<String>,
}

/// More bytes of an upload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Continuation {
    /// The upload.
    pub upload: UploadReference,
    /// Where the bytes belong; `None` is behind what is there.
    pub range: Option<PartRange>,
    /// The digest that the whole file must have, if these are the last bytes.
    pub closing: Option<Digest>,
}

/// Where the bytes of a request belong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PartRange {
    /// The offset of the first byte.
    pub first: u64,
    /// How many bytes.
    pub length: u64,
}

/// A document that is to be published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Submission {
    /// What it is for.
    pub name: String,
    /// The digest that it must have, if the request names one.
    pub digest: Option<Digest>,
    /// The aliases that will lead to it, as the request names them.
    pub aliases: Vec<String>,
    /// Its media type as the client states it, without parameters.
    pub content_type: Option<String>,
    /// The largest document that is read, in bytes.
    pub limit: u64,
}

/// What a document says, and where it will be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Publication {
    /// Its digest, as clients will name it.
    pub digest: Digest,
    /// Where it is visible by digest.
    pub path: RepoPath,
    /// The paths of its aliases, in the order of [`Submission::aliases`].
    pub aliases: Vec<RepoPath>,
    /// Its media type.
    pub content_type: String,
    /// The files and documents that it names and that have to be there, or stay if they are.
    pub needs: Vec<NamedFile>,
    /// The document that this one says something of.
    pub subject: Option<Subject>,
}

/// A file or document that a document names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedFile {
    /// Where it may be; the first that exists counts.
    pub any_of: Vec<RepoPath>,
    /// Its size in bytes, as the document states it.
    pub size: u64,
    /// Its digest, to be named when it is missing.
    pub digest: Digest,
    /// What it means that it is not there.
    pub absence: Absence,
    /// What becomes of it when no document names it any more.
    pub afterwards: Afterwards,
}

/// What a document says of another one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subject {
    /// The other one.
    pub digest: Digest,
    /// The path that the other one has, or would have.
    pub path: RepoPath,
    /// How this document is listed among those that say something of the other one.
    pub descriptor: String,
}

/// A removal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RemovalRequest {
    /// What is removed.
    pub path: RepoPath,
    /// Aliases of it that go as well: whatever begins with this text and has the same bytes.
    pub aliases: Option<String>,
}

/// A page of what there is of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListRequest {
    /// The name.
    pub name: String,
    /// The paths that are listed begin with this text, which is left out of what is shown.
    pub prefix: String,
    /// The name exists while a path begins with this text.
    pub witness: String,
    /// Continue behind this entry.
    pub after: Option<String>,
    /// At most this many entries.
    pub limit: usize,
}

/// The documents that say something of another one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RelationRequest {
    /// The name.
    pub name: String,
    /// The path of the other one.
    pub subject: RepoPath,
    /// The other one.
    pub digest: Digest,
    /// Only those of this kind, in the words of the type.
    pub filter: Option<String>,
    /// Continue behind this path.
    pub after: Option<String>,
}

/// A page of names, with their repositories in front.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CatalogRequest {
    /// Continue behind this name.
    pub after: Option<String>,
    /// At most this many names.
    pub limit: usize,
}

/// What is wrong with a request, as found by whoever carried it out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The bytes have another digest than the request states.
    Digest,
    /// The bytes, or a file that the document names, have another size than stated.
    Size,
    /// The document names files that are not there.
    MissingFiles,
    /// The document is larger than any may be.
    TooLarge,
    /// What is to be removed is needed by a document.
    Needed,
    /// There is no such upload.
    UnknownUpload,
    /// Nothing of this name is there.
    UnknownName,
}

/// What happened, to be told to the client.
#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    /// An upload goes on. The number is that of its durable bytes.
    Upload(&'a UploadReference, u64, UploadEvent),
    /// A file is visible under a name.
    FileStored {
        /// The name.
        name: &'a str,
        /// The file.
        digest: &'a Digest,
    },
    /// A document is published.
    Published {
        /// The name.
        name: &'a str,
        /// The document.
        publication: &'a Publication,
        /// What the client called the aliases that lead to it now.
        aliases: &'a [String],
    },
    /// Something is removed.
    Removed,
    /// Nothing but that this is a registry.
    Root,
    /// A page of the names of all repositories.
    Catalog {
        /// What was asked for.
        request: &'a CatalogRequest,
        /// The names, with their repositories in front.
        names: &'a [String],
        /// Whether there are more.
        has_more: bool,
    },
    /// A page of a listing.
    List {
        /// What was asked for.
        request: &'a ListRequest,
        /// The entries.
        entries: &'a [String],
        /// Whether there are more.
        has_more: bool,
    },
    /// The documents that say something of another one, all that are left from where the request continues.
    Related {
        /// What was asked for.
        request: &'a RelationRequest,
        /// The documents in order of path.
        rows: &'a [RelatedRow],
        /// Whether there are more behind these.
        has_more: bool,
    },
}

/// What happened to an upload that goes on, or ends without a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UploadEvent {
    /// It was begun.
    Begun,
    /// Bytes were added.
    Continued,
    /// The client asked.
    Asked,
    /// The bytes of the request belong elsewhere: nothing was added.
    OutOfRange,
    /// It was cancelled.
    Cancelled,
}

/// An answer in the words of a protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Worded {
    /// The status.
    pub status: StatusCode,
    /// The headers, without those that frame the body.
    pub headers: HeaderMap,
    /// The body, empty where there is none.
    pub body: Bytes,
}

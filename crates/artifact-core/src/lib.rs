//! The words of ArtifactAPI: identifiers, canonical paths, rows, errors, the ports
//! that adapters implement and the [`Provider`] trait that package types implement.
//!
//! Every other crate knows this one and this one knows none of them.
//!
//! Invariant: nothing here performs I/O, reads a clock or names a package type.

mod access;
mod assembly;
mod body;
mod clock;
mod digest;
mod error;
mod name;
mod path;
pub mod ports;
mod problem;
mod provider;
mod publishing;
mod repository;
mod row;
mod secret;
mod signer;

pub use access::{InvalidScope, Permission, RepositoryPattern, Scope, Scopes, TokenForm};
pub use assembly::{
    Assembly, AssemblyContext, AssemblyError, Generation, Output, StoredFile, Survey,
};
pub use body::{ByteStream, RequestBody};
pub use clock::{Clock, SystemClock, Timestamp};
pub use digest::{Algorithm, BlobId, Digest, Digests, InvalidDigest};
pub use error::{Error, ErrorKind, Result};
pub use name::{InvalidName, PackageType, RepositoryId, RepositoryName, TokenName};
pub use path::{EncodedSlash, InvalidPath, PathRules, RepoPath, encode_path};
pub use problem::{ErrorBody, Problem};
pub use provider::{
    Base, Defaults, DocumentError, DocumentKind, Entry, Excerpt, Facts, FileFact, Forward, HEADER,
    Hosting, Inspection, MEMBERS, MountPoint, Origin, Owner, Ownership, PackageRequest, Part,
    Presence, Provider, Reject, Rendition, Republishing, RewriteContext, Rewritten, Route, Shape,
    Snippet, SnippetContext, SourceDocument, Substitute, Target, Template, UploadPlan,
};
pub use publishing::{
    Beginning, CatalogRequest, Continuation, Described, Fault, Intent, ListRequest, NamedFile,
    Outcome, PartRange, Publication, Publishing, Reading, RelationRequest, RemovalRequest, Source,
    Subject, Submission, UploadEvent, UploadReference, Worded,
};
pub use repository::{Credential, Definition, Local, Remote, Repository, RepositoryKind, Virtual};
pub use row::{ArtifactRow, Class, RowKey, Variant};
pub use secret::Secret;
pub use signer::{KeyKind, PublicKeys, RsaHash, Signer};

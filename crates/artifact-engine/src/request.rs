//! What goes into the engine and what comes out.

use artifact_core::{BlobId, ByteStream, RepositoryId, RequestBody};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use crate::mount::Mount;

/// A request to one repository, stripped of everything that is the listener's business.
#[derive(Debug)]
pub struct Request<'a> {
    /// What the route says of the repository besides its name.
    pub mount: Mount,
    /// The repository's name as in the route, not yet looked up.
    pub repository: &'a str,
    /// The method.
    pub method: &'a Method,
    /// The path behind the repository's name, still percent-encoded, with or without a leading slash.
    pub path: &'a str,
    /// The raw query, without the question mark.
    pub query: Option<&'a str>,
    /// The client's headers.
    pub headers: &'a HeaderMap,
    /// Scheme, host and path prefix under which this client reached us, without a trailing
    /// slash; used where no public URL is configured.
    pub origin: &'a str,
    /// The body, on methods that have one.
    pub body: Option<RequestBody>,
}

/// An answer. Its head is final: after it only the body follows, complete or visibly broken.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// All headers, `Content-Length` included where it is known.
    pub headers: HeaderMap,
    /// The body; [`ReplyBody::Empty`] for HEAD.
    pub body: ReplyBody,
    /// What happened, for logs and metrics.
    pub outcome: Outcome,
}

/// The body of a [`Reply`].
pub enum ReplyBody {
    /// None.
    Empty,
    /// In memory.
    Full(Bytes),
    /// On its way; an error as the last item must abort the connection.
    Stream(ByteStream),
}

impl std::fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({})", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// What happened to a request, for logs and metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The repository that answered; on a virtual repository the virtual one.
    pub repository: RepositoryId,
    /// How the cache took part.
    pub result: CacheResult,
    /// The bytes that are sent, if they are (part of) a stored blob.
    pub blob: Option<BlobId>,
}

/// How the cache took part in an answer; the label of the cache metrics.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CacheResult {
    /// From a fresh copy, or hosted.
    Hit,
    /// Upstream was asked for the bytes.
    Miss,
    /// From an expired copy.
    Stale,
    /// From a copy that upstream confirmed for this request.
    Revalidated,
    /// From a remembered absence.
    Negative,
    /// Passed through without being stored.
    Bypass,
    /// Not a matter of the cache: uploads, redirects, fixed answers.
    None,
}

impl CacheResult {
    /// The lower-case word for logs and labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
            Self::Revalidated => "revalidated",
            Self::Negative => "negative",
            Self::Bypass => "bypass",
            Self::None => "none",
        }
    }
}

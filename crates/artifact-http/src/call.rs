//! A request on its way down the stack and its answer on the way up.

use std::time::Instant;

use admin_types::Problem;
use artifact_core::{BlobId, Error, RepositoryId};
use artifact_engine::CacheResult;
use http::request::Parts;
use http::{HeaderMap, Method, Response};

use crate::access::Principal;
use crate::action::Action;
use crate::addressing::{Addressed, Addressing};
use crate::body::Body;
use crate::origin::Peer;
use crate::request_id::RequestId;

/// A request on its way down: read by every layer, its body taken by one.
#[derive(Debug)]
pub(crate) struct Call<'a, B> {
    /// What it is called in logs.
    pub(crate) id: RequestId,
    /// What it asks for.
    pub(crate) action: Action<'a>,
    /// The namespace that led to the repository which it asks.
    pub(crate) namespace: Option<&'a str>,
    /// Its head.
    pub(crate) parts: &'a Parts,
    /// Its body, until somebody takes it.
    pub(crate) body: Option<B>,
    /// The other end of the connection.
    pub(crate) peer: Peer,
    /// When it arrived.
    pub(crate) received: Instant,
    /// Who asks, as far as that was needed to let it through.
    pub(crate) principal: Principal,
}

impl<'a, B> Call<'a, B> {
    /// A request that just arrived.
    pub(crate) fn new(parts: &'a Parts, body: B, peer: Peer, addressing: &'a Addressing) -> Self {
        let Addressed { action, namespace } = addressing.read(parts, peer);
        Self {
            id: RequestId::of(&parts.headers),
            action,
            namespace,
            parts,
            body: Some(body),
            peer,
            received: Instant::now(),
            principal: Principal::Anonymous,
        }
    }

    /// The method.
    pub(crate) fn method(&self) -> &'a Method {
        &self.parts.method
    }

    /// The headers.
    pub(crate) fn headers(&self) -> &'a HeaderMap {
        &self.parts.headers
    }

    /// Whether only the head of the answer is wanted.
    pub(crate) fn is_head(&self) -> bool {
        self.parts.method == Method::HEAD
    }
}

/// An answer on its way up.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What the client gets.
    pub(crate) response: Response<Body>,
    /// The repository that it concerns, if there is such a repository.
    pub(crate) repository: Option<RepositoryId>,
    /// What happened, for logs and metrics.
    pub(crate) verdict: Verdict,
    /// The stored blob that the body is made of, if it is one.
    pub(crate) blob: Option<BlobId>,
}

impl Answer {
    /// An answer that has nothing to do with a repository's cache.
    pub(crate) fn plain(response: Response<Body>) -> Self {
        let verdict = Verdict::Served(CacheResult::None);
        Self { response, repository: None, verdict, blob: None }
    }
}

/// What happened to a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Answered, with or without the cache.
    Served(CacheResult),
    /// Refused by a rule.
    Denied,
    /// Not answered as asked.
    Failed,
}

impl Verdict {
    /// How many there are.
    pub(crate) const COUNT: usize = 9;

    /// The word for logs and labels.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Served(result) => result.name(),
            Self::Denied => "denied",
            Self::Failed => "error",
        }
    }

    /// A number below [`Self::COUNT`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Served(CacheResult::Hit) => 0,
            Self::Served(CacheResult::Miss) => 1,
            Self::Served(CacheResult::Stale) => 2,
            Self::Served(CacheResult::Revalidated) => 3,
            Self::Served(CacheResult::Negative) => 4,
            Self::Served(CacheResult::Bypass) => 5,
            Self::Served(CacheResult::None) => 6,
            Self::Denied => 7,
            Self::Failed => 8,
        }
    }
}

/// Why there is no answer yet; the rescue layer makes one of it.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// An error of the engine or of this crate.
    Error(Error),
    /// What the management API has to say, in its own words.
    Problem(Box<Problem>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

/// One element of the stack.
///
/// Not tower's `Service`, because an async method that borrows the call needs no boxed future
/// and no copy of the request per layer; the whole stack is a tower service again
/// ([`HttpService`](crate::HttpService)) and allocates one future.
pub(crate) trait Serve<B>: Send + Sync {
    /// What it can fail with; nothing can above the rescue layer.
    type Error;

    /// Answers `call`.
    fn serve(
        &self,
        call: &mut Call<'_, B>,
    ) -> impl Future<Output = Result<Answer, Self::Error>> + Send;
}

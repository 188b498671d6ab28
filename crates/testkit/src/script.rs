//! What an origin does with a request: one vocabulary for the socket server and the
//! in-memory upstream.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use artifact_core::ports::UpstreamReason;
use bytes::Bytes;
use http::header::{
    CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, LOCATION, RETRY_AFTER,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::Gate;
use crate::plan::Content;

/// One scripted answer, or several in a row. The last one is repeated for ever.
#[derive(Clone, Debug)]
pub struct Script {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content,
    pub(crate) framing: Framing,
    pub(crate) announced: Option<u64>,
    pub(crate) truncate_at: Option<u64>,
    pub(crate) pace: Pace,
    pub(crate) fault: Option<Fault>,
    pub(crate) ranges: bool,
    then: Vec<Script>,
}

/// How the end of the body is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Framing {
    Length,
    Chunked,
    CloseDelimited,
}

/// How the body is cut into chunks and when each goes out.
#[derive(Clone, Debug)]
pub(crate) enum Pace {
    Free,
    Gated { gate: Gate, chunk: usize },
    Drip { chunk: usize, interval: Duration },
}

/// No answer at all.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Hang,
    Broken(UpstreamReason),
}

impl Script {
    /// An answer of `status` without a body.
    pub fn status(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            content: Content::Bytes(Bytes::new()),
            framing: Framing::Length,
            announced: None,
            truncate_at: None,
            pace: Pace::Free,
            fault: None,
            ranges: false,
            then: Vec::new(),
        }
    }

    /// A 200 with `body`.
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self::status(StatusCode::OK).body(body)
    }

    /// A 200 with `length` bytes of [`pattern`](crate::pattern), never held in memory.
    pub fn generated(length: u64) -> Self {
        let mut script = Self::status(StatusCode::OK);
        script.content = Content::Pattern(length);
        script
    }

    /// A 200 with an HTML page, as captive portals and single-page sites send for any path.
    pub fn html(page: impl Into<Bytes>) -> Self {
        Self::ok(page).header(CONTENT_TYPE, "text/html; charset=utf-8")
    }

    /// A 302 to `location`.
    pub fn redirect(location: &str) -> Self {
        Self::status(StatusCode::FOUND).header(LOCATION, location)
    }

    /// A 429 with `Retry-After`, verbatim.
    pub fn too_many_requests(retry_after: &str) -> Self {
        Self::status(StatusCode::TOO_MANY_REQUESTS).header(RETRY_AFTER, retry_after)
    }

    /// A 200 whose head and chunks of `chunk` bytes wait for the returned gate.
    pub fn gated(body: impl Into<Bytes>, chunk: usize) -> (Self, Gate) {
        Self::ok(body).with_gate(chunk)
    }

    /// Accepts the request and never answers.
    pub fn hang() -> Self {
        let mut script = Self::status(StatusCode::OK);
        script.fault = Some(Fault::Hang);
        script
    }

    /// Fails without an answer. In memory this is the error that `reason` names; on a socket
    /// the connection is dropped before the head.
    pub fn broken(reason: UpstreamReason) -> Self {
        let mut script = Self::status(StatusCode::OK);
        script.fault = Some(Fault::Broken(reason));
        script
    }

    /// The scripts one after the other, one per request; the last one is repeated.
    ///
    /// # Panics
    /// If there is none.
    pub fn sequence(scripts: impl IntoIterator<Item = Self>) -> Self {
        let mut scripts = scripts.into_iter();
        let Some(first) = scripts.next() else { panic!("a sequence needs at least one script") };
        scripts.fold(first, Self::then)
    }

    /// This answer for one request, then `next`.
    #[must_use]
    pub fn then(mut self, mut next: Self) -> Self {
        let after = std::mem::take(&mut next.then);
        self.then.push(next);
        self.then.extend(after);
        self
    }

    /// The body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.content = Content::Bytes(body.into());
        self
    }

    /// Adds a header.
    ///
    /// # Panics
    /// If `value` is no header value.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        let Ok(value) = HeaderValue::try_from(value) else { panic!("no header value: {value:?}") };
        self.headers.append(name, value);
        self
    }

    /// Sends `ETag` (verbatim, with its quotes) and answers a matching `If-None-Match` with 304.
    #[must_use]
    pub fn etag(self, etag: &str) -> Self {
        self.header(ETAG, etag)
    }

    /// Sends `Last-Modified` and answers an equal `If-Modified-Since` with 304.
    #[must_use]
    pub fn last_modified(self, date: &str) -> Self {
        self.header(LAST_MODIFIED, date)
    }

    /// Serves single byte ranges: 206 with `Content-Range`, 416, and `If-Range` by validator.
    #[must_use]
    pub fn ranges(mut self) -> Self {
        self.ranges = true;
        self.header(http::header::ACCEPT_RANGES, "bytes")
    }

    /// Claims this `Content-Range`, right or wrong.
    #[must_use]
    pub fn content_range(self, value: &str) -> Self {
        self.header(CONTENT_RANGE, value)
    }

    /// Announces the full length and drops the connection after `position` bytes of the content.
    #[must_use]
    pub fn truncate_at(mut self, position: u64) -> Self {
        self.truncate_at = Some(position);
        self
    }

    /// Announces `length` whatever the body's length is.
    #[must_use]
    pub fn announce_length(mut self, length: u64) -> Self {
        self.announced = Some(length);
        self
    }

    /// Announces no length; the body is chunked.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    /// Announces no length; the body ends where the connection ends.
    #[must_use]
    pub fn close_delimited(mut self) -> Self {
        self.framing = Framing::CloseDelimited;
        self
    }

    /// Holds back the head and chunks of `chunk` bytes until the returned gate releases them.
    #[must_use]
    pub fn with_gate(mut self, chunk: usize) -> (Self, Gate) {
        let gate = Gate::closed();
        self.pace = Pace::Gated { gate: gate.clone(), chunk: chunk.max(1) };
        (self, gate)
    }

    /// Sends `chunk` bytes every `interval` of tokio's time.
    #[must_use]
    pub fn drip(mut self, chunk: usize, interval: Duration) -> Self {
        self.pace = Pace::Drip { chunk: chunk.max(1), interval };
        self
    }
}

/// The scripts of an origin by path.
#[derive(Debug, Default)]
pub(crate) struct ScriptBook(Mutex<HashMap<String, VecDeque<Script>>>);

impl ScriptBook {
    pub(crate) fn replace(&self, path: &str, mut script: Script) {
        let after = std::mem::take(&mut script.then);
        let queue = std::iter::once(script).chain(after).collect();
        self.lock().insert(path.to_owned(), queue);
    }

    /// Under what a request is scripted: its path, with as many of its parameters as there is a
    /// script for.
    pub(crate) fn key_of(&self, path: &str, query: Option<&str>) -> String {
        let sent: Vec<&str> = query.unwrap_or_default().split('&').collect();
        let named = |key: &str| {
            let parameters = key.strip_prefix(path)?.strip_prefix('?')?;
            let mut parameters = parameters.split('&');
            parameters.clone().all(|one| sent.contains(&one)).then(|| parameters.by_ref().count())
        };
        let book = self.lock();
        let scripted = book.keys().filter_map(|key| Some((named(key)?, key)));
        scripted.max().map_or_else(|| path.to_owned(), |(_, key)| key.clone())
    }

    /// The script for the next request of `path`; a 404 where nothing is scripted.
    pub(crate) fn next(&self, path: &str) -> Script {
        let mut book = self.lock();
        let Some(queue) = book.get_mut(path) else {
            return Script::status(StatusCode::NOT_FOUND);
        };
        let is_last = queue.len() <= 1;
        let script = if is_last { queue.front().cloned() } else { queue.pop_front() };
        script.unwrap_or_else(|| Script::status(StatusCode::NOT_FOUND))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, VecDeque<Script>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The one error that crosses crate borders.
//!
//! Adapters keep their own error enums and convert into [`Error`]; the HTTP layer maps
//! [`ErrorKind`] to a status in one exhaustive match. The public text may be shown to
//! anyone: it never carries an upstream query string, an internal host name or SQL.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A result whose error is the shared [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a client or an operator can act on it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ErrorKind {
    /// Authoritatively absent: upstream or the hosted repository says so. Never used for "unreachable".
    NotFound,
    /// Authoritatively and permanently absent (upstream 410).
    Gone,
    /// The request itself is malformed: path, query, header or body.
    BadRequest,
    /// Well-formed, but its content fails validation.
    Unprocessable,
    /// A policy rule refuses it.
    Denied,
    /// The caller has to identify itself.
    Unauthorized,
    /// The method does not exist on this resource.
    MethodNotAllowed,
    /// The state of the resource forbids it, such as overwriting an immutable file.
    Conflict,
    /// A conditional header did not hold.
    PreconditionFailed,
    /// The requested range lies outside the object; the public text is unused.
    RangeNotSatisfiable {
        /// Size of the whole object in bytes.
        size: u64,
    },
    /// The body exceeds a limit.
    TooLarge,
    /// Upstream withholds it for legal reasons (451).
    LegalReasons,
    /// Upstream could not be reached or answered something unusable.
    Upstream,
    /// Upstream refused our credential (401 or 403).
    UpstreamAuth,
    /// Upstream did not answer in time.
    UpstreamTimeout,
    /// Upstream asked us to slow down (429).
    UpstreamRateLimited,
    /// We do not ask upstream at the moment: its circuit is open.
    CircuitOpen,
    /// Bytes from upstream contradict their digest or length.
    Integrity,
    /// The repository is offline and holds no copy.
    Offline,
    /// We are over a limit of our own.
    Overloaded,
    /// A dependency of ours (store, database) does not answer.
    Unavailable,
    /// There is no room to store it.
    InsufficientStorage,
    /// A defect.
    Internal,
}

/// An error with a public sentence and a private cause. Cheap to clone, so that every
/// waiter of a failed fetch can be told the same.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    public: Cow<'static, str>,
    retry_after: Option<Duration>,
    remembered: bool,
    code: Option<&'static str>,
    details: Vec<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` whose `public` text is one lower-case sentence without a full stop.
    pub fn new(kind: ErrorKind, public: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            public: public.into(),
            retry_after: None,
            remembered: false,
            code: None,
            details: Vec::new(),
            source: None,
        }))
    }

    /// The same error carrying `source` for the log. The source is never shown to a client.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source: Box<dyn std::error::Error + Send + Sync> = source.into();
        self.rebuilt(|inner| inner.source = Some(Arc::from(source)))
    }

    /// The same error telling the client when to come back.
    #[must_use]
    pub fn with_retry_after(self, after: Duration) -> Self {
        self.rebuilt(|inner| inner.retry_after = Some(after))
    }

    /// The same error, known from an earlier answer of upstream instead of asking again.
    #[must_use]
    pub fn remembered(self) -> Self {
        self.rebuilt(|inner| inner.remembered = true)
    }

    /// The same error with the word that the package type's protocol has for it.
    #[must_use]
    pub fn with_code(self, code: &'static str) -> Self {
        self.rebuilt(|inner| inner.code = Some(code))
    }

    /// The same error naming each thing that it is about; anyone may read them.
    #[must_use]
    pub fn with_details(self, details: Vec<String>) -> Self {
        self.rebuilt(|inner| inner.details = details)
    }

    /// The word of the package type's protocol, if it was given one.
    pub fn code(&self) -> Option<&'static str> {
        self.0.code
    }

    /// What it is about, if that was named.
    pub fn details(&self) -> &[String] {
        &self.0.details
    }

    /// Whether upstream was not asked for this answer.
    pub fn is_remembered(&self) -> bool {
        self.0.remembered
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The sentence that anyone may read.
    pub fn public(&self) -> &str {
        &self.0.public
    }

    /// When the client may try again, if that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the resource is authoritatively absent.
    pub fn is_absent(&self) -> bool {
        matches!(self.0.kind, ErrorKind::NotFound | ErrorKind::Gone)
    }

    fn rebuilt(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Inner {
            kind: self.0.kind,
            public: self.0.public.clone(),
            retry_after: self.0.retry_after,
            remembered: self.0.remembered,
            code: self.0.code,
            details: self.0.details.clone(),
            source: self.0.source.clone(),
        };
        change(&mut inner);
        Self(Arc::new(inner))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("public", &self.0.public)
            .field("retry_after", &self.0.retry_after)
            .field("source", &self.0.source)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.public)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_shows_the_public_text_and_keeps_the_source() {
        let error = Error::new(ErrorKind::Unavailable, "the metadata store does not answer")
            .with_source("disk I/O error in SELECT secret")
            .with_retry_after(Duration::from_secs(3));
        assert_eq!(error.to_string(), "the metadata store does not answer");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
        let source = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("disk I/O error in SELECT secret"));
    }
}

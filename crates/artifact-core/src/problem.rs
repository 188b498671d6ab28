//! What a provider needs in order to word an error for its clients.

use bytes::Bytes;

/// An error as the client will see it, before it takes the type's own form.
#[derive(Clone, Debug, Default)]
pub struct Problem<'a> {
    /// The HTTP status that will be sent.
    pub status: u16,
    /// One sentence, lower-case, without a full stop; safe to show to anyone.
    pub message: &'a str,
    /// The id of the request, to be found in the log.
    pub request_id: &'a str,
    /// The word that the type's protocol has for it, if [`crate::Publishing`] or a refusal gave one.
    pub code: Option<&'static str>,
    /// What it is about, one entry each; empty when that was not named.
    pub details: &'a [String],
    /// The path below the repository that was asked for, still percent-encoded; empty if unknown.
    pub path: &'a str,
}

/// An error body in the form that a type's clients print.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ErrorBody {
    /// The media type of `body`.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

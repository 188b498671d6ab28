//! Errors as RFC 9457 describes them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An error of the management API; the body of an `application/problem+json` answer. Boxed
/// texts keep it small enough to be an everyday error type.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// Where this kind of error is explained: a page of the shipped documentation.
    #[serde(rename = "type")]
    pub kind: Box<str>,
    /// The kind of error in a few words.
    pub title: Box<str>,
    /// The HTTP status; [`Problem::NO_ANSWER`] when a client got none.
    pub status: u16,
    /// What happened this time.
    #[serde(default)]
    pub detail: Box<str>,
    /// The path of the resource; the listener fills it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Box<str>>,
    /// The id of the request, to be found in the log; the listener fills it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Box<str>>,
    /// What is wrong with which field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// When to come back, in seconds: the `Retry-After` header, not part of the body.
    #[serde(skip)]
    pub retry_after: Option<u32>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FieldError {
    /// A JSON pointer as a URI fragment, such as `#/patterns/0`.
    pub pointer: String,
    /// A stable word for programs.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
}

impl FieldError {
    /// An error at `pointer` (with its `#`).
    pub fn new(
        pointer: impl Into<String>,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self { pointer: pointer.into(), code: code.into(), detail: detail.into() }
    }
}

impl Problem {
    /// The status of a problem that a client reports when the server gave no usable answer.
    /// No server sends it, so that it cannot be confused with one.
    pub const NO_ANSWER: u16 = 599;

    /// A problem of `status` that `/docs/errors#anchor` explains.
    pub fn new(status: u16, anchor: &str, title: &str, detail: impl Into<Box<str>>) -> Self {
        Self {
            kind: format!("/docs/errors#{anchor}").into(),
            title: title.into(),
            status,
            detail: detail.into(),
            instance: None,
            request_id: None,
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// 400: the request itself is malformed.
    pub fn bad_request(detail: impl Into<Box<str>>) -> Self {
        Self::new(400, "bad_request", "the request is malformed", detail)
    }

    /// 404: there is no such thing.
    pub fn not_found(detail: impl Into<Box<str>>) -> Self {
        Self::new(404, "not_found", "not found", detail)
    }

    /// 409: the state of the server forbids it.
    pub fn conflict(detail: impl Into<Box<str>>, errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::new(409, "conflict", "conflict with what is stored", detail) }
    }

    /// 412: a conditional header did not hold.
    pub fn precondition_failed(detail: impl Into<Box<str>>) -> Self {
        Self::new(412, "precondition_failed", "the precondition does not hold", detail)
    }

    /// 422: fields are invalid; `subject` is what was not saved because of them.
    pub fn invalid(subject: &str, errors: Vec<FieldError>) -> Self {
        let title = match errors.len() {
            1 => "1 field is invalid".to_owned(),
            count => format!("{count} fields are invalid"),
        };
        let detail = format!("{subject} was not saved");
        Self { errors, ..Self::new(422, "validation", &title, detail) }
    }

    /// [`Problem::NO_ANSWER`]: the server could not be reached or did not answer sensibly.
    pub fn no_answer(detail: impl Into<Box<str>>) -> Self {
        Self::new(Self::NO_ANSWER, "no_answer", "the server gave no usable answer", detail)
    }

    /// The code of the error at `pointer`, if there is one.
    pub fn code_at(&self, pointer: &str) -> Option<&str> {
        let error = self.errors.iter().find(|error| error.pointer == pointer)?;
        Some(&error.code)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.title)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        self.errors.iter().try_for_each(|error| write!(f, "; {} {}", error.pointer, error.detail))
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_documented_shape() {
        let errors = vec![FieldError::new("#/mutable_ttl", "out_of_range", "must not be negative")];
        let problem = Problem {
            instance: Some("/api/v2/remotes/npm".into()),
            retry_after: Some(3),
            ..Problem::invalid("remote npm", errors)
        };
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "/docs/errors#validation",
                "title": "1 field is invalid",
                "status": 422,
                "detail": "remote npm was not saved",
                "instance": "/api/v2/remotes/npm",
                "errors": [{
                    "pointer": "#/mutable_ttl",
                    "code": "out_of_range",
                    "detail": "must not be negative",
                }],
            })
        );
        let back: Problem = serde_json::from_value(json).unwrap();
        assert_eq!(back, Problem { retry_after: None, ..problem });
    }

    #[test]
    fn the_text_names_every_field() {
        let errors = vec![FieldError::new("#/name", "required", "is required")];
        let text = Problem::invalid("remote", errors).to_string();
        assert_eq!(text, "1 field is invalid: remote was not saved; #/name is required");
    }
}

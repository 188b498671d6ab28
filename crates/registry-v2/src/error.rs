//! Errors: their codes, their usual status and the envelope in which clients read them.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

/// The header that every answer has. Old clients take nothing without it for a registry.
pub const API_VERSION: (HeaderName, HeaderValue) = (
    HeaderName::from_static("docker-distribution-api-version"),
    HeaderValue::from_static("registry/2.0"),
);

/// The word for what went wrong.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ErrorCode {
    /// The image does not have the blob.
    BlobUnknown,
    /// There is no such upload for the image.
    BlobUploadUnknown,
    /// A malformed request, or bytes that belong elsewhere.
    BlobUploadInvalid,
    /// A digest is missing, malformed, unsupported or wrong.
    DigestInvalid,
    /// Lengths disagree.
    SizeInvalid,
    /// The image has no such manifest.
    ManifestUnknown,
    /// The manifest is malformed, too large or ambiguous.
    ManifestInvalid,
    /// The manifest names what the image does not have.
    ManifestBlobUnknown,
    /// The name is malformed.
    NameInvalid,
    /// There is no such repository or image.
    NameUnknown,
    /// The tag is malformed.
    TagInvalid,
    /// The size of a page is no number.
    PaginationNumberInvalid,
    /// Credentials are missing or not enough.
    Unauthorized,
    /// Whoever it is, it is refused.
    Denied,
    /// The operation does not exist here.
    Unsupported,
    /// The client has to slow down.
    TooManyRequests,
    /// Anything else.
    Unknown,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 17] = [
        Self::BlobUnknown,
        Self::BlobUploadUnknown,
        Self::BlobUploadInvalid,
        Self::DigestInvalid,
        Self::SizeInvalid,
        Self::ManifestUnknown,
        Self::ManifestInvalid,
        Self::ManifestBlobUnknown,
        Self::NameInvalid,
        Self::NameUnknown,
        Self::TagInvalid,
        Self::PaginationNumberInvalid,
        Self::Unauthorized,
        Self::Denied,
        Self::Unsupported,
        Self::TooManyRequests,
        Self::Unknown,
    ];

    /// The code as clients read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::TagInvalid => "TAG_INVALID",
            Self::PaginationNumberInvalid => "PAGINATION_NUMBER_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The status that usually goes with it.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BlobUnknown
            | Self::BlobUploadUnknown
            | Self::ManifestUnknown
            | Self::NameUnknown => StatusCode::NOT_FOUND,
            Self::BlobUploadInvalid
            | Self::DigestInvalid
            | Self::SizeInvalid
            | Self::ManifestInvalid
            | Self::ManifestBlobUnknown
            | Self::NameInvalid
            | Self::TagInvalid
            | Self::PaginationNumberInvalid => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Why something that a client sent is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The word for it.
    pub code: ErrorCode,
    /// The status; [`ErrorCode::status`] but for what is too large.
    pub status: StatusCode,
    /// One lower-case sentence without a full stop.
    pub message: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with the status that goes with `code`.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, status: code.status(), message: message.into() }
    }
}

/// One error of an answer, which may have several.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ErrorEntry<'a> {
    /// The word for it: [`ErrorCode::name`], or one that came from elsewhere.
    pub code: &'a str,
    /// What is wrong, for people.
    pub message: &'a str,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
}

/// The body of an answer that has these errors. Its media type is `application/json`.
pub fn envelope(entries: &[ErrorEntry<'_>]) -> Bytes {
    #[derive(Serialize)]
    struct Envelope<'a> {
        errors: &'a [ErrorEntry<'a>],
    }
    to_json(&Envelope { errors: entries })
}

/// Texts, numbers and lists of them can always be written.
pub(crate) fn to_json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_upper_case_and_distinct() {
        let names: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        let is_letter = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        assert!(names.iter().all(|name| name.bytes().all(is_letter)), "{names:?}");
    }

    #[test]
    fn every_code_has_the_status_of_the_specification() {
        for (name, status) in [
            ("BLOB_UNKNOWN", 404),
            ("BLOB_UPLOAD_UNKNOWN", 404),
            ("BLOB_UPLOAD_INVALID", 400),
            ("DIGEST_INVALID", 400),
            ("SIZE_INVALID", 400),
            ("MANIFEST_UNKNOWN", 404),
            ("MANIFEST_INVALID", 400),
            ("MANIFEST_BLOB_UNKNOWN", 400),
            ("NAME_INVALID", 400),
            ("NAME_UNKNOWN", 404),
            ("TAG_INVALID", 400),
            ("PAGINATION_NUMBER_INVALID", 400),
            ("UNAUTHORIZED", 401),
            ("DENIED", 403),
            ("UNSUPPORTED", 405),
            ("TOOMANYREQUESTS", 429),
            ("UNKNOWN", 500),
        ] {
            let code = ErrorCode::ALL.into_iter().find(|code| code.name() == name).unwrap();
            assert_eq!(code.status().as_u16(), status, "{name}");
        }
    }

    #[test]
    fn an_envelope_has_an_entry_for_every_error() {
        let entry = |detail| ErrorEntry { code: "BLOB_UNKNOWN", message: "a \"b\"", detail };
        assert_eq!(
            envelope(&[entry(None), entry(Some("sha256:0"))]),
            concat!(
                r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"a \"b\""},"#,
                r#"{"code":"BLOB_UNKNOWN","message":"a \"b\"","detail":"sha256:0"}]}"#
            )
        );
    }
}

//! What a request is about, and how it is refused in the words of the protocol.

use artifact_core::{ErrorKind, PackageRequest, Reject};
use http::StatusCode;
use registry_v2::{
    ErrorCode, ImageName, InvalidReference, Reference, Refusal, Resource, Route, UnknownRoute,
};

/// What a path names of which image.
pub(crate) fn resource_of<'r>(
    request: &PackageRequest<'r>,
) -> Result<(ImageName, Resource<'r>), Reject> {
    match Route::parse(request.path.as_str()) {
        Ok(Route::Image(name, resource)) => Ok((name, resource)),
        Ok(Route::Catalog) => Err(Reject::not_found("there is no catalog of one repository")
            .with_code(ErrorCode::Unsupported.name())),
        Err(UnknownRoute::Resource) => Err(Reject::not_found(UnknownRoute::Resource.to_string())
            .with_code(ErrorCode::NameUnknown.name())),
        Err(UnknownRoute::Name(error)) => Err(invalid(ErrorCode::NameInvalid, error.to_string())),
    }
}

/// The reference of a manifest that should be there. Under what is no tag there is none, and clients that try expect
/// to hear just that.
pub(crate) fn existing(reference: &str) -> Result<Reference, Reject> {
    reference.parse().map_err(|error| match error {
        InvalidReference::Digest => bad_digest(),
        InvalidReference::Tag(error) => {
            Reject::not_found(error.to_string()).with_code(ErrorCode::ManifestUnknown.name())
        }
    })
}

pub(crate) fn invalid(code: ErrorCode, message: impl Into<String>) -> Reject {
    Reject::bad_request(message).with_code(code.name())
}

pub(crate) fn unsupported(message: &'static str) -> Reject {
    Reject::new(ErrorKind::MethodNotAllowed, message).with_code(ErrorCode::Unsupported.name())
}

pub(crate) fn bad_digest() -> Reject {
    invalid(
        ErrorCode::DigestInvalid,
        "a digest is sha256 or sha512 in lower-case hexadecimal digits",
    )
}

pub(crate) fn refused(refusal: Refusal) -> Reject {
    let kind = if refusal.status == StatusCode::PAYLOAD_TOO_LARGE {
        ErrorKind::TooLarge
    } else {
        ErrorKind::BadRequest
    };
    Reject::new(kind, refusal.message).with_code(refusal.code.name())
}

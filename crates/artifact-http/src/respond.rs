//! Small answers made of bytes.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::body::Body;

pub(crate) const JSON: &str = "application/json";
pub(crate) const PROBLEM: &str = "application/problem+json";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

/// An answer with its type and length.
pub(crate) fn bytes(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let body = body.into();
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, length);
    response
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Result<Response<Body>, Internal> {
    let body = serde_json::to_vec(value).map_err(Internal)?;
    Ok(bytes(status, JSON, body))
}

/// A value that has no JSON form: a defect.
#[derive(Debug)]
pub(crate) struct Internal(serde_json::Error);

impl From<Internal> for crate::call::Failure {
    fn from(Internal(error): Internal) -> Self {
        let text = "the answer could not be written";
        artifact_core::Error::new(artifact_core::ErrorKind::Internal, text)
            .with_source(error)
            .into()
    }
}

//! Reading a JSON document from a request, within its limits.

use admin_types::{Problem, parse_document};
use artifact_core::ErrorKind;
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::Value;

use crate::call::{Call, Failure};
use crate::upload::request_body;

/// The largest document.
const LIMIT: usize = 1024 * 1024;

/// Reads the body as JSON; 413 above the limit, 400 with line and column if it is broken.
pub(super) async fn read<B>(call: &mut Call<'_, B>) -> Result<Value, Failure>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Some(body) = call.body.take() else { return Err(too_late()) };
    let mut body = request_body(body, call.headers());
    // Refused by its announced length, before a byte of it is read.
    if body.length.is_some_and(|length| length > LIMIT as u64) {
        return Err(too_large());
    }
    let mut document = Vec::new();
    while let Some(chunk) = body.stream.next().await {
        let chunk = chunk?;
        if document.len() + chunk.len() > LIMIT {
            return Err(too_large());
        }
        document.extend_from_slice(&chunk);
    }
    Ok(parse_document(&document)?)
}

fn too_large() -> Failure {
    let detail = format!("a document has at most {LIMIT} bytes");
    Problem::new(413, "too_large", "the body is too large", detail).into()
}

fn too_late() -> Failure {
    artifact_core::Error::new(ErrorKind::Internal, "the request body was read already").into()
}

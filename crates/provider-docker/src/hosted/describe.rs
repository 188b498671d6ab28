//! The headers that describe a blob or a manifest.

use artifact_core::{Described, Digest};
use http::header::{ACCEPT_RANGES, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue};
use registry_v2::{API_VERSION, parse_digest};

use crate::rows::{self, Kept};

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

pub(super) fn describe(file: &Described<'_>) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([API_VERSION]);
    let Some(kept) = rows::kept(file.path) else { return headers };
    let content_type = match &kept {
        Kept::Blob(_) => Some("application/octet-stream"),
        // Clients compare it to the letter, so without parameters.
        Kept::Manifest(_) | Kept::Tag => file.content_type.and_then(essence),
    };
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let digest = canonical_digest(kept, file).map(|digest| digest.to_string());
    let tag = digest.as_ref().map(|digest| format!("\"{digest}\""));
    for (name, value) in
        [(CONTENT_TYPE, content_type), (CONTENT_DIGEST, digest.as_deref()), (ETAG, tag.as_deref())]
    {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    headers
}

/// The digest by which clients know the bytes. A tag may lead to a manifest that was pushed by another digest than
/// SHA-256; its row then holds that digest. Upstream's entity tags are not taken for one: they have quotes.
fn canonical_digest(kept: Kept, file: &Described<'_>) -> Option<Digest> {
    match kept {
        Kept::Blob(digest) | Kept::Manifest(digest) => Some(digest),
        Kept::Tag => {
            let pushed = file.etag.and_then(|text| parse_digest(text).ok());
            pushed.or_else(|| file.blob.map(Digest::from))
        }
    }
}

fn essence(content_type: &str) -> Option<&str> {
    let essence = content_type.split(';').next()?.trim();
    (!essence.is_empty()).then_some(essence)
}

//! Questions that upstream answers and nobody stores, such as an audit of versions.

use std::sync::Arc;

use artifact_core::ports::{Intent, Trust, UpstreamRequest};
use artifact_core::{Error, ErrorKind, Forward, RequestBody, Result};
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::answer;
use crate::call::Call;
use crate::reference;
use crate::request::Reply;
use crate::shared::Shared;
use crate::snapshot::Mounted;
use crate::verdict::{self, Asked, Verdict};

/// The largest question, in bytes.
const QUESTION_LIMIT: u64 = 16 << 20;

/// Puts a client's question to the upstream of `mounted` and streams the answer back.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    mounted: &Mounted,
    forward: &Forward,
    body: Option<RequestBody>,
) -> Result<Reply> {
    let upstream = mounted
        .upstream
        .as_ref()
        .ok_or_else(|| Error::new(ErrorKind::NotFound, "nobody can answer this question"))?;
    let suffix = mounted.provider.defaults().base_suffix;
    let url = reference::below(&upstream.base_url, &forward.reference, suffix)?;
    let mut request =
        UpstreamRequest::get(Arc::clone(upstream), url, Trust::Configured, Intent::Metadata);
    request.method = forward.method.clone();
    if let Some(body) = body {
        request.body =
            Some((read_bounded(body, QUESTION_LIMIT).await?, body_headers(call.request.headers)));
    }
    let response = shared.parts.upstream.send(request).await?;
    let asked = Asked {
        conditional: false,
        html_allowed: false,
        forbidden_means_missing: false,
        see_other_means_missing: false,
        authenticated: upstream.credential.is_some(),
    };
    if let Verdict::Refused(error) = verdict::judge(&response, asked) {
        return Err(error);
    }
    let mut headers = body_headers(&response.headers);
    headers.insert(
        HeaderName::from_static("cache-status"),
        HeaderValue::from_static("artifactapi; fwd=bypass; detail=forwarded"),
    );
    if let Some(length) = response.length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(answer::forwarded(&call.asking(), headers, response.body))
}

fn body_headers(from: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in [CONTENT_TYPE, CONTENT_ENCODING] {
        if let Some(value) = from.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    headers
}

/// The whole body, if it is not larger than `limit`.
pub(crate) async fn read_bounded(body: RequestBody, limit: u64) -> Result<Bytes> {
    let too_large =
        || Error::new(ErrorKind::TooLarge, format!("the body is larger than {limit} bytes"));
    if body.length.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let whole = body.stream.try_fold(Vec::new(), |mut whole, chunk| async move {
        if (whole.len() + chunk.len()) as u64 > limit {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("the body is larger than {limit} bytes"),
            ));
        }
        whole.extend_from_slice(&chunk);
        Ok(whole)
    });
    whole.await.map(Bytes::from)
}

//! Headers: requests are built from nothing, answers lose what belonged to the connection.

use artifact_core::ports::UpstreamRequest;
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_TYPE, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, InvalidHeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, RANGE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Request, Uri, Version};
use http_body_util::Full;

use crate::credential;
use crate::redirect::Hop;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// A request that cannot be put on the wire.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadRequest {
    #[error("the URL cannot be requested")]
    Url(#[from] http::uri::InvalidUri),
    #[error("a header value has characters that no header may have")]
    Value(#[from] InvalidHeaderValue),
}

/// The request for one hop. `Host` is added by the client, from the URL.
pub(crate) fn request(
    wanted: &UpstreamRequest,
    hop: &Hop,
    user_agent: &str,
) -> Result<Request<Full<Bytes>>, BadRequest> {
    let body = wanted.body.as_ref().filter(|_| hop.has_body);
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_str(user_agent)?);
    headers.insert(ACCEPT, HeaderValue::from_str(wanted.accept.unwrap_or("*/*"))?);
    let encoding = if may_compress(wanted) { "gzip" } else { "identity" };
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
    add_conditions(wanted, &mut headers)?;
    add_range(wanted, &mut headers)?;
    let authorization = match &hop.token {
        Some(token) => Some(token.clone()),
        None => credential::authorization(&wanted.target, &hop.url)?,
    };
    if let Some(authorization) = authorization {
        headers.insert(AUTHORIZATION, authorization);
    }
    if let Some((_, described)) = body {
        for name in [CONTENT_TYPE, CONTENT_ENCODING] {
            if let Some(value) = described.get(&name) {
                headers.insert(name, value.clone());
            }
        }
    }
    let bytes = body.map(|(bytes, _)| bytes.clone()).unwrap_or_default();
    let mut request = Request::new(Full::new(bytes));
    *request.method_mut() = hop.method.clone();
    *request.uri_mut() = hop.url.as_str().parse::<Uri>()?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Whether the answer may come compressed. Never together with a range: bytes of a compressed
/// form are not bytes of the file.
pub(crate) fn may_compress(wanted: &UpstreamRequest) -> bool {
    wanted.compressed && wanted.resume.is_none() && wanted.range.is_none()
}

fn add_conditions(
    wanted: &UpstreamRequest,
    headers: &mut HeaderMap,
) -> Result<(), InvalidHeaderValue> {
    if let Some(etag) = &wanted.conditions.etag {
        headers.insert(IF_NONE_MATCH, HeaderValue::from_str(etag)?);
    }
    if let Some(date) = &wanted.conditions.last_modified {
        headers.insert(IF_MODIFIED_SINCE, HeaderValue::from_str(date)?);
    }
    Ok(())
}

fn add_range(wanted: &UpstreamRequest, headers: &mut HeaderMap) -> Result<(), InvalidHeaderValue> {
    let range = match (&wanted.resume, wanted.range) {
        (Some((first, validator)), _) => {
            headers.insert(IF_RANGE, HeaderValue::from_str(validator)?);
            format!("bytes={first}-")
        }
        (None, Some((first, Some(last)))) => format!("bytes={first}-{last}"),
        (None, Some((first, None))) => format!("bytes={first}-"),
        (None, None) => return Ok(()),
    };
    headers.insert(RANGE, HeaderValue::from_str(&range)?);
    Ok(())
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Framing {
    /// The announced length of the body or, for `HEAD`, of the body that `GET` would have.
    pub(crate) length: Option<u64>,
    /// Whether an early end is noticed.
    pub(crate) is_proof: bool,
}

/// How the end of the body below `headers` is known. `exact` is the length that the HTTP
/// library expects.
pub(crate) fn framing(
    version: Version,
    headers: &HeaderMap,
    exact: Option<u64>,
    is_head: bool,
) -> Framing {
    if is_head {
        let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let length = announced.and_then(|length| length.parse().ok());
        return Framing { length, is_proof: true };
    }
    let is_chunked = headers.contains_key(TRANSFER_ENCODING);
    let is_proof = exact.is_some() || is_chunked || version == Version::HTTP_2;
    Framing { length: exact, is_proof }
}

/// Removes what concerned the connection only.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let fixed = [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        PROXY_CONNECTION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    for name in listed.into_iter().chain(fixed) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn connection_headers_and_those_it_lists_are_removed() {
        let mut headers = map(&[
            ("connection", "close, X-Internal"),
            ("connection", "x-other"),
            ("x-internal", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("etag", "\"1\""),
        ]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("etag", "\"1\"")]));
    }

    #[test]
    fn only_a_close_delimited_body_proves_nothing() {
        let chunked = map(&[("transfer-encoding", "chunked")]);
        let plain = HeaderMap::new();
        for (version, headers, exact, is_proof) in [
            (Version::HTTP_11, &plain, Some(5), true),
            (Version::HTTP_11, &chunked, None, true),
            (Version::HTTP_11, &plain, None, false),
            (Version::HTTP_10, &plain, None, false),
            (Version::HTTP_2, &plain, None, true),
        ] {
            let framing = framing(version, headers, exact, false);
            assert_eq!(framing, Framing { length: exact, is_proof });
        }
    }

    #[test]
    fn a_head_answer_tells_the_length_of_the_file() {
        let headers = map(&[("content-length", "12")]);
        let framing = framing(Version::HTTP_11, &headers, Some(0), true);
        assert_eq!(framing, Framing { length: Some(12), is_proof: true });
    }
}

//! Past the store: what cannot be kept is still delivered, and still verified.

use std::sync::Arc;

use artifact_core::ports::{Hasher, UpstreamResponse};
use artifact_core::{Algorithm, ByteStream, Digest, Digests, Error, ErrorKind, Result};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{
    ACCEPT_RANGES, AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LAST_MODIFIED,
    RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::answer::{self, CacheNote, cache_control};
use crate::call::Call;
use crate::flight::Job;
use crate::request::{CacheResult, Outcome, Reply, ReplyBody};
use crate::rows::static_headers;
use crate::shared::Shared;
use crate::verdict::{self, Verdict};

/// Streams a file from upstream to one client without storing it.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    job: &Job,
    detail: &'static str,
) -> Result<Reply> {
    if call.request.method == Method::HEAD {
        return head(shared, call, job).await;
    }
    let mut request = request(job)?;
    request.range = single_range(call.request.headers);
    let is_ranged = request.range.is_some();
    let response = shared.parts.upstream.send(request).await?;
    if is_ranged && response.status == StatusCode::RANGE_NOT_SATISFIABLE {
        let size = total(verdict::text(&response.headers, &CONTENT_RANGE)).unwrap_or_default();
        return Err(Error::new(
            ErrorKind::RangeNotSatisfiable { size },
            "the range lies outside the file",
        ));
    }
    if is_ranged && response.status == StatusCode::PARTIAL_CONTENT {
        return Ok(partial(call, job, response, detail));
    }
    match verdict::judge(&response, job.asked()) {
        Verdict::Refused(error) => return Err(error),
        Verdict::Confirmed => {
            return Err(Error::new(ErrorKind::Upstream, "the upstream registry confirmed nothing"));
        }
        Verdict::Body => {}
    }
    let headers = static_headers(content_type(job, &response.headers).as_deref(), None, None);
    let streaming = answer::Streaming {
        headers,
        size: response.length,
        class: job.class,
        selection: crate::selection::Selection::Whole,
    };
    let body = verified(shared, job, response);
    Ok(streaming.answer(&call.asking(), CacheNote::Bypass { detail }, |_| body))
}

fn request(job: &Job) -> Result<artifact_core::ports::UpstreamRequest> {
    let mut request = job
        .request()
        .ok_or_else(|| Error::new(ErrorKind::Internal, "this repository has no upstream"))?;
    request.compressed = false;
    Ok(request)
}

fn content_type(job: &Job, headers: &HeaderMap) -> Option<String> {
    job.content_type.or_else(|| verdict::text(headers, &CONTENT_TYPE)).map(ToOwned::to_owned)
}

/// The body, cut off with an error when it does not match its digests. The last chunk is held back
/// until that is known. Without any digest the framing alone vouches for it.
fn verified(shared: &Shared, job: &Job, response: UpstreamResponse) -> ByteStream {
    let expected = if job.expected.is_empty() {
        verdict::stated_digests(&response.headers)
    } else {
        job.expected.clone()
    };
    if expected.is_empty() {
        return response.body;
    }
    let algorithms: Vec<Algorithm> = expected.iter().map(Digest::algorithm).collect();
    let checking = Checking {
        hasher: shared.parts.spool.hasher(&algorithms),
        expected,
        body: response.body,
        held: None,
        ended: false,
    };
    Box::pin(stream::unfold(checking, |mut checking| async move {
        let item = checking.next().await?;
        Some((item, checking))
    }))
}

struct Checking {
    hasher: Box<dyn Hasher>,
    expected: Digests,
    body: ByteStream,
    held: Option<Bytes>,
    ended: bool,
}

impl Checking {
    async fn next(&mut self) -> Option<Result<Bytes>> {
        while !self.ended {
            match self.body.next().await {
                Some(Ok(chunk)) => {
                    self.hasher.update(&chunk);
                    if let Some(before) = self.held.replace(chunk) {
                        return Some(Ok(before));
                    }
                }
                Some(Err(error)) => {
                    self.ended = true;
                    self.held = None;
                    return Some(Err(error));
                }
                None => {
                    self.ended = true;
                    if let Some(wrong) = self.expected.contradiction(&self.hasher.digests()) {
                        self.held = None;
                        let algorithm = wrong.algorithm().name();
                        let text =
                            format!("the upstream bytes do not match their {algorithm} digest");
                        return Some(Err(Error::new(ErrorKind::Integrity, text)));
                    }
                }
            }
        }
        self.held.take().map(Ok)
    }
}

fn single_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let spec = verdict::text(headers, &RANGE)?.trim().strip_prefix("bytes=")?;
    let (first, last) = spec.split_once('-')?;
    let first = first.trim().parse().ok()?;
    match last.trim() {
        "" => Some((first, None)),
        last => last.parse().ok().filter(|last| *last >= first).map(|last| (first, Some(last))),
    }
}

fn total(content_range: Option<&str>) -> Option<u64> {
    content_range?.rsplit_once('/')?.1.parse().ok()
}

fn partial(call: &Call<'_>, job: &Job, response: UpstreamResponse, detail: &'static str) -> Reply {
    let mut headers = static_headers(content_type(job, &response.headers).as_deref(), None, None);
    for name in [CONTENT_RANGE, CONTENT_LENGTH] {
        if let Some(value) = response.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    headers.insert(CACHE_CONTROL, cache_control(job.class));
    headers.insert(AGE, HeaderValue::from_static("0"));
    note(&mut headers, detail);
    let length = response.length.unwrap_or_default();
    call.mounted.counters.served(length, false);
    call.mounted.counters.answered(CacheResult::Bypass);
    let outcome =
        Outcome { repository: call.mounted.id(), result: CacheResult::Bypass, blob: None };
    Reply {
        status: StatusCode::PARTIAL_CONTENT,
        headers,
        body: ReplyBody::Stream(response.body),
        outcome,
    }
}

fn note(headers: &mut HeaderMap, detail: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("artifactapi; fwd=bypass; detail={detail}")) {
        headers.insert(HeaderName::from_static("cache-status"), value);
    }
}

/// Answers HEAD for a file that is not held by asking upstream HEAD. The answer creates no row, and
/// its length is never trusted for a later body.
pub(crate) async fn head(shared: &Arc<Shared>, call: &Call<'_>, job: &Job) -> Result<Reply> {
    let mut request = request(job)?;
    request.method = Method::HEAD;
    let response = shared.parts.upstream.send(request).await?;
    if let Verdict::Refused(error) = verdict::judge(&response, job.asked()) {
        return Err(error);
    }
    let mut headers = static_headers(content_type(job, &response.headers).as_deref(), None, None);
    for name in [CONTENT_LENGTH, LAST_MODIFIED, ACCEPT_RANGES] {
        if let Some(value) = response.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    headers.insert(CACHE_CONTROL, cache_control(job.class));
    note(&mut headers, "head");
    call.mounted.counters.answered(CacheResult::Bypass);
    let outcome =
        Outcome { repository: call.mounted.id(), result: CacheResult::Bypass, blob: None };
    Ok(Reply { status: StatusCode::OK, headers, body: ReplyBody::Empty, outcome })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_plain_range_is_passed_on() {
        for (value, expected) in [
            ("bytes=5-", Some((5, None))),
            ("bytes=5-9", Some((5, Some(9)))),
            ("bytes=9-5", None),
            ("bytes=-5", None),
            ("bytes=0-1,3-4", None),
        ] {
            let headers = [(RANGE, HeaderValue::from_static(value))].into_iter().collect();
            assert_eq!(single_range(&headers), expected, "{value}");
        }
    }
}

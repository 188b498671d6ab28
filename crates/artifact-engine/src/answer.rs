//! Building answers out of rows, flights and documents.

use std::sync::Arc;

use artifact_core::ports::{BlobPayload, ByteRange};
use artifact_core::{ByteStream, Class, RepositoryId, Result, Timestamp, Worded};
use bytes::Bytes;
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, LOCATION,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::multipart::Parts;
use crate::request::{CacheResult, Outcome, Reply, ReplyBody};
use crate::rows::HotRow;
use crate::selection::{Selection, Validators, select, select_several};
use crate::shared::Shared;
use crate::statistics::Counters;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What the `Cache-Status` header (RFC 9211) will say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CacheNote {
    /// From a fresh copy with this many seconds left; `None` is for ever.
    Hit { ttl: Option<i64> },
    /// Upstream sent it.
    Miss { collapsed: bool, stored: bool },
    /// Upstream confirmed the copy.
    Revalidated,
    /// Upstream replaced the copy.
    Replaced { stored: bool },
    /// From an expired copy, because of this.
    Stale { detail: &'static str },
    /// Passed through, because of this.
    Bypass { detail: &'static str },
}

impl CacheNote {
    pub(crate) fn result(self) -> CacheResult {
        match self {
            Self::Hit { .. } => CacheResult::Hit,
            Self::Miss { .. } | Self::Replaced { .. } => CacheResult::Miss,
            Self::Revalidated => CacheResult::Revalidated,
            Self::Stale { .. } => CacheResult::Stale,
            Self::Bypass { .. } => CacheResult::Bypass,
        }
    }

    /// The same of bytes that are not in the store, or not yet.
    pub(crate) fn unstored(self) -> Self {
        match self {
            Self::Miss { collapsed, .. } => Self::Miss { collapsed, stored: false },
            Self::Replaced { .. } => Self::Replaced { stored: false },
            other => other,
        }
    }

    fn header(self) -> HeaderValue {
        let text = match self {
            Self::Hit { ttl: None } => return HeaderValue::from_static("artifactapi; hit"),
            Self::Hit { ttl: Some(ttl) } => format!("artifactapi; hit; ttl={ttl}"),
            Self::Miss { collapsed, stored } => {
                let collapsed = if collapsed { "; collapsed" } else { "" };
                let stored = if stored { "; stored" } else { "" };
                format!("artifactapi; fwd=miss; fwd-status=200{stored}{collapsed}")
            }
            Self::Revalidated => {
                return HeaderValue::from_static("artifactapi; fwd=stale; fwd-status=304");
            }
            Self::Replaced { stored } => {
                let stored = if stored { "; stored" } else { "" };
                format!("artifactapi; fwd=stale; fwd-status=200{stored}")
            }
            Self::Stale { detail } => format!("artifactapi; fwd=stale; detail={detail}"),
            Self::Bypass { detail } => format!("artifactapi; fwd=bypass; detail={detail}"),
        };
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("artifactapi"))
    }
}

/// What is the same for every answer to one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    /// The repository that was addressed and is accounted for.
    pub(crate) repository: RepositoryId,
    pub(crate) counters: &'a Counters,
}

impl Asking<'_> {
    fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    fn reply(
        &self,
        status: StatusCode,
        headers: HeaderMap,
        body: ReplyBody,
        result: CacheResult,
    ) -> Reply {
        self.counters.answered(result);
        let outcome = Outcome { repository: self.repository, result, blob: None };
        Reply { status, headers, body, outcome }
    }
}

/// How clients may keep what they got.
pub(crate) fn cache_control(class: Class) -> HeaderValue {
    HeaderValue::from_static(match class {
        Class::Immutable => "public, max-age=31536000, immutable",
        Class::Mutable | Class::Generated | Class::Generic => "max-age=0, must-revalidate",
    })
}

fn stamp(headers: &mut HeaderMap, note: CacheNote, class: Class, age_seconds: u64) {
    headers.insert(CACHE_STATUS, note.header());
    headers.insert(CACHE_CONTROL, cache_control(class));
    headers.insert(AGE, HeaderValue::from(age_seconds));
}

/// The answer from a stored row, or `None` when its bytes turn out to be missing or damaged.
pub(crate) async fn from_row(
    shared: &Shared,
    asking: &Asking<'_>,
    hot: &Arc<HotRow>,
    class: Class,
    note: CacheNote,
) -> Result<Option<Reply>> {
    let validators = Validators {
        etag: Some(&hot.etag),
        modified: Some(hot.modified),
        size: Some(hot.row.size),
    };
    let selection = select(asking.headers, validators)?;
    if selection == Selection::Whole
        && let Some(ranges) = select_several(asking.headers, validators)?
    {
        return Ok(Some(several(shared, asking, hot, class, &ranges, note)));
    }
    let mut headers = hot.headers.clone();
    let now = shared.parts.clock.now();
    stamp(&mut headers, note, class, now.since(hot.row.validated_at).as_secs());
    shared.accesses.note(&hot.row.key);
    let Some((status, range)) = frame(&mut headers, selection, hot.row.size) else {
        headers.remove(CONTENT_TYPE);
        return Ok(Some(asking.reply(
            StatusCode::NOT_MODIFIED,
            headers,
            ReplyBody::Empty,
            note.result(),
        )));
    };
    if asking.is_head() {
        return Ok(Some(asking.reply(status, headers, ReplyBody::Empty, note.result())));
    }
    let Some(payload) = open(shared, hot, range).await? else { return Ok(None) };
    let length = range.map_or(hot.row.size, ByteRange::length);
    let from_cache = !matches!(note, CacheNote::Miss { .. } | CacheNote::Replaced { .. });
    asking.counters.served(length, from_cache);
    let mut reply = asking.reply(status, headers, payload, note.result());
    reply.outcome.blob = Some(hot.row.blob);
    Ok(Some(reply))
}

/// Several ranges of a stored file.
fn several(
    shared: &Shared,
    asking: &Asking<'_>,
    hot: &Arc<HotRow>,
    class: Class,
    ranges: &[ByteRange],
    note: CacheNote,
) -> Reply {
    let mut headers = hot.headers.clone();
    let now = shared.parts.clock.now();
    stamp(&mut headers, note, class, now.since(hot.row.validated_at).as_secs());
    shared.accesses.note(&hot.row.key);
    let content_type = hot.row.content_type.as_deref().unwrap_or("application/octet-stream");
    let parts = Parts::new(ranges, hot.row.size, content_type);
    let length = parts.length();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Ok(content_type) = HeaderValue::try_from(parts.content_type()) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    let status = StatusCode::PARTIAL_CONTENT;
    if asking.is_head() {
        return asking.reply(status, headers, ReplyBody::Empty, note.result());
    }
    asking.counters.served(length, true);
    let body = parts.stream(Arc::clone(&shared.parts.blobs), hot.row.blob);
    let mut reply = asking.reply(status, headers, ReplyBody::Stream(body), note.result());
    reply.outcome.blob = Some(hot.row.blob);
    reply
}

/// Opens the bytes of a row. A blob that is missing or has another size than the row says is
/// damage: the row is forgotten by the caller and the bytes are fetched again.
async fn open(
    shared: &Shared,
    hot: &HotRow,
    range: Option<ByteRange>,
) -> Result<Option<ReplyBody>> {
    let row = &hot.row;
    let Some(blob) = shared.parts.blobs.open(row.blob, range).await? else {
        tracing::error!(event = "integrity", path = %row.key.path, blob = %row.blob, "stored bytes are missing");
        return Ok(None);
    };
    if blob.size != row.size {
        tracing::error!(
            event = "integrity", path = %row.key.path, blob = %row.blob, size = blob.size, expected = row.size,
            "stored bytes have the wrong size"
        );
        return Ok(None);
    }
    Ok(Some(match blob.payload {
        BlobPayload::Bytes(bytes) => ReplyBody::Full(bytes),
        BlobPayload::Stream(stream) => ReplyBody::Stream(stream),
    }))
}

/// Sets the framing headers; `None` is "not modified".
fn frame(
    headers: &mut HeaderMap,
    selection: Selection,
    size: u64,
) -> Option<(StatusCode, Option<ByteRange>)> {
    match selection {
        Selection::NotModified => None,
        Selection::Whole => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
            Some((StatusCode::OK, None))
        }
        Selection::Part(range) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(range.length()));
            let text = format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1));
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(CONTENT_RANGE, value);
            }
            Some((StatusCode::PARTIAL_CONTENT, Some(range)))
        }
    }
}

/// Bytes in memory with their head.
#[derive(Clone, Debug)]
pub(crate) struct InMemory<'a> {
    pub(crate) headers: HeaderMap,
    pub(crate) etag: Option<&'a str>,
    pub(crate) body: Bytes,
    pub(crate) class: Class,
    pub(crate) validated_at: Timestamp,
}

/// The answer from bytes in memory.
pub(crate) fn from_memory(
    shared: &Shared,
    asking: &Asking<'_>,
    content: InMemory<'_>,
    note: CacheNote,
) -> Result<Reply> {
    let InMemory { mut headers, body, .. } = content;
    let size = body.len() as u64;
    let validators = Validators { etag: content.etag, modified: None, size: Some(size) };
    let selection = select(asking.headers, validators)?;
    let age = shared.parts.clock.now().since(content.validated_at).as_secs();
    stamp(&mut headers, note, content.class, age);
    let Some((status, range)) = frame(&mut headers, selection, size) else {
        headers.remove(CONTENT_TYPE);
        return Ok(asking.reply(
            StatusCode::NOT_MODIFIED,
            headers,
            ReplyBody::Empty,
            note.result(),
        ));
    };
    if asking.is_head() {
        return Ok(asking.reply(status, headers, ReplyBody::Empty, note.result()));
    }
    let part = range.map_or_else(|| body.clone(), |range| cut(&body, range));
    asking.counters.served(part.len() as u64, note.result() != CacheResult::Miss);
    Ok(asking.reply(status, headers, ReplyBody::Full(part), note.result()))
}

fn cut(body: &Bytes, range: ByteRange) -> Bytes {
    let clamp = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(body.len());
    body.slice(clamp(range.start)..clamp(range.end))
}

/// The answer whose body is on its way.
pub(crate) struct Streaming {
    pub(crate) headers: HeaderMap,
    pub(crate) size: Option<u64>,
    pub(crate) class: Class,
    pub(crate) selection: Selection,
}

impl Streaming {
    /// Status and headers, and the range to stream.
    pub(crate) fn answer(
        mut self,
        asking: &Asking<'_>,
        note: CacheNote,
        body: impl FnOnce(Option<ByteRange>) -> ByteStream,
    ) -> Reply {
        stamp(&mut self.headers, note, self.class, 0);
        let framed = match self.size {
            Some(size) => frame(&mut self.headers, self.selection, size),
            None => Some((StatusCode::OK, None)),
        };
        let Some((status, range)) = framed else {
            return asking.reply(
                StatusCode::NOT_MODIFIED,
                self.headers,
                ReplyBody::Empty,
                note.result(),
            );
        };
        let length = range.map(ByteRange::length).or(self.size).unwrap_or_default();
        asking.counters.served(length, false);
        asking.reply(status, self.headers, ReplyBody::Stream(body(range)), note.result())
    }
}

/// A 301 to a relative location.
pub(crate) fn redirect(asking: &Asking<'_>, location: &str) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    if let Ok(location) = HeaderValue::from_str(location) {
        headers.insert(LOCATION, location);
    }
    asking.reply(StatusCode::MOVED_PERMANENTLY, headers, ReplyBody::Empty, CacheResult::None)
}

/// A 200 with a fixed body.
pub(crate) fn fixed(asking: &Asking<'_>, content_type: &'static str, body: Bytes) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let body = if asking.is_head() { ReplyBody::Empty } else { ReplyBody::Full(body) };
    asking.reply(StatusCode::OK, headers, body, CacheResult::None)
}

/// An answer with nothing to say, such as 201 or 204.
pub(crate) fn plain(asking: &Asking<'_>, status: StatusCode, mut headers: HeaderMap) -> Reply {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status != StatusCode::NO_CONTENT {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    asking.reply(status, headers, ReplyBody::Empty, CacheResult::None)
}

/// An answer in the words of a protocol. Nobody keeps it.
pub(crate) fn worded(asking: &Asking<'_>, worded: Worded, result: CacheResult) -> Reply {
    let Worded { status, mut headers, body } = worded;
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if status != StatusCode::NO_CONTENT {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let body =
        if asking.is_head() || body.is_empty() { ReplyBody::Empty } else { ReplyBody::Full(body) };
    asking.reply(status, headers, body, result)
}

/// An answer that upstream gave to a forwarded question.
pub(crate) fn forwarded(asking: &Asking<'_>, headers: HeaderMap, body: ByteStream) -> Reply {
    asking.reply(StatusCode::OK, headers, ReplyBody::Stream(body), CacheResult::Bypass)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_says_what_it_did() {
        for (note, text) in [
            (CacheNote::Hit { ttl: None }, "artifactapi; hit"),
            (CacheNote::Hit { ttl: Some(512) }, "artifactapi; hit; ttl=512"),
            (
                CacheNote::Miss { collapsed: false, stored: true },
                "artifactapi; fwd=miss; fwd-status=200; stored",
            ),
            (
                CacheNote::Miss { collapsed: true, stored: false },
                "artifactapi; fwd=miss; fwd-status=200; collapsed",
            ),
            (CacheNote::Revalidated, "artifactapi; fwd=stale; fwd-status=304"),
            (CacheNote::Stale { detail: "timeout" }, "artifactapi; fwd=stale; detail=timeout"),
            (CacheNote::Bypass { detail: "no-room" }, "artifactapi; fwd=bypass; detail=no-room"),
        ] {
            assert_eq!(note.header(), text);
        }
    }
}

//! From a script and a request to the answer: conditions, ranges, framing and the body.

use bytes::Bytes;
use futures_util::Stream;
use http::header::{
    CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED,
    RANGE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::script::{Fault, Framing, Pace, Script};

const FREE_CHUNK: usize = 16 * 1024;

/// The bytes of a scripted body.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Bytes(Bytes),
    Pattern(u64),
}

impl Content {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Pattern(length) => *length,
        }
    }

    fn slice(&self, start: u64, length: usize) -> Bytes {
        match self {
            Self::Bytes(bytes) => {
                let start = usize::try_from(start).unwrap_or(usize::MAX).min(bytes.len());
                bytes.slice(start..start.saturating_add(length).min(bytes.len()))
            }
            Self::Pattern(_) => pattern(start, length),
        }
    }
}

/// `length` bytes of the generated pattern from `offset` on. Every byte depends on its
/// position alone, and neighbouring megabytes differ.
pub fn pattern(offset: u64, length: usize) -> Bytes {
    (offset..).take(length).map(|position| ((position ^ (position >> 13)) % 251) as u8).collect()
}

/// The end of a body that was cut on purpose.
#[derive(Debug)]
pub(crate) struct BrokenBody;

impl std::fmt::Display for BrokenBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the script cuts the body here")
    }
}

impl std::error::Error for BrokenBody {}

/// One answer, decided.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) framing: Framing,
    pub(crate) fault: Option<Fault>,
    pub(crate) body: PlannedBody,
}

impl Plan {
    /// What `script` answers to a request of `method` with `headers`.
    pub(crate) fn of(script: Script, method: &Method, headers: &HeaderMap) -> Self {
        if script.status == StatusCode::OK && is_not_modified(&script.headers, headers) {
            return Self::without_body(script, StatusCode::NOT_MODIFIED);
        }
        let total = script.content.length();
        let Some(range) = wanted_range(&script, headers) else {
            let status = script.status;
            return Self::with_body(script, status, method, (0, total));
        };
        let Some((start, end)) = resolve_range(range, total) else {
            let script = script.header(CONTENT_RANGE, &format!("bytes */{total}"));
            return Self::without_body(script, StatusCode::RANGE_NOT_SATISFIABLE);
        };
        let script = script.header(CONTENT_RANGE, &format!("bytes {start}-{}/{total}", end - 1));
        Self::with_body(script, StatusCode::PARTIAL_CONTENT, method, (start, end))
    }

    /// Waits until the head may go.
    pub(crate) async fn pass_head(&self) {
        if let Pace::Gated { gate, .. } = &self.body.pace {
            gate.pass_head().await;
        }
    }

    /// The announced length.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    fn without_body(script: Script, status: StatusCode) -> Self {
        let body = PlannedBody::new(script.content, (0, 0), false, script.pace);
        Self {
            status,
            headers: script.headers,
            framing: Framing::Length,
            fault: script.fault,
            body,
        }
    }

    fn with_body(script: Script, status: StatusCode, method: &Method, range: (u64, u64)) -> Self {
        let (start, end) = range;
        let mut headers = script.headers;
        if script.framing == Framing::Length {
            let length = script.announced.unwrap_or(end - start);
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        let cut = script.truncate_at.map_or(end, |position| position.clamp(start, end));
        let is_head = method == Method::HEAD;
        let sent = if is_head { (start, start) } else { (start, cut) };
        let is_short = cut < end || script.announced.is_some_and(|length| length > end - start);
        let body = PlannedBody::new(script.content, sent, is_short && !is_head, script.pace);
        Self { status, headers, framing: script.framing, fault: script.fault, body }
    }
}

fn is_not_modified(ours: &HeaderMap, request: &HeaderMap) -> bool {
    if let Some(wanted) = request.get(IF_NONE_MATCH) {
        return ours.get(ETAG) == Some(wanted);
    }
    match (request.get(IF_MODIFIED_SINCE), ours.get(LAST_MODIFIED)) {
        (Some(since), Some(modified)) => since == modified,
        _ => false,
    }
}

/// First and last byte, as requested, if the script serves ranges and `If-Range` holds.
fn wanted_range(script: &Script, request: &HeaderMap) -> Option<(u64, Option<u64>)> {
    if !script.ranges || script.status != StatusCode::OK {
        return None;
    }
    if let Some(validator) = request.get(IF_RANGE) {
        let holds = [ETAG, LAST_MODIFIED].iter().any(|n| script.headers.get(n) == Some(validator));
        if !holds {
            return None;
        }
    }
    let (first, last) =
        request.get(RANGE)?.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let last = if last.is_empty() { None } else { Some(last.parse().ok()?) };
    Some((first.parse().ok()?, last))
}

/// The half-open range inside `total` bytes; nothing when it lies outside.
fn resolve_range((first, last): (u64, Option<u64>), total: u64) -> Option<(u64, u64)> {
    let end = last.map_or(total, |last| last.saturating_add(1).min(total));
    (first < end).then_some((first, end))
}

/// The bytes that go out, chunk by chunk.
#[derive(Debug)]
pub(crate) struct PlannedBody {
    content: Content,
    position: u64,
    end: u64,
    is_broken: bool,
    pace: Pace,
    index: usize,
}

impl PlannedBody {
    fn new(content: Content, (position, end): (u64, u64), is_broken: bool, pace: Pace) -> Self {
        Self { content, position, end, is_broken, pace, index: 0 }
    }

    /// How many bytes are still to come.
    pub(crate) fn remaining(&self) -> u64 {
        self.end - self.position
    }

    /// Makes the body end with an error, or not.
    pub(crate) fn set_broken(&mut self, is_broken: bool) {
        self.is_broken = is_broken;
    }

    /// The body as a stream.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Bytes, BrokenBody>> + Send {
        futures_util::stream::unfold(self, |mut body| async move {
            let item = body.next().await?;
            Some((item, body))
        })
    }

    async fn next(&mut self) -> Option<Result<Bytes, BrokenBody>> {
        if self.remaining() == 0 {
            if !std::mem::take(&mut self.is_broken) {
                return None;
            }
            // hyper throws away what it has not flushed when the body fails; let it flush first.
            tokio::task::yield_now().await;
            return Some(Err(BrokenBody));
        }
        let chunk = self.wait_for_turn().await;
        let length = usize::try_from(self.remaining()).unwrap_or(usize::MAX).min(chunk);
        let bytes = self.content.slice(self.position, length);
        self.position += length as u64;
        self.index += 1;
        Some(Ok(bytes))
    }

    async fn wait_for_turn(&self) -> usize {
        match &self.pace {
            Pace::Free => FREE_CHUNK,
            Pace::Gated { gate, chunk } => {
                gate.pass_chunk(self.index).await;
                *chunk
            }
            Pace::Drip { chunk, interval } => {
                tokio::time::sleep(*interval).await;
                *chunk
            }
        }
    }
}

impl Drop for PlannedBody {
    fn drop(&mut self) {
        if let (Pace::Gated { gate, .. }, true) = (&self.pace, self.remaining() > 0) {
            gate.note_abandoned();
        }
    }
}

//! Records as a spilled file holds them: one JSON array per batch.

use std::borrow::Cow;
use std::time::Duration;

use artifact_core::ports::AccessLogRecord;
use artifact_core::{Error, ErrorKind, Result, Timestamp};
use serde::{Deserialize, Serialize};

/// The words that say how the cache took part in a request.
pub const CACHE_WORDS: [&str; 9] =
    ["hit", "miss", "stale", "revalidated", "negative", "bypass", "none", "denied", "error"];

#[derive(Deserialize, Serialize)]
struct Stored<'a> {
    received_at: Timestamp,
    request_id: Cow<'a, str>,
    principal: Cow<'a, str>,
    client: Option<Cow<'a, str>>,
    method: Cow<'a, str>,
    repository: Option<Cow<'a, str>>,
    path: Cow<'a, str>,
    blob: Option<String>,
    status: u16,
    cache: Cow<'a, str>,
    bytes_sent: u64,
    complete: bool,
    duration_micros: u64,
    user_agent: Option<Cow<'a, str>>,
}

/// The text of a batch.
pub(super) fn encode(records: &[AccessLogRecord]) -> Result<Vec<u8>> {
    let stored: Vec<_> = records.iter().map(Stored::of).collect();
    serde_json::to_vec(&stored).map_err(|error| {
        Error::new(ErrorKind::Internal, "access records have no text").with_source(error)
    })
}

/// The batch of a text.
pub(super) fn decode(text: &[u8]) -> Result<Vec<AccessLogRecord>> {
    let stored: Vec<Stored<'_>> = serde_json::from_slice(text).map_err(damaged)?;
    stored.into_iter().map(Stored::into_record).collect()
}

fn damaged(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Integrity, "spilled access records are damaged").with_source(source)
}

impl<'a> Stored<'a> {
    fn of(record: &'a AccessLogRecord) -> Self {
        Self {
            received_at: record.received_at,
            request_id: Cow::Borrowed(&record.request_id),
            principal: Cow::Borrowed(&record.principal),
            client: record.client.as_deref().map(Cow::Borrowed),
            method: Cow::Borrowed(&record.method),
            repository: record.repository.as_deref().map(Cow::Borrowed),
            path: Cow::Borrowed(&record.path),
            blob: record.blob.map(|blob| blob.to_string()),
            status: record.status,
            cache: Cow::Borrowed(record.cache),
            bytes_sent: record.bytes_sent,
            complete: record.complete,
            duration_micros: u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX),
            user_agent: record.user_agent.as_deref().map(Cow::Borrowed),
        }
    }

    fn into_record(self) -> Result<AccessLogRecord> {
        let blob = self.blob.map(|text| text.parse()).transpose().map_err(damaged)?;
        let known = CACHE_WORDS.into_iter().find(|word| *word == self.cache);
        Ok(AccessLogRecord {
            received_at: self.received_at,
            request_id: self.request_id.into_owned(),
            principal: self.principal.into_owned(),
            client: self.client.map(Cow::into_owned),
            method: self.method.into_owned(),
            repository: self.repository.map(Cow::into_owned),
            path: self.path.into_owned(),
            blob,
            status: self.status,
            cache: known.unwrap_or("none"),
            bytes_sent: self.bytes_sent,
            complete: self.complete,
            duration: Duration::from_micros(self.duration_micros),
            user_agent: self.user_agent.map(Cow::into_owned),
        })
    }
}

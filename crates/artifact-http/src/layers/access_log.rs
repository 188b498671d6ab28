//! One line per request, and one record where an access log is kept: written when the body ends
//! and not before.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use artifact_core::ports::AccessLogRecord;
use artifact_core::{BlobId, Clock, SystemClock, Timestamp};
use artifact_engine::{AccessLogQueue, CacheResult};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use tracing::Instrument;

use crate::access::{Authentication, Principal};
use crate::body::Delivery;
use crate::call::{Answer, Call, Serve, Verdict};
use crate::origin::OriginSettings;
use crate::request_id::RequestId;

/// The target of access lines, to be filtered on its own.
pub(crate) const TARGET: &str = "artifactapi::access";

/// The status of a request whose client was gone before there was an answer; nobody saw it.
const UNANSWERED: u16 = 499;
/// Longer paths are refused anyway.
const PATH_LIMIT: usize = 8 * 1024;
/// What is kept of other words of the client.
const WORD_LIMIT: usize = 512;

super::layer! {
    /// Attaches an [`AccessRecord`] to each answer.
    AccessLogLayer => AccessLog {
        origins: Arc<OriginSettings>,
        queue: Option<AccessLogQueue>,
        authentication: Authentication,
    }
}

impl<B: Send, S: Serve<B>> Serve<B> for AccessLog<S> {
    type Error = S::Error;

    async fn serve(&self, call: &mut Call<'_, B>) -> Result<Answer, S::Error> {
        // At debug level only: a span that is recorded costs more than a small file's answer.
        let span = tracing::debug_span!("request", request_id = %call.id);
        let mut unanswered = Unanswered(self.record(call));
        let mut answer = self.inner.serve(call).instrument(span).await?;
        if let Some(record) = unanswered.0.take() {
            let record = record.answered(&answer, &call.principal);
            answer.response.body_mut().attached().record = Some(record);
        }
        Ok(answer)
    }
}

impl<S> AccessLog<S> {
    /// `None` when nobody wants to know.
    fn record<B>(&self, call: &Call<'_, B>) -> Option<AccessRecord> {
        let is_wanted =
            self.queue.is_some() || tracing::enabled!(target: TARGET, tracing::Level::INFO);
        is_wanted.then(|| AccessRecord {
            id: call.id.clone(),
            client: self.origins.client(call.headers(), call.peer),
            method: call.method().clone(),
            uri: call.parts.uri.clone(),
            repository: call.action.package().map(|route| cut(route.repository, PATH_LIMIT).into()),
            user_agent: call.headers().get(header::USER_AGENT).cloned(),
            status: UNANSWERED,
            verdict: Verdict::Served(CacheResult::None),
            received: call.received,
            entry: self.queue.clone().map(|queue| Entry {
                queue,
                received_at: SystemClock.now(),
                principal: self.principal(call.headers()),
                blob: None,
            }),
        })
    }

    /// Who asks, as far as that can be told without asking anybody else.
    fn principal(&self, headers: &HeaderMap) -> Principal {
        if self.authentication.is_administrator(headers) {
            Principal::Administrator
        } else {
            Principal::Anonymous
        }
    }
}

/// Writes the record of a request that is given up before it has an answer.
struct Unanswered(Option<AccessRecord>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(record) = self.0.take() {
            record.write(&Delivery { bytes: 0, complete: false, failure: None });
        }
    }
}

/// What is known of a request before its body is sent. Cheap to make: nothing in it is copied
/// but reference counts.
#[derive(Debug)]
pub(crate) struct AccessRecord {
    id: RequestId,
    client: Option<IpAddr>,
    method: Method,
    uri: Uri,
    repository: Option<String>,
    user_agent: Option<HeaderValue>,
    status: u16,
    verdict: Verdict,
    received: Instant,
    entry: Option<Entry>,
}

/// What only the kept log needs.
#[derive(Debug)]
struct Entry {
    queue: AccessLogQueue,
    received_at: Timestamp,
    principal: Principal,
    blob: Option<BlobId>,
}

impl AccessRecord {
    fn answered(mut self, answer: &Answer, principal: &Principal) -> Self {
        self.status = answer.response.status().as_u16();
        self.verdict = answer.verdict;
        if let Some(entry) = &mut self.entry {
            entry.blob = answer.blob;
            if !matches!(principal, Principal::Anonymous) {
                entry.principal = principal.clone();
            }
        }
        self
    }

    /// Writes the line and sends the record. Paths are logged without their query, which may
    /// carry a token.
    pub(crate) fn write(mut self, delivery: &Delivery<'_>) {
        self.write_line(delivery);
        if let Some(Entry { queue, received_at, principal, blob }) = self.entry.take() {
            queue.try_send(AccessLogRecord {
                received_at,
                request_id: self.id.as_str().to_owned(),
                principal: principal.name().to_owned(),
                client: self.client.map(|address| address.to_string()),
                method: cut(self.method.as_str(), WORD_LIMIT).to_owned(),
                path: cut(self.uri.path(), PATH_LIMIT).to_owned(),
                blob,
                status: self.status,
                cache: self.verdict.name(),
                bytes_sent: delivery.bytes,
                complete: delivery.complete,
                duration: self.received.elapsed(),
                user_agent: self.user_agent().map(|agent| cut(agent, WORD_LIMIT).to_owned()),
                repository: self.repository,
            });
        }
    }

    fn write_line(&self, delivery: &Delivery<'_>) {
        tracing::info!(
            target: TARGET,
            request_id = self.id.as_str(),
            client_ip = self.client.map(tracing::field::display),
            method = self.method.as_str(),
            path = self.uri.path(),
            repository = self.repository.as_deref(),
            status = self.status,
            cache = self.verdict.name(),
            bytes = delivery.bytes,
            duration_ms = milliseconds(self.received),
            complete = delivery.complete,
            user_agent = self.user_agent(),
            error = delivery.failure.map(tracing::field::display),
            "request"
        );
    }

    fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_ref().and_then(|agent| agent.to_str().ok())
    }
}

/// At most the first `limit` bytes.
fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or_default()
}

/// Milliseconds since `received` with three decimals.
fn milliseconds(received: Instant) -> f64 {
    let micros = u32::try_from(received.elapsed().as_micros()).unwrap_or(u32::MAX);
    f64::from(micros) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_at_length_is_cut_between_letters() {
        for (text, limit, expected) in
            [("", 3, ""), ("abc", 3, "abc"), ("abcd", 3, "abc"), ("ab\u{fc}", 3, "ab")]
        {
            assert_eq!(cut(text, limit), expected, "{text}");
        }
    }

    #[test]
    fn every_verdict_is_a_word_of_the_access_log() {
        let served = [
            CacheResult::Hit,
            CacheResult::Miss,
            CacheResult::Stale,
            CacheResult::Revalidated,
            CacheResult::Negative,
            CacheResult::Bypass,
            CacheResult::None,
        ];
        let verdicts = served.into_iter().map(Verdict::Served);
        let words: Vec<_> =
            verdicts.chain([Verdict::Denied, Verdict::Failed]).map(Verdict::name).collect();
        assert_eq!(words, artifact_engine::CACHE_WORDS);
    }
}

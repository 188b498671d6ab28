//! One line per request, written when the body ends and not before.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderValue, Method, StatusCode, Uri, header};
use tracing::Instrument;

use crate::body::Delivery;
use crate::call::{Answer, Call, Serve, Verdict};
use crate::origin::OriginSettings;
use crate::request_id::RequestId;

/// The target of access lines, to be filtered on its own.
pub(crate) const TARGET: &str = "artifactapi::access";

super::layer! {
    /// Attaches an [`AccessRecord`] to each answer.
    AccessLogLayer => AccessLog { origins: Arc<OriginSettings> }
}

impl<B: Send, S: Serve<B>> Serve<B> for AccessLog<S> {
    type Error = S::Error;

    async fn serve(&self, call: &mut Call<'_, B>) -> Result<Answer, S::Error> {
        // At debug level only: a span that is recorded costs more than a small file's answer.
        let span = tracing::debug_span!("request", request_id = %call.id);
        let mut answer = self.inner.serve(call).instrument(span).await?;
        if tracing::enabled!(target: TARGET, tracing::Level::INFO) {
            let record = self.record(call, &answer);
            answer.response.body_mut().attached().record = Some(record);
        }
        Ok(answer)
    }
}

impl<S> AccessLog<S> {
    fn record<B>(&self, call: &Call<'_, B>, answer: &Answer) -> AccessRecord {
        AccessRecord {
            id: call.id.clone(),
            client: self.origins.client(call.headers(), call.peer),
            method: call.method().clone(),
            uri: call.parts.uri.clone(),
            user_agent: call.headers().get(header::USER_AGENT).cloned(),
            status: answer.response.status(),
            verdict: answer.verdict,
            received: call.received,
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
    user_agent: Option<HeaderValue>,
    status: StatusCode,
    verdict: Verdict,
    received: Instant,
}

impl AccessRecord {
    /// Writes the line. Paths are logged without their query, which may carry a token.
    pub(crate) fn write(self, delivery: &Delivery<'_>) {
        let route = artifact_engine::parse_mount(self.uri.path());
        let user_agent = self.user_agent.as_ref().and_then(|agent| agent.to_str().ok());
        tracing::info!(
            target: TARGET,
            request_id = self.id.as_str(),
            client_ip = self.client.map(tracing::field::display),
            method = self.method.as_str(),
            path = self.uri.path(),
            repository = route.map(|(_, repository, _)| repository),
            status = self.status.as_u16(),
            cache = self.verdict.name(),
            bytes = delivery.bytes,
            duration_ms = milliseconds(self.received),
            complete = delivery.complete,
            user_agent,
            error = delivery.failure.map(tracing::field::display),
            "request"
        );
    }
}

/// Milliseconds since `received` with three decimals.
fn milliseconds(received: Instant) -> f64 {
    let micros = u32::try_from(received.elapsed().as_micros()).unwrap_or(u32::MAX);
    f64::from(micros) / 1000.0
}

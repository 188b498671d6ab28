//! The wire: one pooled connection set, one deadline per call, bounded bodies.

use std::error::Error as _;
use std::time::Duration;

use admin_types::Problem;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

use crate::answer::Answer;
use crate::endpoint::Endpoint;

/// The largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 32 << 20;

/// A call on its way.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: Vec<(header::HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

impl<'a> Call<'a> {
    /// A call without headers or a body.
    pub(crate) fn new(method: Method, path: &'a str, query: &'a str) -> Self {
        Self { method, path, query, headers: Vec::new(), body: Bytes::new() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Transport {
    endpoint: Endpoint,
    authorization: Option<HeaderValue>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    deadline: Duration,
}

impl Transport {
    /// A transport to `endpoint` that sends `authorization`, which must be marked sensitive.
    pub(crate) fn new(
        endpoint: Endpoint,
        authorization: Option<HeaderValue>,
        deadline: Duration,
    ) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector());
        Self { endpoint, authorization, client, deadline }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The same transport with another deadline.
    pub(crate) fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The whole answer to `call`, or the problem that it reports.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Answer, Problem> {
        let request = self.request(call)?;
        let exchange = tokio::time::timeout(self.deadline, self.exchange(request));
        let Ok(answer) = exchange.await else {
            let seconds = self.deadline.as_secs_f32();
            return Err(self.unreachable(&format!("no answer within {seconds} s")));
        };
        answer?.success()
    }

    fn request(&self, call: Call<'_>) -> Result<Request<Full<Bytes>>, Problem> {
        let url = self.endpoint.join(call.path, call.query);
        let mut builder = Request::builder().method(call.method).uri(url);
        builder = builder.header(header::ACCEPT, "application/json, application/problem+json");
        if let Some(authorization) = &self.authorization {
            builder = builder.header(header::AUTHORIZATION, authorization);
        }
        for (name, value) in call.headers {
            builder = builder.header(name, value);
        }
        builder
            .body(Full::new(call.body))
            .map_err(|error| Problem::bad_request(format!("the request cannot be built: {error}")))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, Problem> {
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| self.unreachable(&innermost(&error)))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER)
            .collect()
            .await
            .map_err(|error| self.unreachable(&format!("the answer broke off: {error}")))?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    }

    fn unreachable(&self, reason: &str) -> Problem {
        Problem::no_answer(format!("{}: {reason}", self.endpoint.as_str()))
    }
}

/// The outer errors only say that something went wrong; the innermost says what.
fn innermost(error: &hyper_util::client::legacy::Error) -> String {
    let mut innermost = error.source();
    while let Some(next) = innermost.and_then(std::error::Error::source) {
        innermost = Some(next);
    }
    innermost.map_or_else(|| error.to_string(), ToString::to_string)
}

/// Trusts the system's authorities. A system without any can still reach plain HTTP, so
/// that it is no error here; HTTPS then fails with the reason.
fn connector() -> HttpsConnector<HttpConnector> {
    let mut roots = RootCertStore::empty();
    let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_all_versions()
        .build()
}

//! The bottom of the stack: hands each action to whoever answers it.

use std::fmt;
use std::sync::Arc;

use artifact_core::{Error, ErrorKind, Permission};
use artifact_engine::{Engine, Mounted, Reply, ReplyBody, Request};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};

use crate::access::{Authentication, Principal};
use crate::action::{Action, Extent, PackageRoute, RegistryAction};
use crate::admin::Admin;
use crate::body::Body;
use crate::call::{Answer, Call, Failure, Serve, Verdict};
use crate::health::Readiness;
use crate::layers::refuse;
use crate::meters;
use crate::origin::OriginSettings;
use crate::respond;
use crate::token_endpoint;
use crate::upload::{content_length, request_body};

/// The longest target of a request.
const TARGET_LIMIT: usize = 8 * 1024;

/// Prometheus' text form.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Carried along, so that the links in problem documents work without the internet.
const ERROR_GUIDE: &str = include_str!("../../../docs/errors.md");
const MARKDOWN: &str = "text/markdown; charset=utf-8";

/// What describes the connection to upstream and not the body.
const FRAMING: [HeaderName; 3] =
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];
const PEER_URL: HeaderName = HeaderName::from_static("x-artifactapi-url");
const PEER_FRAMED: HeaderName = HeaderName::from_static("x-artifactapi-framed");

/// Renders the metrics in Prometheus' text form.
pub(crate) type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Everything that answers.
#[derive(Clone)]
pub(crate) struct Dispatch {
    pub(crate) engine: Arc<Engine>,
    pub(crate) admin: Admin,
    pub(crate) authentication: Authentication,
    pub(crate) origins: Arc<OriginSettings>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) metrics: Option<RenderMetrics>,
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl<B> Serve<B> for Dispatch
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Error = Failure;

    async fn serve(&self, call: &mut Call<'_, B>) -> Result<Answer, Failure> {
        if let Some(error) = refuse(call.action) {
            return Err(error.into());
        }
        let mut answer = match call.action {
            Action::Package(route) => self.package(route, call).await?,
            Action::Registry(action, extent) => {
                let principal = call.principal.clone();
                self.registry(action, extent, call.parts.uri.query(), principal).await?
            }
            Action::Admin(action) => self.admin.serve(action, call).await?,
            Action::Health(probe) => {
                Answer::plain(self.readiness.answer(probe, call.parts.uri.query()).await)
            }
            Action::Metrics => Answer::plain(self.metrics()?),
            Action::Token(extent) => {
                Answer::plain(token_endpoint::serve(&self.authentication, extent, call).await?)
            }
            Action::PeerFlight(id) => Answer::plain(self.peer_flight(id)?),
            Action::ErrorGuide => {
                Answer::plain(respond::bytes(StatusCode::OK, MARKDOWN, ERROR_GUIDE))
            }
            Action::MethodNotAllowed(_) | Action::NotFound => return Err(nothing_here().into()),
        };
        if call.is_head() {
            answer.response.body_mut().clear();
        }
        Ok(answer)
    }
}

impl Dispatch {
    async fn package<B>(
        &self,
        route: PackageRoute<'_>,
        call: &mut Call<'_, B>,
    ) -> Result<Answer, Failure>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let uri = &call.parts.uri;
        if uri.path().len() + uri.query().map_or(0, str::len) > TARGET_LIMIT {
            return Err(Error::new(ErrorKind::BadRequest, "the address is too long").into());
        }
        let origin = self.origins.origin(call.parts, call.peer)?;
        let body = call.body.take().filter(|_| sends_body(call.method()));
        let request = Request {
            mount: route.mount,
            repository: route.repository,
            method: call.method(),
            path: route.path,
            query: uri.query(),
            headers: call.headers(),
            origin: &origin,
            body: body.map(|body| request_body(body, call.headers())),
        };
        Ok(answer(self.engine.serve(request).await?))
    }

    /// What is asked of the registry itself.
    async fn registry(
        &self,
        action: RegistryAction,
        extent: Extent<'_>,
        query: Option<&str>,
        principal: Principal,
    ) -> Result<Answer, Failure> {
        let is_open = self.authentication.is_open();
        let snapshot = self.engine.configuration().snapshot();
        let may_read = |mounted: &Mounted| {
            let name = mounted.name();
            is_open || !snapshot.is_private(name) || principal.holds(Permission::Read(name))
        };
        let worded = match action {
            RegistryAction::Ping => self.engine.registry_ping(),
            RegistryAction::Catalog => {
                self.engine.registry_catalog(query, extent.repository(), &may_read).await
            }
        }?;
        let mut response = Response::new(Body::full(worded.body));
        *response.status_mut() = worded.status;
        *response.headers_mut() = worded.headers;
        Ok(Answer::plain(uncached(response)))
    }

    /// A download of this replica for another one, from its first byte.
    fn peer_flight(&self, id: &str) -> Result<Response<Body>, Error> {
        let shared = self.engine.share_flight(id).ok_or_else(nothing_here)?;
        let mut response =
            Response::new(Body::of_reply(ReplyBody::Stream(shared.body), shared.size));
        *response.headers_mut() = shared.headers;
        let headers = response.headers_mut();
        for framing in FRAMING {
            headers.remove(framing);
        }
        if let Some(size) = shared.size {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
        }
        if let Ok(url) = HeaderValue::try_from(shared.url) {
            headers.insert(PEER_URL, url);
        }
        let framed = if shared.framed { "true" } else { "false" };
        headers.insert(PEER_FRAMED, HeaderValue::from_static(framed));
        Ok(response)
    }

    fn metrics(&self) -> Result<Response<Body>, Error> {
        let Some(render) = &self.metrics else {
            return Err(Error::new(ErrorKind::NotFound, "metrics are not collected here"));
        };
        if let Some(queue) = self.engine.access_log() {
            meters::publish_access_log(queue);
        }
        Ok(uncached(respond::bytes(StatusCode::OK, EXPOSITION, render())))
    }
}

fn sends_body(method: &Method) -> bool {
    *method != Method::GET && *method != Method::HEAD
}

fn answer(reply: Reply) -> Answer {
    let length = content_length(&reply.headers);
    let mut response = Response::new(Body::of_reply(reply.body, length));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    Answer {
        response,
        repository: Some(reply.outcome.repository),
        verdict: Verdict::Served(reply.outcome.result),
        blob: reply.outcome.blob,
    }
}

fn nothing_here() -> Error {
    Error::new(ErrorKind::NotFound, "there is nothing at this path")
}

pub(crate) fn uncached(mut response: Response<Body>) -> Response<Body> {
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    response
}

//! The whole HTTP surface as one tower service.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use admin_types::Management;
use artifact_engine::Engine;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;

use crate::access::{Authentication, VerifiedTokens};
use crate::addressing::Addressing;
use crate::admin::Admin;
use crate::body::Body;
use crate::call::{Call, Serve};
use crate::dispatch::{Dispatch, RenderMetrics};
use crate::health::{Check, Readiness};
use crate::host_map::HostMap;
use crate::layers::Capacity;
use crate::network::Network;
use crate::origin::{OriginSettings, Peer};
use crate::repositories::Repositories;
use crate::server::{Answering, Handler};
use crate::stack::{Shared, Stack, stack};

/// Everything that this server answers, as a `tower::Service` that any hyper or tower based
/// program can mount. Cloning is cheap; it is always ready and never fails.
///
/// A program with a listener of its own puts the [`Peer`] into the request's extensions;
/// [`Server`](crate::Server) hands it over without that.
#[derive(Clone)]
pub struct HttpService {
    stack: Arc<Stack<Dispatch>>,
    addressing: Arc<Addressing>,
    readiness: Arc<Readiness>,
}

impl HttpService {
    /// Begins a service over an engine and its management.
    pub fn builder(engine: Arc<Engine>, management: Arc<dyn Management>) -> HttpServiceBuilder {
        HttpServiceBuilder {
            engine,
            management,
            trusted_proxies: Vec::new(),
            registry_hosts: HostMap::default(),
            registry_namespaces: HostMap::default(),
            authentication: Authentication::open(),
            requests_in_flight: 4096,
            metrics: None,
        }
    }

    /// Answers `/readyz` with 503 from now on.
    pub fn begin_draining(&self) {
        self.readiness.begin_draining();
    }

    fn answer<B>(&self, request: Request<B>, peer: Peer) -> Answering
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        run(Arc::clone(&self.stack), Arc::clone(&self.addressing), request, peer)
    }
}

/// Runs one request through a stack. The only boxed future of a request is made here.
pub(crate) fn run<B, S>(
    stack: Arc<S>,
    addressing: Arc<Addressing>,
    request: Request<B>,
    peer: Peer,
) -> Answering
where
    B: Send + 'static,
    S: Serve<B, Error = Infallible> + 'static,
{
    Box::pin(async move {
        let (parts, body) = request.into_parts();
        let mut call = Call::new(&parts, body, peer, &addressing);
        match stack.serve(&mut call).await {
            Ok(answer) => answer.response,
            Err(impossible) => match impossible {},
        }
    })
}

impl fmt::Debug for HttpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpService").field("readiness", &self.readiness).finish_non_exhaustive()
    }
}

impl<B> tower::Service<Request<B>> for HttpService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let peer = request.extensions().get().copied().unwrap_or(Peer::unknown());
        let answering = self.answer(request, peer);
        Box::pin(async move { Ok(answering.await) })
    }
}

impl Handler for HttpService {
    fn handle(&self, request: Request<Incoming>, peer: Peer) -> Answering {
        self.answer(request, peer)
    }

    fn begin_draining(&self) {
        Self::begin_draining(self);
    }
}

/// Builds an [`HttpService`].
#[must_use]
pub struct HttpServiceBuilder {
    engine: Arc<Engine>,
    management: Arc<dyn Management>,
    trusted_proxies: Vec<Network>,
    registry_hosts: HostMap,
    registry_namespaces: HostMap,
    authentication: Authentication,
    requests_in_flight: usize,
    metrics: Option<RenderMetrics>,
}

impl HttpServiceBuilder {
    /// Believes the forwarding headers of these proxies.
    pub fn trusted_proxies(mut self, proxies: Vec<Network>) -> Self {
        self.trusted_proxies = proxies;
        self
    }

    /// Hosts that stand for a repository of the registry: below its root clients see the images of that one alone,
    /// without its name. An entry without a port fits any port.
    pub fn registry_hosts(mut self, hosts: HostMap) -> Self {
        self.registry_hosts = hosts;
        self
    }

    /// Registries whose images a repository has: whoever names one of them as the namespace of a request may leave
    /// the repository's name out.
    pub fn registry_namespaces(mut self, namespaces: HostMap) -> Self {
        self.registry_namespaces = namespaces;
        self
    }

    /// Who may do what; everything is open without it.
    pub fn authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// How many requests may be under way; one more is answered with 503.
    pub fn requests_in_flight(mut self, limit: usize) -> Self {
        self.requests_in_flight = limit;
        self
    }

    /// What `/metrics` answers; 404 without it. The `metrics` recorder must be installed before
    /// the service is built, because handles are made once.
    pub fn metrics(mut self, render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.metrics = Some(Arc::new(render));
        self
    }

    /// The service.
    pub fn build(self) -> HttpService {
        let origins = Arc::new(OriginSettings {
            public_url: self.engine.settings().public_url.clone(),
            trusted_proxies: self.trusted_proxies,
        });
        let addressing = Arc::new(Addressing {
            origins: Arc::clone(&origins),
            hosts: self.registry_hosts,
            namespaces: self.registry_namespaces,
        });
        let readiness = Arc::new(Readiness::new(Check::of(&self.engine)));
        let parts = self.engine.parts();
        let tokens = VerifiedTokens::new(
            Arc::clone(&parts.meta),
            Arc::clone(&parts.clock),
            Arc::clone(self.engine.token_uses()),
        );
        let authentication = self.authentication.with_tokens(tokens);
        let repositories: Arc<dyn Repositories> = Arc::<Engine>::clone(&self.engine);
        let shared = Shared {
            origins: Arc::clone(&origins),
            repositories,
            capacity: Arc::new(Capacity::new(self.requests_in_flight)),
            authentication: authentication.clone(),
            access_log: self.engine.access_log().cloned(),
        };
        let dispatch = Dispatch {
            admin: Admin::new(self.management, Arc::clone(&origins)),
            engine: self.engine,
            authentication,
            origins,
            readiness: Arc::clone(&readiness),
            metrics: self.metrics,
        };
        HttpService { stack: Arc::new(stack(&shared, dispatch)), addressing, readiness }
    }
}

impl fmt::Debug for HttpServiceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServiceBuilder")
            .field("trusted_proxies", &self.trusted_proxies)
            .field("registry_hosts", &self.registry_hosts)
            .field("registry_namespaces", &self.registry_namespaces)
            .field("authentication", &self.authentication)
            .field("requests_in_flight", &self.requests_in_flight)
            .finish_non_exhaustive()
    }
}

//! A scripted origin server on loopback: real sockets, no real network, no sleeping.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::plan::{BrokenBody, Plan};
use crate::script::{Fault, Framing, Script, ScriptBook};

/// A request that the origin saw.
#[derive(Clone, Debug)]
pub struct OriginRequest {
    /// The method.
    pub method: Method,
    /// The path as sent.
    pub path: String,
    /// The query as sent.
    pub query: Option<String>,
    /// Every header.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// A scripted HTTP/1.1 server on 127.0.0.1. Paths without a script answer 404. Stops when dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    scripts: ScriptBook,
    requests: Mutex<Vec<OriginRequest>>,
    connections: AtomicUsize,
}

impl Shared {
    fn requests(&self) -> MutexGuard<'_, Vec<OriginRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Origin {
    /// Starts on a free port.
    ///
    /// # Panics
    /// If loopback cannot be bound.
    pub async fn start() -> Self {
        let (address, listener) = listen((Ipv4Addr::LOCALHOST, 0).into()).await;
        let shared = Arc::<Shared>::default();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The root, with a trailing slash.
    ///
    /// # Panics
    /// Never: an address always makes a URL.
    pub fn base_url(&self) -> url::Url {
        match url::Url::parse(&self.url("/")) {
            Ok(url) => url,
            Err(error) => panic!("no URL of our own address: {error}"),
        }
    }

    /// The URL of `path`, which may carry a query.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{}", self.address, path.trim_start_matches('/'))
    }

    /// Answers requests of exactly `path` with `script` from now on. Where `path` ends with a query,
    /// only those that have all of its parameters; the script that names the most goes first.
    pub fn on(&self, path: &str, script: Script) {
        self.shared.scripts.replace(path, script);
    }

    /// Every request so far, in order of arrival.
    pub fn requests(&self) -> Vec<OriginRequest> {
        self.shared.requests().clone()
    }

    /// How many requests asked for `path`.
    pub fn count(&self, path: &str) -> usize {
        self.shared.requests().iter().filter(|request| request.path == path).count()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Stops listening and drops every connection, answered or not. New connections are refused
    /// when this returns.
    pub async fn stop(&mut self) {
        self.accepting.abort();
        if !self.accepting.is_finished() {
            let _ = (&mut self.accepting).await;
        }
    }

    /// Listens again where it did before it was [stopped](Self::stop).
    ///
    /// # Panics
    /// If somebody else took the port.
    pub async fn restart(&mut self) {
        let (_, listener) = listen(self.address).await;
        self.accepting = tokio::spawn(accept(listener, Arc::clone(&self.shared)));
    }
}

async fn listen(address: SocketAddr) -> (SocketAddr, TcpListener) {
    let bound = TcpListener::bind(address).await;
    match bound.and_then(|listener| Ok((listener.local_addr()?, listener))) {
        Ok(bound) => bound,
        Err(error) => panic!("{address} cannot be listened on: {error}"),
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Owns the connections, so that they end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
    // A connection that fails is what half of the scripts ask for.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<UnsyncBoxBody<Bytes, BrokenBody>>, BrokenBody> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| BrokenBody)?.to_bytes();
    let path = head.uri.path().to_owned();
    shared.requests().push(OriginRequest {
        method: head.method.clone(),
        path: path.clone(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers.clone(),
        body,
    });
    let script = shared.scripts.next(&shared.scripts.key_of(&path, head.uri.query()));
    let plan = Plan::of(script, &head.method, &head.headers);
    match plan.fault {
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Broken(_)) => return Err(BrokenBody),
        None => {}
    }
    plan.pass_head().await;
    Ok(response(plan))
}

fn response(plan: Plan) -> Response<UnsyncBoxBody<Bytes, BrokenBody>> {
    let frames = plan.body.into_stream().map(|chunk| chunk.map(Frame::data));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    *response.status_mut() = plan.status;
    *response.headers_mut() = plan.headers;
    if plan.framing == Framing::CloseDelimited {
        // hyper chunks every HTTP/1.1 body without a length; only HTTP/1.0 ends by closing.
        *response.version_mut() = Version::HTTP_10;
    }
    response
}

//! A front that writes down what clients ask of a server and what they are told.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use http::{Method, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::Server;

/// One request and the head of its answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recorded {
    /// The method.
    pub method: Method,
    /// The path with the query, as sent.
    pub target: String,
    /// The status of the answer.
    pub status: u16,
}

/// A port of loopback that leads to a server. What is asked through it is written down before the
/// client has its answer, so that nothing of a client that has ended is missing.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    record: Arc<Record>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Record {
    server: String,
    client: Client<HttpConnector, Incoming>,
    requests: Mutex<Vec<Recorded>>,
}

impl Recorder {
    /// One in front of `server`.
    pub async fn before(server: &Server) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        // A connection that the server gives up while it rests would lose a request.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        let record =
            Record { server: server.authority().to_owned(), client, requests: Mutex::default() };
        let record = Arc::new(record);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&record)));
        Ok(Self { address, record, accepting })
    }

    /// The `host:port` it listens on.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// What was asked since the last call, in the order of the answers.
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.record.requests())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Recorded {
    /// Whether this is a request of `method` whose target has `part` in it.
    pub fn is(&self, method: &Method, part: &str) -> bool {
        self.method == *method && self.target.contains(part)
    }
}

impl Record {
    fn requests(&self) -> MutexGuard<'_, Vec<Recorded>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass_on(&self, mut request: Request<Incoming>) -> Result<Response<Incoming>> {
        let method = request.method().clone();
        let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        *request.uri_mut() = Uri::builder()
            .scheme("http")
            .authority(self.server.as_str())
            .path_and_query(target.as_str())
            .build()?;
        let answer = self.client.request(request).await?;
        let status = answer.status().as_u16();
        self.requests().push(Recorded { method, target, status });
        Ok(answer)
    }
}

/// Owns the connections, so that they end with it.
async fn accept(listener: TcpListener, record: Arc<Record>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(stream, Arc::clone(&record)));
    }
}

async fn serve(stream: TcpStream, record: Arc<Record>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let record = Arc::clone(&record);
        async move { record.pass_on(request).await.map_err(std::io::Error::other) }
    });
    // A client that breaks off is what some tests are about.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

//! The listener: accepts connections, bounds them, and ends without cutting a download.

mod activity;
mod connection;
mod limits;
mod watched;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::Body;
use crate::origin::Peer;

pub(crate) use activity::Exchange;
use connection::Connection;
pub use limits::Limits;

/// The future of an answer.
pub type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// What a server calls for each request.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers a request that came over a connection from `peer`.
    fn handle(&self, request: Request<Incoming>, peer: Peer) -> Answering;

    /// The server is about to stop; whoever asks for readiness must be told.
    fn begin_draining(&self) {}
}

/// How a server is told to stop.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Stop accepting, let what is under way finish.
    pub gracefully: CancellationToken,
    /// Break off what is still under way.
    pub now: CancellationToken,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// Every request was answered to its last byte.
    Drained,
    /// Connections were cut, by the timeout or by [`Shutdown::now`].
    Cut,
}

/// A bound listener that is not serving yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    limits: Limits,
}

impl Server {
    /// Binds `address`; port 0 takes a free one.
    pub async fn bind(address: impl ToSocketAddrs, limits: Limits) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, limits })
    }

    /// The address that is listened on, with the real port.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`, and returns when the last connection is gone.
    pub async fn serve<H: Handler>(self, handler: H, shutdown: Shutdown) -> Ended {
        let connections = Connections {
            tasks: TaskTracker::new(),
            places: Arc::new(Semaphore::new(self.limits.connections)),
            limits: Arc::new(self.limits),
            shutdown,
            handler,
        };
        connections.accept(&self.listener).await;
        // Closed before the wait: the port is free and later clients are refused at once.
        drop(self.listener);
        connections.drain().await
    }
}

struct Connections<H> {
    tasks: TaskTracker,
    places: Arc<Semaphore>,
    limits: Arc<Limits>,
    shutdown: Shutdown,
    handler: H,
}

impl<H: Handler> Connections<H> {
    /// Accepts until the end of the grace delay.
    async fn accept(&self, listener: &TcpListener) {
        let stopping = async {
            self.shutdown.gracefully.cancelled().await;
            self.handler.begin_draining();
            // Readiness is down already, so that a balancer has the time to look elsewhere.
            tokio::time::sleep(self.limits.shutdown_delay).await;
        };
        tokio::select! {
            () = stopping => {}
            () = self.shutdown.now.cancelled() => self.handler.begin_draining(),
            () = self.accept_forever(listener) => {}
        }
    }

    async fn accept_forever(&self, listener: &TcpListener) {
        loop {
            // A place first: beyond the limit clients wait in the kernel's queue.
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, address)) => self.spawn(stream, address, place),
                Err(error) => after_failed_accept(&error).await,
            }
        }
    }

    fn spawn(&self, stream: TcpStream, address: SocketAddr, place: OwnedSemaphorePermit) {
        let connection = Connection {
            handler: self.handler.clone(),
            peer: Peer::plain(address),
            limits: Arc::clone(&self.limits),
            shutdown: self.shutdown.clone(),
            tasks: self.tasks.clone(),
        };
        self.tasks.spawn(async move {
            connection.run(stream).await;
            drop(place);
        });
    }

    async fn drain(&self) -> Ended {
        self.tasks.close();
        tokio::select! {
            () = self.tasks.wait() => return Ended::Drained,
            () = tokio::time::sleep(self.limits.shutdown_timeout) => {}
            () = self.shutdown.now.cancelled() => {}
        }
        tracing::warn!(tasks = self.tasks.len(), "connections are cut off");
        self.shutdown.now.cancel();
        self.tasks.wait().await;
        Ended::Cut
    }
}

/// A client that is gone again is no news. Anything else, such as too many open files, passes
/// only when connections end, so that trying again at once would only burn time.
async fn after_failed_accept(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    tracing::error!(%error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_secs(1)).await;
}

//! One connection from accept to close.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use super::activity::{Activity, Exchange};
use super::limits::Limits;
use super::watched::Watched;
use super::{Handler, Shutdown};
use crate::body::Body;
use crate::origin::Peer;

/// Unsent bytes that the kernel takes per connection. Its default, megabytes, would hide for
/// minutes whether a slow client still reads, and hold memory for it.
const UNSENT: u32 = 256 * 1024;

pub(super) struct Connection<H> {
    pub(super) handler: H,
    pub(super) peer: Peer,
    pub(super) limits: Arc<Limits>,
    pub(super) shutdown: Shutdown,
    pub(super) tasks: TaskTracker,
}

impl<H: Handler> Connection<H> {
    /// Serves the connection until either side is done with it.
    pub(super) async fn run(&self, stream: TcpStream) {
        tune(&stream);
        let activity = Activity::begin();
        let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
        let service = service_fn(|request| self.answer(&activity, request));
        let builder = self.builder();
        let mut connection = pin!(builder.serve_connection(io, service));
        let mut watchdog = pin!(activity.watch(&self.limits));
        let mut is_draining = false;
        loop {
            tokio::select! {
                result = connection.as_mut() => return log_end(self.peer, result),
                reason = watchdog.as_mut() => {
                    tracing::debug!(peer = ?self.peer.address, ?reason, "connection is cut off");
                    return;
                }
                () = self.shutdown.now.cancelled() => return,
                () = self.shutdown.gracefully.cancelled(), if !is_draining => {
                    is_draining = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    /// The exchange ends with the body, or with the future if the client goes away before.
    fn answer(
        &self,
        activity: &Arc<Activity>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<H> {
        let exchange = Exchange::begin(activity);
        let answering = self.handler.handle(request, self.peer);
        async move {
            let mut response = answering.await;
            response.body_mut().attached().exchange = Some(exchange);
            Ok(response)
        }
    }

    fn builder(&self) -> auto::Builder<TrackedExecutor> {
        let mut builder = auto::Builder::new(TrackedExecutor(self.tasks.clone()));
        builder
            .http1()
            .timer(TokioTimer::new())
            // The watchdog does it, for both protocols and before either is known.
            .header_read_timeout(None)
            .max_headers(self.limits.headers)
            .max_buf_size(self.limits.head_bytes);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams)
            .max_header_list_size(u32::try_from(self.limits.head_bytes).unwrap_or(u32::MAX))
            .adaptive_window(true);
        builder
    }
}

fn tune(stream: &TcpStream) {
    // Both only make things faster; a socket that refuses them works too.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "nodelay is not available");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT) {
        tracing::debug!(%error, "the unsent limit is not available");
    }
}

/// Clients go away all the time; that is not worth more than a debug line.
fn log_end(peer: Peer, result: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = result {
        tracing::debug!(peer = ?peer.address, %error, "connection ended early");
    }
}

/// Runs the tasks of HTTP/2 streams among those that a stopping server waits for.
#[derive(Clone, Debug)]
struct TrackedExecutor(TaskTracker);

impl<F> hyper::rt::Executor<F> for TrackedExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

//! Connections: resolve, check, connect to what was checked, TLS.
//!
//! Invariant: no address is connected to that did not pass [`address_policy`], whether it came
//! out of a name or stood in the URL.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use artifact_core::ports::UpstreamReason;
use futures_util::future::select_ok;
use http::Uri;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::{Allowance, Resolve, Timeouts, Verdict, address_policy};

/// How long one address is tried alone before the next one joins.
const HEAD_START: Duration = Duration::from_millis(250);
const ADDRESSES: usize = 8;

type Connection = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Opens the connections of one pool.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) allowance: Allowance,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) tls: TlsConnector,
    pub(crate) timeouts: Timeouts,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the URL has no usable host")]
    NoHost,
    #[error("{host} did not resolve: {cause}")]
    Resolve { host: String, cause: std::io::Error },
    #[error("{host} has no address")]
    NoAddress { host: String },
    #[error("{host} leads to a {kind} address")]
    Refused { host: String, kind: &'static str },
    #[error("no connection to {host}: {cause}")]
    Connect { host: String, cause: std::io::Error },
    #[error("no TLS session with {host}: {cause}")]
    Tls { host: String, cause: std::io::Error },
    #[error("{host} did not {step} in time")]
    Timeout { host: String, step: &'static str },
}

impl ConnectError {
    pub(crate) fn reason(&self) -> UpstreamReason {
        match self {
            Self::NoHost | Self::Refused { .. } => UpstreamReason::Refused,
            Self::Resolve { .. } | Self::NoAddress { .. } => UpstreamReason::Dns,
            Self::Connect { .. } => UpstreamReason::Connect,
            Self::Tls { .. } => UpstreamReason::Tls,
            Self::Timeout { .. } => UpstreamReason::Timeout,
        }
    }

    /// Whether another attempt may succeed; a certificate does not improve within a second.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::NoHost | Self::Refused { .. } | Self::Tls { .. } => false,
            Self::Resolve { .. }
            | Self::NoAddress { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. } => true,
        }
    }
}

impl Connector {
    async fn connect(self, uri: Uri) -> Result<Connection, ConnectError> {
        let host = uri.host().map(unbracketed).ok_or(ConnectError::NoHost)?;
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let addresses = self.checked(host, self.addresses(host).await?)?;
        let stream = self.dial(host, port, addresses).await?;
        if is_tls { self.handshake(host, stream).await } else { Ok(TokioIo::new(stream).into()) }
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ConnectError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let resolved = timeout(self.timeouts.resolve, self.resolver.resolve(host)).await;
        resolved
            .map_err(|_| ConnectError::Timeout { host: host.to_owned(), step: "resolve" })?
            .map_err(|cause| ConnectError::Resolve { host: host.to_owned(), cause })
    }

    /// The addresses that may be connected to; an error if there is none.
    fn checked(&self, host: &str, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, ConnectError> {
        let mut allowed = Vec::new();
        let mut refused = None;
        for address in found {
            match address_policy(address, self.allowance) {
                Verdict::Allowed => allowed.push(address),
                Verdict::Denied(kind) => refused = Some(kind),
            }
        }
        match (allowed.is_empty(), refused) {
            (false, _) => Ok(allowed),
            (true, Some(kind)) => Err(ConnectError::Refused { host: host.to_owned(), kind }),
            (true, None) => Err(ConnectError::NoAddress { host: host.to_owned() }),
        }
    }

    /// The first of `addresses` that answers; later ones start a little later.
    async fn dial(
        &self,
        host: &str,
        port: u16,
        addresses: Vec<IpAddr>,
    ) -> Result<TcpStream, ConnectError> {
        let attempts = (0_u32..).zip(addresses.into_iter().take(ADDRESSES)).map(|(rank, ip)| {
            Box::pin(async move {
                tokio::time::sleep(HEAD_START * rank).await;
                let stream = TcpStream::connect(SocketAddr::new(ip, port)).await?;
                stream.set_nodelay(true)?;
                Ok(stream)
            })
        });
        let dialled = timeout(self.timeouts.connect, select_ok(attempts)).await;
        dialled
            .map_err(|_| ConnectError::Timeout { host: host.to_owned(), step: "connect" })?
            .map(|(stream, _)| stream)
            .map_err(|cause| ConnectError::Connect { host: host.to_owned(), cause })
    }

    async fn handshake(&self, host: &str, stream: TcpStream) -> Result<Connection, ConnectError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::NoHost)?;
        let session = self.tls.connect(name, TokioIo::new(TokioIo::new(stream)));
        let stream = timeout(self.timeouts.tls, session)
            .await
            .map_err(|_| ConnectError::Timeout { host: host.to_owned(), step: "agree on TLS" })?
            .map_err(|cause| ConnectError::Tls { host: host.to_owned(), cause })?;
        Ok(stream.into())
    }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl tower::Service<Uri> for Connector {
    type Response = Connection;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

//! What `rusoto_core` 0.48 wants of `hyper-rustls` 0.23, without its TLS.
//!
//! `rusoto_core` does not compile without one of two TLS stacks. Both are of 2022 and are not
//! maintained: one is OpenSSL, the other rustls 0.20 with ring 0.16 and the first webpki, all of
//! which have open advisories. `cas-store` sends its requests over a client of its own, with the
//! rustls of the rest of the workspace, and uses neither. So the names are here and a TLS stack is
//! not: the workspace patches `hyper-rustls` 0.23 with this package, and the old crates are gone
//! from the lock file.
//!
//! Invariant: nothing connects through this package. The default client of `rusoto_core`, which
//! is the only one that would, is told that it cannot.

use std::future::{Ready, ready};
use std::io;
use std::marker::PhantomData;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper::client::HttpConnector;
use hyper::service::Service;

/// The connector of the default client: refuses every connection.
#[derive(Clone, Debug)]
pub struct HttpsConnector<T>(PhantomData<fn() -> T>);

impl<T> Service<Uri> for HttpsConnector<T> {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let refusal = "this build of rusoto has no TLS: give it a dispatcher of your own";
        ready(Err(io::Error::new(io::ErrorKind::Unsupported, refusal)))
    }
}

/// Builds the connector. Every step is there because it is called, and none does anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpsConnectorBuilder;

impl HttpsConnectorBuilder {
    /// A builder.
    pub fn new() -> Self {
        Self
    }

    /// Changes nothing: there are no roots where there is no TLS.
    pub fn with_native_roots(self) -> Self {
        self
    }

    /// Changes nothing: there are no roots where there is no TLS.
    pub fn with_webpki_roots(self) -> Self {
        self
    }

    /// Changes nothing: nothing is connected to.
    pub fn https_only(self) -> Self {
        self
    }

    /// Changes nothing: nothing is spoken.
    pub fn enable_http2(self) -> Self {
        self
    }

    /// The connector that refuses.
    pub fn build(self) -> HttpsConnector<HttpConnector> {
        HttpsConnector(PhantomData)
    }
}

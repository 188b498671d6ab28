//! The client below the requests: connections, and whom they trust.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

use super::settings::{S3Timeouts, Security};
use crate::StoreError;

/// What is sent; streamed bodies can fail while they are sent.
pub(super) type RequestBody = UnsyncBoxBody<Bytes, std::io::Error>;
/// A client with its pool; cheap to clone.
pub(super) type HttpClient = Client<HttpsConnector<HttpConnector>, RequestBody>;

/// Shorter than servers and what stands before them keep an idle connection.
const IDLE: Duration = Duration::from_secs(15);

/// A client that connects to nothing yet.
pub(super) fn client(security: Security, timeouts: S3Timeouts) -> Result<HttpClient, StoreError> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(timeouts.connect));
    let roots = match security {
        Security::Plain => RootCertStore::empty(),
        Security::Tls => system_roots()?,
    };
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(configuration(roots)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector))
}

/// The authorities of the system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
fn system_roots() -> Result<RootCertStore, StoreError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let problem = "TLS is wanted and the system has no certificate authorities";
        return Err(StoreError::S3Settings { problem });
    }
    Ok(roots)
}

fn configuration(roots: RootCertStore) -> Result<ClientConfig, StoreError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| StoreError::S3Settings { problem: "TLS cannot be set up" })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

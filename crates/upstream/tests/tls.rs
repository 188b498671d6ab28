//! TLS: whom we believe, and HTTP/2 where both sides speak it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use artifact_core::ports::{Upstream, UpstreamReason, UpstreamTarget};
use bytes::Bytes;
use common::{Names, client_with, get_from, read, refused, target};
use http::Response;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use upstream::HttpUpstream;

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A server configuration for `name` that offers `protocols`.
    fn server(&self, name: &str, protocols: &[&str]) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// Answers every request with the HTTP version that it came with.
async fn serve(config: Arc<ServerConfig>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = TlsAcceptor::from(Arc::clone(&config));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service = service_fn(|request: http::Request<_>| async move {
                    let _: &hyper::body::Incoming = request.body();
                    let version = format!("{:?}", request.version());
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(version))))
                });
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

fn client() -> HttpUpstream {
    let names = Names::of([("registry.example", "127.0.0.1")]);
    client_with(|settings| settings.resolver = names)
}

fn trusting(address: SocketAddr, ca_certificates: &str) -> UpstreamTarget {
    let base_url = format!("https://registry.example:{}/", address.port()).parse().unwrap();
    UpstreamTarget { ca_certificates: ca_certificates.to_owned(), ..target(base_url) }
}

#[tokio::test]
async fn alpn_decides_the_http_version() {
    let authority = Authority::new();
    for (protocols, expected) in
        [(&["h2", "http/1.1"][..], "HTTP/2.0"), (&["http/1.1"], "HTTP/1.1"), (&[], "HTTP/1.1")]
    {
        let address = serve(authority.server("registry.example", protocols)).await;
        let request = get_from(trusting(address, &authority.pem), "/a");
        let response = client().send(request).await.unwrap();
        assert!(response.framed);
        assert_eq!(read(response).await.unwrap(), expected.as_bytes());
    }
}

#[tokio::test]
async fn only_the_authorities_of_the_remote_itself_are_believed() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let address = serve(authority.server("registry.example", &["h2"])).await;
    let client = client();
    client.send(get_from(trusting(address, &authority.pem), "/a")).await.unwrap();
    for pem in ["", stranger.pem.as_str()] {
        let request = get_from(trusting(address, pem), "/a");
        assert_eq!(refused(&client, request).await, UpstreamReason::Tls);
    }
}

#[tokio::test]
async fn the_certificate_must_name_the_host() {
    let authority = Authority::new();
    let address = serve(authority.server("other.example", &["h2"])).await;
    let request = get_from(trusting(address, &authority.pem), "/a");
    assert_eq!(refused(&client(), request).await, UpstreamReason::Tls);
}

#[tokio::test]
async fn unreadable_authorities_are_an_error_of_the_remote() {
    let authority = Authority::new();
    let address = serve(authority.server("registry.example", &["h2"])).await;
    let pem = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    let error = client().send(get_from(trusting(address, pem), "/a")).await.unwrap_err();
    assert_eq!(error.reason, UpstreamReason::Tls);
    assert!(error.message.contains("remote"), "{}", error.message);
}

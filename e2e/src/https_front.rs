//! A TLS end in front of a server, as a reverse proxy is in production.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// An address under which `https://localhost:{port}` will lead to a server.
#[derive(Debug)]
pub struct HttpsFront {
    listener: TcpListener,
    configuration: Arc<ServerConfig>,
    origin: String,
    directory: TempDir,
}

/// A front that leads to a server, until it is dropped.
#[derive(Debug)]
pub struct OpenFront {
    accepting: JoinHandle<()>,
    directory: TempDir,
}

impl HttpsFront {
    /// A free port of loopback and a certificate for it. The server can be told its own address
    /// before it is started.
    pub async fn new() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let origin = format!("https://localhost:{}", listener.local_addr()?.port());
        let directory = tempfile::tempdir()?;
        let (configuration, authority) = certified()?;
        std::fs::write(authority_file(&directory), authority)?;
        Ok(Self { listener, configuration: Arc::new(configuration), origin, directory })
    }

    /// The URL of its root, without a slash.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Leads to the server at `authority` from now on.
    pub fn open(self, authority: &str) -> OpenFront {
        let acceptor = TlsAcceptor::from(self.configuration);
        let accepting = tokio::spawn(accept(self.listener, acceptor, authority.to_owned()));
        OpenFront { accepting, directory: self.directory }
    }
}

impl OpenFront {
    /// The file with the certificate that clients have to trust.
    pub fn authority(&self) -> PathBuf {
        authority_file(&self.directory)
    }
}

impl Drop for OpenFront {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn authority_file(directory: &TempDir) -> PathBuf {
    Path::new(directory.path()).join("authority.pem")
}

/// A configuration with a certificate for localhost, and the certificate of who issued it.
fn certified() -> Result<(ServerConfig, String)> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?
        .signed_by(&key, &authority)?;
    let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let configuration = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .context("a certificate and its key")?;
    Ok((configuration, authority.pem()))
}

/// Owns the connections, so that they end with it.
async fn accept(listener: TcpListener, acceptor: TlsAcceptor, authority: String) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (acceptor, authority) = (acceptor.clone(), authority.clone());
        connections.spawn(async move {
            let mut outside = acceptor.accept(stream).await?;
            let mut inside = TcpStream::connect(authority).await?;
            copy_bidirectional(&mut outside, &mut inside).await
        });
    }
}

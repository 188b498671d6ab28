//! Whom we believe.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The TLS library refuses its configuration.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The text of additional authorities is not PEM.
    #[error("the certificate authorities are not readable: {0}")]
    Pem(#[from] pem::Error),
}

/// The authorities of the system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`. An empty or broken
/// store is logged: remotes with authorities of their own still work.
pub(crate) fn system_roots() -> RootCertStore {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        tracing::warn!(%error, "a certificate store could not be read");
    }
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(loaded.certs);
    tracing::debug!(added, ignored, "system certificate authorities");
    if roots.is_empty() {
        tracing::warn!("no system certificate authority was found");
    }
    roots
}

/// A TLS configuration that trusts `roots` and the authorities in `extra`, which is PEM.
pub(crate) fn configuration(
    roots: &RootCertStore,
    extra: &str,
) -> Result<Arc<ClientConfig>, SetupError> {
    let mut roots = roots.clone();
    for certificate in CertificateDer::pem_slice_iter(extra.as_bytes()) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

//! Connection pools.
//!
//! Invariant: a pool holds connections of one trust only: one set of authorities and one
//! allowance. A connection that was opened for an operator's own host is thus never reused for
//! a host of the same name that an index mentions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;
use tokio_rustls::TlsConnector;

use crate::connect::Connector;
use crate::{Allowance, Resolve, Settings, SetupError, Timeouts, tls};

const POOLS: usize = 64;
const HEADERS: usize = 100;
const HEAD_BYTES: usize = 64 * 1024;

/// A client with its own pool; cheap to clone.
pub(crate) type Client = hyper_util::client::legacy::Client<Connector, Full<Bytes>>;

/// Every client of this process by what it trusts.
pub(crate) struct Clients {
    roots: RootCertStore,
    resolver: Arc<dyn Resolve>,
    timeouts: Timeouts,
    built: Mutex<HashMap<Trusting, Client>>,
}

#[derive(Clone, Eq, Hash, PartialEq)]
struct Trusting {
    certificates: String,
    allowance: Allowance,
}

impl Clients {
    /// Clients that trust the system's authorities.
    pub(crate) fn new(settings: &Settings) -> Result<Self, SetupError> {
        let roots = tls::system_roots();
        tls::configuration(&roots, "")?;
        Ok(Self {
            roots,
            resolver: Arc::clone(&settings.resolver),
            timeouts: settings.timeouts.clone(),
            built: Mutex::default(),
        })
    }

    /// The client that also trusts `certificates` and reaches as far as `allowance`.
    pub(crate) fn get(
        &self,
        certificates: &str,
        allowance: Allowance,
    ) -> Result<Client, SetupError> {
        let key = Trusting { certificates: certificates.to_owned(), allowance };
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = built.get(&key) {
            return Ok(client.clone());
        }
        if built.len() >= POOLS {
            // Old revisions of remotes; what is in use lives on in its clones.
            built.clear();
        }
        let client = self.build(certificates, allowance)?;
        built.insert(key, client.clone());
        Ok(client)
    }

    fn build(&self, certificates: &str, allowance: Allowance) -> Result<Client, SetupError> {
        let connector = Connector {
            allowance,
            resolver: Arc::clone(&self.resolver),
            tls: TlsConnector::from(tls::configuration(&self.roots, certificates)?),
            timeouts: self.timeouts.clone(),
        };
        let head_bytes = u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX);
        Ok(hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.timeouts.pool_idle)
            .http1_max_headers(HEADERS)
            .http1_max_buf_size(HEAD_BYTES)
            .http2_max_header_list_size(head_bytes)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(self.timeouts.body_idle)
            .build(connector))
    }
}

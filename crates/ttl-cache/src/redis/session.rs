//! One connection, from its greeting to its end. It is never restored: another one takes its place.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::{Client, WithOptions};
use fred::interfaces::ClientLike;
use fred::types::config::{Config, ConnectionConfig, Options, PerformanceConfig, TlsConnector};
use fred::types::{RespVersion, Version};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::address::Address;
use super::{RedisError, RedisSettings};
use crate::announcements::ANNOUNCEMENTS;

/// How often an idle connection is asked for a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// Opens connections to one server.
pub(crate) struct Connector {
    /// Has the password: never printed.
    address: Address,
    tls: Option<TlsConnector>,
    patience: Duration,
}

impl Connector {
    /// A connector that believes the system's certificate authorities, or those that
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    pub(crate) fn new(settings: &RedisSettings) -> Result<Self, RedisError> {
        let address = Address::parse(&settings.url)?;
        let tls = address.is_tls.then(tls).transpose()?;
        Ok(Self { address, tls, patience: settings.connect })
    }

    /// Host and port.
    pub(crate) fn server(&self) -> &str {
        &self.address.server
    }

    fn client(&self, version: RespVersion) -> Client {
        let config = Config {
            fail_fast: true,
            version,
            tls: self.tls.clone().map(Into::into),
            ..self.address.config()
        };
        let connection = ConnectionConfig {
            connection_timeout: self.patience,
            internal_command_timeout: self.patience,
            max_command_attempts: 1,
            ..ConnectionConfig::default()
        };
        let performance = PerformanceConfig {
            default_command_timeout: self.patience,
            broadcast_channel_capacity: ANNOUNCEMENTS,
            ..PerformanceConfig::default()
        };
        Client::new(config, Some(performance), Some(connection), None)
    }
}

fn tls() -> Result<TlsConnector, rustls::Error> {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        tracing::warn!(%error, "a certificate store could not be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config.into())
}

/// A connection that has answered.
pub(crate) struct Session {
    client: Client,
    patience: Duration,
    /// Carries the connection, which is closed when this is dropped.
    driver: AbortOnDropHandle<Result<(), fred::error::Error>>,
}

impl Session {
    /// Connects, greets and waits for an answer.
    pub(crate) async fn open(
        connector: &Connector,
        version: RespVersion,
    ) -> Result<Self, RedisError> {
        let client = connector.client(version);
        // Connecting and greeting have one patience each.
        let greeting = with_timeout(&client, connector.patience * 2);
        let mut driver = AbortOnDropHandle::new(client.connect());
        let failed = tokio::select! {
            biased;
            ended = &mut driver => Some(reason(ended)),
            answered = greeting.ping::<()>(None) => answered.err(),
        };
        match failed {
            Some(failed) => Err(RedisError::of_greeting(connector.server(), failed)),
            None => Ok(Self { client, patience: connector.patience, driver }),
        }
    }

    /// For commands.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// For commands that belong to setting up: they may take as long as connecting.
    pub(crate) fn patient(&self) -> WithOptions<Client> {
        with_timeout(&self.client, self.patience)
    }

    /// The server's version, if it tells.
    pub(crate) fn version(&self) -> Option<Version> {
        self.client.server_version()
    }

    /// Waits until the connection is lost or gives no sign of life, and says which.
    pub(crate) async fn ended(&mut self) -> RedisError {
        let patient = self.patient();
        let failed = tokio::select! {
            ended = &mut self.driver => reason(ended),
            silent = silence(&patient) => silent,
        };
        RedisError::Command(failed)
    }
}

fn with_timeout(client: &Client, timeout: Duration) -> WithOptions<Client> {
    client.with_options(&Options {
        max_attempts: Some(1),
        timeout: Some(timeout),
        ..Options::default()
    })
}

/// Asks for a sign of life until there is none.
async fn silence(client: &WithOptions<Client>) -> fred::error::Error {
    loop {
        sleep(HEARTBEAT).await;
        if let Err(failed) = client.ping::<()>(None).await {
            return failed;
        }
    }
}

fn reason(
    ended: Result<Result<(), fred::error::Error>, tokio::task::JoinError>,
) -> fred::error::Error {
    match ended {
        Ok(Err(failed)) => failed,
        Ok(Ok(())) | Err(_) => {
            fred::error::Error::new(fred::error::ErrorKind::IO, "the connection was closed")
        }
    }
}

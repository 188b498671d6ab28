//! Opening one connection, and what every connection is told first.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use deadpool_postgres::Connect;
use tokio::task::JoinHandle;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A transaction whose replica has stopped working must not keep its locks; nor may it commit so late
/// that those who look for changes have stopped looking back at it (`changes.rs`). The longest that
/// a transaction waits by intention is for bytes to be erased (`reclaim.rs`).
const READING: &str = "SET statement_timeout = '2s'; SET default_transaction_read_only = on;
    SET idle_in_transaction_session_timeout = '12s'; SET client_min_messages = warning";
const WRITING: &str = "SET statement_timeout = '5s';
    SET idle_in_transaction_session_timeout = '12s'; SET client_min_messages = warning";
const MIGRATING: &str = "SET lock_timeout = '2s'; SET client_min_messages = warning";

/// What a connection is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    Reading,
    Writing,
    Migrating,
}

/// A connection as it is before anybody drives it.
pub(crate) type Connection =
    tokio_postgres::Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// Opens connections.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Connector {
    pub(crate) fn new(config: Config, tls: MakeRustlsConnect) -> Self {
        Self { config, tls }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// A connection that somebody has to drive.
    pub(crate) async fn connect(&self) -> Result<(Client, Connection), Error> {
        self.config.connect(self.tls.clone()).await
    }

    /// A connection that is driven by a task of its own until its client is dropped.
    pub(crate) async fn open(&self, role: Role) -> Result<(Client, JoinHandle<()>), Error> {
        let (client, connection) = self.connect().await?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
            }
        });
        let welcome = match role {
            Role::Reading => READING,
            Role::Writing => WRITING,
            Role::Migrating => MIGRATING,
        };
        client.batch_execute(welcome).await?;
        Ok((client, task))
    }

    pub(crate) fn for_role(&self, role: Role) -> RoleConnector {
        RoleConnector { connector: self.clone(), role }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

/// Opens the connections of a pool.
pub(crate) struct RoleConnector {
    connector: Connector,
    role: Role,
}

type Opening<'a> =
    Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + 'a>>;

impl Connect for RoleConnector {
    fn connect(&self, _config: &Config) -> Opening<'_> {
        Box::pin(self.connector.open(self.role))
    }
}

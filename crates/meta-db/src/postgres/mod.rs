//! The store of replicas: one PostgreSQL database, any number of processes.
//!
//! Rules that every writer must obey are triggers (`migrations/postgres`), like everywhere. What
//! is particular here: calls have limits of their own, because a frozen server never refuses
//! anything; and a read that finds the connection broken is tried once more.

mod access_log;
mod blob_index;
mod changes;
mod circuit;
mod collector;
mod connections;
mod connector;
mod day;
mod eviction;
mod failure;
mod giving_up;
mod kept_configuration;
mod keys;
mod listener;
mod listing;
mod locks;
mod lost_blobs;
mod migration;
mod needs;
mod paths;
mod publishing;
mod reclaim;
mod removal;
mod repositories;
mod review;
mod row_columns;
mod row_sets;
mod rows;
mod settings;
mod statement;
mod statistics;
mod tls;
mod tokens;
mod uploads;

use std::path::PathBuf;
use std::sync::Arc;

use artifact_core::Result;
use artifact_core::ports::MetaStore;
use async_trait::async_trait;

use crate::encryption::EncryptionKey;
use connections::{Client, Connections};
pub(crate) use connections::{is_broken, is_lost_race};
use connector::Connector;
pub use failure::PostgresError;
use kept_configuration::KeptConfiguration;
use listener::Listener;
pub use settings::{PostgresSettings, TlsMode};

/// Metadata in a PostgreSQL database that replicas share.
#[derive(Debug)]
pub struct PostgresStore {
    settings: PostgresSettings,
    connector: Connector,
    connections: Connections,
    listener: Listener,
    kept: KeptConfiguration,
    key: Arc<EncryptionKey>,
}

impl PostgresStore {
    /// A store that connects when it is asked something. Credentials are encrypted with `key`.
    /// The configuration is kept in `snapshot_file`, encrypted as in the database, for a start
    /// without it.
    pub fn new(
        settings: PostgresSettings,
        key: EncryptionKey,
        snapshot_file: PathBuf,
    ) -> Result<Self, PostgresError> {
        let connector = Connector::new(settings.to_config(), tls::connector(settings.tls)?);
        Ok(Self {
            connections: Connections::new(&connector, settings.pool_size)?,
            listener: Listener::new(connector.clone()),
            kept: KeptConfiguration::new(snapshot_file),
            key: Arc::new(key),
            connector,
            settings,
        })
    }

    /// Makes the database ready: checks the server's version, brings the schema up to date, and
    /// compares the encryption key. Any number of replicas may do so at once; an interrupted
    /// migration is done anew.
    pub async fn prepare(&self) -> Result<(), PostgresError> {
        migration::prepare(&self.connector, &self.settings, &self.key).await
    }

    /// Whether a configuration was kept, with which the repositories can be told although the
    /// database cannot be reached.
    pub fn has_snapshot(&self) -> bool {
        self.kept.exists()
    }
}

#[async_trait]
impl MetaStore for PostgresStore {
    async fn check(&self) -> Result<()> {
        const WRITE: &str = "UPDATE probe SET checked_at = present_millis() WHERE id = 1";
        const READ: &str = "SELECT checked_at FROM probe";
        let write = |client: Client| async move {
            statement::execute(&client, WRITE, &[]).await.map(|_| ())
        };
        self.connections.execute(write).await?;
        let read =
            |client: Client| async move { statement::row(&client, READ, &[]).await.map(|_| ()) };
        self.connections.read(read).await
    }
}

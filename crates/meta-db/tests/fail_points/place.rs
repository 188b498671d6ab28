//! Where metadata are that outlive a store.

use std::path::PathBuf;

use artifact_core::Secret;
use artifact_core::ports::MetaStore;
use meta_db::{EncryptionKey, PostgresSettings, PostgresStore, SqliteStore, TlsMode};
use tempfile::TempDir;
use testkit::services::shared;

/// A database of its own.
pub(crate) enum Place {
    Sqlite(TempDir),
    Postgres(Box<PostgresSettings>, TempDir),
}

impl Place {
    #[expect(clippy::unused_async, reason = "one place is made like the other")]
    pub(crate) async fn sqlite() -> Option<Self> {
        Some(Self::Sqlite(tempfile::tempdir().unwrap()))
    }

    /// `None` without a server.
    pub(crate) async fn postgres() -> Option<Self> {
        let server = shared::postgres()?;
        let settings = PostgresSettings {
            host: server.host().to_owned(),
            port: server.port(),
            user: server.user().to_owned(),
            password: Secret::new(server.password()),
            database: server.create_database().await,
            tls: TlsMode::Disable,
            pool_size: 4,
        };
        let place = Self::Postgres(Box::new(settings), tempfile::tempdir().unwrap());
        if let Self::Postgres(settings, directory) = &place {
            postgres(settings, directory).prepare().await.unwrap();
        }
        Some(place)
    }

    /// The store, as a process that starts opens it.
    pub(crate) fn open(&self) -> Box<dyn MetaStore> {
        match self {
            Self::Sqlite(directory) => {
                Box::new(SqliteStore::open(directory.path(), key()).unwrap())
            }
            Self::Postgres(settings, directory) => Box::new(postgres(settings, directory)),
        }
    }

    /// Lets the minute pass in which a deletion of a replica that vanished may still arrive. On
    /// files there is no other replica.
    pub(crate) async fn end_doubt(&self) {
        let Self::Postgres(settings, _) = self else { return };
        let server = shared::postgres().unwrap();
        server.execute(&settings.database, "UPDATE deletion_attempt SET begun_at = 1").await;
    }
}

fn key() -> EncryptionKey {
    EncryptionKey::from_bytes([7; 32])
}

fn postgres(settings: &PostgresSettings, directory: &TempDir) -> PostgresStore {
    let snapshot: PathBuf = directory.path().join("configuration.json");
    PostgresStore::new(settings.clone(), key(), snapshot).unwrap()
}

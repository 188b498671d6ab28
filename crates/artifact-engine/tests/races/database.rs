//! Databases: files of a directory, or a database of the server of this process; and ways past
//! the store, as a replica of another version has them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use artifact_core::ports::MetaStore;
use artifact_core::{BlobId, Secret};
use meta_db::{EncryptionKey, PostgresSettings, PostgresStore, SqliteStore, TlsMode};
use testkit::services::{PostgresServer, shared};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_postgres::NoTls;

/// Which database is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// Where the metadata are.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    Sqlite(PathBuf),
    Postgres { settings: Box<PostgresSettings>, snapshot: PathBuf },
}

impl Database {
    /// An empty one with its schema; `None` without a server.
    pub(crate) async fn empty(kind: Kind, directory: &Path) -> Option<Self> {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        if kind == Kind::Sqlite {
            return Some(Self::Sqlite(directory.join("metadata")));
        }
        let (server, snapshot) = (shared::postgres()?, directory.join("snapshot.json"));
        let make = || async {
            let name = server.create_database().await;
            postgres(&settings_of(server, &name), &snapshot).prepare().await.unwrap();
            name
        };
        let template = TEMPLATE.get_or_init(make).await;
        let name = copy(server, template).await;
        Some(Self::Postgres { settings: Box::new(settings_of(server, &name)), snapshot })
    }

    /// The store, as a process that starts opens it.
    pub(crate) fn open(&self) -> Arc<dyn MetaStore> {
        match self {
            Self::Sqlite(directory) => {
                Arc::new(SqliteStore::open(directory, encryption_key()).unwrap())
            }
            Self::Postgres { settings, snapshot } => Arc::new(postgres(settings, snapshot)),
        }
    }

    /// A copy of what is there now, made while no store is open.
    pub(crate) async fn backup(&self, directory: &Path) -> Self {
        match self {
            Self::Sqlite(_) => {
                let target = directory.join("backup");
                std::fs::create_dir(&target).unwrap();
                let file = target.join("metadata.sqlite3");
                self.execute(&format!("VACUUM INTO '{}'", file.display())).await.unwrap();
                Self::Sqlite(target)
            }
            Self::Postgres { settings, snapshot } => {
                let name = copy(shared::postgres().unwrap(), &settings.database).await;
                let settings = PostgresSettings { database: name, ..(**settings).clone() };
                Self::Postgres { settings: Box::new(settings), snapshot: snapshot.clone() }
            }
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Sqlite(_) => Kind::Sqlite,
            Self::Postgres { .. } => Kind::Postgres,
        }
    }

    /// A blob's id as statements write it.
    pub(crate) fn literal(&self, id: BlobId) -> String {
        match self {
            Self::Sqlite(_) => format!("X'{}'", id.to_hex()),
            Self::Postgres { .. } => format!("decode('{}', 'hex')", id.to_hex()),
        }
    }

    /// A connection past the store, with the rules of the database in force.
    pub(crate) async fn connect(&self) -> Connection {
        match self {
            Self::Sqlite(directory) => {
                let file = directory.join("metadata.sqlite3");
                let connection = rusqlite::Connection::open(file).unwrap();
                connection.busy_timeout(Duration::from_secs(30)).unwrap();
                connection.pragma_update(None, "foreign_keys", true).unwrap();
                Connection::Sqlite(connection)
            }
            Self::Postgres { settings, .. } => Connection::Postgres(client(settings).await),
        }
    }

    /// Runs statements on a connection of their own; the refusal of the database if there was one.
    pub(crate) async fn execute(&self, statements: &str) -> Result<(), String> {
        self.connect().await.execute(statements).await
    }

    /// The number that a query gives.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        match self.connect().await {
            Connection::Sqlite(connection) => {
                connection.query_row(query, [], |row| row.get(0)).unwrap()
            }
            Connection::Postgres(client) => client.query_one(query, &[]).await.unwrap().get(0),
        }
    }
}

/// A connection past the store.
pub(crate) enum Connection {
    Sqlite(rusqlite::Connection),
    Postgres(tokio_postgres::Client),
}

impl Connection {
    /// [`execute`](Self::execute) in a task of its own.
    pub(crate) fn begin(self, statements: String) -> JoinHandle<Result<(), String>> {
        match self {
            Self::Sqlite(connection) => tokio::task::spawn_blocking(move || {
                connection.execute_batch(&statements).map_err(|error| error.to_string())
            }),
            Self::Postgres(client) => tokio::spawn(async move {
                client.batch_execute(&statements).await.map_err(|error| words_of(&error))
            }),
        }
    }

    /// Runs statements, waiting for locks as long as it takes.
    pub(crate) async fn execute(&self, statements: &str) -> Result<(), String> {
        match self {
            Self::Sqlite(connection) => {
                let run = || connection.execute_batch(statements);
                tokio::task::block_in_place(run).map_err(|error| error.to_string())
            }
            Self::Postgres(client) => {
                client.batch_execute(statements).await.map_err(|error| words_of(&error))
            }
        }
    }
}

fn words_of(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}

fn encryption_key() -> EncryptionKey {
    EncryptionKey::from_bytes([7; 32])
}

fn postgres(settings: &PostgresSettings, snapshot: &Path) -> PostgresStore {
    PostgresStore::new(settings.clone(), encryption_key(), snapshot.to_owned()).unwrap()
}

fn settings_of(server: &PostgresServer, database: &str) -> PostgresSettings {
    PostgresSettings {
        host: server.host().to_owned(),
        port: server.port(),
        user: server.user().to_owned(),
        password: Secret::new(server.password()),
        database: database.to_owned(),
        tls: TlsMode::Disable,
        pool_size: 8,
    }
}

async fn client(settings: &PostgresSettings) -> tokio_postgres::Client {
    let mut config = tokio_postgres::Config::new();
    config
        .host(&settings.host)
        .port(settings.port)
        .user(&settings.user)
        .password(settings.password.expose())
        .dbname(&settings.database);
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A new database like `original`, whose connections are ended.
async fn copy(server: &PostgresServer, original: &str) -> String {
    let name = format!("test_{}", uuid::Uuid::new_v4().simple());
    let administrator = client(&settings_of(server, "postgres")).await;
    let end = format!(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{original}'"
    );
    administrator.batch_execute(&end).await.unwrap();
    let create = format!("CREATE DATABASE {name} TEMPLATE {original}");
    administrator.batch_execute(&create).await.unwrap();
    name
}

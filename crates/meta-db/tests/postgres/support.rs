//! Databases for tests, each its own.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use artifact_core::ports::{NewRepository, Precondition, Published, RepositoryStore, RowStore};
use artifact_core::{
    ArtifactRow, BlobId, Class, Credential, Definition, Digests, Local, Remote, RepoPath,
    RepositoryId, RowKey, Secret, Timestamp, Variant,
};
use meta_db::{EncryptionKey, PostgresSettings, PostgresStore, TlsMode};
use testkit::services::{PostgresServer, shared};
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

/// A database of the server of this process.
pub(crate) struct Database {
    pub(crate) settings: PostgresSettings,
    directory: tempfile::TempDir,
}

impl Database {
    /// An empty one; `None` without a server.
    pub(crate) async fn empty() -> Option<Self> {
        let server = shared::postgres()?;
        Some(Self::on(server, &server.create_database().await))
    }

    /// One with the present schema.
    pub(crate) async fn migrated() -> Option<Self> {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        let server = shared::postgres()?;
        let make = || async {
            let template = Self::on(server, &server.create_database().await);
            template.store().prepare().await.unwrap();
            template.settings.database
        };
        let template = TEMPLATE.get_or_init(make).await;
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        let copy = format!("CREATE DATABASE {name} TEMPLATE {template}");
        Self::on(server, "postgres").client().await.batch_execute(&copy).await.unwrap();
        Some(Self::on(server, &name))
    }

    /// The database of that name.
    pub(crate) fn on(server: &PostgresServer, name: &str) -> Self {
        let settings = PostgresSettings {
            host: server.host().to_owned(),
            port: server.port(),
            user: server.user().to_owned(),
            password: Secret::new(server.password()),
            database: name.to_owned(),
            tls: TlsMode::Disable,
            pool_size: 8,
        };
        Self { settings, directory: tempfile::tempdir().unwrap() }
    }

    /// A replica.
    pub(crate) fn store(&self) -> PostgresStore {
        self.store_with([7; 32])
    }

    /// A replica with this encryption key.
    pub(crate) fn store_with(&self, key: [u8; 32]) -> PostgresStore {
        let key = EncryptionKey::from_bytes(key);
        PostgresStore::new(self.settings.clone(), key, self.snapshot_file()).unwrap()
    }

    /// Where the replicas of this database keep the configuration.
    pub(crate) fn snapshot_file(&self) -> PathBuf {
        self.directory.path().join("configuration.json")
    }

    /// A connection past the store.
    pub(crate) async fn client(&self) -> Client {
        let mut config = tokio_postgres::Config::new();
        config
            .host(&self.settings.host)
            .port(self.settings.port)
            .user(&self.settings.user)
            .password(self.settings.password.expose())
            .dbname(&self.settings.database);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

/// The moment of all rows.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// What a test waits for must come within this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A row of 10 bytes.
pub(crate) fn row(repository: RepositoryId, path: &str, blob: u8) -> ArtifactRow {
    let path = RepoPath::from_decoded(path).unwrap();
    ArtifactRow {
        key: RowKey { repository, path, variant: Variant::SOURCE },
        blob: id(blob),
        size: 10,
        class: Class::Immutable,
        content_type: None,
        upstream_etag: None,
        upstream_last_modified: None,
        upstream_url: None,
        checksums: Digests::new(),
        fetched_at: NOW,
        validated_at: NOW,
        expires_at: None,
        generation: 0,
    }
}

pub(crate) fn id(blob: u8) -> BlobId {
    BlobId::from_bytes([blob; 32])
}

pub(crate) fn local(name: &str) -> NewRepository {
    NewRepository {
        name: name.parse().unwrap(),
        package_type: "generic".parse().unwrap(),
        description: String::new(),
        managed_by: String::new(),
        private: false,
        definition: Definition::Local(Local::default()),
    }
}

/// A remote with a password.
pub(crate) fn remote(name: &str) -> NewRepository {
    let mut remote = Remote::new("https://registry.example");
    remote.credential = Some(Credential {
        username: "robot".to_owned(),
        secret: Secret::new("correct horse battery staple"),
        updated_at: NOW,
    });
    NewRepository { definition: Definition::Remote(Box::new(remote)), ..local(name) }
}

pub(crate) async fn create(store: &PostgresStore, new: NewRepository) -> RepositoryId {
    match store.put_repository(new, Precondition::Any, NOW).await.unwrap() {
        Published::Stored(repository) => repository.id,
        Published::Conflict(_) => panic!("not created"),
    }
}

pub(crate) async fn publish(store: &PostgresStore, row: ArtifactRow) -> ArtifactRow {
    match store.publish(row, Precondition::Any).await.unwrap() {
        Published::Stored(row) => row,
        Published::Conflict(_) => panic!("not published"),
    }
}

/// Asks again and again until the answer is a success.
pub(crate) async fn eventually<T, E: std::fmt::Debug, F>(ask: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, E>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < deadline, "still {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

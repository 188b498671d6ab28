//! Puts stores under the engine: the embedded ones, or services where they are configured.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use artifact_core::ports::{BlobStore, MetaStore, Peers, Staging, TtlCache};
use artifact_core::{Secret, SystemClock};
use artifact_engine::{AccessLogSettings, Coordination, Engine, EngineParts, Settings};
use cas_store::{DiskTier, FileSpool, FileStore, MemoryTier, Quota, S3Store, TierLimits};
use meta_db::{EncryptionKey, SqliteStore};
use signing::Keyring;
use tokio::runtime::Handle;
use ttl_cache::MemoryTtlCache;
use upstream::{HttpPeers, HttpUpstream, PeerTimeouts};
use uuid::Uuid;

use crate::configuration::{Configuration, PeerAddress};
use crate::providers;
use crate::services::{Clients, Unprepared};

/// How often uploads to the object store are looked for that nobody will finish.
const STALE_UPLOADS_EVERY: Duration = Duration::from_secs(3600);
/// How old such an upload is.
const STALE_UPLOAD_AGE: Duration = Duration::from_secs(24 * 3600);

/// A running engine and what the listener must know of it.
pub(crate) struct Wired {
    pub(crate) engine: Arc<Engine>,
    /// What replicas prove themselves to each other with.
    pub(crate) replica_secret: Option<Secret>,
    /// What tickets are signed with, the same on every replica.
    pub(crate) ticket_secret: Secret,
    /// The object store, whose unfinished uploads are to be looked after.
    pub(crate) s3: Option<Arc<S3Store>>,
    /// A database that has yet to be made ready.
    pub(crate) unprepared: Option<Unprepared>,
}

/// Opens the data directory, proves the services and starts the engine over both. Other replicas
/// are told to reach this one at `address`, if nothing else is configured.
pub(crate) async fn start_engine(
    configuration: &Configuration,
    address: SocketAddr,
) -> anyhow::Result<Wired> {
    let directory = &configuration.data_directory;
    let in_directory = || format!("the data directory {} cannot be used", directory.display());
    std::fs::create_dir_all(directory).with_context(in_directory)?;
    let key = encryption_key(configuration).with_context(in_directory)?;
    let (replica_secret, ticket_secret) = (key.derive("replicas"), key.derive("tickets"));
    let snapshot = directory.join("configuration.json");
    let has_served = snapshot.exists() || directory.join("metadata.sqlite3").exists();
    let clients = Clients::new(&configuration.services, key, &snapshot)?;
    // Takes the lock: nothing else in the directory may be touched while another process is in there.
    let Storage { blobs, staging, spool } =
        open_storage(configuration, &clients).with_context(in_directory)?;
    let unprepared = clients.prepare(configuration.services.wait, has_served).await?;
    let meta = metadata(configuration, &clients).with_context(in_directory)?;
    let parts = EngineParts {
        signer: Some(Arc::new(keyring(configuration, &meta)?)),
        meta,
        blobs,
        staging,
        spool: Arc::new(spool),
        ttl: hints(&clients),
        upstream: Arc::new(HttpUpstream::new(upstream::Settings::default())?),
        peers: peers(configuration, &replica_secret)?,
        providers: providers::all(),
        clock: Arc::new(SystemClock),
    };
    let settings = settings(configuration, address);
    let engine =
        Engine::start(parts, settings).await.context("the configuration cannot be loaded")?;
    let replica_secret = configuration.services.redis.as_ref().map(|_| replica_secret);
    Ok(Wired { engine, replica_secret, ticket_secret, s3: clients.s3, unprepared })
}

/// Where bytes are kept.
struct Storage {
    blobs: Arc<dyn BlobStore>,
    staging: Arc<dyn Staging>,
    spool: FileSpool,
}

fn open_storage(configuration: &Configuration, clients: &Clients) -> anyhow::Result<Storage> {
    let directory = &configuration.data_directory;
    let limits = TierLimits::default();
    let Some(s3) = &clients.s3 else {
        let files = Arc::new(FileStore::open(directory)?);
        let spool = FileSpool::open(files.spool_directory(), Quota::default())?;
        let staging = Arc::clone(&files);
        return Ok(Storage { blobs: Arc::new(MemoryTier::new(files, limits)), staging, spool });
    };
    let quota = Quota { bytes: configuration.upkeep.tier_quota, ..Quota::default() };
    let tier = DiskTier::open(Arc::clone(s3), directory, quota)?;
    let spool = FileSpool::open(tier.spool_directory(), Quota::default())?;
    let staging = Arc::clone(s3) as _;
    Ok(Storage { blobs: Arc::new(MemoryTier::new(tier, limits)), staging, spool })
}

fn metadata(
    configuration: &Configuration,
    clients: &Clients,
) -> anyhow::Result<Arc<dyn MetaStore>> {
    if let Some(postgres) = &clients.postgres {
        return Ok(Arc::clone(postgres) as _);
    }
    let key = encryption_key(configuration)?;
    Ok(Arc::new(SqliteStore::open(&configuration.data_directory, key)?))
}

/// The keys that merged indexes are signed with.
fn keyring(configuration: &Configuration, meta: &Arc<dyn MetaStore>) -> anyhow::Result<Keyring> {
    let (keys, clock) = (Arc::clone(meta) as _, Arc::new(SystemClock));
    Keyring::new(&configuration.keys, keys, clock, Handle::current())
        .context("a signing key (TF_SIGNING_KEY_PATH, APK_SIGNING_KEY_PATH) cannot be used")
}

fn hints(clients: &Clients) -> Arc<dyn TtlCache> {
    match &clients.redis {
        Some(redis) => Arc::clone(redis) as _,
        None => Arc::new(MemoryTtlCache::new()),
    }
}

fn peers(configuration: &Configuration, secret: &Secret) -> anyhow::Result<Option<Arc<dyn Peers>>> {
    let is_wanted =
        configuration.services.redis.is_some() && configuration.upkeep.peer != PeerAddress::Off;
    if !is_wanted {
        return Ok(None);
    }
    Ok(Some(Arc::new(HttpPeers::new(secret, PeerTimeouts::default())?)))
}

fn settings(configuration: &Configuration, address: SocketAddr) -> Settings {
    let services = configuration.services.names();
    let is_shared = configuration.services.postgres.is_some();
    Settings {
        public_url: configuration.public_url.clone(),
        replica: replica_name(),
        coordination: if is_shared { Coordination::Shared } else { Coordination::Alone },
        peer_address: peer_address(configuration, address),
        services,
        collector: configuration.upkeep.collector.clone(),
        storage_quota: configuration.upkeep.storage_quota,
        upload_expiry: configuration.upkeep.upload_expiry,
        access_log: configuration.upkeep.access_log_days.map(|days| AccessLogSettings {
            days,
            spill_directory: configuration.data_directory.join("access-log-spill"),
        }),
        ..Settings::default()
    }
}

/// The machine's name with something that no other process has.
fn replica_name() -> String {
    let machine = rustix::system::uname();
    let machine = machine.nodename().to_string_lossy();
    let plain: String =
        machine.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
    let unique = Uuid::new_v4().simple().to_string();
    format!("{plain}-{}", unique.get(..8).unwrap_or(&unique))
}

fn peer_address(configuration: &Configuration, address: SocketAddr) -> Option<String> {
    let redis = configuration.services.redis.as_ref()?;
    match &configuration.upkeep.peer {
        PeerAddress::Off => None,
        PeerAddress::At(url) => Some(url.clone()),
        PeerAddress::Found if !address.ip().is_unspecified() => Some(format!("http://{address}")),
        PeerAddress::Found => {
            let local = local_address_towards(redis.url.expose())?;
            Some(format!("http://{}", SocketAddr::new(local, address.port())))
        }
    }
}

/// The address that this machine has in the network of the server of `url`: where other replicas
/// most likely are. Connecting a datagram socket sends nothing.
fn local_address_towards(url: &str) -> Option<std::net::IpAddr> {
    let url = url::Url::parse(url).ok()?;
    let port = url.port().unwrap_or(6379);
    let target = format!("{}:{port}", url.host_str()?);
    for bind in ["0.0.0.0:0", "[::]:0"] {
        let found = UdpSocket::bind(bind).and_then(|socket| {
            socket.connect(&target)?;
            socket.local_addr()
        });
        if let Ok(found) = found {
            return Some(found.ip());
        }
    }
    None
}

fn encryption_key(configuration: &Configuration) -> anyhow::Result<EncryptionKey> {
    match &configuration.secret_key {
        Some(key) => Ok(EncryptionKey::from_base64(key.expose())?),
        None => Ok(EncryptionKey::load_or_create(&configuration.secret_key_file())?),
    }
}

/// Gives up uploads to the object store that a killed replica left half-done.
pub(crate) async fn abort_stale_uploads(store: Arc<S3Store>) {
    loop {
        tokio::time::sleep(STALE_UPLOADS_EVERY).await;
        match store.abort_stale_uploads(STALE_UPLOAD_AGE).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "stale uploads to the object store given up"),
            Err(error) => tracing::warn!(%error, "stale uploads could not be looked for"),
        }
    }
}

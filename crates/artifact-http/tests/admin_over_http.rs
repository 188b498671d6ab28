//! The management API as its typed client sees it: the shared contract over a real connection.

#![expect(clippy::unwrap_used, reason = "a panic is the verdict of a test")]

use std::sync::Arc;

use admin_client::AdminClient;
use admin_types::{AdminApi, CollectorApi, TokenApi};
use artifact_core::{Clock, Provider, SystemClock};
use artifact_engine::admin::{Access, Admin, ServerInfo};
use artifact_engine::{Engine, EngineParts, Settings};
use artifact_http::{HttpService, Limits, Server, Shutdown};
use cas_store::{FileSpool, MemoryStore, Quota};
use tempfile::TempDir;
use testkit::{MemoryMetaStore, ScriptedUpstream};
use tokio_util::sync::DropGuard;
use ttl_cache::MemoryTtlCache;

/// A server over ports in memory, and its client.
async fn served() -> (Arc<AdminClient>, (DropGuard, TempDir)) {
    let directory = TempDir::new().unwrap();
    let providers: [Arc<dyn Provider>; 2] = [
        Arc::new(provider_generic::GenericProvider::new()),
        Arc::new(provider_npm::NpmProvider::new()),
    ];
    let parts = EngineParts {
        meta: Arc::new(MemoryMetaStore::default()),
        blobs: Arc::new(MemoryStore::default()),
        staging: Arc::new(MemoryStore::default()),
        spool: Arc::new(FileSpool::open(directory.path(), Quota::default()).unwrap()),
        ttl: Arc::new(MemoryTtlCache::default()),
        upstream: Arc::new(ScriptedUpstream::new()),
        peers: None,
        providers: providers.into_iter().collect(),
        signer: None,
        clock: Arc::new(SystemClock),
    };
    let engine = Engine::start(parts, Settings::default()).await.unwrap();
    let started_at = SystemClock.now();
    let info = ServerInfo { version: "1.2.3".into(), started_at, access: Access::Open };
    let admin = Arc::new(Admin::new(Arc::clone(&engine), info));
    let server = Server::bind("127.0.0.1:0", Limits::default()).await.unwrap();
    let endpoint = format!("http://{}", server.local_address().unwrap());
    let shutdown = Shutdown::default();
    let stop = shutdown.now.clone().drop_guard();
    let service = HttpService::builder(engine, admin).build();
    tokio::spawn(server.serve(service, shutdown));
    let client = AdminClient::new(&endpoint, None).unwrap();
    (Arc::new(client), (stop, directory))
}

async fn make() -> (Arc<dyn AdminApi>, (DropGuard, TempDir)) {
    let (client, server) = served().await;
    (client, server)
}

async fn make_collector() -> (Arc<dyn CollectorApi>, (DropGuard, TempDir)) {
    let (client, server) = served().await;
    (client, server)
}

async fn make_tokens() -> (Arc<dyn TokenApi>, (DropGuard, TempDir)) {
    let (client, server) = served().await;
    (client, server)
}

testkit::admin_api_contract!(make);

mod collector {
    testkit::collector_api_contract!(super::make_collector);
}

mod tokens {
    testkit::token_api_contract!(super::make_tokens);
}

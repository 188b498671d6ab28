//! The whole service over ports in memory: what a warm hit costs, and that error links lead somewhere.

#![expect(clippy::unwrap_used, reason = "a panic is the verdict of a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use artifact_core::ports::{
    Announcements, Lease, LeaseOutcome, NewRepository, Precondition, RepositoryStore, TtlCache,
};
use artifact_core::{Clock, Definition, Provider, Remote, Result, SystemClock};
use artifact_engine::admin::{Access, Admin, ServerInfo};
use artifact_engine::{Engine, EngineParts, Settings};
use artifact_http::HttpService;
use async_trait::async_trait;
use bytes::Bytes;
use cas_store::{FileSpool, MemoryStore, MemoryTier, Quota, TierLimits};
use http::Request;
use http_body_util::{BodyExt, Empty};
use tempfile::TempDir;
use testkit::{MemoryMetaStore, Script, ScriptedUpstream};
use tower::Service;
use ttl_cache::MemoryTtlCache;

/// The most that one warm hit may allocate, from the parsed request to the end of the body.
const ALLOCATIONS: u64 = 25;

/// Counts what is asked of the hints.
#[derive(Debug, Default)]
struct CountingTtlCache {
    inner: MemoryTtlCache,
    calls: AtomicU64,
}

impl CountingTtlCache {
    fn counted(&self) -> &MemoryTtlCache {
        self.calls.fetch_add(1, Ordering::Relaxed);
        &self.inner
    }
}

#[async_trait]
impl TtlCache for CountingTtlCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.counted().get(key).await
    }
    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()> {
        self.counted().set(key, value, ttl).await
    }
    async fn remove(&self, key: &str) -> Result<()> {
        self.counted().remove(key).await
    }
    async fn acquire(&self, key: &str, owner: &str, ttl: Duration) -> Result<LeaseOutcome> {
        self.counted().acquire(key, owner, ttl).await
    }
    async fn renew(&self, lease: &Lease, state: Bytes, ttl: Duration) -> Result<bool> {
        self.counted().renew(lease, state, ttl).await
    }
    async fn release(&self, lease: &Lease) -> Result<bool> {
        self.counted().release(lease).await
    }
    async fn announce(&self, topic: &str, message: &str) -> Result<()> {
        self.counted().announce(topic, message).await
    }
    fn changes(&self) -> Announcements {
        self.counted().changes()
    }
}

struct World {
    service: HttpService,
    meta: Arc<MemoryMetaStore>,
    ttl: Arc<CountingTtlCache>,
    _directory: TempDir,
}

async fn world() -> World {
    let directory = TempDir::new().unwrap();
    let (meta, ttl) = (Arc::new(MemoryMetaStore::default()), Arc::new(CountingTtlCache::default()));
    let upstream = Arc::new(ScriptedUpstream::new());
    upstream.on("/file.bin", Script::ok(vec![7; 2048]));
    let generic: Arc<dyn Provider> = Arc::new(provider_generic::GenericProvider::new());
    let remote = NewRepository {
        name: "files".parse().unwrap(),
        package_type: "generic".parse().unwrap(),
        description: String::new(),
        managed_by: String::new(),
        definition: Definition::Remote(Box::new(Remote::new("http://upstream.example/"))),
    };
    meta.put_repository(remote, Precondition::Absent, SystemClock.now()).await.unwrap();
    let parts = EngineParts {
        meta: Arc::clone(&meta) as _,
        blobs: Arc::new(MemoryTier::new(MemoryStore::default(), TierLimits::default())),
        spool: Arc::new(FileSpool::open(directory.path(), Quota::default()).unwrap()),
        ttl: Arc::clone(&ttl) as _,
        upstream,
        providers: [generic].into_iter().collect(),
        clock: Arc::new(SystemClock),
    };
    let engine = Engine::start(parts, Settings::default()).await.unwrap();
    let info =
        ServerInfo { version: "1.2.3".into(), started_at: SystemClock.now(), access: Access::Open };
    let admin = Arc::new(Admin::new(Arc::clone(&engine), info));
    World { service: HttpService::builder(engine, admin).build(), meta, ttl, _directory: directory }
}

fn request() -> Request<Empty<Bytes>> {
    Request::get("/api/v1/remote/files/file.bin")
        .header("host", "cache.example")
        .header("accept", "*/*")
        .body(Empty::new())
        .unwrap()
}

async fn fetch(service: &mut HttpService, request: Request<Empty<Bytes>>) -> usize {
    let response = service.call(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.unwrap().to_bytes().len()
}

#[test]
fn a_warm_hit_asks_no_store_and_allocates_little() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut world = runtime.block_on(world());
    for _ in 0..3 {
        assert_eq!(runtime.block_on(fetch(&mut world.service, request())), 2048);
    }
    let asked = (world.meta.calls(), world.ttl.calls.load(Ordering::Relaxed));
    let warm = request();
    let mut length = 0;
    let counted = allocation_counter::measure(|| {
        length = runtime.block_on(fetch(&mut world.service, warm));
    });
    assert_eq!(length, 2048);
    println!("{} allocations, {} bytes", counted.count_total, counted.bytes_total);
    assert!(counted.count_total <= ALLOCATIONS, "{} allocations", counted.count_total);
    assert_eq!((world.meta.calls(), world.ttl.calls.load(Ordering::Relaxed)), asked);
}

#[tokio::test]
async fn the_page_that_problems_link_to_explains_their_anchors() {
    let mut world = world().await;
    let request = Request::get("/docs/errors").body(Empty::<Bytes>::new()).unwrap();
    let response = world.service.call(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let page = response.into_body().collect().await.unwrap().to_bytes();
    let page = std::str::from_utf8(&page).unwrap();
    for anchor in ["validation", "not_found", "conflict", "upstream_down", "open_access"] {
        assert!(page.contains(&format!("<a id=\"{anchor}\"></a>")), "{anchor}");
    }
}

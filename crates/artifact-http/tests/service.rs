//! The whole service over ports in memory: what a warm hit costs, and that error links lead somewhere.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic is the verdict of a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use artifact_core::ports::{
    AccessLogRecord, Announcements, Lease, LeaseOutcome, NewRepository, Precondition,
    RepositoryStore, TtlCache,
};
use artifact_core::{Clock, Definition, Provider, Remote, Result, Secret, SystemClock};
use artifact_engine::admin::{Access, Admin, ServerInfo};
use artifact_engine::{AccessLogSettings, Engine, EngineParts, Settings};
use artifact_http::{Authentication, HttpService, Peer};
use async_trait::async_trait;
use bytes::Bytes;
use cas_store::{FileSpool, MemoryStore, MemoryTier, Quota, TierLimits};
use http::Request;
use http_body_util::{BodyExt, Empty};
use tempfile::TempDir;
use testkit::contract::blob_store::id_of;
use testkit::{MemoryMetaStore, Script, ScriptedUpstream};
use tower::Service;
use ttl_cache::MemoryTtlCache;

/// The most that one warm hit may allocate, from the parsed request to the end of the body.
const ALLOCATIONS: u64 = 25;

/// The same with an access log: its record adds an id, a method, a repository, a path and, where
/// the client has them, an address and a name.
const ALLOCATIONS_LOGGED: u64 = ALLOCATIONS + 6;

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
    engine: Arc<Engine>,
    upstream: Arc<ScriptedUpstream>,
    meta: Arc<MemoryMetaStore>,
    ttl: Arc<CountingTtlCache>,
    _directory: TempDir,
}

async fn world() -> World {
    world_with(TempDir::new().unwrap(), Settings::default()).await
}

async fn logged_world() -> World {
    let directory = TempDir::new().unwrap();
    let spill_directory = directory.path().join("access-log-spill");
    let access_log = Some(AccessLogSettings { days: 1, spill_directory });
    world_with(directory, Settings { access_log, ..Settings::default() }).await
}

async fn world_with(directory: TempDir, settings: Settings) -> World {
    let (meta, ttl) = (Arc::new(MemoryMetaStore::default()), Arc::new(CountingTtlCache::default()));
    let upstream = Arc::new(ScriptedUpstream::new());
    upstream.on("/file.bin", Script::ok(vec![7; 2048]));
    let generic: Arc<dyn Provider> = Arc::new(provider_generic::GenericProvider::new());
    let remote = NewRepository {
        name: "files".parse().unwrap(),
        package_type: "generic".parse().unwrap(),
        description: String::new(),
        managed_by: String::new(),
        private: false,
        definition: Definition::Remote(Box::new(Remote::new("http://upstream.example/"))),
    };
    meta.put_repository(remote, Precondition::Absent, SystemClock.now()).await.unwrap();
    let parts = EngineParts {
        meta: Arc::clone(&meta) as _,
        blobs: Arc::new(MemoryTier::new(MemoryStore::default(), TierLimits::default())),
        staging: Arc::new(MemoryStore::default()),
        spool: Arc::new(FileSpool::open(directory.path(), Quota::default()).unwrap()),
        ttl: Arc::clone(&ttl) as _,
        upstream: Arc::clone(&upstream) as _,
        peers: None,
        providers: [generic].into_iter().collect(),
        signer: None,
        clock: Arc::new(SystemClock),
    };
    let engine = Engine::start(parts, settings).await.unwrap();
    let info =
        ServerInfo { version: "1.2.3".into(), started_at: SystemClock.now(), access: Access::Open };
    let admin = Arc::new(Admin::new(Arc::clone(&engine), info));
    let service = HttpService::builder(Arc::clone(&engine), admin)
        .authentication(Authentication::with_token(&Secret::new("s3cret")))
        .metrics(String::new)
        .build();
    World { service, engine, upstream, meta, ttl, _directory: directory }
}

impl World {
    /// Ends the engine and reads what it has written.
    async fn log(self) -> Vec<AccessLogRecord> {
        self.engine.shutdown(Duration::from_secs(5)).await;
        self.meta.access_log()
    }
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

/// How much a warm hit allocates, which asks no store.
fn cost(world: impl Future<Output = World>) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut world = runtime.block_on(world);
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
    assert_eq!((world.meta.calls(), world.ttl.calls.load(Ordering::Relaxed)), asked);
    counted.count_total
}

#[test]
fn a_warm_hit_asks_no_store_and_allocates_little() {
    let allocations = cost(world());
    println!("{allocations} allocations");
    assert!(allocations <= ALLOCATIONS, "{allocations} allocations");
}

#[test]
fn a_warm_hit_that_is_recorded_asks_no_store_either_and_allocates_little_more() {
    let allocations = cost(logged_world());
    println!("{allocations} allocations");
    assert!(allocations <= ALLOCATIONS_LOGGED, "{allocations} allocations");
}

#[tokio::test]
async fn a_miss_a_hit_and_a_head_are_recorded_with_what_was_really_sent() {
    let mut world = logged_world().await;
    let began = SystemClock.now();
    fetch(&mut world.service, request()).await;
    // The first answer ends before its bytes are published.
    loop {
        let response = world.service.call(request()).await.unwrap();
        if response.headers()["cache-status"].to_str().unwrap().contains("; hit") {
            break;
        }
        response.into_body().collect().await.unwrap();
    }
    let known = Request::get("/api/v1/remote/files/file.bin")
        .header("host", "cache.example")
        .header("user-agent", "client/1.0")
        .header("authorization", "Bearer s3cret")
        .header("x-request-id", "mine-1")
        .extension(Peer::plain("192.0.2.9:1234".parse().unwrap()));
    fetch(&mut world.service, known.body(Empty::new()).unwrap()).await;
    let head = Request::head("/api/v1/remote/files/file.bin").header("host", "cache.example");
    world.service.call(head.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();

    let log = world.log().await;
    let [miss, .., hit, head] = &log[..] else { panic!("{log:?}") };
    assert_eq!(
        (miss.cache, miss.status, miss.bytes_sent, miss.complete),
        ("miss", 200, 2048, true)
    );
    assert_eq!((&*miss.principal, &miss.client, &miss.user_agent), ("", &None, &None));
    assert_eq!(miss.request_id.len(), 36);
    assert!(miss.received_at >= began && miss.received_at <= hit.received_at);
    let expected = AccessLogRecord {
        received_at: hit.received_at,
        request_id: "mine-1".to_owned(),
        principal: "administrator".to_owned(),
        client: Some("192.0.2.9".to_owned()),
        method: "GET".to_owned(),
        repository: Some("files".to_owned()),
        path: "/api/v1/remote/files/file.bin".to_owned(),
        blob: Some(id_of(&[7; 2048])),
        status: 200,
        cache: "hit",
        bytes_sent: 2048,
        complete: true,
        duration: hit.duration,
        user_agent: Some("client/1.0".to_owned()),
    };
    assert_eq!(*hit, expected);
    assert!(hit.duration > Duration::ZERO);
    assert_eq!((&*head.method, head.bytes_sent, head.complete, head.blob), ("HEAD", 0, true, None));
}

#[tokio::test]
async fn refusals_and_absences_are_recorded_too() {
    let mut world = logged_world().await;
    world.upstream.on("/absent", Script::status(http::StatusCode::NOT_FOUND));
    for path in ["/api/v1/remote/files/absent", "/api/v2/stats", "/nothing?token=hunter2"] {
        let request = Request::get(path).header("host", "cache.example");
        let response = world.service.call(request.body(Empty::<Bytes>::new()).unwrap()).await;
        response.unwrap().into_body().collect().await.unwrap();
    }
    let log = world.log().await;
    let facts: Vec<_> = log
        .iter()
        .map(|record| (&*record.path, record.repository.as_deref(), record.status, record.cache))
        .collect();
    let expected = [
        ("/api/v1/remote/files/absent", Some("files"), 404, "miss"),
        ("/api/v2/stats", None, 401, "none"),
        ("/nothing", None, 404, "miss"),
    ];
    assert_eq!(facts, expected);
    assert!(log.iter().all(|record| record.complete && record.bytes_sent > 0));
}

#[tokio::test]
async fn a_body_that_is_cut_and_a_request_that_is_given_up_are_recorded_as_incomplete() {
    let mut world = logged_world().await;
    let (script, gate) = Script::generated(3 << 20).with_gate(64 * 1024);
    world.upstream.on("/slow.bin", script);
    let slow = || {
        let request = Request::get("/api/v1/remote/files/slow.bin").header("host", "a.example");
        request.body(Empty::<Bytes>::new()).unwrap()
    };
    let mut given_up = world.service.call(slow());
    tokio::select! {
        biased;
        _ = &mut given_up => panic!("the head is held back"),
        () = gate.arrived(1) => {}
    }
    drop(given_up);
    gate.release_head();
    gate.release(4);
    let mut body = world.service.call(slow()).await.unwrap().into_body();
    let sent = body.frame().await.unwrap().unwrap().into_data().unwrap().len() as u64;
    drop(body);
    gate.release_all();

    let log = world.log().await;
    let [given_up, cut] = &log[..] else { panic!("{log:?}") };
    assert_eq!((given_up.status, given_up.bytes_sent, given_up.complete), (499, 0, false));
    assert_eq!((cut.status, cut.bytes_sent, cut.complete), (200, sent, false));
    assert!(sent > 0 && sent < 3 << 20, "{sent}");
}

#[test]
fn what_the_access_log_loses_is_told_to_whoever_reads_the_metrics() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = logged_world().await;
            world.engine.shutdown(Duration::from_secs(5)).await;
            fetch(&mut world.service, request()).await;
            let scrape = Request::get("/metrics").body(Empty::<Bytes>::new()).unwrap();
            world.service.call(scrape).await.unwrap();
        });
    });
    let text = handle.render();
    assert!(text.contains("artifactapi_access_log_dropped_total 1"), "{text}");
    assert!(text.contains("artifactapi_access_log_spilled_bytes 0"), "{text}");
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

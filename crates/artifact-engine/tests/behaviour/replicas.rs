//! Several processes over the same stores.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use artifact_core::ports::{
    Announcements, Lease, LeaseOutcome, Peers, RowStore, Selector, TtlCache, UpstreamError,
    UpstreamReason, UpstreamResponse,
};
use artifact_core::{Error, ErrorKind, RepositoryKind, Result};
use artifact_engine::{CacheResult, Coordination, Engine, Settings};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use http::StatusCode;
use testkit::Script;
use testkit::contract::blob_store::id_of;

use crate::world::{World, at, on_remote};

fn replica(name: &str) -> Settings {
    Settings {
        replica: name.to_owned(),
        coordination: Coordination::Shared,
        peer_address: Some(format!("http://{name}.example")),
        ..Settings::default()
    }
}

/// Reaches another engine without a network.
#[derive(Debug, Default)]
struct Wire {
    engine: OnceLock<Arc<Engine>>,
    followed: Mutex<Vec<String>>,
    /// After how many chunks the connection breaks.
    breaks_after: Option<usize>,
}

impl Wire {
    fn to(world: &World) -> Arc<Self> {
        let wire = Self::default();
        wire.engine.set(Arc::clone(&world.engine)).unwrap();
        Arc::new(wire)
    }

    fn followed(&self) -> usize {
        self.followed.lock().unwrap().len()
    }
}

fn failure(message: &str) -> UpstreamError {
    UpstreamError {
        reason: UpstreamReason::Truncated,
        message: message.to_owned(),
        retry_after: None,
    }
}

#[async_trait]
impl Peers for Wire {
    async fn follow(&self, address: &str, flight: &str) -> Result<UpstreamResponse, UpstreamError> {
        self.followed.lock().unwrap().push(format!("{address} {flight}"));
        let engine = self.engine.get().unwrap();
        let shared = engine.share_flight(flight).ok_or_else(|| failure("no such flight"))?;
        let body: artifact_core::ByteStream = match self.breaks_after {
            None => shared.body,
            Some(chunks) => {
                let cut = futures_util::stream::once(async { Err(failure("cut").into()) });
                Box::pin(shared.body.take(chunks).chain(cut))
            }
        };
        Ok(UpstreamResponse {
            status: StatusCode::OK,
            headers: shared.headers,
            url: shared.url.parse().unwrap(),
            length: shared.size,
            framed: shared.framed,
            body,
        })
    }
}

/// Two replicas with the remote `r`; the second reaches the first.
async fn pair(wire: impl FnOnce(&World) -> Option<Arc<dyn Peers>>) -> (World, World) {
    let first = World::new().await;
    let one = first.beside(replica("one"), None).await;
    one.remote("r", "generic").await;
    let peers = wire(&one);
    let two = one.beside(replica("two"), peers).await;
    (one, two)
}

/// Waits for what must come to pass within a minute of tokio's time.
async fn until(mut is_so: impl FnMut() -> bool) {
    let minute = tokio::time::Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(tokio::time::Instant::now() < minute, "it never came to pass");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn large(size: usize) -> Vec<u8> {
    (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_second_replica_reads_along_with_the_one_that_fetches() {
    let wire = OnceLock::new();
    let (one, two) = pair(|one| Some(Arc::clone(wire.get_or_init(|| Wire::to(one))) as _)).await;
    let body = large(1 << 20);
    let (script, gate) = Script::ok(body.clone()).with_gate(512 << 10);
    one.upstream.on("/a.bin", script);
    let path = on_remote("a.bin");
    let (first, second, ()) = tokio::join!(one.get(&path), two.get(&path), async {
        gate.arrived(1).await;
        gate.release_head();
        gate.release(1);
        // The second one gets bytes while the first one's download stands still.
        until(|| wire.get().unwrap().followed() > 0).await;
        gate.release_all();
    });
    assert_eq!(first.unwrap().body.unwrap(), body);
    let second = second.unwrap();
    assert_eq!(second.cache_status(), "artifactapi; fwd=miss; fwd-status=200; stored");
    assert_eq!(second.body.unwrap(), body);
    // It may still be storing them, which is no reason to ask upstream.
    assert_eq!(two.get(&path).await.unwrap().body.unwrap(), body);
    assert_eq!(one.upstream.count("/a.bin"), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_way_to_the_other_replica_its_publish_is_waited_for() {
    let (one, two) = pair(|_| None).await;
    let body = large(1 << 20);
    let (script, gate) = Script::ok(body.clone()).with_gate(512 << 10);
    one.upstream.on("/a.bin", script);
    let path = on_remote("a.bin");
    let (first, second, ()) = tokio::join!(one.get(&path), two.get(&path), async {
        gate.arrived(1).await;
        gate.release_head();
        gate.release(1);
        tokio::time::sleep(Duration::from_secs(8)).await;
        gate.release_all();
    });
    assert_eq!(first.unwrap().body.unwrap(), body);
    assert_eq!(second.unwrap().body.unwrap(), body);
    assert_eq!(one.upstream.count("/a.bin"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_to_the_other_replica_that_breaks_is_taken_up_at_upstream() {
    let wire = OnceLock::new();
    let (one, two) = pair(|one| {
        let broken = Wire { breaks_after: Some(1), ..Wire::default() };
        broken.engine.set(Arc::clone(&one.engine)).unwrap();
        Some(Arc::clone(wire.get_or_init(|| Arc::new(broken))) as _)
    })
    .await;
    let body = large(1 << 20);
    let resumable = Script::ok(body.clone()).etag("\"1\"").ranges();
    let (script, gate) = resumable.with_gate(700 << 10);
    one.upstream.on("/a.bin", script);
    let path = on_remote("a.bin");
    let (first, second, ()) = tokio::join!(one.get(&path), two.get(&path), async {
        gate.arrived(1).await;
        gate.release_head();
        gate.release(1);
        // The connection to the first replica breaks, and upstream is asked for the rest.
        until(|| one.upstream.count("/a.bin") == 2).await;
        gate.release_all();
    });
    assert_eq!(first.unwrap().body.unwrap(), body);
    assert_eq!(second.unwrap().body.unwrap(), body);
    assert_eq!(one.upstream.count("/a.bin"), 2);
}

#[tokio::test(start_paused = true)]
async fn an_absence_that_one_replica_learned_is_known_to_the_other() {
    let (one, two) = pair(|_| None).await;
    let path = on_remote("missing.bin");
    let (first, second) = tokio::join!(one.get(&path), two.get(&path));
    assert_eq!(first.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(second.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(one.upstream.count("/missing.bin"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_was_absent_a_moment_ago_is_asked_for_again_with_its_index() {
    let world = World::new().await.beside(replica("one"), None).await;
    world.remote("r", "catalog").await;
    let hash = id_of(b"part").to_hex();
    let index = format!("file files/2 -\npart serving part/{hash} {hash}");
    world.upstream.on("/index", Script::ok("file files/1 -"));
    assert_eq!(world.get(&on_remote("index")).await.unwrap().text(), "files/1\n");
    // Upstream is being updated: the index is new, its part is not there yet.
    world.upstream.on("/index", Script::ok(index));
    world.pass(400);
    assert_eq!(world.get(&on_remote("index")).await.unwrap().text(), "files/1\n");
    assert_eq!(world.upstream.count(&format!("/part/{hash}")), 1);
    // No longer than a failure of the index answers for others, which is less than an absence does.
    world.upstream.on(&format!("/part/{hash}"), Script::ok("part"));
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(world.get(&on_remote("index")).await.unwrap().text(), "files/2\n");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_died_delays_nobody_for_longer_than_its_lease() {
    let (one, two) = pair(|_| None).await;
    one.upstream.on("/a.bin", Script::ok("bytes"));
    let id = two.meta.row(&key(&one, "a.bin").await).await.unwrap();
    assert!(id.is_none());
    let lease = format!("lease:{}::a.bin", key(&one, "a.bin").await.repository);
    let ttl = Duration::from_secs(15);
    assert!(matches!(
        one.ttl.acquire(&lease, "dead", ttl).await.unwrap(),
        LeaseOutcome::Acquired(_)
    ));
    let began = tokio::time::Instant::now();
    assert_eq!(two.get(&on_remote("a.bin")).await.unwrap().text(), "bytes");
    assert!(began.elapsed() <= ttl + Duration::from_millis(500), "{:?}", began.elapsed());
}

async fn key(world: &World, path: &str) -> artifact_core::RowKey {
    use artifact_core::ports::RepositoryStore;
    let change = world.meta.repositories().await.unwrap();
    artifact_core::RowKey {
        repository: change.repositories.first().unwrap().id,
        path: artifact_core::RepoPath::from_decoded(path).unwrap(),
        variant: artifact_core::Variant::SOURCE,
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_replica_stored_the_other_serves_without_asking_upstream() {
    let (one, two) = pair(|_| None).await;
    one.upstream.on("/a.bin", Script::ok("bytes"));
    one.get(&on_remote("a.bin")).await.unwrap();
    assert_eq!(two.get(&on_remote("a.bin")).await.unwrap().result(), CacheResult::Hit);
    assert_eq!(one.upstream.count("/a.bin"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_eviction_on_one_replica_is_effective_on_the_other() {
    let (one, two) = pair(|_| None).await;
    one.upstream.on("/a.bin", Script::ok("bytes"));
    one.get(&on_remote("a.bin")).await.unwrap();
    two.get(&on_remote("a.bin")).await.unwrap();
    // The first poll only learns the present.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let repository = key(&one, "a.bin").await.repository;
    let everything = Selector::Prefix(String::new());
    one.meta.evict(repository, &everything, false).await.unwrap();
    one.engine.forget(repository, &everything);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(two.get(&on_remote("a.bin")).await.unwrap().result(), CacheResult::Miss);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_one_replica_replaced_is_the_new_one_on_the_other() {
    let (one, two) = pair(|_| None).await;
    one.local("l", true).await;
    two.engine.configuration().reload().await.unwrap();
    let path = at(RepositoryKind::Local, "l", "a.txt");
    one.put_file(&path, &[], b"old").await.unwrap();
    assert_eq!(two.get(&path).await.unwrap().text(), "old");
    tokio::time::sleep(Duration::from_secs(3)).await;
    one.put_file(&path, &[], b"new").await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(two.get(&path).await.unwrap().text(), "new");
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_one_replica_made_is_known_to_the_other() {
    let (one, two) = pair(|_| None).await;
    one.local("made", true).await;
    let path = at(RepositoryKind::Local, "made", "a.txt");
    tokio::time::sleep(Duration::from_secs(5)).await;
    two.put_file(&path, &[], b"text").await.unwrap();
    assert_eq!(one.get(&path).await.unwrap().text(), "text");
}

#[tokio::test(start_paused = true)]
async fn a_warning_about_an_origin_reaches_the_other_replica_and_not_itself() {
    use artifact_core::ports::{OriginWarning, WarningReason};
    let (one, _two) = pair(|_| None).await;
    // All replicas of this test share one upstream, so that both tell the warning once.
    tokio::time::sleep(Duration::from_millis(10)).await;
    let warning = OriginWarning {
        remote: artifact_core::RepositoryId(1),
        origin: "http://upstream.example".to_owned(),
        reason: WarningReason::Failing,
        pause_ms: 1000,
    };
    one.upstream.warn(warning.clone());
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(one.upstream.heeded(), [warning.clone(), warning]);
}

/// Hints that are out of order in one way.
#[derive(Debug)]
enum BrokenHints {
    Failing,
}

fn broken<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unavailable, "hints do not answer"))
}

#[async_trait]
impl TtlCache for BrokenHints {
    async fn get(&self, _: &str) -> Result<Option<Bytes>> {
        broken()
    }
    async fn set(&self, _: &str, _: Bytes, _: Duration) -> Result<()> {
        broken()
    }
    async fn remove(&self, _: &str) -> Result<()> {
        broken()
    }
    async fn acquire(&self, _: &str, _: &str, _: Duration) -> Result<LeaseOutcome> {
        broken()
    }
    async fn renew(&self, _: &Lease, _: Bytes, _: Duration) -> Result<bool> {
        broken()
    }
    async fn release(&self, _: &Lease) -> Result<bool> {
        broken()
    }
    async fn announce(&self, _: &str, _: &str) -> Result<()> {
        broken()
    }
    fn changes(&self) -> Announcements {
        Box::pin(futures_util::stream::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn without_hints_every_replica_fetches_once_and_every_answer_is_right() {
    let world = World::new().await;
    let hints: Arc<dyn TtlCache> = Arc::new(BrokenHints::Failing);
    let one = world.beside_with_hints(replica("one"), Arc::clone(&hints)).await;
    let two = world.beside_with_hints(replica("two"), hints).await;
    one.remote("r", "generic").await;
    two.engine.configuration().reload().await.unwrap();
    let body = large(256 << 10);
    let (script, gate) = Script::ok(body.clone()).with_gate(64 << 10);
    world.upstream.on("/a.bin", script);
    let path = on_remote("a.bin");
    let (a, b, c, d, ()) =
        tokio::join!(one.get(&path), one.get(&path), two.get(&path), two.get(&path), async {
            gate.arrived(2).await;
            gate.release_all();
        });
    for answer in [a, b, c, d] {
        assert_eq!(answer.unwrap().body.unwrap(), body);
    }
    assert_eq!(world.upstream.count("/a.bin"), 2);
}

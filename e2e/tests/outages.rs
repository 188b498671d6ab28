//! What goes on working while a service is away, and that nobody has to help afterwards.
//!
//! Every outage is met by the same replica with the same questions; the table says what each of
//! them must come to.

#![expect(clippy::indexing_slicing, reason = "a field that is missing fails the test")]

use std::time::Duration;

use anyhow::Result;
use e2e::{Cluster, DataDirectory, Exchange, Lasting, Server, eventually, local, remote, within};
use serde_json::Value;
use testkit::{Origin, Script, pattern};

/// A hit asks no service, so that not even a frozen one delays it for long.
const HIT: Duration = Duration::from_secs(3);
/// Everything else has an answer by then, whatever hangs.
const BOUNDED: Duration = Duration::from_secs(20);
const RECOVERY: Duration = Duration::from_secs(60);

/// What a question comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    /// As without the outage.
    Works,
    /// 503, to be tried again.
    Unavailable,
}

use Outcome::{Unavailable, Works};

/// What must be true of one outage.
struct Expected {
    /// A part that health names, and how readiness lists it; none if readiness does not look at it.
    part: &'static str,
    readiness: Option<&'static str>,
    upload: Outcome,
    management: Outcome,
}

const REDIS: Expected =
    Expected { part: "hints", readiness: None, upload: Works, management: Works };
const POSTGRES: Expected = Expected {
    part: "metadata",
    readiness: Some("[!]metadata"),
    upload: Unavailable,
    management: Unavailable,
};
const S3: Expected = Expected {
    part: "storage",
    readiness: Some("[!]storage"),
    upload: Unavailable,
    management: Works,
};

/// A replica that has served before the outage.
struct Scene {
    cluster: Cluster,
    origin: Origin,
    replica: Server,
    count: std::cell::Cell<u32>,
}

impl Scene {
    async fn set() -> Result<Option<Self>> {
        let Some(cluster) = Cluster::start(Lasting::Own).await? else { return Ok(None) };
        let origin = Origin::start().await;
        let replica = cluster.replica().await?;
        remote(&replica, "files", "generic", origin.base_url()).await?;
        local(&replica, "hosted", "generic").await?;
        origin.on("/warm.bin", Script::ok(pattern(1, 100_000)));
        let scene = Self { cluster, origin, replica, count: std::cell::Cell::new(0) };
        scene.expect_file("warm.bin", 1, BOUNDED).await?;
        scene.expect_file("warm.bin", 1, BOUNDED).await?;
        assert_eq!(scene.upload().await?.status, 201);
        Ok(Some(scene))
    }

    async fn get(&self, what: &str, path: &str, limit: Duration) -> Result<Exchange> {
        within(what, limit, self.replica.get(path)).await
    }

    async fn expect_file(&self, name: &str, seed: u64, limit: Duration) -> Result<Exchange> {
        let answer = self.get(name, &format!("/api/v1/remote/files/{name}"), limit).await?;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert!(answer.body == pattern(seed, 100_000), "{name} is another file");
        Ok(answer)
    }

    /// A file that was never asked for comes through, right and whole.
    async fn expect_miss(&self) -> Result<()> {
        self.count.set(self.count.get() + 1);
        let (name, seed) = (format!("cold{}.bin", self.count.get()), u64::from(self.count.get()));
        self.origin.on(&format!("/{name}"), Script::ok(pattern(seed, 100_000)));
        self.expect_file(&name, seed, BOUNDED).await?;
        Ok(())
    }

    async fn upload(&self) -> Result<Exchange> {
        self.count.set(self.count.get() + 1);
        let path = format!("/api/v1/local/hosted/file{}.txt", self.count.get());
        let url = self.replica.url(&path);
        within("an upload", BOUNDED, self.replica.http().put(&url, path)).await
    }

    async fn health(&self) -> Result<Value> {
        let answer = self.get("health", "/api/v2/health", BOUNDED).await?;
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Asks everything while the service is away.
    async fn expect(&self, expected: &Expected) -> Result<()> {
        for _ in 0..3 {
            let hit = self.expect_file("warm.bin", 1, HIT).await?;
            assert!(hit.header("cache-status").contains("hit"), "{hit:?}");
        }
        self.expect_miss().await?;
        self.expect_miss().await?;
        assert_eq!(self.origin.count("/warm.bin"), 1);
        Self::expect_outcome("upload", expected.upload, &self.upload().await?);
        let list = self.get("management", "/api/v2/remotes", BOUNDED).await?;
        Self::expect_outcome("management", expected.management, &list);
        let ready = self.get("readiness", "/readyz?verbose", BOUNDED).await?;
        assert_eq!(ready.status, 200, "{}", ready.text());
        if let Some(line) = expected.readiness {
            assert!(ready.text().contains(line), "{}", ready.text());
        }
        let health = self.health().await?;
        assert_eq!(health["status"], "degraded", "{health}");
        let checks = health["checks"].as_array().cloned().unwrap_or_default();
        let part = checks.iter().find(|check| check["name"] == expected.part);
        assert_eq!(part.map(|part| &part["status"]), Some(&Value::from("down")), "{health}");
        // Still there after everything else was tried.
        self.expect_file("warm.bin", 1, HIT).await?;
        Ok(())
    }

    fn expect_outcome(what: &str, expected: Outcome, answer: &Exchange) {
        let outcome = if answer.status == 503 { Unavailable } else { Works };
        assert_eq!(outcome, expected, "{what}: {} {}", answer.status, answer.text());
        assert!(outcome == Unavailable || answer.status.is_success(), "{what}: {}", answer.status);
    }

    /// Everything is as before, without anybody doing anything to the replica.
    async fn expect_recovery(&self) -> Result<()> {
        let is_well = || async { Ok((self.health().await?["status"] == "ok").then_some(())) };
        eventually("the replica is well again", RECOVERY, is_well).await?;
        let uploads = || async { Ok((self.upload().await?.status == 201).then_some(())) };
        eventually("uploads work again", RECOVERY, uploads).await?;
        self.expect_file("warm.bin", 1, HIT).await?;
        self.expect_miss().await
    }
}

#[tokio::test]
async fn without_redis_everything_works() -> Result<()> {
    let Some(scene) = Scene::set().await? else { return Ok(()) };
    scene.cluster.redis().freeze();
    scene.expect(&REDIS).await?;
    scene.cluster.redis().thaw();
    scene.expect_recovery().await?;
    scene.cluster.redis().stop();
    scene.expect(&REDIS).await?;
    // Back without anything that it knew.
    scene.cluster.redis().restart();
    scene.expect_recovery().await
}

#[tokio::test]
async fn without_postgresql_what_is_held_is_served_and_the_rest_passes_through() -> Result<()> {
    let Some(scene) = Scene::set().await? else { return Ok(()) };
    scene.cluster.postgres().freeze();
    scene.expect(&POSTGRES).await?;
    scene.cluster.postgres().thaw();
    scene.expect_recovery().await?;
    scene.cluster.postgres().stop();
    scene.expect(&POSTGRES).await?;
    scene.cluster.postgres().restart();
    scene.expect_recovery().await
}

#[tokio::test]
async fn without_s3_the_disk_serves_and_the_rest_passes_through() -> Result<()> {
    let Some(scene) = Scene::set().await? else { return Ok(()) };
    scene.cluster.s3().freeze();
    scene.expect(&S3).await?;
    scene.cluster.s3().thaw();
    scene.expect_recovery().await?;
    scene.cluster.s3().stop();
    scene.expect(&S3).await?;
    scene.cluster.s3().restart();
    scene.expect_recovery().await
}

#[tokio::test]
async fn without_upstream_what_is_cached_is_served_and_nothing_is_called_absent() -> Result<()> {
    let Some(mut scene) = Scene::set().await? else { return Ok(()) };
    let origin = std::mem::replace(&mut scene.origin, Origin::start().await);
    drop(origin);
    scene.expect_file("warm.bin", 1, HIT).await?;
    let missed = scene.get("a miss", "/api/v1/remote/files/never.bin", BOUNDED).await?;
    assert!(missed.status.is_server_error(), "{}", missed.status);
    assert_eq!(scene.upload().await?.status, 201);
    assert_eq!(scene.get("readiness", "/readyz", BOUNDED).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_replica_starts_without_postgresql_from_what_it_last_knew() -> Result<()> {
    let Some(scene) = Scene::set().await? else { return Ok(()) };
    let Scene { cluster, origin, replica, .. } = scene;
    let data: DataDirectory = replica.data();
    replica.stop().await?;
    cluster.postgres().stop();
    let replica = cluster.replica_on(data).await?;
    let scene = Scene { cluster, origin, replica, count: std::cell::Cell::new(100) };
    scene.expect_miss().await?;
    Scene::expect_outcome("upload", Unavailable, &scene.upload().await?);
    scene.cluster.postgres().restart();
    scene.expect_recovery().await
}

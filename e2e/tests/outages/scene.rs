//! A cluster with everything that an outage may concern, and the outages.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use e2e::{Cluster, Exchange, Lasting, Server, eventually, local, small_disks};
use http::Method;
use serde_json::json;
use testkit::{Origin, Script, pattern};

use crate::cell::Cell;

/// How long after the end of an outage everything works again.
pub(crate) const RECOVERY: Duration = Duration::from_secs(30);

/// What is away.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Outage {
    RedisStopped,
    RedisFrozen,
    RedisFlushed,
    PostgresStopped,
    PostgresFrozen,
    S3Stopped,
    S3Frozen,
    DiskFull,
    UpstreamStopped,
    NameUnresolved,
    ReplicaKilled,
}

impl Outage {
    pub(crate) const ALL: [Self; 11] = [
        Self::RedisStopped,
        Self::RedisFrozen,
        Self::RedisFlushed,
        Self::PostgresStopped,
        Self::PostgresFrozen,
        Self::S3Stopped,
        Self::S3Frozen,
        Self::DiskFull,
        Self::UpstreamStopped,
        Self::NameUnresolved,
        Self::ReplicaKilled,
    ];
}

const LARGE: usize = 3 << 20;
/// A name that never resolves (RFC 6761).
const NOWHERE: &str = "http://nowhere.invalid/";
const REMOTES: [(&str, &str, u64); 4] = [
    ("files", "generic", 3600),
    ("fast", "pypi", 3600),
    ("slow", "pypi", 0),
    ("live", "generic", 0),
];

pub(crate) fn body(name: &str) -> Bytes {
    let offset = name.bytes().map(u64::from).sum::<u64>() * 1009;
    pattern(offset, if name.starts_with("large") { LARGE } else { 20_000 })
}

fn page(version: u8) -> String {
    format!("<!DOCTYPE html><html><body><a href=\"a-{version}.tar.gz\">a</a></body></html>")
}

/// A cluster of replicas, of which the first has served everything but misses.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    pub(crate) origin: Origin,
    pub(crate) replica: Server,
    pub(crate) other: Server,
    killed: Option<Server>,
}

impl Scene {
    /// The scene before `outage`; `None` if the machine cannot show it and need not.
    pub(crate) async fn before(outage: Outage) -> Result<Option<Self>> {
        if outage == Outage::DiskFull && !small_disks().await? {
            return Ok(None);
        }
        let Some(cluster) = Cluster::start(Lasting::Own).await? else { return Ok(None) };
        let origin = Origin::start().await;
        for name in ["hot.bin", "large.bin", "cold.bin", "missed.bin", "after.bin", "again.bin"] {
            origin.on(&format!("/{name}"), Script::ok(body(name)));
        }
        origin.on("/live.bin", Script::ok(body("live.bin")).etag("\"1\""));
        for name in ["fresh", "expired", "changing", "missed"] {
            origin.on(&format!("/simple/{name}/"), Script::html(page(1)).etag("\"1\""));
        }
        let replica = match outage {
            Outage::DiskFull => cluster.replica_on_small_disk().await?,
            _ => cluster.replica().await?,
        };
        configure(&replica, &origin).await?;
        let other = cluster.replica().await?;
        let killed = match outage {
            Outage::ReplicaKilled => Some(cluster.replica().await?),
            _ => None,
        };
        let scene = Self { cluster, origin, replica, other, killed };
        scene.warm_up().await?;
        Ok(Some(scene))
    }

    async fn warm_up(&self) -> Result<()> {
        for (server, name) in [(&self.replica, "hot.bin"), (&self.other, "cold.bin")] {
            let url = server.url(&format!("/api/v1/local/hosted/{name}"));
            let uploaded = server.http().put(&url, body(name)).await?;
            ensure!(uploaded.status == 201, "{}", uploaded.text());
            becomes_hot(server, &format!("local/hosted/{name}")).await?;
            becomes_hot(server, &format!("remote/files/{name}")).await?;
        }
        for path in ["fast/simple/fresh/", "slow/simple/expired/", "slow/simple/changing/"] {
            becomes_hot(&self.replica, &format!("remote/{path}")).await?;
        }
        for path in ["files/large.bin", "live/live.bin"] {
            becomes_hot(&self.replica, &format!("remote/{path}")).await?;
        }
        self.origin.on("/simple/changing/", Script::html(page(2)).etag("\"2\""));
        Ok(())
    }

    pub(crate) async fn begin(&mut self, outage: Outage) -> Result<()> {
        match outage {
            Outage::RedisStopped => self.cluster.redis().stop(),
            Outage::RedisFrozen => self.cluster.redis().freeze(),
            Outage::RedisFlushed => self.cluster.redis().flush(),
            Outage::PostgresStopped => self.cluster.postgres().stop(),
            Outage::PostgresFrozen => self.cluster.postgres().freeze(),
            Outage::S3Stopped => self.cluster.s3().stop(),
            Outage::S3Frozen => self.cluster.s3().freeze(),
            Outage::DiskFull => self.replica.fill_disk()?,
            Outage::UpstreamStopped => self.origin.stop().await,
            Outage::NameUnresolved => self.move_remotes(NOWHERE).await?,
            Outage::ReplicaKilled => self.kill_while_it_fetches().await?,
        }
        Ok(())
    }

    pub(crate) async fn end(&mut self, outage: Outage) -> Result<()> {
        match outage {
            Outage::RedisStopped => self.cluster.redis().restart(),
            Outage::RedisFrozen => self.cluster.redis().thaw(),
            Outage::PostgresStopped => self.cluster.postgres().restart(),
            Outage::PostgresFrozen => self.cluster.postgres().thaw(),
            Outage::S3Stopped => self.cluster.s3().restart(),
            Outage::S3Frozen => self.cluster.s3().thaw(),
            Outage::DiskFull => self.replica.relieve_disk()?,
            Outage::UpstreamStopped => self.origin.restart().await,
            Outage::NameUnresolved => {
                let base_url = self.origin.base_url();
                self.move_remotes(base_url.as_str()).await?;
            }
            Outage::RedisFlushed | Outage::ReplicaKilled => {}
        }
        Ok(())
    }

    /// Gives every remote another address, and returns when all replicas use it.
    async fn move_remotes(&self, base_url: &str) -> Result<()> {
        for (name, ..) in REMOTES {
            let url = self.replica.url(&format!("/api/v2/remotes/{name}"));
            let change = json!({"base_url": base_url}).to_string();
            let merge = [("content-type", "application/merge-patch+json")];
            let moved = self.replica.http().send(Method::PATCH, &url, &merge, change).await?;
            ensure!(moved.status == 200, "{} {}", moved.status, moved.text());
        }
        // A list shows what is in force.
        let listed = self.other.get("/api/v2/remotes").await?;
        ensure!(listed.text().contains(base_url), "{}", listed.text());
        Ok(())
    }

    /// Kills a replica that fetches what will be missed. Its client learns of it.
    async fn kill_while_it_fetches(&mut self) -> Result<()> {
        let leader = self.killed.take().context("no replica to kill")?;
        let (script, gate) = Script::gated(body("missed.bin"), 1000);
        self.origin.on("/missed.bin", script);
        let (http, url) = (leader.http().clone(), leader.url("/api/v1/remote/files/missed.bin"));
        let client = tokio::spawn(async move { http.get(&url).await });
        gate.arrived(1).await;
        leader.kill().await?;
        gate.release_all();
        let was_answered = client.await?.is_ok_and(|answer| answer.is_complete);
        ensure!(!was_answered, "the client of a killed replica has a whole answer");
        Ok(())
    }

    /// The answer that belongs to `cell`, and the body that is right. What is missed is asked of
    /// the other replica, which has not met the outage before; a full disk is one replica's own.
    pub(crate) async fn try_out(
        &self,
        outage: Outage,
        cell: Cell,
    ) -> Result<(Exchange, Option<Bytes>)> {
        let replica = &self.replica;
        let new = if outage == Outage::DiskFull { replica } else { &self.other };
        let (server, path, name) = match cell {
            Cell::HotFile => (replica, "remote/files/hot.bin", Some("hot.bin")),
            Cell::HotLargeFile => (replica, "remote/files/large.bin", Some("large.bin")),
            Cell::HotHosted => (replica, "local/hosted/hot.bin", Some("hot.bin")),
            Cell::ColdFile => (replica, "remote/files/cold.bin", Some("cold.bin")),
            Cell::ColdHosted => (replica, "local/hosted/cold.bin", Some("cold.bin")),
            Cell::FreshDocument => (replica, "remote/fast/simple/fresh/", None),
            Cell::ExpiredDocument => (replica, "remote/slow/simple/expired/", None),
            Cell::ChangedDocument => (replica, "remote/slow/simple/changing/", None),
            Cell::ExpiredFile => (replica, "remote/live/live.bin", Some("live.bin")),
            Cell::MissedFile => (new, "remote/files/missed.bin", Some("missed.bin")),
            Cell::MissedDocument => (new, "remote/slow/simple/missed/", None),
            Cell::Upload => {
                let url = replica.url("/api/v1/local/hosted/new.bin");
                return Ok((replica.http().put(&url, body("new.bin")).await?, None));
            }
            Cell::ListRepositories => return Ok((replica.get("/api/v2/remotes").await?, None)),
            Cell::MakeRepository => {
                let body = json!({"name": "made", "package_type": "generic"});
                let url = replica.url("/api/v2/locals");
                return Ok((replica.http().post_json(&url, body).await?, None));
            }
        };
        Ok((server.get(&format!("/api/v1/{path}")).await?, name.map(body)))
    }
}

async fn configure(replica: &Server, origin: &Origin) -> Result<()> {
    local(replica, "hosted", "generic").await?;
    for (name, package_type, mutable_ttl) in REMOTES {
        let body = json!({
            "name": name, "package_type": package_type, "base_url": origin.base_url().to_string(),
            "mutable_ttl": mutable_ttl, "mutable_patterns": ["^live"],
        });
        let made = replica.http().post_json(&replica.url("/api/v2/remotes"), body).await?;
        ensure!(made.status == 201, "{}", made.text());
    }
    Ok(())
}

/// Reads a file or document until the replica holds it. A client has its bytes before that.
async fn becomes_hot(server: &Server, path: &str) -> Result<()> {
    let is_held = || async {
        let answer = server.get(&format!("/api/v1/{path}")).await?;
        let is_held = answer.is_hit() || answer.cache_status().contains("fwd-status=304");
        Ok(is_held.then_some(()))
    };
    eventually(&format!("{path} is held"), RECOVERY, is_held).await?;
    Ok(())
}

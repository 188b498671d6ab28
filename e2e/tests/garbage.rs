//! A collector that runs every second, against everybody who uploads, downloads, deletes and evicts
//! the same few contents: no acknowledged file is ever lost, and in the end nothing is left.
//!
//! `SOAK_SECONDS` and `SOAK_WORKERS` make it longer and harder.

#![expect(clippy::indexing_slicing, reason = "a field that is missing fails the test")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use e2e::{Cluster, DataDirectory, Environment, Lasting, Server, eventually, local, remote};
use serde_json::Value;
use testkit::{Origin, Script, pattern};
use tokio::time::Instant;

/// Contents that everybody shares: few, so that the same blob dies and revives all the time.
const CONTENTS: usize = 8;
/// How long the collector may take to find the last garbage.
const EMPTY: Duration = Duration::from_secs(60);
const COLLECTOR: [(&str, &str); 4] = [
    ("GC_INTERVAL", "1s"),
    ("GC_REVIEW_DELAY", "0s"),
    ("GC_DELETE_DELAY", "1s"),
    ("GC_SHARE_LIMIT", "100"),
];

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn content(number: usize) -> Bytes {
    pattern(u64::try_from(number).unwrap_or_default() * 1000, 3000 + 1000 * number)
}

#[derive(Debug, Default)]
struct Counts {
    uploads: AtomicU64,
    refused: AtomicU64,
    downloads: AtomicU64,
    deletes: AtomicU64,
}

impl Counts {
    fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// One who works with files of a name that nobody else uses.
struct Worker {
    replicas: Arc<Vec<Server>>,
    counts: Arc<Counts>,
    number: usize,
    round: usize,
}

impl Worker {
    fn replica(&self, offset: usize) -> Result<&Server> {
        let index = (self.number + self.round + offset) % self.replicas.len();
        self.replicas.get(index).ok_or_else(|| anyhow::anyhow!("no replica"))
    }

    async fn work(mut self, until: Instant) -> Result<()> {
        while Instant::now() < until {
            self.round += 1;
            let number = (self.number * 7 + self.round) % CONTENTS;
            self.fetch(number).await?;
            self.host(number).await?;
        }
        Ok(())
    }

    /// A file of the remote is always right, however often it is evicted meanwhile.
    async fn fetch(&self, number: usize) -> Result<()> {
        let path = format!("/api/v1/remote/files/{number}.bin");
        let answer = self.replica(1)?.get(&path).await?;
        let (status, length) = (answer.status, answer.body.len());
        ensure!(
            status == 200 && answer.body == content(number),
            "{path}: {status}, {length} bytes"
        );
        Counts::add(&self.counts.downloads);
        if self.round.is_multiple_of(3) {
            let evict = format!("/api/v2/remotes/files/objects?path={number}.bin");
            let replica = self.replica(0)?;
            let status = replica.http().delete(&replica.url(&evict)).await?.status;
            ensure!(status == 200 || status == 404, "{evict}: {status}");
        }
        Ok(())
    }

    /// A file that was taken in is there, on every replica, until it is deleted.
    async fn host(&self, number: usize) -> Result<()> {
        let path = format!("/api/v1/local/hosted/{}/{}.bin", self.number, self.round);
        let replica = self.replica(0)?;
        let status = replica.http().put(&replica.url(&path), content(number)).await?.status;
        if status == 503 {
            // Refused is not lost.
            Counts::add(&self.counts.refused);
            return Ok(());
        }
        ensure!(status == 201, "{path}: {status}");
        Counts::add(&self.counts.uploads);
        for offset in 0..self.replicas.len() {
            let answer = self.replica(offset)?.get(&path).await?;
            let (status, length) = (answer.status, answer.body.len());
            ensure!(
                status == 200 && answer.body == content(number),
                "{path} was lost: {status}, {length} bytes"
            );
        }
        let status = replica.http().delete(&replica.url(&path)).await?.status;
        ensure!(status == 204 || status == 503, "deleting {path}: {status}");
        if status == 204 {
            Counts::add(&self.counts.deletes);
        }
        Ok(())
    }
}

async fn soak(replicas: Vec<Server>) -> Result<Arc<Vec<Server>>> {
    let origin = Origin::start().await;
    for number in 0..CONTENTS {
        origin.on(&format!("/{number}.bin"), Script::ok(content(number)));
    }
    let first = replicas.first().ok_or_else(|| anyhow::anyhow!("no replica"))?;
    remote(first, "files", "generic", origin.base_url()).await?;
    local(first, "hosted", "generic").await?;
    for replica in &replicas {
        let is_known = || async {
            let known = replica.get("/api/v1/local/hosted/").await?.status == 200;
            Ok(known.then_some(()))
        };
        eventually("every replica knows the repositories", EMPTY, is_known).await?;
    }
    let (replicas, counts) = (Arc::new(replicas), Arc::new(Counts::default()));
    let until = Instant::now() + Duration::from_secs(setting("SOAK_SECONDS", 15));
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..usize::try_from(setting("SOAK_WORKERS", 8))? {
        let (replicas, counts) = (Arc::clone(&replicas), Arc::clone(&counts));
        workers.spawn(Worker { replicas, counts, number, round: 0 }.work(until));
    }
    while let Some(worked) = workers.join_next().await {
        worked??;
    }
    expect_nothing_left(&replicas).await?;
    let Counts { uploads, refused, downloads, deletes } = &*counts;
    let collected = collector(&replicas).await?;
    #[expect(clippy::print_stdout, reason = "the figures of a soak are its result")]
    {
        println!(
            "soak: {uploads:?} uploads, {refused:?} refused, {downloads:?} downloads, {deletes:?} deletes, \
             collected {}",
            collected["reclaimed"]
        );
    }
    ensure!(uploads.load(Ordering::Relaxed) > 0 && collected["reclaimed"]["blobs"] != 0);
    Ok(replicas)
}

async fn collector(replicas: &[Server]) -> Result<Value> {
    let replica = replicas.first().ok_or_else(|| anyhow::anyhow!("no replica"))?;
    Ok(serde_json::from_slice(&replica.get("/api/v2/gc").await?.body)?)
}

/// Lets go of everything and waits until the collector has found it.
async fn expect_nothing_left(replicas: &[Server]) -> Result<()> {
    let replica = replicas.first().ok_or_else(|| anyhow::anyhow!("no replica"))?;
    for objects in
        ["/api/v2/remotes/files/objects?prefix=", "/api/v2/locals/hosted/objects?prefix="]
    {
        let status = replica.http().delete(&replica.url(objects)).await?.status;
        ensure!(status == 200, "{objects}: {status}");
    }
    let is_empty =
        || async { Ok((collector(replicas).await?["stored"]["blobs"] == 0).then_some(())) };
    let emptied = eventually("nothing is stored any more", EMPTY, is_empty).await;
    ensure!(emptied.is_ok(), "something is left: {}", collector(replicas).await?);
    Ok(())
}

fn with_collector(mut environment: Environment) -> Environment {
    environment.extend(COLLECTOR.map(|(name, value)| (name.to_owned(), value.to_owned())));
    environment
}

#[tokio::test(flavor = "multi_thread")]
async fn no_blob_is_lost_and_none_is_left_on_postgresql_and_s3() -> Result<()> {
    let Some(mut cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    for (name, value) in COLLECTOR {
        cluster = cluster.with(name, value);
    }
    let replicas = vec![cluster.replica().await?, cluster.replica().await?];
    soak(replicas).await?;
    assert_eq!(cluster.stored("blobs/sha256/"), Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_blob_is_lost_and_none_is_left_on_sqlite_and_files() -> Result<()> {
    let data = DataDirectory::new()?;
    let environment = with_collector(Environment::new());
    let server = Server::start_with(data.clone(), &environment).await?;
    soak(vec![server]).await?;
    assert_eq!(files_below(&data.path().join("blobs/sha256"))?, 0);
    Ok(())
}

fn files_below(directory: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        count += if entry.file_type()?.is_dir() { files_below(&entry.path())? } else { 1 };
    }
    Ok(count)
}

//! The garbage collector at work under load: it takes nothing that anybody needs and leaves
//! nothing that nobody needs.
//!
//! `SOAK_SECONDS` and `SOAK_WORKERS` make it longer and busier.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use e2e::{Cluster, DataDirectory, Environment, HttpClient, Lasting, Server, eventually};
use e2e::{local, remote};
use serde_json::Value;
use testkit::{Origin, Script, pattern};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A collector in a hurry: what nothing needs is gone two seconds later.
const HURRY: [(&str, &str); 4] = [
    ("GC_INTERVAL", "1s"),
    ("GC_REVIEW_DELAY", "0s"),
    ("GC_DELETE_DELAY", "1s"),
    ("GC_SHARE_LIMIT", "100"),
];
/// So few different bodies that workers keep meeting each other's blobs, condemned or not; so
/// many that most of them are needed by nobody at any moment.
const BODIES: u64 = 100;
/// How many files a worker keeps.
const KEPT: usize = 2;
const EMPTY_LIMIT: Duration = Duration::from_secs(60);

fn body(number: u64) -> Bytes {
    let length = if number.is_multiple_of(25) { 700_000 } else { 200 + 1_000 * number };
    pattern(number * 7919, usize::try_from(length).unwrap_or_default())
}

fn setting(name: &str, default: u64) -> Result<u64> {
    let text = std::env::var(name).unwrap_or_default();
    if text.is_empty() { Ok(default) } else { text.parse().with_context(|| name.to_owned()) }
}

/// What happened.
#[derive(Debug, Default)]
struct Tally {
    uploads: AtomicU64,
    reads: AtomicU64,
    deletes: AtomicU64,
    fetches: AtomicU64,
    /// Downloads from the remote whose row and bytes were taken away in their midst.
    broken_fetches: AtomicU64,
    evictions: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// One client that uploads, reads, deletes, fetches and evicts in an order of its own.
struct Worker {
    number: u64,
    replicas: Arc<Vec<String>>,
    http: HttpClient,
    tally: Arc<Tally>,
    random: u64,
    serial: u64,
    kept: VecDeque<(String, u64)>,
}

impl Worker {
    fn new(number: u64, replicas: Arc<Vec<String>>, tally: Arc<Tally>) -> Self {
        let random = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let (serial, kept) = (0, VecDeque::new());
        Self { number, replicas, http: HttpClient::new(), tally, random, serial, kept }
    }

    /// The next number below `limit` (xorshift): the same in every run.
    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % limit
    }

    /// Any replica.
    fn replica(&mut self) -> String {
        let count = self.replicas.len() as u64;
        let index = usize::try_from(self.below(count)).unwrap_or_default();
        self.replicas.get(index).cloned().unwrap_or_default()
    }

    async fn work(mut self, deadline: Instant) -> Result<()> {
        while Instant::now() < deadline {
            match self.below(10) {
                0..3 => self.upload().await?,
                3..6 => self.read().await?,
                _ => self.fetch().await?,
            }
        }
        while !self.kept.is_empty() {
            self.delete().await?;
        }
        Ok(())
    }

    /// Uploads a body under a new path and reads it back.
    async fn upload(&mut self) -> Result<()> {
        if self.kept.len() >= KEPT {
            self.delete().await?;
        }
        let number = self.below(BODIES);
        let path = format!("/api/v1/local/hosted/{}/{}.bin", self.number, self.serial);
        self.serial += 1;
        let url = self.replica() + &path;
        let answer = self.http.put(&url, body(number)).await?;
        ensure!(answer.status == 201, "PUT {url}: {} {}", answer.status, answer.text());
        count(&self.tally.uploads);
        self.kept.push_back((path, number));
        self.expect(self.kept.len() - 1).await
    }

    /// Reads any of its files.
    async fn read(&mut self) -> Result<()> {
        let Some(last) = (self.kept.len() as u64).checked_sub(1) else { return Ok(()) };
        let index = usize::try_from(self.below(last + 1))?;
        self.expect(index).await
    }

    /// What was acknowledged is there, whole and right, on every replica.
    async fn expect(&mut self, index: usize) -> Result<()> {
        let replica = self.replica();
        let (path, number) = self.kept.get(index).context("no such file")?;
        let url = replica + path;
        let answer = self.http.get(&url).await?;
        if answer.status != 200 || !answer.is_complete || answer.body != body(*number) {
            let (status, length) = (answer.status, answer.body.len());
            bail!("GET {url} (body {number}): {status}, {length} bytes, {:?}", answer.headers);
        }
        count(&self.tally.reads);
        Ok(())
    }

    /// Deletes its oldest file.
    async fn delete(&mut self) -> Result<()> {
        let Some((path, _)) = self.kept.pop_front() else { return Ok(()) };
        let url = self.replica() + &path;
        let answer = self.http.delete(&url).await?;
        ensure!(answer.status.is_success(), "DELETE {url}: {} {}", answer.status, answer.text());
        count(&self.tally.deletes);
        Ok(())
    }

    /// Fetches one of the same bodies through the remote and most often evicts it. Others may be
    /// evicting it meanwhile: then a download may break off, but is never wrong.
    async fn fetch(&mut self) -> Result<()> {
        let number = self.below(BODIES);
        let url = self.replica() + &format!("/api/v1/remote/files/{number}.bin");
        let answer = self.http.get(&url).await?;
        ensure!(answer.status == 200, "GET {url}: {} {}", answer.status, answer.text());
        if answer.is_complete {
            ensure!(answer.body == body(number), "GET {url}: other bytes");
            count(&self.tally.fetches);
        } else {
            count(&self.tally.broken_fetches);
        }
        if self.below(4) > 0 { self.evict(number).await } else { Ok(()) }
    }

    async fn evict(&mut self, number: u64) -> Result<()> {
        let url = self.replica() + &format!("/api/v2/remotes/files/objects?path={number}.bin");
        let answer = self.http.delete(&url).await?;
        // Somebody else may have been faster.
        let is_gone = answer.status.is_success() || answer.status == 404;
        ensure!(is_gone, "DELETE {url}: {} {}", answer.status, answer.text());
        count(&self.tally.evictions);
        Ok(())
    }
}

/// How many blobs the collectors have deleted so far.
fn reclaimed(collector: &Value) -> u64 {
    collector.pointer("/reclaimed/blobs").and_then(Value::as_u64).unwrap_or_default()
}

/// Lets the workers loose, then clears everything away and waits until nothing is stored.
async fn soak(replicas: &[Server], origin: &Origin) -> Result<()> {
    for number in 0..BODIES {
        origin.on(&format!("/{number}.bin"), Script::ok(body(number)));
    }
    let first = replicas.first().context("no replica")?;
    let duration = Duration::from_secs(setting("SOAK_SECONDS", 20)?);
    let deadline = Instant::now() + duration;
    let addresses = Arc::new(replicas.iter().map(|replica| replica.url("")).collect::<Vec<_>>());
    let tally = Arc::<Tally>::default();
    let mut workers = JoinSet::new();
    for number in 0..setting("SOAK_WORKERS", 16)? {
        let worker = Worker::new(number, Arc::clone(&addresses), Arc::clone(&tally));
        workers.spawn(worker.work(deadline));
    }
    while let Some(worker) = workers.join_next().await {
        worker?.with_context(|| format!("{tally:?}"))?;
    }
    let under_load = reclaimed(&first.get("/api/v2/gc").await?.json()?);
    ensure!(under_load > 0, "nothing was collected under load: {tally:?}");
    let everything = first.url("/api/v2/remotes/files/objects?prefix=");
    let last = Mutex::new(Value::Null);
    let emptied = || async {
        // Again and again: what a client was given may be stored a moment later.
        let cleared = first.http().delete(&everything).await?;
        ensure!(cleared.status.is_success(), "{} {}", cleared.status, cleared.text());
        let state = first.get("/api/v2/gc").await?.json()?;
        *last.lock().await = state.clone();
        let stored = state.pointer("/stored/blobs").and_then(Value::as_u64);
        Ok((stored == Some(0)).then_some(state))
    };
    let emptied = eventually("the store is empty", EMPTY_LIMIT, emptied).await;
    let (state, took) = emptied.with_context(|| format!("{tally:?}; {last:?}"))?;
    #[expect(clippy::print_stdout, reason = "captured; the figures of a soak")]
    {
        println!(
            "{duration:?}: {tally:?}; {under_load} blobs collected meanwhile; empty after {took:?}: {state}"
        );
    }
    ensure!(tally.reads.load(Ordering::Relaxed) > 0 && tally.fetches.load(Ordering::Relaxed) > 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_collect_what_nobody_needs_and_nothing_else() -> Result<()> {
    let Some(mut cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    for (name, value) in HURRY {
        cluster = cluster.with(name, value);
    }
    let origin = Origin::start().await;
    let first = cluster.replica().await?;
    local(&first, "hosted", "generic").await?;
    remote(&first, "files", "generic", origin.base_url()).await?;
    let replicas = [first, cluster.replica().await?];
    soak(&replicas, &origin).await?;
    assert_eq!(cluster.stored("blobs/sha256/"), Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_server_collects_what_nobody_needs_and_nothing_else() -> Result<()> {
    let environment: Environment =
        HURRY.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let origin = Origin::start().await;
    let data = DataDirectory::new()?;
    let server = Server::start_with(data.clone(), &environment).await?;
    local(&server, "hosted", "generic").await?;
    remote(&server, "files", "generic", origin.base_url()).await?;
    soak(&[server], &origin).await?;
    let blobs = data.path().join("blobs/sha256");
    let mut directories = vec![blobs];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            assert!(path.is_dir(), "{} is left", path.display());
            directories.push(path);
        }
    }
    Ok(())
}

//! Images are pushed, pulled and deleted while what nobody needs is given up and collected: no push breaks,
//! no blob is lost, and nothing is left in the end.
//!
//! `SOAK_SECONDS` and `SOAK_WORKERS` make it longer and busier.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use e2e::DataDirectory;
use e2e::{Cluster, Environment, Exchange, HttpClient, Lasting, Server, eventually, local};
use http::Method;
use ring::digest::{SHA256, digest as hash};
use serde_json::{Value, json};
use testkit::pattern;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A collector in a hurry, and promises that end soon after the slowest push of this suite.
const HURRY: [(&str, &str); 5] = [
    ("GC_INTERVAL", "1s"),
    ("GC_REVIEW_DELAY", "0s"),
    ("GC_DELETE_DELAY", "1s"),
    ("GC_SHARE_LIMIT", "100"),
    ("UPLOAD_EXPIRY", "10s"),
];
/// So few layers that images share them; so many that most are needed by none at any moment.
const LAYERS: u64 = 40;
/// Images are pushed under these names, so that layers are mounted from one to another.
const NAMES: u64 = 6;
const EMPTY_LIMIT: Duration = Duration::from_secs(90);
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn setting(name: &str, default: u64) -> Result<u64> {
    let text = std::env::var(name).unwrap_or_default();
    if text.is_empty() { Ok(default) } else { text.parse().with_context(|| name.to_owned()) }
}

/// One of them is so long that S3 gets it in parts.
fn layer(number: u64) -> Bytes {
    let length = match number {
        0 => 900_000,
        20 => 9_000_000,
        _ => 500 + 3_000 * number,
    };
    pattern(number * 104_729, usize::try_from(length).unwrap_or_default())
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(hash(&SHA256, bytes)))
}

/// What happened.
#[derive(Debug, Default)]
struct Tally {
    pushes: AtomicU64,
    uploads: AtomicU64,
    mounts: AtomicU64,
    found: AtomicU64,
    pulls: AtomicU64,
    deletes: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// An image that was pushed.
struct Pushed {
    name: String,
    tag: String,
    manifest: String,
    layers: Vec<u64>,
}

/// One client that pushes, pulls and deletes in an order of its own.
struct Worker {
    number: u64,
    replicas: Arc<Vec<String>>,
    http: HttpClient,
    tally: Arc<Tally>,
    random: u64,
    serial: u64,
    kept: Vec<Pushed>,
}

impl Worker {
    /// The next number below `limit` (xorshift): the same in every run.
    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % limit
    }

    /// The URL of `path` at any replica.
    fn at(&mut self, path: &str) -> String {
        let index = self.below(self.replicas.len() as u64);
        let replica = usize::try_from(index).ok().and_then(|index| self.replicas.get(index));
        format!("{}{path}", replica.map(String::as_str).unwrap_or_default())
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Exchange> {
        let url = self.at(path);
        self.http.send(method, &url, headers, body).await
    }

    async fn work(mut self, deadline: Instant) -> Result<()> {
        while Instant::now() < deadline {
            match self.below(5) {
                0..2 => self.push().await?,
                2..4 => self.pull().await?,
                _ => self.delete().await?,
            }
        }
        while !self.kept.is_empty() {
            self.delete().await?;
        }
        Ok(())
    }

    /// Pushes as clients do: looks for each blob, mounts or uploads it, and sends the manifest at last.
    async fn push(&mut self) -> Result<()> {
        if self.kept.len() >= 3 {
            self.delete().await?;
        }
        let name = format!("team/app{}", self.below(NAMES));
        let layers: Vec<u64> = (0..=self.below(3)).map(|_| self.below(LAYERS)).collect();
        let config = format!("{{\"worker\":{},\"serial\":{}}}", self.number, self.serial);
        self.serial += 1;
        let mut described = Vec::new();
        for &number in &layers {
            let bytes = layer(number);
            described.push(json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest(&bytes), "size": bytes.len(),
            }));
            self.provide(&name, bytes).await?;
        }
        self.provide(&name, config.clone().into()).await?;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "layers": described,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(config.as_bytes()), "size": config.len(),
            },
        })
        .to_string();
        let tag = format!("w{}-{}", self.number, self.serial);
        let path = format!("/v2/images/{name}/manifests/{tag}");
        let typed = [("content-type", MANIFEST)];
        let answer = self.send(Method::PUT, &path, &typed, manifest.clone().into()).await?;
        ensure!(answer.status == 201, "PUT {path}: {} {}", answer.status, answer.text());
        count(&self.tally.pushes);
        self.kept.push(Pushed { name, tag, manifest, layers });
        Ok(())
    }

    async fn provide(&mut self, name: &str, bytes: Bytes) -> Result<()> {
        let wanted = digest(&bytes);
        let path = format!("/v2/images/{name}/blobs/{wanted}");
        if self.send(Method::HEAD, &path, &[], Bytes::new()).await?.status == 200 {
            count(&self.tally.found);
            return Ok(());
        }
        let other = format!("images/team/app{}", self.below(NAMES));
        let path = format!("/v2/images/{name}/blobs/uploads/?mount={wanted}&from={other}");
        let begun = self.send(Method::POST, &path, &[], Bytes::new()).await?;
        if begun.status == 201 {
            count(&self.tally.mounts);
            return Ok(());
        }
        ensure!(begun.status == 202, "POST {path}: {} {}", begun.status, begun.text());
        let location = begun.header("location").to_owned();
        let rest = if self.below(2) == 0 {
            let cut = bytes.len() / 2;
            let answer = self.send(Method::PATCH, &location, &[], bytes.slice(..cut)).await?;
            ensure!(answer.status == 202, "PATCH {location}: {} {}", answer.status, answer.text());
            bytes.slice(cut..)
        } else {
            bytes
        };
        let closing = format!("{location}?digest={wanted}");
        let answer = self.send(Method::PUT, &closing, &[], rest).await?;
        ensure!(answer.status == 201, "PUT {closing}: {} {}", answer.status, answer.text());
        count(&self.tally.uploads);
        Ok(())
    }

    /// What was pushed is there, whole and right, on every replica.
    async fn pull(&mut self) -> Result<()> {
        let Some(last) = (self.kept.len() as u64).checked_sub(1) else { return Ok(()) };
        let index = usize::try_from(self.below(last + 1))?;
        let Some(image) = self.kept.get(index) else { return Ok(()) };
        let Pushed { name, tag, manifest, layers } = image;
        let mut wanted = vec![(format!("manifests/{tag}"), Bytes::from(manifest.clone()))];
        wanted.extend(layers.iter().map(|&number| {
            let bytes = layer(number);
            (format!("blobs/{}", digest(&bytes)), bytes)
        }));
        let name = name.clone();
        for (below, bytes) in wanted {
            let path = format!("/v2/images/{name}/{below}");
            let answer = self.send(Method::GET, &path, &[], Bytes::new()).await?;
            let is_right = answer.status == 200 && answer.is_complete && answer.body == bytes;
            ensure!(is_right, "GET {path}: {} {}", answer.status, answer.text());
        }
        count(&self.tally.pulls);
        Ok(())
    }

    /// Deletes its oldest image: the manifest, and with it the tag.
    async fn delete(&mut self) -> Result<()> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let image = self.kept.remove(0);
        let wanted = digest(image.manifest.as_bytes());
        let path = format!("/v2/images/{}/manifests/{wanted}", image.name);
        let answer = self.send(Method::DELETE, &path, &[], Bytes::new()).await?;
        ensure!(answer.status == 202, "DELETE {path}: {} {}", answer.status, answer.text());
        count(&self.tally.deletes);
        Ok(())
    }
}

async fn soak(replicas: &[Server]) -> Result<()> {
    let first = replicas.first().context("no replica")?;
    let duration = Duration::from_secs(setting("SOAK_SECONDS", 20)?);
    let deadline = Instant::now() + duration;
    let addresses = Arc::new(replicas.iter().map(|replica| replica.url("")).collect::<Vec<_>>());
    let tally = Arc::<Tally>::default();
    let mut workers = JoinSet::new();
    for number in 0..setting("SOAK_WORKERS", 8)? {
        let worker = Worker {
            number,
            replicas: Arc::clone(&addresses),
            http: HttpClient::new(),
            tally: Arc::clone(&tally),
            random: (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
            serial: 0,
            kept: Vec::new(),
        };
        workers.spawn(worker.work(deadline));
    }
    while let Some(worker) = workers.join_next().await {
        worker?.with_context(|| format!("{tally:?}"))?;
    }
    let emptied = || async {
        let state: Value = first.get("/api/v2/gc").await?.json()?;
        let stored = state.pointer("/stored/blobs").and_then(Value::as_u64);
        Ok((stored == Some(0)).then_some(state))
    };
    let emptied = eventually("the store is empty", EMPTY_LIMIT, emptied).await;
    let (state, took) = emptied.with_context(|| format!("{tally:?}"))?;
    #[expect(clippy::print_stdout, reason = "captured; the figures of a soak")]
    {
        println!("{duration:?}: {tally:?}; empty after {took:?}: {state}");
    }
    let Tally { pushes, mounts, found, .. } = &*tally;
    ensure!([pushes, mounts, found].iter().all(|counter| counter.load(Ordering::Relaxed) > 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_break_no_push_and_lose_no_blob() -> Result<()> {
    let Some(mut cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    for (name, value) in HURRY {
        cluster = cluster.with(name, value);
    }
    let first = cluster.replica().await?;
    local(&first, "images", "docker").await?;
    let replicas = [first, cluster.replica().await?];
    soak(&replicas).await?;
    for prefix in ["blobs/sha256/", "links/", "whole/", "uploads/"] {
        assert_eq!(cluster.stored(prefix), Vec::<String>::new());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_server_breaks_no_push_and_loses_no_blob() -> Result<()> {
    let environment: Environment =
        HURRY.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let server = Server::start_with(DataDirectory::new()?, &environment).await?;
    local(&server, "images", "docker").await?;
    soak(&[server]).await
}

//! One packument as large as they come.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use e2e::{DataDirectory, HttpClient};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::CONTENT_TYPE;
use ring::digest::{SHA512, digest};
use serde_json::{Value, json};
use testkit::{Origin, Script};
use tokio::time::{interval, timeout};

use crate::process::processor_seconds;
use crate::report::{Figure, Spread, Target};
use crate::subject::{Subject, whole};
use crate::wrk::Load;

const ROUNDS: usize = 5;
const VERSIONS: u32 = 5_000;
const REMOTE: &str = "modules";
const PATH: &str = "/big-package";
const FULL: (&str, &str) = ("accept", "application/json");
const ABBREVIATED: (&str, &str) = ("accept", "application/vnd.npm.install-v1+json");
const GZIP: (&str, &str) = ("accept-encoding", "gzip");
const COMPRESSION_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

/// Cold answers, then warm ones under load.
pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let origin = Origin::start().await;
    let document = packument(&origin);
    let compressing = time_to_compress(&document)?;
    let size = f64::from(u32::try_from(document.len())?) / 1e6;
    let script = Script::ok(document).header(CONTENT_TYPE, "application/json").etag("\"1\"");
    origin.on(PATH, script);
    let subject = Subject::start(DataDirectory::new()?).await?;
    subject.add_remote(REMOTE, "npm", &origin).await?;
    let url = subject.file(REMOTE, PATH);
    let cold = vec![
        cold("full", &url, FULL).await?.with_remark(format!("{size:.1} MB, {VERSIONS} versions")),
        cold("abbreviated", &url, ABBREVIATED).await?,
    ];
    let full = warm("full", &subject, &url, FULL, compressing).await?;
    let abbreviated = warm("abbreviated", &subject, &url, ABBREVIATED, compressing).await?;
    let fetches = f64::from(u32::try_from(origin.count(PATH))?);
    let fetches = Figure::new("requests to upstream", "", Spread::of([fetches]))
        .with_target(Target::Always(1.0))
        .with_remark("that it is parsed once is held by a test of the engine");
    Ok(cold.into_iter().chain(full).chain(abbreviated).chain([fetches]).collect())
}

async fn cold(name: &str, url: &str, form: (&str, &str)) -> Result<Figure> {
    let began = Instant::now();
    whole(&HttpClient::new(), url, &[form]).await?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    Ok(Figure::new(format!("{name}, first answer"), " ms", Spread::of([took])))
}

/// The answer is compressed, and costs far less than compressing it would.
async fn warm(
    name: &str,
    subject: &Subject,
    url: &str,
    form: (&str, &str),
    compressing: f64,
) -> Result<[Figure; 2]> {
    let length = timeout(COMPRESSION_LIMIT, compressed(url, form)).await;
    let length = length.with_context(|| format!("{name}: never compressed"))??;
    let headers = [form, GZIP].map(|(name, value)| format!("{name}: {value}"));
    let headers = headers.each_ref().map(String::as_str);
    let load = Load { connections: 8, seconds: 1, headers: &headers };
    let mut rates = Vec::new();
    let mut costs = Vec::new();
    for _ in 0..ROUNDS {
        let before = processor_seconds(subject.id()?)?;
        let round = load.run(url).await?;
        rates.push(round.requests_per_second);
        costs.push((processor_seconds(subject.id()?)? - before) / round.requests / compressing);
    }
    let size = f64::from(u32::try_from(length)?) / 1e6;
    Ok([
        Figure::new(format!("{name}, warm, gzip"), " per s", Spread::of(rates))
            .with_remark(format!("{size:.2} MB each")),
        Figure::new(format!("{name}, processor time to compressing"), "x", Spread::of(costs))
            .with_target(Target::AtMost(0.1))
            .with_remark("of a warm answer, to gzip of the full document"),
    ])
}

/// Asks until the answer comes compressed out of the cache, and returns its length.
async fn compressed(url: &str, form: (&str, &str)) -> Result<usize> {
    let http = HttpClient::new();
    let mut poll = interval(POLL);
    loop {
        poll.tick().await;
        let answer = whole(&http, url, &[form, GZIP]).await?;
        if answer.is_hit() && answer.header("content-encoding") == "gzip" {
            return Ok(answer.body.len());
        }
    }
}

/// Seconds for once.
fn time_to_compress(document: &Bytes) -> Result<f64> {
    let began = Instant::now();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(document)?;
    ensure!(!encoder.finish()?.is_empty(), "nothing was compressed");
    Ok(began.elapsed().as_secs_f64())
}

fn packument(origin: &Origin) -> Bytes {
    let versions: serde_json::Map<String, Value> =
        (0..VERSIONS).map(|number| (format!("1.{number}.0"), version(origin, number))).collect();
    let times: serde_json::Map<String, Value> = (0..VERSIONS)
        .map(|number| (format!("1.{number}.0"), json!("2026-01-02T03:04:05.000Z")))
        .collect();
    let latest = format!("1.{}.0", VERSIONS - 1);
    json!({
        "_id": "big-package",
        "name": "big-package",
        "dist-tags": {"latest": latest},
        "versions": versions,
        "time": times,
    })
    .to_string()
    .into()
}

/// About 4 KB, a part of it as incompressible as digests are.
fn version(origin: &Origin, number: u32) -> Value {
    let integrity = digest(&SHA512, &number.to_be_bytes());
    let dependencies: serde_json::Map<String, Value> = (0..30)
        .map(|other| (format!("dependency-{other}-of-many"), json!(format!("^{number}.{other}.0"))))
        .collect();
    json!({
        "name": "big-package",
        "version": format!("1.{number}.0"),
        "description": "A package that releases on every commit. ".repeat(20),
        "license": "MIT",
        "main": "index.js",
        "scripts": {"build": "tool build --all && tool check --strict ".repeat(24)},
        "dependencies": dependencies,
        "engines": {"node": ">=18"},
        "dist": {
            "tarball": origin.url(&format!("{PATH}/-/big-package-1.{number}.0.tgz")),
            "integrity": format!("sha512-{}", BASE64_STANDARD.encode(integrity)),
            "shasum": "0".repeat(40),
            "fileCount": 10,
            "unpackedSize": 100_000,
        },
        "maintainers": [{"name": "somebody", "email": "somebody@example.com"}],
    })
}

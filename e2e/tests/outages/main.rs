//! What works, and how soon it is answered, while something is away; and that nothing has to be
//! started again when it is back.
//!
//! The table of outages in `docs/operate.md` tells this in short. With `--nocapture` the suite ends
//! with the table that it saw.

mod cell;
mod embedded;
mod matrix;
mod scene;
mod starts;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cell::Cell::{
    ChangedDocument, ColdFile, ColdHosted, ExpiredDocument, ExpiredFile, FreshDocument, HotFile,
    HotHosted, HotLargeFile, ListRepositories, MakeRepository, MissedDocument, MissedFile, Upload,
};
use cell::{Cell, Seen, judge};
use e2e::{Exchange, Server, eventually, within};
use matrix::{Report, Row};
use scene::{Outage, RECOVERY, Scene, body};
use serde_json::Value;
use tokio::time::{Instant, timeout};

/// What a client waits for an answer, whatever is away.
const LIMIT: Duration = Duration::from_secs(12);
/// What it waits for a file that the replica holds.
const HIT_LIMIT: Duration = Duration::from_secs(2);
/// What it waits for a file that another replica was fetching when it was killed: the lease of
/// that ends by itself.
const LEASE_LIMIT: Duration = Duration::from_secs(20);

/// What is right in a cell. There are several where it depends on what met the outage first.
type Expected = (Cell, &'static [Seen]);

/// From upstream, and in the store at once or a moment later.
const FROM_UPSTREAM: &[Seen] = &[Seen::Fetched, Seen::Passed];

const EVERY_DAY: [Expected; 14] = [
    (HotFile, &[Seen::Hit]),
    (HotLargeFile, &[Seen::Hit]),
    (HotHosted, &[Seen::Hit]),
    (ColdFile, &[Seen::Hit]),
    (ColdHosted, &[Seen::Hit]),
    (FreshDocument, &[Seen::Hit]),
    (ExpiredDocument, &[Seen::Confirmed]),
    (ChangedDocument, FROM_UPSTREAM),
    (ExpiredFile, &[Seen::Confirmed]),
    (MissedFile, FROM_UPSTREAM),
    (MissedDocument, FROM_UPSTREAM),
    (Upload, &[Seen::Done]),
    (ListRepositories, &[Seen::Done]),
    (MakeRepository, &[Seen::Done]),
];

/// Without metadata: what is not in memory passes through, nothing new is taken in.
const WITHOUT_METADATA: [Expected; 8] = [
    (ColdFile, &[Seen::Passed]),
    (ColdHosted, &[Seen::ComeBack]),
    (ChangedDocument, &[Seen::Passed]),
    (MissedFile, &[Seen::Passed]),
    (MissedDocument, &[Seen::Passed]),
    (Upload, &[Seen::ComeBack]),
    (ListRepositories, &[Seen::ComeBack]),
    (MakeRepository, &[Seen::ComeBack]),
];

/// The first who meet a frozen database wait for it longer than for the news of what is held.
const WITH_PATIENCE: [Expected; 3] = [
    (ExpiredDocument, &[Seen::Confirmed, Seen::Stale]),
    (ChangedDocument, &[Seen::Passed, Seen::Stale]),
    (ExpiredFile, &[Seen::Confirmed, Seen::Stale]),
];

/// Without the store: what is not on this disk passes through, nothing new is taken in.
const WITHOUT_STORAGE: [Expected; 6] = [
    (ColdFile, &[Seen::Passed]),
    (ColdHosted, &[Seen::ComeBack]),
    (ChangedDocument, &[Seen::Passed]),
    (MissedFile, &[Seen::Passed]),
    (MissedDocument, &[Seen::Passed]),
    (Upload, &[Seen::ComeBack]),
];

/// Without a local disk: everything that need not be written down.
const WITHOUT_DISK: [Expected; 4] = [
    (ChangedDocument, &[Seen::Passed]),
    (MissedFile, &[Seen::Passed]),
    (MissedDocument, &[Seen::Passed]),
    (Upload, &[Seen::NoRoom]),
];

/// Without upstream: what is held, for as long as it may be stale. Soon it is not asked any more.
const WITHOUT_UPSTREAM: [Expected; 5] = [
    (ExpiredDocument, &[Seen::Stale]),
    (ChangedDocument, &[Seen::Stale]),
    (ExpiredFile, &[Seen::Stale]),
    (MissedFile, &[Seen::NoUpstream]),
    (MissedDocument, &[Seen::NoUpstream, Seen::ComeBack]),
];

#[tokio::test]
async fn nothing_but_hints_is_missed_while_redis_is_stopped() -> Result<()> {
    examine(Outage::RedisStopped, Some("hints"), &[]).await
}

#[tokio::test]
async fn nothing_but_hints_is_missed_while_redis_is_frozen() -> Result<()> {
    examine(Outage::RedisFrozen, Some("hints"), &[]).await
}

#[tokio::test]
async fn nothing_is_missed_when_redis_has_lost_everything() -> Result<()> {
    examine(Outage::RedisFlushed, None, &[]).await
}

#[tokio::test]
async fn files_are_served_or_passed_through_while_postgresql_is_stopped() -> Result<()> {
    examine(Outage::PostgresStopped, Some("metadata"), &WITHOUT_METADATA).await
}

#[tokio::test]
async fn files_are_served_or_passed_through_while_postgresql_is_frozen() -> Result<()> {
    let expected = [&WITHOUT_METADATA[..], &WITH_PATIENCE].concat();
    examine(Outage::PostgresFrozen, Some("metadata"), &expected).await
}

#[tokio::test]
async fn files_are_served_or_passed_through_while_s3_is_stopped() -> Result<()> {
    examine(Outage::S3Stopped, Some("storage"), &WITHOUT_STORAGE).await
}

#[tokio::test]
async fn files_are_served_or_passed_through_while_s3_is_frozen() -> Result<()> {
    examine(Outage::S3Frozen, Some("storage"), &WITHOUT_STORAGE).await
}

#[tokio::test]
async fn files_are_served_or_passed_through_while_the_disk_is_full() -> Result<()> {
    examine(Outage::DiskFull, Some("spool"), &WITHOUT_DISK).await
}

#[tokio::test]
async fn everything_held_is_served_while_upstream_is_stopped() -> Result<()> {
    examine(Outage::UpstreamStopped, Some("remote/slow"), &WITHOUT_UPSTREAM).await
}

#[tokio::test]
async fn everything_held_is_served_while_the_name_of_upstream_does_not_resolve() -> Result<()> {
    examine(Outage::NameUnresolved, Some("remote/slow"), &WITHOUT_UPSTREAM).await
}

#[tokio::test]
async fn nothing_is_missed_when_another_replica_is_killed() -> Result<()> {
    examine(Outage::ReplicaKilled, None, &[]).await
}

/// What is seen during `outage` where it differs from what is seen every day, and that `down` is
/// said to be down.
async fn examine(outage: Outage, down: Option<&str>, differences: &[Expected]) -> Result<()> {
    let mut report = Report::of(outage);
    let Some(mut scene) = Scene::before(outage).await? else { return Ok(()) };
    scene.begin(outage).await?;
    observe(&scene, outage, &mut report.row).await?;
    let mut expected: BTreeMap<Cell, &[Seen]> = EVERY_DAY.into();
    expected.extend(differences.iter().copied());
    for (cell, (seen, took)) in &report.row.cells {
        let expected = expected.get(cell).copied().unwrap_or_default();
        ensure!(expected.contains(seen), "{cell:?} is {seen:?} and not {expected:?}");
        ensure!(*took < HIT_LIMIT || !cell.is_hot(), "{cell:?} takes {took:?}");
    }
    expect_truth(&scene.replica, down, &mut report.row).await?;
    scene.end(outage).await?;
    let began = Instant::now();
    expect_recovery(&scene).await?;
    report.row.recovered = Some(began.elapsed());
    Ok(())
}

/// Tries every cell out. A hit that was slow is tried again: a busy machine is slow once, what
/// waits for a service is slow until it has learned not to, three times at least.
async fn observe(scene: &Scene, outage: Outage, row: &mut Row) -> Result<()> {
    for cell in Cell::ALL {
        let (mut seen, mut took) = try_out(scene, outage, cell).await?;
        if cell.is_hot() && took >= HIT_LIMIT {
            (seen, took) = try_out(scene, outage, cell).await?;
        }
        row.cells.insert(cell, (seen, took));
    }
    Ok(())
}

async fn try_out(scene: &Scene, outage: Outage, cell: Cell) -> Result<(Seen, Duration)> {
    let limit = match (outage, cell) {
        (Outage::ReplicaKilled, MissedFile) => LEASE_LIMIT,
        _ => LIMIT,
    };
    let began = Instant::now();
    let tried = timeout(limit, scene.try_out(outage, cell)).await;
    let (answer, expected) = tried.with_context(|| format!("{cell:?}: no answer"))??;
    Ok((judge(cell, &answer, expected.as_ref())?, began.elapsed()))
}

/// Readiness and health say what is down, and that the server serves nevertheless.
pub(crate) async fn expect_truth(
    replica: &Server,
    down: Option<&str>,
    row: &mut Row,
) -> Result<()> {
    let told = || async {
        let ready = replica.get("/readyz?verbose").await?;
        ensure!(ready.status == 200, "{}", ready.text());
        let is_told = ["metadata", "storage"].iter().all(|part| {
            let mark = if down == Some(part) { "[!]" } else { "[+]" };
            ready.text().contains(&format!("{mark}{part} "))
        });
        Ok(is_told.then_some(ready))
    };
    // What readiness found is good for a second.
    let (ready, _) =
        eventually(&format!("readiness tells that {down:?} is down"), LIMIT, told).await?;
    row.readiness = readiness(&ready);
    let health = within("health", LIMIT, replica.get("/api/v2/health")).await?.json()?;
    let status = if down.is_some() { "degraded" } else { "ok" };
    row.health = health.get("status").and_then(Value::as_str).unwrap_or_default().into();
    ensure!(row.health == status, "{down:?}: {health}");
    let checks = health.get("checks").and_then(Value::as_array).context("no checks")?;
    let named = |name: &str| checks.iter().find(|check| check.get("name") == Some(&name.into()));
    for part in ["metadata", "storage", "spool", "hints", "remote/slow"] {
        let check = named(part).with_context(|| format!("no {part} in {health}"))?;
        let expected = if down == Some(part) { "down" } else { "ok" };
        ensure!(check.get("status") == Some(&Value::from(expected)), "{health}");
        ensure!(check.get("serving").is_some() == (down == Some(part)), "{health}");
    }
    Ok(())
}

/// The status and whatever is marked.
fn readiness(ready: &Exchange) -> String {
    let text = ready.text();
    let marked = text.split_whitespace().filter(|word| word.starts_with("[!]"));
    let words = [ready.status.as_str()].into_iter().chain(marked);
    words.collect::<Vec<_>>().join(" ")
}

pub(crate) async fn becomes_healthy(replica: &Server) -> Result<()> {
    let healthy = || async {
        let health = replica.get("/api/v2/health").await?.json()?;
        Ok((health.get("status") == Some(&"ok".into())).then_some(()))
    };
    let healthy = eventually("the server is healthy", RECOVERY, healthy).await;
    if healthy.is_err() {
        bail!("the server is not healthy: {}", replica.get("/api/v2/health").await?.text());
    }
    Ok(())
}

/// Everything works again, on both replicas, without a restart.
async fn expect_recovery(scene: &Scene) -> Result<()> {
    for (number, replica) in [&scene.replica, &scene.other].into_iter().enumerate() {
        let url = replica.url(&format!("/api/v1/local/hosted/after-{number}.bin"));
        let uploads = || async {
            let answer = replica.http().put(&url, body("after.bin")).await?;
            Ok((answer.status == 201).then_some(()))
        };
        eventually("an upload is taken", RECOVERY, uploads).await?;
        let stores = || async {
            let answer = replica.get("/api/v1/remote/files/again.bin").await?;
            if answer.status == 200 {
                ensure!(answer.is_complete && answer.body == body("again.bin"));
            }
            Ok(answer.is_hit().then_some(()))
        };
        eventually("a miss is stored", RECOVERY, stores).await?;
        // An upstream counts as down until it has answered twice.
        for path in ["slow/simple/expired/", "live/live.bin"] {
            for _ in 0..2 {
                let confirms = || async {
                    let answer = replica.get(&format!("/api/v1/remote/{path}")).await?;
                    Ok(answer.cache_status().contains("fwd-status=304").then_some(()))
                };
                eventually(&format!("{path} is confirmed"), RECOVERY, confirms).await?;
            }
        }
        becomes_healthy(replica).await?;
        expect_truth(replica, None, &mut Row::default()).await?;
    }
    Ok(())
}

//! Several replicas over the same services behave as one server.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use e2e::fixtures::{Markup, PythonIndex, Wheel};
use e2e::{Cluster, Exchange, Lasting, Server, eventually, local, remote, within};
use futures_util::future::{join_all, try_join_all};
use serde_json::{Value, json};
use testkit::{Origin, Script, pattern};

/// How soon a change made on one replica is in force on all.
const COHERENT: Duration = Duration::from_secs(5);
/// Longer than anything here takes on a busy machine, the end of a dead replica's lease included.
const PATIENCE: Duration = Duration::from_secs(60);
const CLIENTS: usize = 5;

fn is_clean(answer: &Exchange) -> bool {
    answer.status == 200 && answer.is_complete
}

fn expect_file(answer: &Exchange, body: &Bytes, whose: &str) {
    let (status, length) = (answer.status, answer.body.len());
    assert!(
        is_clean(answer) && answer.body == *body,
        "{whose}: {status}, {length} of {} bytes",
        body.len()
    );
}

async fn replicas(cluster: &Cluster, count: usize) -> Result<Vec<Server>> {
    try_join_all((0..count).map(|_| cluster.replica())).await
}

/// `CLIENTS` clients of every replica, all at once.
async fn crowd(replicas: &[Server], path: &str) -> Result<Vec<Exchange>> {
    let clients = replicas.iter().flat_map(|replica| (0..CLIENTS).map(move |_| replica.get(path)));
    within("every client has its answer", PATIENCE, try_join_all(clients)).await
}

/// How many requests of clients `replica` is busy with.
async fn requests_under_way(replica: &Server) -> Result<usize> {
    let metrics = replica.get("/metrics").await?.text();
    let line = metrics.lines().find(|line| line.starts_with("artifactapi_http_requests_in_flight"));
    let number = line.and_then(|line| line.rsplit(' ').next()).context("no such metric")?;
    Ok(number.parse()?)
}

async fn crowd_has_gathered(replicas: &[Server]) -> Result<()> {
    let gathered = || async {
        let under_way = try_join_all(replicas.iter().map(requests_under_way)).await?;
        Ok(under_way.iter().all(|clients| *clients >= CLIENTS).then_some(()))
    };
    eventually("every client waits", PATIENCE, gathered).await?;
    Ok(())
}

#[tokio::test]
async fn one_upstream_request_serves_every_client_of_every_replica() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    let first = cluster.replica().await?;
    let origin = Origin::start().await;
    remote(&first, "files", "generic", origin.base_url()).await?;
    let mut all = vec![first];
    all.extend(replicas(&cluster, 2).await?);
    for (path, length) in [("small.bin", 4_000), ("large.bin", 32 << 20)] {
        let body = pattern(0, length);
        let (script, gate) = Script::gated(body.clone(), 1 << 20);
        origin.on(&format!("/{path}"), script);
        let url = format!("/api/v1/remote/files/{path}");
        let (answers, gathered) = tokio::join!(crowd(&all, &url), async {
            let gathered = crowd_has_gathered(&all).await;
            gate.release_all();
            gathered
        });
        gathered?;
        for answer in answers? {
            expect_file(&answer, &body, path);
        }
        assert_eq!(origin.count(&format!("/{path}")), 1, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn one_upstream_request_serves_an_index_to_every_client_of_every_replica() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    let wheel = Wheel::build("demo_lib", "library", &[])?;
    let index = PythonIndex::start(Markup::Json, std::slice::from_ref(&wheel)).await;
    let first = cluster.replica().await?;
    remote(&first, "wheels", "pypi", index.origin.base_url()).await?;
    let mut all = vec![first];
    all.extend(replicas(&cluster, 2).await?);
    for answer in crowd(&all, "/api/v1/remote/wheels/simple/demo-lib/").await? {
        assert!(is_clean(&answer), "{} {}", answer.status, answer.text());
        assert!(answer.text().contains(&wheel.file_name()), "{}", answer.text());
    }
    assert_eq!(index.origin.count("/simple/demo-lib/"), 1);
    Ok(())
}

#[tokio::test]
async fn an_absence_that_one_replica_met_is_known_to_the_others() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    let origin = Origin::start().await;
    let first = cluster.replica().await?;
    remote(&first, "files", "generic", origin.base_url()).await?;
    let second = cluster.replica().await?;
    for replica in [&first, &second, &first] {
        assert_eq!(replica.get("/api/v1/remote/files/absent.bin").await?.status, 404);
    }
    assert_eq!(origin.count("/absent.bin"), 1);
    Ok(())
}

#[tokio::test]
async fn a_second_replica_streams_what_the_first_still_downloads() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    let body = pattern(0, 8 << 20);
    let (script, gate) = Script::gated(body.clone(), 1 << 20);
    let origin = Origin::start().await;
    origin.on("/large.bin", script);
    let first = cluster.replica().await?;
    let url = format!("{}/large.bin", remote(&first, "files", "generic", origin.base_url()).await?);
    let second = cluster.replica().await?;
    let http = first.http().clone();
    let leader = tokio::spawn(async move { http.get(&url).await });
    gate.arrived(1).await;
    gate.release_head();
    gate.release(4);

    let url = second.url("/api/v1/remote/files/large.bin");
    let beginning = async {
        let mut download = second.http().open(&url).await?;
        let mut received = Vec::new();
        while received.len() < 2 << 20 {
            received.extend_from_slice(&download.next().await?.context("the download ended")?);
        }
        Ok((download, received))
    };
    // Only the test itself can let upstream go on, and it does not before this.
    let (download, mut received) =
        within("the second replica streams", PATIENCE, beginning).await?;
    assert_eq!(download.status, 200);
    gate.release_all();
    received.extend_from_slice(&within("the rest", PATIENCE, download.rest()).await?);
    assert!(received == body, "{} bytes", received.len());
    expect_file(&leader.await??, &body, "the first replica");
    assert_eq!(origin.count("/large.bin"), 1);
    Ok(())
}

#[tokio::test]
async fn without_redis_upstream_is_asked_at_most_once_per_replica() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    let body = pattern(7, 300_000);
    let (script, gate) = Script::gated(body.clone(), 1 << 20);
    let origin = Origin::start().await;
    origin.on("/file.bin", script);
    let first = cluster.replica().await?;
    remote(&first, "files", "generic", origin.base_url()).await?;
    let mut all = vec![first];
    all.extend(replicas(&cluster, 2).await?);
    cluster.redis().stop();
    let (answers, gathered) = tokio::join!(crowd(&all, "/api/v1/remote/files/file.bin"), async {
        let gathered = crowd_has_gathered(&all).await;
        gate.release_all();
        gathered
    });
    gathered?;
    for answer in answers? {
        expect_file(&answer, &body, "without Redis");
    }
    let count = origin.count("/file.bin");
    assert!((1..=all.len()).contains(&count), "{count} requests for {} replicas", all.len());
    Ok(())
}

#[tokio::test]
async fn a_replica_that_dies_before_the_first_byte_is_succeeded_by_the_other() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    let body = pattern(1, 500_000);
    let (script, gate) = Script::gated(body.clone(), 100_000);
    let origin = Origin::start().await;
    origin.on("/file.bin", script);
    let leader = cluster.replica().await?;
    let url = format!("{}/file.bin", remote(&leader, "files", "generic", origin.base_url()).await?);
    let other = cluster.replica().await?;
    let http = leader.http().clone();
    let lost = tokio::spawn(async move { http.get(&url).await });
    gate.arrived(1).await;
    let waiting = within("the other replica has it", PATIENCE, async {
        other.get("/api/v1/remote/files/file.bin").await
    });
    let (answer, killed) = tokio::join!(waiting, async {
        let waits = || async { Ok((requests_under_way(&other).await? > 0).then_some(())) };
        eventually("the other client waits", PATIENCE, waits).await?;
        assert_eq!(origin.count("/file.bin"), 1, "the other replica leaves it to the leader");
        leader.kill().await?;
        gate.arrived(2).await;
        gate.release_all();
        anyhow::Ok(())
    });
    killed?;
    expect_file(&answer?, &body, "the other replica");
    assert!(!lost.await?.is_ok_and(|answer| is_clean(&answer)), "the leader was killed");
    assert_eq!(origin.count("/file.bin"), 2);
    Ok(())
}

#[tokio::test]
async fn a_replica_that_dies_in_mid_download_is_succeeded_without_a_break() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    let body = pattern(2, 8 << 20);
    let (script, gate) = Script::gated(body.clone(), 1 << 20);
    let origin = Origin::start().await;
    origin.on("/file.bin", script.etag("\"one\"").ranges());
    let leader = cluster.replica().await?;
    let url = format!("{}/file.bin", remote(&leader, "files", "generic", origin.base_url()).await?);
    let other = cluster.replica().await?;
    let http = leader.http().clone();
    let lost = tokio::spawn(async move { http.get(&url).await });
    gate.arrived(1).await;
    gate.release_head();
    gate.release(4);
    let whole = async {
        let mut download = other.http().open(&other.url("/api/v1/remote/files/file.bin")).await?;
        let mut received = download.next().await?.context("an empty body")?.to_vec();
        assert_eq!(origin.count("/file.bin"), 1, "it reads along");
        leader.kill().await?;
        gate.release_all();
        received.extend_from_slice(&download.rest().await?);
        Ok(received)
    };
    let received = within("the other replica has it", PATIENCE, whole).await?;
    assert!(received == body, "{} bytes", received.len());
    assert!(!lost.await?.is_ok_and(|answer| is_clean(&answer)), "the leader was killed");
    assert_eq!(origin.count("/file.bin"), 2, "upstream is asked for the rest alone");
    Ok(())
}

/// Waits until `replica` answers `path` with `status`, for as long as incoherence may last.
async fn becomes(replica: &Server, path: &str, status: u16) -> Result<()> {
    let asked = || async { Ok((replica.get(path).await?.status == status).then_some(())) };
    eventually(&format!("{path} is answered with {status}"), COHERENT, asked).await?;
    Ok(())
}

#[tokio::test]
async fn configuration_made_on_one_replica_is_soon_in_force_on_the_other() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    let origin = Origin::start().await;
    origin.on("/file.bin", Script::ok("bytes"));
    let (one, other) = (cluster.replica().await?, cluster.replica().await?);
    let path = "/api/v1/remote/files/file.bin";
    assert_eq!(other.get(path).await?.status, 404);
    remote(&one, "files", "generic", origin.base_url()).await?;
    becomes(&other, path, 200).await?;

    let url = one.url("/api/v2/remotes/files");
    let patch = json!({"blocklist": ["\\.bin$"]}).to_string();
    let json_type = [("content-type", "application/merge-patch+json")];
    let patched = one.http().send(http::Method::PATCH, &url, &json_type, patch).await?;
    assert_eq!(patched.status, 200, "{}", patched.text());
    becomes(&other, path, 403).await?;

    assert_eq!(one.http().delete(&url).await?.status, 204);
    becomes(&other, path, 404).await
}

/// Makes a file of `other` hot, changes it upstream and evicts it on `one`.
async fn evict_elsewhere(one: &Server, other: &Server, origin: &Origin) -> Result<()> {
    let path = "/api/v1/remote/files/file.bin";
    origin.on("/file.bin", Script::ok("old"));
    for replica in [one, other] {
        assert_eq!(replica.get(path).await?.text(), "old");
    }
    origin.on("/file.bin", Script::ok("new"));
    assert_eq!(other.get(path).await?.text(), "old", "it is hot and immutable");
    let evicted =
        one.http().delete(&one.url("/api/v2/remotes/files/objects?path=file.bin")).await?;
    assert_eq!(evicted.status, 200, "{}", evicted.text());
    let changed = || async { Ok((other.get(path).await?.text() == "new").then_some(())) };
    eventually("the evicted file is fetched anew", COHERENT, changed).await?;
    Ok(())
}

#[tokio::test]
async fn an_eviction_on_one_replica_is_soon_in_force_on_the_other() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    let origin = Origin::start().await;
    let one = cluster.replica().await?;
    remote(&one, "files", "generic", origin.base_url()).await?;
    let other = cluster.replica().await?;
    evict_elsewhere(&one, &other, &origin).await
}

/// Makes every trigger of the database that would notify do so in vain.
const LOSE_NOTIFICATIONS: &str = "
    CREATE FUNCTION lost(text, text) RETURNS void LANGUAGE sql AS 'SELECT NULL';
    DO $$
    DECLARE
        definition text;
    BEGIN
        FOR definition IN
            SELECT pg_get_functiondef(oid) FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace AND prosrc LIKE '%pg_notify%'
        LOOP
            EXECUTE replace(definition, 'pg_notify', 'lost');
        END LOOP;
        IF definition IS NULL AND NOT EXISTS (SELECT FROM pg_proc WHERE prosrc LIKE '%lost(%') THEN
            RAISE EXCEPTION 'nothing notifies';
        END IF;
    END $$";

#[tokio::test]
async fn changes_are_noticed_when_every_notification_is_lost() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    let origin = Origin::start().await;
    let (one, other) = (cluster.replica().await?, cluster.replica().await?);
    cluster.postgres().execute(cluster.variable("DBNAME")?, LOSE_NOTIFICATIONS).await;
    remote(&one, "files", "generic", origin.base_url()).await?;
    origin.on("/first.bin", Script::ok("bytes"));
    becomes(&other, "/api/v1/remote/files/first.bin", 200).await?;
    evict_elsewhere(&one, &other, &origin).await
}

#[tokio::test]
async fn an_upload_to_one_replica_is_served_by_the_other_at_once() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    let one = cluster.replica().await?;
    let url = local(&one, "files", "generic").await?;
    let other = cluster.replica().await?;
    let path = "/api/v1/local/files/file.bin";
    assert_eq!(other.get(path).await?.status, 404);
    for length in [100, 3 << 20] {
        let (body, name) = (pattern(3, length), format!("{length}.bin"));
        assert_eq!(one.http().put(&format!("{url}/{name}"), body.clone()).await?.status, 201);
        expect_file(&other.get(&format!("/api/v1/local/files/{name}")).await?, &body, &name);
    }
    Ok(())
}

#[tokio::test]
async fn an_overwritten_file_is_soon_the_new_one_on_the_other_replica() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    let one = cluster.replica().await?;
    let body = json!({"name": "files", "package_type": "generic", "allow_overwrite": true});
    assert_eq!(one.http().post_json(&one.url("/api/v2/locals"), body).await?.status, 201);
    let other = cluster.replica().await?;
    let path = "/api/v1/local/files/file.bin";
    assert_eq!(one.http().put(&one.url(path), "old").await?.status, 201);
    assert_eq!(other.get(path).await?.text(), "old");
    let replaced = one.http().put(&one.url(path), "new").await?;
    assert!(replaced.status.is_success(), "{} {}", replaced.status, replaced.text());
    assert_eq!(one.get(path).await?.text(), "new", "at once where it was replaced");
    let changed = || async { Ok((other.get(path).await?.text() == "new").then_some(())) };
    eventually("the new bytes are served", COHERENT, changed).await?;

    assert!(one.http().delete(&one.url(path)).await?.status.is_success());
    becomes(&other, path, 404).await
}

#[tokio::test]
async fn ten_replicas_start_at_once_on_an_empty_database() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    let all = within("ten replicas are ready", PATIENCE, replicas(&cluster, 10)).await?;
    let [first, .., last] = all.as_slice() else { anyhow::bail!("{} replicas", all.len()) };
    local(first, "files", "generic").await?;
    assert_eq!(first.http().put(&first.url("/api/v1/local/files/a"), "a").await?.status, 201);
    becomes(last, "/api/v1/local/files/a", 200).await?;
    for health in join_all(all.iter().map(|replica| replica.get("/api/v2/health"))).await {
        let health = health?.json()?;
        assert_eq!(health.get("status"), Some(&Value::from("ok")), "{health}");
    }
    Ok(())
}

#[tokio::test]
async fn acknowledged_uploads_survive_the_death_of_their_replica() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    let one = cluster.replica().await?;
    local(&one, "files", "generic").await?;
    let other = cluster.replica().await?;
    let body = |number: usize| pattern(number as u64, 100_000 + number);
    let uploads = (0..8_usize).map(|number| {
        let (http, url) = (one.http().clone(), one.url(&format!("/api/v1/local/files/{number}")));
        tokio::spawn(
            async move { Ok::<_, anyhow::Error>(http.put(&url, body(number)).await?.status) },
        )
    });
    let uploads: Vec<_> = uploads.collect();
    // The first one that is acknowledged is the last that the replica does.
    let one_is_done = || async {
        let done = uploads.iter().any(tokio::task::JoinHandle::is_finished);
        Ok(done.then_some(()))
    };
    eventually("an upload is acknowledged", PATIENCE, one_is_done).await?;
    one.kill().await?;
    let mut acknowledged = 0;
    for (number, upload) in uploads.into_iter().enumerate() {
        let path = format!("/api/v1/local/files/{number}");
        let answer = other.get(&path).await?;
        if upload.await?.is_ok_and(|status| status == 201) {
            expect_file(&answer, &body(number), &path);
            acknowledged += 1;
        } else {
            assert!(answer.status == 404 || answer.body == body(number), "{path} is half there");
        }
    }
    assert!(acknowledged > 0, "nothing was acknowledged");
    Ok(())
}

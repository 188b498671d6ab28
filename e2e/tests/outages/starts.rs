//! Starts while services are away, of replicas that have served before.

use anyhow::Result;
use e2e::{Exchange, eventually, within};

use crate::matrix::Row;
use crate::scene::{Outage, RECOVERY, Scene, body};
use crate::{LIMIT, becomes_healthy, expect_truth};

fn expect_bytes(answer: &Exchange, expected: &[u8]) {
    assert!(
        answer.status == 200 && answer.is_complete && answer.body == expected,
        "{}: {} of {} bytes",
        answer.status,
        answer.body.len(),
        expected.len()
    );
}

#[tokio::test]
async fn a_replica_that_has_served_before_starts_without_postgresql() -> Result<()> {
    let Some(scene) = Scene::before(Outage::PostgresStopped).await? else { return Ok(()) };
    let Scene { cluster, origin: _origin, replica, .. } = scene;
    let data = replica.data();
    assert!(replica.stop().await?.success());
    cluster.postgres().stop();
    let replica = cluster.replica_on(data).await?;
    expect_truth(&replica, Some("metadata"), &mut Row::default()).await?;
    let path = "/api/v1/remote/files/hot.bin";
    let passed = within("a file", LIMIT, replica.get(path)).await?;
    expect_bytes(&passed, &body("hot.bin"));
    assert!(passed.cache_status().contains("bypass"), "{}", passed.cache_status());
    let url = replica.url("/api/v1/local/hosted/new.bin");
    let refused = within("an upload", LIMIT, replica.http().put(&url, "x")).await?;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_ne!(refused.header("retry-after"), "");

    cluster.postgres().restart();
    let uploads =
        || async { Ok((replica.http().put(&url, "x").await?.status == 201).then_some(())) };
    eventually("an upload is taken", RECOVERY, uploads).await?;
    let hit = replica.get(path).await?;
    expect_bytes(&hit, &body("hot.bin"));
    assert!(hit.is_hit(), "{}", hit.cache_status());
    expect_truth(&replica, None, &mut Row::default()).await
}

#[tokio::test]
async fn a_replica_that_has_served_before_starts_without_redis_and_s3() -> Result<()> {
    let Some(scene) = Scene::before(Outage::S3Stopped).await? else { return Ok(()) };
    let Scene { cluster, origin: _origin, replica, .. } = scene;
    let data = replica.data();
    assert!(replica.stop().await?.success());
    cluster.redis().stop();
    cluster.s3().stop();
    let replica = cluster.replica_on(data).await?;
    let path = "/api/v1/remote/files/hot.bin";
    let hit = within("a file", LIMIT, replica.get(path)).await?;
    expect_bytes(&hit, &body("hot.bin"));
    assert!(hit.is_hit(), "it is on the disk: {}", hit.cache_status());
    let cold = within("a file", LIMIT, replica.get("/api/v1/remote/files/cold.bin")).await?;
    expect_bytes(&cold, &body("cold.bin"));

    cluster.redis().restart();
    cluster.s3().restart();
    let url = replica.url("/api/v1/local/hosted/new.bin");
    let uploads =
        || async { Ok((replica.http().put(&url, "x").await?.status == 201).then_some(())) };
    eventually("an upload is taken", RECOVERY, uploads).await?;
    becomes_healthy(&replica).await
}

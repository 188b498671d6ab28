//! A service that cannot be used is named at the start, quickly and without any secret.

use std::time::Duration;

use anyhow::Result;
use e2e::{Cluster, DataDirectory, Lasting, Start, secret_key};

/// How soon an operator learns what is wrong, once the process runs.
const SOON: Duration = Duration::from_secs(5);
const WRONG: &str = "not-the-right-secret";

/// Starts a server with one variable changed and expects it to give up naming `named`.
async fn expect_refusal(cluster: &Cluster, change: (&str, &str), named: &str) -> Result<()> {
    let mut environment = cluster.environment().clone();
    environment.insert(change.0.to_owned(), change.1.to_owned());
    let process = Start::process_time().await?;
    let refusal = Start::begin(DataDirectory::new()?, &environment).await?.refused().await?;
    let case = format!("{} = {}:\n{}", change.0, change.1, refusal.output);
    assert_eq!(refusal.status.code(), Some(1), "{case}");
    assert!(refusal.output.contains(named), "{named} is not named; {case}");
    let took = refusal.after.saturating_sub(process);
    assert!(took < SOON, "{took:?}, and {process:?} for any process; {case}");
    let passwords = ["DBPASS", "MINIO_SECRET_KEY", "SECRET_KEY"];
    let secrets = passwords.iter().filter_map(|name| environment.get(*name));
    for secret in secrets.map(String::as_str).chain([WRONG]) {
        assert!(!refusal.output.contains(secret), "a secret is shown; {case}");
    }
    Ok(())
}

#[tokio::test]
async fn whatever_is_wrong_with_a_service_is_named_by_its_variable() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    // The database now belongs to the key of the cluster.
    cluster.replica().await?.stop().await?;
    let closed = testkit::services::free_port();
    let nowhere = format!("127.0.0.1:{closed}");
    let redis_nowhere = format!("redis://:{WRONG}@{nowhere}");
    let redis_refused = cluster.redis().url().replace("redis://", &format!("redis://me:{WRONG}@"));
    for (change, named) in [
        (("DBPORT", &*closed.to_string()), "DBHOST, DBPORT"),
        (("DBHOST", "nowhere.invalid"), "DBHOST, DBPORT"),
        (("DBUSER", "nobody"), "DBUSER, DBPASS"),
        (("DBPASS", WRONG), "DBUSER, DBPASS"),
        (("DBNAME", "nothing"), "DBNAME"),
        (("SECRET_KEY", &*secret_key(2)), "SECRET_KEY"),
        (("REDIS_URL", &*redis_nowhere), "REDIS_URL"),
        (("REDIS_URL", &*redis_refused), "REDIS_URL"),
        (("REDIS_URL", "redis://nowhere.invalid"), "REDIS_URL"),
        (("MINIO_ENDPOINT", &*nowhere), "MINIO_ENDPOINT, MINIO_SECURE"),
        (("MINIO_ACCESS_KEY", "nobody"), "MINIO_ACCESS_KEY, MINIO_SECRET_KEY"),
        (("MINIO_SECRET_KEY", WRONG), "MINIO_ACCESS_KEY, MINIO_SECRET_KEY"),
        (("MINIO_BUCKET", "nothing"), "MINIO_BUCKET"),
    ] {
        expect_refusal(&cluster, change, named).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_of_redis_is_named_by_its_variable() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Shared).await? else { return Ok(()) };
    let url = cluster.redis().url();
    cluster.redis().require_password("the-right-secret");
    let wrong = url.replace("redis://", &format!("redis://:{WRONG}@"));
    for url in [url, wrong] {
        expect_refusal(&cluster, ("REDIS_URL", &url), "REDIS_URL").await?;
    }
    let right = cluster.redis().url().replace("redis://", "redis://:the-right-secret@");
    cluster.with("REDIS_URL", &right).replica().await?;
    Ok(())
}

#[tokio::test]
async fn a_replica_that_never_served_does_not_start_on_a_frozen_service() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Own).await? else { return Ok(()) };
    let same = ("LOG_LEVEL", "info");
    cluster.redis().freeze();
    expect_refusal(&cluster, same, "REDIS_URL").await?;
    cluster.redis().thaw();
    cluster.s3().freeze();
    expect_refusal(&cluster, same, "MINIO_ENDPOINT").await?;
    cluster.s3().thaw();
    cluster.postgres().freeze();
    expect_refusal(&cluster, same, "DBHOST").await
}

#[tokio::test]
async fn a_server_that_is_told_to_waits_for_its_services() -> Result<()> {
    let Some(cluster) = Cluster::start(Lasting::Own).await? else { return Ok(()) };
    cluster.postgres().stop();
    cluster.redis().stop();
    cluster.s3().stop();
    let cluster = cluster.with("WAIT_FOR_SERVICES", "true");
    let mut start = Start::begin(DataDirectory::new()?, cluster.environment()).await?;
    for (variable, restart) in [
        ("DBHOST", &(|| cluster.postgres().restart()) as &dyn Fn()),
        ("REDIS_URL", &|| cluster.redis().restart()),
        ("MINIO_ENDPOINT", &|| cluster.s3().restart()),
    ] {
        start.says(&format!("waiting for a service\",\"problem\":\"{variable}")).await?;
        restart();
    }
    start.ready().await?.stop().await?;
    Ok(())
}

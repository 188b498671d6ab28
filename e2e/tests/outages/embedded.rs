//! A server without services on a disk that is full.

use anyhow::Result;
use e2e::{Environment, Start, eventually, local, remote, small_disks, within};
use testkit::{Origin, Script};

use crate::LIMIT;
use crate::scene::{RECOVERY, body};

#[tokio::test]
async fn an_embedded_server_serves_and_passes_through_while_its_disk_is_full() -> Result<()> {
    if !small_disks().await? {
        return Ok(());
    }
    let origin = Origin::start().await;
    for name in ["hot.bin", "missed.bin"] {
        origin.on(&format!("/{name}"), Script::ok(body(name)));
    }
    let server = Start::begin_on_small_disk(&Environment::new()).await?.ready().await?;
    let files = remote(&server, "files", "generic", origin.base_url()).await?;
    let upload = format!("{}/new.bin", local(&server, "hosted", "generic").await?);
    let get = |name: &str| {
        let (http, url) = (server.http().clone(), format!("{files}/{name}"));
        async move { within("a file", LIMIT, http.get(&url)).await }
    };
    let is_hit = |name| {
        let answer = get(name);
        async { Ok(answer.await?.is_hit().then_some(())) }
    };
    eventually("a file is held", RECOVERY, || is_hit("hot.bin")).await?;

    server.fill_disk()?;
    let hot = get("hot.bin").await?;
    assert!(hot.is_hit() && hot.body == body("hot.bin"), "{}", hot.cache_status());
    let passed = get("missed.bin").await?;
    assert!(passed.status == 200 && passed.body == body("missed.bin"), "{}", passed.text());
    assert!(passed.cache_status().contains("bypass"), "{}", passed.cache_status());
    let refused = server.http().put(&upload, body("new.bin")).await?;
    assert_eq!(refused.status, 507, "{}", refused.text());

    server.relieve_disk()?;
    eventually("a miss is stored", RECOVERY, || is_hit("missed.bin")).await?;
    let uploaded = server.http().put(&upload, body("new.bin")).await?;
    assert_eq!(uploaded.status, 201, "{}", uploaded.text());
    Ok(())
}

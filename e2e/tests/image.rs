//! The shipped image, in a real docker engine.

use anyhow::{Context, Result};
use e2e::{HttpClient, Image};
use serde_json::json;
use testkit::{Origin, Script};

#[tokio::test]
async fn a_container_becomes_healthy_serves_and_stops_and_its_volume_outlives_it() -> Result<()> {
    let Some(image) = Image::build().await? else { return Ok(()) };
    let http = HttpClient::new();
    let mut origin = Origin::start().await;
    origin.on("/tool.tar.gz", Script::ok("contents"));
    let file = "/api/v1/remote/files/tool.tar.gz";

    let container = image.run("data").await?;
    let base_url = origin.base_url().to_string();
    let remote = json!({"name": "files", "package_type": "generic", "base_url": base_url});
    let created = http.post_json(&container.url("/api/v2/remotes"), &remote).await?;
    assert_eq!(created.status, 201);
    assert_eq!(http.get(&container.url(file)).await?.body, "contents");
    assert_eq!(container.stop().await?, 0);

    origin.stop().await;
    let successor = image.run("data").await?;
    assert_eq!(http.get(&successor.url(file)).await?.body, "contents");
    assert_eq!(successor.stop().await?, 0);
    Ok(())
}

#[tokio::test]
async fn the_server_in_the_image_is_the_first_process_and_not_root() -> Result<()> {
    let Some(image) = Image::build().await? else { return Ok(()) };
    assert_eq!(image.inspect("{{.Config.User}}").await?, "65532:65532");
    let container = image.run("data").await?;
    let process = container.inspect("{{.State.Pid}}").await?;
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(|line| line.split_whitespace().collect::<Vec<_>>()).context("no such field")
    };
    assert_eq!(field("Uid:")?, ["65532"; 4]);
    assert_eq!(field("NSpid:")?.last(), Some(&"1"));
    assert_eq!(field("CapEff:")?, ["0000000000000000"]);
    Ok(())
}

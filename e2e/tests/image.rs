//! The shipped image, in a real docker engine.

use anyhow::{Context, Result};
use e2e::{HttpClient, Image};
use serde_json::json;
use testkit::{Origin, Script, pattern};

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

/// The first thing that people try: the server in a container, images pushed to it and pulled again, by the very engine
/// that runs it. One of them is the server's own.
#[tokio::test]
async fn images_go_into_a_container_of_the_server_and_come_back_from_its_successor() -> Result<()> {
    let Some(image) = Image::build().await? else { return Ok(()) };
    let container = image.run("data").await?;
    let images = json!({"name": "images", "package_type": "docker"});
    let created = HttpClient::new().post_json(&container.url("/api/v2/locals"), &images).await?;
    assert_eq!(created.status, 201);

    let context = tempfile::tempdir()?;
    std::fs::write(context.path().join("layer"), pattern(1, 300_000))?;
    std::fs::write(context.path().join("Dockerfile"), "FROM scratch\nCOPY layer /layer\n")?;
    let directory = context.path().to_str().context("a path that is no text")?;
    let small = format!("{}/images/team/small:v1", container.authority());
    let built = image.docker(&["build", "--quiet", "--tag", &small, directory]).await?;
    image.docker(&["push", &small]).await?;
    let server = format!("{}/images/server:v1", container.authority());
    image.docker(&["tag", Image::TAG, &server]).await?;
    image.docker(&["push", &server]).await?;
    let digest_of_server = digest_in_registry(&image, &server).await?;
    assert_eq!(container.stop().await?, 0);

    image.docker(&["rmi", &small, &server]).await?;
    let absent = image.docker(&["inspect", &built]).await;
    assert!(absent.is_err(), "the engine still has it");
    let successor = image.run("data").await?;
    let small = format!("{}/images/team/small:v1", successor.authority());
    image.docker(&["pull", &small]).await?;
    assert_eq!(image.docker(&["inspect", "--format={{.Id}}", &small]).await?, built);
    image.docker(&["create", "--name=small", &small, "/layer"]).await?;
    let copy = context.path().join("copy");
    image.docker(&["cp", "small:/layer", copy.to_str().context("a path that is no text")?]).await?;
    assert!(std::fs::read(&copy)? == pattern(1, 300_000));

    let server = format!("{}/images/server:v1", successor.authority());
    image.docker(&["pull", &server]).await?;
    assert_eq!(digest_in_registry(&image, &server).await?, digest_of_server);
    assert_eq!(successor.stop().await?, 0);
    Ok(())
}

/// The digest that an image has in the registry of its name, without that name.
async fn digest_in_registry(image: &Image, name: &str) -> Result<String> {
    let digests =
        image.docker(&["inspect", "--format={{join .RepoDigests \"\\n\"}}", name]).await?;
    let repository = name.rsplit_once(':').context("no tag")?.0;
    let digest = digests.lines().find_map(|line| line.strip_prefix(repository)?.strip_prefix('@'));
    Ok(digest.context("it was in no registry")?.to_owned())
}

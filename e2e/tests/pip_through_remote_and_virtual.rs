//! pip installs a package and its dependency through the cache.

use anyhow::Result;
use e2e::clients::PipTarget;
use e2e::fixtures::{Markup, PythonIndex, Wheel};
use e2e::{Profile, on_both_profiles, remote, virtual_of};
use serde_json::json;

on_both_profiles! {
    through_a_remote_of_a_json_index,
    through_a_remote_of_an_html_index,
    through_a_virtual_whose_members_hold_one_package_each,
    through_a_virtual_with_the_upstream_stopped,
    an_expired_index_still_installs_when_the_upstream_is_gone,
    after_a_restart_the_cache_is_still_there,
    a_wheel_answers_head_and_ranges,
}

fn wheels() -> Result<[Wheel; 2]> {
    Ok([Wheel::build("demo_app", "app", &["demo-lib"])?, Wheel::build("demo_lib", "library", &[])?])
}

async fn install(repository: &str) -> Result<()> {
    let target = PipTarget::new()?;
    target.install(repository, "demo-app").await?;
    let printed = target.python("import demo_app as a, demo_lib as l; print(a.VALUE, l.VALUE)");
    assert_eq!(printed.await?, "app library");
    Ok(())
}

/// Cold, warm, and with the upstream stopped: three fresh clients, one set of downloads.
async fn survives_its_upstream(repository: &str, mut index: PythonIndex) -> Result<()> {
    install(repository).await?;
    let downloads = index.file_requests();
    assert!(downloads >= 2, "the first installation fetched both wheels");

    install(repository).await?;
    assert_eq!(index.file_requests(), downloads, "a warm installation asks upstream for no file");

    index.origin.stop().await;
    install(repository).await
}

async fn through_a_remote_of_a_json_index(profile: Profile) -> Result<()> {
    let index = PythonIndex::start(Markup::Json, &wheels()?).await;
    let server = profile.server().await?;
    let repository = remote(&server, "wheels", "pypi", index.origin.base_url()).await?;
    survives_its_upstream(&repository, index).await
}

async fn through_a_remote_of_an_html_index(profile: Profile) -> Result<()> {
    let index = PythonIndex::start(Markup::Html, &wheels()?).await;
    let server = profile.server().await?;
    let repository = remote(&server, "wheels", "pypi", index.origin.base_url()).await?;
    survives_its_upstream(&repository, index).await
}

async fn through_a_virtual_whose_members_hold_one_package_each(profile: Profile) -> Result<()> {
    let [app, library] = wheels()?;
    let applications = PythonIndex::start(Markup::Json, &[app]).await;
    let libraries = PythonIndex::start(Markup::Html, &[library]).await;
    let server = profile.server().await?;
    remote(&server, "applications", "pypi", applications.origin.base_url()).await?;
    remote(&server, "libraries", "pypi", libraries.origin.base_url()).await?;
    let members = ["applications", "libraries"];
    let repository = virtual_of(&server, "python", "pypi", &members).await?;

    install(&repository).await?;
    let downloads = (applications.file_requests(), libraries.file_requests());
    assert!(downloads.0 >= 1 && downloads.1 >= 1, "each member served its own: {downloads:?}");

    install(&repository).await?;
    assert_eq!((applications.file_requests(), libraries.file_requests()), downloads);
    Ok(())
}

async fn through_a_virtual_with_the_upstream_stopped(profile: Profile) -> Result<()> {
    let index = PythonIndex::start(Markup::Json, &wheels()?).await;
    let server = profile.server().await?;
    remote(&server, "wheels", "pypi", index.origin.base_url()).await?;
    let repository = virtual_of(&server, "python", "pypi", &["wheels"]).await?;
    survives_its_upstream(&repository, index).await
}

async fn an_expired_index_still_installs_when_the_upstream_is_gone(profile: Profile) -> Result<()> {
    let mut index = PythonIndex::start(Markup::Json, &wheels()?).await;
    let server = profile.server().await?;
    let body = json!({
        "name": "wheels", "package_type": "pypi", "base_url": index.origin.base_url().as_str(),
        "mutable_ttl": 0,
    });
    let created = server.http().post_json(&server.url("/api/v2/remotes"), body).await?;
    assert_eq!(created.status, 201, "{}", created.text());
    let repository = server.repository("remote", "wheels");
    install(&repository).await?;

    index.origin.stop().await;
    install(&repository).await?;
    let page = server.get("/api/v1/remote/wheels/simple/demo-app/").await?;
    assert_eq!(page.status, 200);
    assert!(page.cache_status().contains("fwd=stale"), "{:?}", page.cache_status());
    Ok(())
}

async fn after_a_restart_the_cache_is_still_there(profile: Profile) -> Result<()> {
    let mut index = PythonIndex::start(Markup::Json, &wheels()?).await;
    let server = profile.server().await?;
    let repository = remote(&server, "wheels", "pypi", index.origin.base_url()).await?;
    install(&repository).await?;
    index.origin.stop().await;

    let server = server.restart().await?;
    install(&server.repository("remote", "wheels")).await
}

async fn a_wheel_answers_head_and_ranges(profile: Profile) -> Result<()> {
    let [_, library] = wheels()?;
    let index = PythonIndex::start(Markup::Json, std::slice::from_ref(&library)).await;
    let server = profile.server().await?;
    let repository = remote(&server, "wheels", "pypi", index.origin.base_url()).await?;
    install_library(&repository).await?;

    let file = format!("{repository}/packages/demo-lib/{}", library.file_name());
    let head = server.http().head(&file).await?;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), library.bytes().len().to_string());
    assert!(head.is_hit(), "{:?}", head.cache_status());
    assert!(!head.header("etag").is_empty());
    assert!(head.header("age").parse::<u64>().is_ok(), "{:?}", head.header("age"));

    let range = [("range", "bytes=2-9")];
    let part = server.http().send(http::Method::GET, &file, &range, "").await?;
    assert_eq!(part.status, 206);
    assert_eq!(part.body, library.bytes().slice(2..10));
    Ok(())
}

async fn install_library(repository: &str) -> Result<()> {
    PipTarget::new()?.install(repository, "demo-lib").await.map(drop)
}

//! Plain files through the cache, with curl.

use anyhow::Result;
use e2e::clients::curl;
use e2e::{Profile, local, on_both_profiles, remote, virtual_of};
use testkit::{Origin, Script};

on_both_profiles! {
    a_file_is_fetched_once_and_served_from_the_cache_afterwards,
    curl_downloads_resumes_and_revalidates,
    an_evicted_file_is_fetched_again,
    the_first_member_that_has_a_file_serves_it,
    blocked_and_unlisted_paths_are_denied_without_asking_upstream,
}

const CONTENT: &str = "forty-two bytes of a file without meaning\n";

async fn origin() -> Origin {
    let origin = Origin::start().await;
    origin.on("/tools/tool-1.0.tar.gz", Script::ok(CONTENT).etag("\"one\"").ranges());
    origin
}

async fn a_file_is_fetched_once_and_served_from_the_cache_afterwards(
    profile: Profile,
) -> Result<()> {
    let mut origin = origin().await;
    let server = profile.server().await?;
    let repository = remote(&server, "files", "generic", origin.base_url()).await?;
    let file = format!("{repository}/tools/tool-1.0.tar.gz");

    let first = server.http().get(&file).await?;
    assert_eq!((first.status.as_u16(), first.text()), (200, CONTENT.to_owned()));
    assert!(first.cache_status().contains("fwd=miss"), "{:?}", first.cache_status());

    origin.stop().await;
    let second = server.http().get(&file).await?;
    assert_eq!((second.status.as_u16(), second.text()), (200, CONTENT.to_owned()));
    assert!(second.is_hit(), "{:?}", second.cache_status());
    assert_eq!(origin.count("/tools/tool-1.0.tar.gz"), 1);
    Ok(())
}

async fn curl_downloads_resumes_and_revalidates(profile: Profile) -> Result<()> {
    let origin = origin().await;
    let server = profile.server().await?;
    let repository = remote(&server, "files", "generic", origin.base_url()).await?;
    let file = format!("{repository}/tools/tool-1.0.tar.gz");
    let directory = tempfile::tempdir()?;
    let downloaded = directory.path().join("tool-1.0.tar.gz");

    curl(directory.path(), &["--remote-name", &file]).await?;
    assert_eq!(std::fs::read_to_string(&downloaded)?, CONTENT);

    std::fs::write(&downloaded, CONTENT.get(..10).unwrap_or_default())?;
    curl(directory.path(), &["--remote-name", "--continue-at", "-", &file]).await?;
    assert_eq!(std::fs::read_to_string(&downloaded)?, CONTENT);

    let etag = server.http().head(&file).await?.header("etag").to_owned();
    let known = [("if-none-match", etag.as_str())];
    let answer = server.http().send(http::Method::GET, &file, &known, "").await?;
    assert_eq!(answer.status, 304);
    assert_eq!(origin.count("/tools/tool-1.0.tar.gz"), 1);
    Ok(())
}

async fn an_evicted_file_is_fetched_again(profile: Profile) -> Result<()> {
    let origin = origin().await;
    let server = profile.server().await?;
    let repository = remote(&server, "files", "generic", origin.base_url()).await?;
    let file = format!("{repository}/tools/tool-1.0.tar.gz");
    let objects = server.url("/api/v2/remotes/files/objects");
    let mut fetches = 0;
    for selector in ["path=tools/tool-1.0.tar.gz", "prefix=tools/"] {
        server.http().get(&file).await?;
        assert!(server.http().get(&file).await?.is_hit());
        let evicted = server.http().delete(&format!("{objects}?{selector}")).await?;
        assert!(evicted.status.is_success(), "{selector}: {}", evicted.text());
        let again = server.http().get(&file).await?;
        assert!(!again.is_hit(), "{selector}: {:?}", again.cache_status());
        fetches += 1;
        assert_eq!(origin.count("/tools/tool-1.0.tar.gz"), fetches + 1, "{selector}");
    }
    Ok(())
}

async fn the_first_member_that_has_a_file_serves_it(profile: Profile) -> Result<()> {
    let origin = origin().await;
    let server = profile.server().await?;
    let own = local(&server, "own", "generic").await?;
    remote(&server, "files", "generic", origin.base_url()).await?;
    let all = virtual_of(&server, "all", "generic", &["own", "files"]).await?;
    server.http().put(&format!("{own}/tools/own.txt"), "own").await?;

    for (path, content, member) in
        [("tools/own.txt", "own", "own"), ("tools/tool-1.0.tar.gz", CONTENT, "files")]
    {
        let answer = server.http().get(&format!("{all}/{path}")).await?;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, content.to_owned()));
        assert_eq!(answer.header("x-artifact-member"), member, "{path}");
    }
    let absent = server.http().get(&format!("{all}/nowhere")).await?;
    assert_eq!(absent.status, 404);
    Ok(())
}

async fn blocked_and_unlisted_paths_are_denied_without_asking_upstream(
    profile: Profile,
) -> Result<()> {
    let origin = origin().await;
    let server = profile.server().await?;
    let body = serde_json::json!({
        "name": "files", "package_type": "generic", "base_url": origin.base_url().as_str(),
        "patterns": ["^tools/"], "blocklist": ["secret"],
    });
    let created = server.http().post_json(&server.url("/api/v2/remotes"), body).await?;
    assert_eq!(created.status, 201, "{}", created.text());
    for path in ["tools/secret.txt", "elsewhere/tool.txt"] {
        let answer = server.get(&format!("/api/v1/remote/files/{path}")).await?;
        assert_eq!(answer.status, 403, "{path}");
        assert!(
            answer.text().contains("files"),
            "the text names the repository: {}",
            answer.text()
        );
    }
    assert!(origin.requests().is_empty());
    Ok(())
}

//! A hosted repository of plain files, with curl.

use anyhow::Result;
use e2e::clients::curl;
use e2e::{Server, local};
use http::Method;

const HELLO_SHA256: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const OTHER_SHA256: &str = "0000000000000000000000000000000000000000000000000000000000000000";

async fn start() -> Result<(Server, String)> {
    let server = Server::start().await?;
    let repository = local(&server, "files", "generic").await?;
    Ok((server, repository))
}

#[tokio::test]
async fn curl_uploads_and_downloads_the_same_bytes() -> Result<()> {
    let (_server, repository) = start().await?;
    let directory = tempfile::tempdir()?;
    let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(directory.path().join("large.bin"), &content)?;
    let file = format!("{repository}/deep/down/large.bin");

    curl(directory.path(), &["--upload-file", "large.bin", &file]).await?;
    curl(directory.path(), &["--output", "copy.bin", &file]).await?;
    assert!(std::fs::read(directory.path().join("copy.bin"))? == content, "other bytes came back");
    Ok(())
}

#[tokio::test]
async fn an_upload_is_created_found_and_removed() -> Result<()> {
    let (server, repository) = start().await?;
    let http = server.http();
    let file = format!("{repository}/a/hello.txt");
    assert_eq!(http.get(&file).await?.status, 404);
    assert_eq!(http.put(&file, "hello").await?.status, 201);
    assert_eq!(http.put(&file, "hello").await?.status, 200, "the same bytes again");

    let got = http.get(&file).await?;
    assert_eq!((got.status.as_u16(), got.text()), (200, "hello".to_owned()));
    assert_eq!(got.header("x-checksum-sha256"), HELLO_SHA256);
    let head = http.head(&file).await?;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "5"));
    assert_eq!(head.header("etag"), got.header("etag"));
    assert!(head.body.is_empty());

    assert_eq!(http.delete(&file).await?.status, 204);
    assert_eq!(http.delete(&file).await?.status, 404);
    assert_eq!(http.get(&file).await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn other_bytes_under_a_taken_name_are_a_conflict() -> Result<()> {
    let (server, repository) = start().await?;
    let file = format!("{repository}/hello.txt");
    server.http().put(&file, "hello").await?;
    assert_eq!(server.http().put(&file, "other").await?.status, 409);
    assert_eq!(server.http().get(&file).await?.text(), "hello");
    Ok(())
}

#[tokio::test]
async fn a_wrong_checksum_is_refused_and_nothing_is_stored() -> Result<()> {
    let (server, repository) = start().await?;
    let wrong = [
        ("x-checksum-sha256", OTHER_SHA256),
        ("x-checksum-md5", "00000000000000000000000000000000"),
        ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("repr-digest", "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"),
    ];
    let file = format!("{repository}/hello.txt");
    for header in wrong {
        let answer = server.http().send(Method::PUT, &file, &[header], "hello").await?;
        assert!([400, 422].contains(&answer.status.as_u16()), "{header:?}: {}", answer.status);
        assert_eq!(server.http().get(&file).await?.status, 404, "{header:?}");
    }
    let right = [("x-checksum-sha256", HELLO_SHA256)];
    assert_eq!(server.http().send(Method::PUT, &file, &right, "hello").await?.status, 201);
    Ok(())
}

#[tokio::test]
async fn conditional_writes_change_only_what_the_client_has_seen() -> Result<()> {
    let (server, repository) = start().await?;
    let http = server.http();
    let file = format!("{repository}/hello.txt");
    let only_new = [("if-none-match", "*")];
    assert_eq!(http.send(Method::PUT, &file, &only_new, "hello").await?.status, 201);
    assert_eq!(http.send(Method::PUT, &file, &only_new, "hello").await?.status, 412);

    let stale = [("if-match", "\"another\"")];
    assert_eq!(http.send(Method::PUT, &file, &stale, "hello").await?.status, 412);
    let etag = http.head(&file).await?.header("etag").to_owned();
    let seen = [("if-match", etag.as_str())];
    assert_eq!(http.send(Method::PUT, &file, &seen, "hello").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_directory_lists_its_files_and_directories() -> Result<()> {
    let (server, repository) = start().await?;
    for path in ["top.txt", "a/one.txt", "a/two.txt", "a/b/three.txt"] {
        server.http().put(&format!("{repository}/{path}"), path).await?;
    }
    let listing = server.http().get(&format!("{repository}/a/")).await?;
    assert_eq!(listing.status, 200, "{}", listing.text());
    let text = listing.text();
    for name in ["one.txt", "two.txt", "b/"] {
        assert!(text.contains(name), "{name} is missing in {text}");
    }
    for name in ["top.txt", "three.txt"] {
        assert!(!text.contains(name), "{name} is not of this directory: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn ranges_are_served_and_impossible_ones_refused() -> Result<()> {
    let (server, repository) = start().await?;
    let file = format!("{repository}/hello.txt");
    server.http().put(&file, "hello").await?;
    for (range, status, body) in
        [("bytes=1-3", 206, "ell"), ("bytes=-2", 206, "lo"), ("bytes=3-", 206, "lo")]
    {
        let part = server.http().send(Method::GET, &file, &[("range", range)], "").await?;
        assert_eq!((part.status.as_u16(), part.text().as_str()), (status, body), "{range}");
    }
    let beyond = server.http().send(Method::GET, &file, &[("range", "bytes=9-")], "").await?;
    assert_eq!((beyond.status.as_u16(), beyond.header("content-range")), (416, "bytes */5"));
    Ok(())
}

#[tokio::test]
async fn no_spelling_of_a_parent_directory_leaves_the_repository() -> Result<()> {
    let (server, repository) = start().await?;
    let secret = local(&server, "secret", "generic").await?;
    server.http().put(&format!("{secret}/key.txt"), "secret").await?;
    let climbs = [
        "../secret/key.txt",
        "a/../../secret/key.txt",
        "%2e%2e/secret/key.txt",
        ".%2E/secret/key.txt",
        "..%2fsecret%2fkey.txt",
        "%2e%2e%2fsecret%2fkey.txt",
        "..%5csecret%5ckey.txt",
        "a/./key.txt",
        "a%00.txt",
    ];
    for climb in climbs {
        let url = format!("{repository}/{climb}");
        let read = server.http().get(&url).await?;
        assert!([400, 404].contains(&read.status.as_u16()), "GET {climb}: {}", read.status);
        assert!(!read.text().contains("secret\n") && read.text() != "secret", "{climb} leaked");
        let written = server.http().put(&url, "intruder").await?;
        assert!(written.status.is_client_error(), "PUT {climb}: {}", written.status);
    }
    assert_eq!(server.http().get(&format!("{secret}/key.txt")).await?.text(), "secret");
    Ok(())
}

//! Pushes of images that break off, lie, are too large or are never finished.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use e2e::fixtures::{IMAGE_MANIFEST, image_manifest, sha256_digest, sha512_digest};
use e2e::{
    Cluster, DataDirectory, Environment, Exchange, Lasting, Profile, Server, eventually, local,
    on_both_profiles, within,
};
use http::Method;
use serde_json::{Value, json};
use testkit::pattern;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

on_both_profiles! {
    an_upload_that_is_cut_anywhere_is_invisible_and_goes_on_where_it_was_cut,
    a_piece_that_does_not_fill_its_range_never_happened,
    a_wrong_digest_stores_nothing,
    a_manifest_is_four_mebibytes_at_most_and_needs_what_it_names,
    what_nobody_comes_back_for_vanishes_and_what_an_image_needs_stays,
    a_server_that_is_killed_goes_on_with_the_upload,
}

const LENGTH: usize = 6_000_000;
/// Longer than anything here takes on a busy machine, the end of a dead replica's claim included.
const PATIENCE: Duration = Duration::from_secs(60);
const UPLOADS: &str = "/v2/images/app/blobs/uploads/";
const OCTETS: &str = "application/octet-stream";

fn blob(digest: &str) -> String {
    format!("/v2/images/app/blobs/{digest}")
}

/// Opens an upload and returns the path that it goes on at.
async fn open(server: &Server) -> Result<String> {
    let answer = server.http().send(Method::POST, &server.url(UPLOADS), &[], "").await?;
    ensure!(answer.status == 202, "{} {}", answer.status, answer.text());
    Ok(answer.header("location").to_owned())
}

/// How many bytes of an upload are there, as the server tells those who ask.
async fn offset(server: &Server, location: &str) -> Result<usize> {
    let answer = server.get(location).await?;
    ensure!(answer.status == 204, "{} {}", answer.status, answer.text());
    offset_in(&answer)
}

/// Nothing at all is told like one byte.
fn offset_in(answer: &Exchange) -> Result<usize> {
    let range = answer.header("range");
    let last = range.strip_prefix("0-").with_context(|| format!("a range of {range:?}"))?;
    Ok(match last.parse()? {
        0 => 0,
        last => last + 1_usize,
    })
}

/// Waits until `length` bytes of an upload are durable: whoever breaks off is not told.
async fn has_arrived(server: &Server, location: &str, length: usize) -> Result<()> {
    let arrived = || async {
        let offset = offset(server, location).await?;
        ensure!(offset <= length, "{offset} bytes of {length} that were sent");
        Ok((offset == length).then_some(()))
    };
    eventually(&format!("{length} bytes have arrived"), PATIENCE, arrived).await?;
    Ok(())
}

/// Goes on with an upload as a client does that was told where, until all of `body` is there.
async fn go_on(server: &Server, location: &str, body: &Bytes) -> Result<()> {
    let from = offset(server, location).await?;
    let rest = body.slice(from..);
    let range = format!("{from}-{}", body.len() - 1);
    let headers = [("content-type", OCTETS), ("content-range", range.as_str())];
    let answer = server.http().send(Method::PATCH, &server.url(location), &headers, rest).await?;
    ensure!(answer.status == 202, "{range}: {} {}", answer.status, answer.text());
    assert_eq!(offset_in(&answer)?, body.len());
    close(server, answer.header("location"), body).await
}

async fn close(server: &Server, location: &str, body: &Bytes) -> Result<()> {
    let url = server.url(&format!("{location}?digest={}", sha256_digest(body)));
    let answer = server.http().put(&url, "").await?;
    ensure!(answer.status == 201, "{} {}", answer.status, answer.text());
    assert_eq!(answer.header("docker-content-digest"), sha256_digest(body));
    Ok(())
}

async fn push_blob(server: &Server, bytes: &Bytes) -> Result<()> {
    let location = open(server).await?;
    let url = server.url(&location);
    let answer = server.http().send(Method::PATCH, &url, &[], bytes.clone()).await?;
    ensure!(answer.status == 202, "{} {}", answer.status, answer.text());
    close(server, &location, bytes).await
}

/// Begins a request of `length` bytes, sends `sent` and holds the line.
async fn begin(server: &Server, line: &str, headers: &str, sent: &[u8]) -> Result<TcpStream> {
    let mut connection = TcpStream::connect(server.authority()).await?;
    let authority = server.authority();
    let head = format!("{line} HTTP/1.1\r\nHost: {authority}\r\n{headers}\r\n\r\n");
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(sent).await?;
    connection.flush().await?;
    Ok(connection)
}

/// Neither a blob nor an image is to be seen.
async fn nothing_is_visible(server: &Server, body: &Bytes) -> Result<()> {
    let answer = server.get(&blob(&sha256_digest(body))).await?;
    assert_eq!(answer.status, 404, "{}", answer.text());
    assert_eq!(server.get("/v2/images/app/tags/list").await?.status, 404);
    let objects = server.get("/api/v2/locals/images/objects").await?.json()?;
    assert_eq!(objects.get("items"), Some(&json!([])), "{objects}");
    Ok(())
}

async fn is_whole(server: &Server, body: &Bytes) -> Result<()> {
    let answer = server.get(&blob(&sha256_digest(body))).await?;
    ensure!(answer.status == 200 && answer.is_complete, "{}", answer.status);
    ensure!(answer.body == *body, "{} bytes", answer.body.len());
    Ok(())
}

async fn an_upload_that_is_cut_anywhere_is_invisible_and_goes_on_where_it_was_cut(
    profile: Profile,
) -> Result<()> {
    let server = profile.server().await?;
    local(&server, "images", "docker").await?;
    for (number, cut) in
        [0, 1, 2, 65_535, 65_536, 1_000_001, 5 << 20, LENGTH - 1].into_iter().enumerate()
    {
        let body = pattern(100 + number as u64, LENGTH);
        let sent = body.slice(..cut);
        // As docker sends it, and as everybody else does.
        let is_chunked = number % 2 == 0;
        let location = open(&server).await?;
        let connection = if is_chunked {
            let chunk = [format!("{LENGTH:x}\r\n").as_bytes(), &sent].concat();
            let headers = "Transfer-Encoding: chunked";
            begin(&server, &format!("PATCH {location}"), headers, &chunk).await?
        } else {
            let headers = format!("Content-Type: {OCTETS}\r\nContent-Length: {LENGTH}");
            begin(&server, &format!("PATCH {location}"), &headers, &sent).await?
        };
        drop(connection);
        has_arrived(&server, &location, if cut == 1 { 0 } else { cut }).await?;
        if number == 0 {
            nothing_is_visible(&server, &body).await?;
        }
        assert_eq!(server.get(&blob(&sha256_digest(&body))).await?.status, 404, "cut at {cut}");
        go_on_after(&server, &location, &body, cut).await?;
        is_whole(&server, &body).await?;
    }

    // The closing request breaks off, too. Its digest says what was meant, so that is what it becomes.
    let body = pattern(200, LENGTH);
    let location = open(&server).await?;
    let line = format!("PUT {location}?digest={}", sha256_digest(&body));
    let headers = format!("Content-Length: {LENGTH}");
    drop(begin(&server, &line, &headers, &body.slice(..LENGTH / 2)).await?);
    has_arrived(&server, &location, LENGTH / 2).await?;
    assert_eq!(server.get(&blob(&sha256_digest(&body))).await?.status, 404);
    go_on(&server, &location, &body).await?;
    is_whole(&server, &body).await
}

/// After a single byte nobody can tell from the range whether it is there, so the whole is sent again from
/// where the refusal says.
async fn go_on_after(server: &Server, location: &str, body: &Bytes, cut: usize) -> Result<()> {
    if cut != 1 {
        return go_on(server, location, body).await;
    }
    let one = || async {
        let headers = [("content-range", "1-1")];
        let byte = body.slice(1..2);
        let url = server.url(location);
        let answer = server.http().send(Method::PATCH, &url, &headers, byte).await?;
        Ok((answer.status == 202).then_some(()))
    };
    eventually("the first byte is there", PATIENCE, one).await?;
    go_on(server, location, body).await
}

async fn a_piece_that_does_not_fill_its_range_never_happened(profile: Profile) -> Result<()> {
    let server = profile.server().await?;
    local(&server, "images", "docker").await?;
    let body = pattern(1, LENGTH);
    let location = open(&server).await?;
    let (url, piece) = (server.url(&location), 1_000_000);
    let first = [("content-range", "0-999999")];
    let answer = server.http().send(Method::PATCH, &url, &first, body.slice(..piece)).await?;
    assert_eq!((answer.status.as_u16(), answer.header("range")), (202, "0-999999"));

    let headers = "Content-Range: 1000000-2999999\r\nContent-Length: 2000000";
    let sent = body.slice(piece..2 * piece);
    drop(begin(&server, &format!("PATCH {location}"), headers, &sent).await?);
    // Out of turn, before and behind, while that is cleared away and after it.
    for range in ["0-999999", "3000000-3999999", "999999-1999998"] {
        let headers = [("content-range", range)];
        let sent = body.slice(..piece);
        let answer = server.http().send(Method::PATCH, &url, &headers, sent).await?;
        assert_eq!((answer.status.as_u16(), answer.header("range")), (416, "0-999999"), "{range}");
    }
    assert_eq!(offset(&server, &location).await?, piece);
    go_on(&server, &location, &body).await?;
    is_whole(&server, &body).await
}

/// How many blobs are stored, whoever needs them.
async fn stored_blobs(server: &Server) -> Result<u64> {
    let state = server.get("/api/v2/gc").await?.json()?;
    state.pointer("/stored/blobs").and_then(Value::as_u64).context("no count of blobs")
}

async fn a_wrong_digest_stores_nothing(profile: Profile) -> Result<()> {
    let server = profile.server().await?;
    local(&server, "images", "docker").await?;
    let (http, body) = (server.http(), pattern(1, 200_000));
    let other = sha256_digest(b"something else");
    let other_512 = sha512_digest(b"something else");
    for wrong in [&other, &other_512] {
        let location = open(&server).await?;
        let url = server.url(&location);
        let patched = http.send(Method::PATCH, &url, &[], body.clone()).await?;
        assert_eq!(patched.status, 202);
        let refused = http.put(&format!("{url}?digest={wrong}"), "").await?;
        assert_eq!(refused.status, 400, "{}", refused.text());
        assert_eq!(refused.json()?.pointer("/errors/0/code"), Some(&json!("DIGEST_INVALID")));
        assert_eq!(server.get(&location).await?.status, 404, "it is over");

        // In one request, with and without a session.
        let whole = server.url(&format!("{UPLOADS}?digest={wrong}"));
        let refused = http.send(Method::POST, &whole, &[], body.clone()).await?;
        assert_eq!(refused.status, 400, "{}", refused.text());
        let location = open(&server).await?;
        let closing = server.url(&format!("{location}?digest={wrong}"));
        assert_eq!(http.put(&closing, body.clone()).await?.status, 400);
        assert_eq!(server.get(&blob(wrong)).await?.status, 404);
    }
    nothing_is_visible(&server, &body).await?;
    assert_eq!(stored_blobs(&server).await?, 0);

    // A manifest under a digest that it does not have.
    let manifest =
        json!({"schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "layers": []}).to_string();
    let url = server.url(&format!("/v2/images/app/manifests/{other}"));
    let headers = [("content-type", IMAGE_MANIFEST)];
    let refused = http.send(Method::PUT, &url, &headers, manifest).await?;
    assert_eq!(refused.status, 400, "{}", refused.text());
    nothing_is_visible(&server, &body).await?;
    assert_eq!(stored_blobs(&server).await?, 0);

    // What cannot be meant leaves the upload as it is.
    let location = open(&server).await?;
    let url = server.url(&location);
    http.send(Method::PATCH, &url, &[], body.clone()).await?;
    for query in
        ["", "?digest=", "?digest=sha256:short", "?digest=md5:d41d8cd98f00b204e9800998ecf8427e"]
    {
        assert_eq!(http.put(&format!("{url}{query}"), "").await?.status, 400, "{query}");
    }
    close(&server, &location, &body).await
}

async fn put_manifest(server: &Server, tag: &str, text: &str) -> Result<Exchange> {
    let url = server.url(&format!("/v2/images/app/manifests/{tag}"));
    let headers = [("content-type", IMAGE_MANIFEST)];
    server.http().send(Method::PUT, &url, &headers, text.to_owned()).await
}

async fn a_manifest_is_four_mebibytes_at_most_and_needs_what_it_names(
    profile: Profile,
) -> Result<()> {
    let server = profile.server().await?;
    local(&server, "images", "docker").await?;
    let (configuration, layer) = (Bytes::from_static(b"{}"), pattern(1, 1000));
    let small = image_manifest(&configuration, &[&layer], 0);
    let missing = put_manifest(&server, "v1", &small).await?;
    assert_eq!(missing.status, 400, "{}", missing.text());
    let errors = missing.json()?;
    let codes: Vec<_> = errors
        .get("errors")
        .and_then(Value::as_array)
        .context("no errors")?
        .iter()
        .filter_map(|error| error.get("code")?.as_str())
        .collect();
    assert_eq!(codes, ["MANIFEST_BLOB_UNKNOWN"; 2], "{errors}");
    assert_eq!(server.get("/v2/images/app/tags/list").await?.status, 404);

    push_blob(&server, &configuration).await?;
    push_blob(&server, &layer).await?;
    for (length, status) in [((4 << 20) + 1, 413), (4 << 20, 201)] {
        let text = image_manifest(&configuration, &[&layer], length);
        assert_eq!(text.len(), length);
        let answer = put_manifest(&server, "large", &text).await?;
        assert_eq!(answer.status, status, "{length}: {}", answer.text());
        let got = server.get("/v2/images/app/manifests/large").await?;
        match status {
            201 => assert!(got.status == 200 && got.body == text.as_bytes()),
            _ => assert_eq!(got.status, 404, "{length}"),
        }
    }
    Ok(())
}

/// A server whose patience is short, and where its bytes are if not in its data directory.
struct Hasty {
    server: Server,
    cluster: Option<Cluster>,
}

impl Hasty {
    async fn start(profile: Profile) -> Result<Self> {
        // Long enough to push an image on a busy machine, and short enough to wait for its end.
        let variables = [
            ("UPLOAD_EXPIRY", "2s"),
            ("GC_INTERVAL", "1s"),
            ("GC_REVIEW_DELAY", "0s"),
            ("GC_DELETE_DELAY", "0s"),
            ("GC_SHARE_LIMIT", "100"),
        ];
        if profile == Profile::Services {
            let cluster = Cluster::start(Lasting::Shared).await?;
            let cluster = cluster.context("a service is not installed")?;
            let cluster =
                variables.iter().fold(cluster, |cluster, (name, value)| cluster.with(name, value));
            return Ok(Self { server: cluster.replica().await?, cluster: Some(cluster) });
        }
        let environment: Environment =
            variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let server = Server::start_with(DataDirectory::new()?, &environment).await?;
        Ok(Self { server, cluster: None })
    }

    /// How many files lie below `uploads` or `blobs/sha256`.
    fn files(&self, below: &str) -> Result<usize> {
        match &self.cluster {
            None => files_below(&self.server.data().path().join(below)),
            Some(cluster) => Ok(cluster.stored(&format!("{below}/")).len()),
        }
    }
}

fn files_below(directory: &Path) -> Result<usize> {
    let mut files = 0;
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        files += if path.is_dir() { files_below(&path)? } else { 1 };
    }
    Ok(files)
}

async fn what_nobody_comes_back_for_vanishes_and_what_an_image_needs_stays(
    profile: Profile,
) -> Result<()> {
    let hasty = Hasty::start(profile).await?;
    let server = &hasty.server;
    local(server, "images", "docker").await?;
    let (configuration, layer) = (Bytes::from_static(b"{}"), pattern(1, 100_000));
    push_blob(server, &configuration).await?;
    push_blob(server, &layer).await?;
    let image = image_manifest(&configuration, &[&layer], 0);
    assert_eq!(put_manifest(server, "v1", &image).await?.status, 201);

    let orphan = pattern(2, 100_000);
    push_blob(server, &orphan).await?;
    let resting = open(server).await?;
    let url = server.url(&resting);
    let patched = server.http().send(Method::PATCH, &url, &[], pattern(3, LENGTH)).await?;
    assert_eq!(patched.status, 202);
    let staged = hasty.files("uploads")?;
    assert!(staged > 0, "the bytes are somewhere");

    // Looking does not keep them: only HEAD says that somebody counts on a blob.
    let is_gone = || async {
        let is_over = server.get(&resting).await?.status == 404
            && server.get(&blob(&sha256_digest(&orphan))).await?.status == 404;
        let files = (hasty.files("uploads")?, hasty.files("blobs/sha256")?);
        Ok((is_over && files == (0, 3)).then_some(()))
    };
    eventually("only the image is left", PATIENCE, is_gone).await?;
    let late = server.http().send(Method::PATCH, &url, &[], "more").await?;
    assert_eq!(late.status, 404);
    assert_eq!(late.json()?.pointer("/errors/0/code"), Some(&json!("BLOB_UPLOAD_UNKNOWN")));

    for (body, path) in [
        (image.clone().into(), "/v2/images/app/manifests/v1".to_owned()),
        (layer.clone(), blob(&sha256_digest(&layer))),
        (configuration.clone(), blob(&sha256_digest(&configuration))),
    ] {
        let answer = server.get(&path).await?;
        assert!(answer.status == 200 && answer.body == body, "{path}: {}", answer.status);
    }

    // Once the image is gone nothing needs its blobs.
    let url = server.url(&format!("/v2/images/app/manifests/{}", sha256_digest(image.as_bytes())));
    assert_eq!(server.http().delete(&url).await?.status, 202);
    let is_empty = || async { Ok((hasty.files("blobs/sha256")? == 0).then_some(())) };
    eventually("nothing is left", PATIENCE, is_empty).await?;
    Ok(())
}

async fn a_server_that_is_killed_goes_on_with_the_upload(profile: Profile) -> Result<()> {
    if profile == Profile::Services {
        let cluster =
            Cluster::start(Lasting::Shared).await?.context("a service is not installed")?;
        let one = cluster.replica().await?;
        local(&one, "images", "docker").await?;
        let other = cluster.replica().await?;
        let (location, body) = killed_in_mid_upload(one).await?.0;
        return within("another replica goes on", PATIENCE, finish(&other, &location, &body)).await;
    }
    let server = profile.server().await?;
    local(&server, "images", "docker").await?;
    let ((location, body), data) = killed_in_mid_upload(server).await?;
    let again = Server::start_on(data).await?;
    within("it goes on", PATIENCE, finish(&again, &location, &body)).await
}

/// Kills the server while it takes in the second piece of an upload. What it had acknowledged is the first.
async fn killed_in_mid_upload(server: Server) -> Result<((String, Bytes), DataDirectory)> {
    let (body, piece) = (pattern(9, 3 * LENGTH), LENGTH);
    let location = open(&server).await?;
    let url = server.url(&location);
    let answer = server.http().send(Method::PATCH, &url, &[], body.slice(..piece)).await?;
    ensure!(answer.status == 202, "{} {}", answer.status, answer.text());
    let headers = format!("Content-Length: {}", 2 * piece);
    let sent = body.slice(piece..2 * piece);
    let mut connection = begin(&server, &format!("PATCH {location}"), &headers, &sent).await?;
    let data = server.kill().await?;
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "it was killed before it could answer");
    Ok(((location, body), data))
}

async fn finish(server: &Server, location: &str, body: &Bytes) -> Result<()> {
    let from = offset(server, location).await?;
    assert!((LENGTH..=2 * LENGTH).contains(&from), "{from} bytes are told to be there");
    assert_eq!(server.get(&blob(&sha256_digest(body))).await?.status, 404);
    go_on(server, location, body).await?;
    is_whole(server, body).await
}

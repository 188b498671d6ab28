//! What breaks, and what must not break with it.

use anyhow::{Context, Result};
use bytes::Bytes;
use e2e::fixtures::{Markup, PythonIndex, Wheel};
use e2e::{Exchange, Server, local, remote};
use serde_json::{Value, json};
use testkit::{Origin, Script};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

const LENGTH: usize = 400_000;

fn content() -> Bytes {
    (0..=250_u8).cycle().take(LENGTH).collect::<Vec<u8>>().into()
}

/// Whether a client could take the answer for the whole file.
fn is_clean(answer: &Exchange) -> bool {
    answer.status == 200 && answer.is_complete
}

async fn paths(server: &Server, collection: &str, name: &str) -> Result<Vec<String>> {
    let listing = server.get(&format!("/api/v2/{collection}/{name}/objects?limit=500")).await?;
    let listing = listing.json()?;
    let items = listing.get("items").and_then(Value::as_array);
    let items = items.with_context(|| format!("no items in {listing}"))?;
    let path = |item: &Value| item.get("path")?.as_str().map(str::to_owned);
    Ok(items.iter().filter_map(path).collect())
}

#[tokio::test]
async fn a_truncated_body_is_never_a_clean_answer_and_never_stored() -> Result<()> {
    let origin = Origin::start().await;
    origin.on("/file.bin", Script::ok(content()).truncate_at(LENGTH as u64 / 2));
    let server = Server::start().await?;
    let repository = remote(&server, "files", "generic", origin.base_url()).await?;
    let answer = server.http().get(&format!("{repository}/file.bin")).await?;
    assert!(!is_clean(&answer), "{} with {} bytes", answer.status, answer.body.len());
    assert_eq!(paths(&server, "remotes", "files").await?, Vec::<String>::new());

    // A second server on the same data has forgotten that upstream was ill, but nothing else.
    origin.on("/file.bin", Script::ok(content()));
    let server = Server::start_on(server.kill().await?).await?;
    let healed = server.get("/api/v1/remote/files/file.bin").await?;
    assert!(is_clean(&healed) && healed.body == content());
    assert!(!healed.is_hit(), "{:?}", healed.cache_status());
    Ok(())
}

#[tokio::test]
async fn bytes_that_do_not_match_the_index_are_never_a_clean_answer_and_never_stored() -> Result<()>
{
    let wheel = Wheel::build("demo_lib", "library", &[])?;
    let index = PythonIndex::start(Markup::Json, std::slice::from_ref(&wheel)).await;
    let mut forged = wheel.bytes().to_vec();
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    index.origin.on(&PythonIndex::path_of(&wheel), Script::ok(forged));
    let server = Server::start().await?;
    let repository = remote(&server, "wheels", "pypi", index.origin.base_url()).await?;
    let file = format!("{repository}/packages/demo-lib/{}", wheel.file_name());
    let answer = server.http().get(&file).await?;
    assert!(!is_clean(&answer), "{}", answer.status);
    let stored = paths(&server, "remotes", "wheels").await?;
    assert!(!stored.iter().any(|path| path.contains(".whl")), "{stored:?}");
    Ok(())
}

#[tokio::test]
async fn an_unreachable_upstream_is_a_bad_gateway_and_never_an_absence() -> Result<()> {
    let mut origin = Origin::start().await;
    origin.stop().await;
    let server = Server::start().await?;
    for (name, package_type, path) in [
        ("files", "generic", "file.bin"),
        ("wheels", "pypi", "simple/demo-lib/"),
        ("modules", "npm", "demo-lib"),
    ] {
        let repository = remote(&server, name, package_type, origin.base_url()).await?;
        let answer = server.http().get(&format!("{repository}/{path}")).await?;
        assert_eq!(answer.status, 502, "{package_type}: {}", answer.text());
    }
    assert_eq!(server.get("/readyz").await?.status, 200, "the server itself is well");
    Ok(())
}

#[tokio::test]
async fn an_upstream_error_is_a_bad_gateway_and_an_absence_is_an_absence() -> Result<()> {
    let origin = Origin::start().await;
    origin.on("/broken", Script::status(http::StatusCode::INTERNAL_SERVER_ERROR));
    let server = Server::start().await?;
    let repository = remote(&server, "files", "generic", origin.base_url()).await?;
    assert_eq!(server.http().get(&format!("{repository}/absent")).await?.status, 404);
    assert_eq!(server.http().get(&format!("{repository}/absent")).await?.status, 404);
    assert_eq!(origin.count("/absent"), 1, "an absence is remembered");
    assert_eq!(server.http().get(&format!("{repository}/broken")).await?.status, 502);
    Ok(())
}

#[tokio::test]
async fn a_killed_server_keeps_every_acknowledged_upload_and_shows_no_half_file() -> Result<()> {
    let server = Server::start().await?;
    let repository = local(&server, "files", "generic").await?;
    let (acknowledge, mut acknowledged) = mpsc::unbounded_channel();
    let http = server.http().clone();
    let uploads = tokio::spawn(async move {
        for number in 0_u32.. {
            let url = format!("{repository}/{number}.bin");
            match http.put(&url, numbered(number)).await {
                Ok(answer) if answer.status == 201 => acknowledge.send(number)?,
                _ => break,
            }
        }
        anyhow::Ok(())
    });
    let mut kept = Vec::new();
    while kept.len() < 8 {
        kept.push(acknowledged.recv().await.context("the uploads ended early")?);
    }
    let data = server.kill().await?;
    uploads.await??;
    while let Ok(number) = acknowledged.try_recv() {
        kept.push(number);
    }

    let server = Server::start_on(data).await?;
    for number in kept {
        let answer = server.get(&format!("/api/v1/local/files/{number}.bin")).await?;
        assert!(is_clean(&answer) && answer.body == numbered(number), "{number} was acknowledged");
    }
    for path in paths(&server, "locals", "files").await? {
        let answer = server.get(&format!("/api/v1/local/files/{path}")).await?;
        assert!(is_clean(&answer) && answer.body.len() == LENGTH, "{path} is shown but not whole");
    }
    Ok(())
}

fn numbered(number: u32) -> Bytes {
    number.to_le_bytes().into_iter().cycle().take(LENGTH).collect::<Vec<u8>>().into()
}

#[tokio::test]
async fn an_upload_that_a_kill_interrupts_never_happened() -> Result<()> {
    let server = Server::start().await?;
    local(&server, "files", "generic").await?;
    let mut connection = TcpStream::connect(server.authority()).await?;
    let head = format!(
        "PUT /api/v1/local/files/half.bin HTTP/1.1\r\nHost: {}\r\nContent-Length: {LENGTH}\r\n\r\n",
        server.authority()
    );
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(content().get(..LENGTH / 2).unwrap_or_default()).await?;
    // Once another upload is answered, the server has had its turn on this one.
    let other = server.url("/api/v1/local/files/whole.bin");
    assert_eq!(server.http().put(&other, content()).await?.status, 201);

    let server = Server::start_on(server.kill().await?).await?;
    assert_eq!(server.get("/api/v1/local/files/half.bin").await?.status, 404);
    assert_eq!(paths(&server, "locals", "files").await?, ["whole.bin"]);
    let again = server.http().put(&server.url("/api/v1/local/files/half.bin"), content()).await?;
    assert_eq!(again.status, 201);
    Ok(())
}

#[tokio::test]
async fn a_download_in_progress_is_finished_before_a_graceful_end() -> Result<()> {
    let origin = Origin::start().await;
    let (script, gate) = Script::gated(content(), LENGTH / 4);
    origin.on("/file.bin", script);
    let server = Server::start().await?;
    let repository = remote(&server, "files", "generic", origin.base_url()).await?;
    let http = server.http().clone();
    let download = tokio::spawn(async move { http.get(&format!("{repository}/file.bin")).await });
    gate.arrived(1).await;
    server.terminate()?;
    server.stops_listening().await?;
    gate.release_all();
    let answer = download.await??;
    assert!(is_clean(&answer) && answer.body == content());
    assert!(server.ended().await?.success());
    Ok(())
}

#[tokio::test]
async fn many_clients_of_one_cold_file_are_one_upstream_request() -> Result<()> {
    let origin = Origin::start().await;
    let (script, gate) = Script::gated(content(), LENGTH / 4);
    origin.on("/file.bin", script);
    let server = Server::start().await?;
    let repository = remote(&server, "files", "generic", origin.base_url()).await?;
    let url = format!("{repository}/file.bin");
    let clients = futures_util::future::join_all((0..20).map(|_| server.http().get(&url)));
    let (answers, ()) = tokio::join!(clients, async {
        gate.arrived(1).await;
        gate.release_all();
    });
    for answer in answers {
        let answer = answer?;
        assert!(is_clean(&answer) && answer.body == content());
    }
    assert_eq!(origin.count("/file.bin"), 1);
    Ok(())
}

#[tokio::test]
async fn a_damaged_blob_is_fetched_again_and_not_served() -> Result<()> {
    let origin = Origin::start().await;
    origin.on("/file.bin", Script::ok(content()));
    let server = Server::start().await?;
    let repository = remote(&server, "files", "generic", origin.base_url()).await?;
    let url = format!("{repository}/file.bin");
    server.http().get(&url).await?;
    let data = server.data();
    assert!(server.stop().await?.success());
    let mut damaged = 0;
    for blob in files_below(&data.path().join("blobs"))? {
        std::fs::OpenOptions::new().write(true).open(blob)?.set_len(10)?;
        damaged += 1;
    }
    assert!(damaged > 0, "there was a blob to damage");

    let server = Server::start_on(data).await?;
    let healed = server.get("/api/v1/remote/files/file.bin").await?;
    assert!(is_clean(&healed) && healed.body == content());
    assert_eq!(origin.count("/file.bin"), 2);
    Ok(())
}

fn files_below(directory: &std::path::Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

#[tokio::test]
async fn a_link_local_upstream_is_refused_when_saved_or_when_asked() -> Result<()> {
    let server = Server::start().await?;
    let body = json!({
        "name": "meta", "package_type": "generic", "base_url": "http://169.254.169.254/",
    });
    let saved = server.http().post_json(&server.url("/api/v2/remotes"), body).await?;
    if saved.status == 201 {
        let answer = server.get("/api/v1/remote/meta/latest").await?;
        assert!(answer.status.is_server_error() || answer.status == 403, "{}", answer.status);
    } else {
        assert_eq!(saved.status, 422, "{}", saved.text());
    }
    Ok(())
}

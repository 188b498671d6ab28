//! Index documents and the files that they list.

use std::sync::Arc;
use std::time::Duration;

use artifact_core::ErrorKind;
use artifact_engine::CacheResult;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use testkit::Script;
use testkit::contract::blob_store::id_of;

use crate::world::{World, on_remote};

const JSON: &str = "application/vnd.pypi.simple.v1+json";

fn page(hash: &str) -> Script {
    let text = format!(
        r#"{{"meta":{{"api-version":"1.0"}},"name":"p","files":[{{"filename":"p-1.0.tar.gz","url":"http://files.example/x/p-1.0.tar.gz","hashes":{{"sha256":"{hash}"}}}}]}}"#
    );
    Script::ok(text).header(CONTENT_TYPE, JSON).etag("\"page\"")
}

async fn pypi() -> World {
    let world = World::new().await;
    world.remote("r", "pypi").await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_file_on_another_host_is_found_through_its_index_even_when_that_is_cold() {
    let world = pypi().await;
    let hash = id_of(b"sdist").to_hex();
    world.upstream.on("/simple/p/", page(&hash));
    world.upstream.on("/x/p-1.0.tar.gz", Script::ok("sdist"));
    let file = world.get(&on_remote("packages/p/p-1.0.tar.gz")).await.unwrap();
    assert_eq!(file.text(), "sdist");
    let requests = world.upstream.requests();
    let urls: Vec<_> = requests.iter().map(|request| request.url.as_str()).collect();
    assert_eq!(urls, ["http://upstream.example/simple/p/", "http://files.example/x/p-1.0.tar.gz"]);
    assert_eq!(requests[1].trust, artifact_core::ports::Trust::Index);
    let hit = world.get(&on_remote("packages/p/p-1.0.tar.gz")).await.unwrap();
    assert_eq!(hit.result(), CacheResult::Hit);
    let unlisted = world.get(&on_remote("packages/p/p-2.0.tar.gz")).await.unwrap_err();
    assert_eq!(unlisted.kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn an_expired_link_makes_the_index_be_read_again_once() {
    let world = pypi().await;
    let hash = id_of(b"sdist").to_hex();
    world.upstream.on("/simple/p/", page(&hash));
    world.get(&on_remote("simple/p/")).await.unwrap();
    world.upstream.on("/x/p-1.0.tar.gz", Script::status(StatusCode::FORBIDDEN));
    let moved = format!(
        r#"{{"meta":{{"api-version":"1.0"}},"name":"p","files":[{{"filename":"p-1.0.tar.gz","url":"http://files.example/y/p-1.0.tar.gz?signed=2","hashes":{{"sha256":"{hash}"}}}},
        {{"filename":"p-2.0.tar.gz","url":"http://files.example/y/p-2.0.tar.gz","hashes":{{}}}}]}}"#
    );
    world.upstream.on("/simple/p/", Script::ok(moved).header(CONTENT_TYPE, JSON).etag("\"2\""));
    world.upstream.on("/y/p-1.0.tar.gz", Script::ok("sdist"));
    let file = world.get(&on_remote("packages/p/p-1.0.tar.gz")).await.unwrap();
    assert_eq!(file.text(), "sdist");
    assert_eq!(world.upstream.count("/simple/p/"), 2);
    // A file that upstream really refuses does not make every request read the index again.
    world.upstream.on("/y/p-2.0.tar.gz", Script::status(StatusCode::FORBIDDEN));
    for _ in 0..3 {
        let error = world.get(&on_remote("packages/p/p-2.0.tar.gz")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UpstreamAuth);
        tokio::time::advance(Duration::from_secs(3)).await;
    }
    assert_eq!(world.upstream.count("/y/p-2.0.tar.gz"), 3);
    assert_eq!(world.upstream.count("/simple/p/"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_contradicts_its_index_is_refused() {
    let world = pypi().await;
    world.upstream.on("/simple/p/", page(&id_of(b"promised").to_hex()));
    world.upstream.on("/x/p-1.0.tar.gz", Script::ok("poisoned"));
    let error = world.get(&on_remote("packages/p/p-1.0.tar.gz")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert!(!world.stored_blob(b"poisoned").await);
}

#[tokio::test(start_paused = true)]
async fn one_fetch_serves_every_representation() {
    let world = pypi().await;
    world.upstream.on("/simple/p/", page(&id_of(b"sdist").to_hex()));
    let json = world.get_with(&on_remote("simple/p/"), &[("accept", JSON)]).await.unwrap();
    assert_eq!(json.header("content-type"), Some(JSON));
    assert!(json.text().contains("../../packages/p/p-1.0.tar.gz"));
    let html = world.get_with(&on_remote("simple/p/"), &[("accept", "text/html")]).await.unwrap();
    assert!(html.header("content-type").unwrap().starts_with("text/html"));
    assert_ne!(json.header("etag"), html.header("etag"));
    assert_eq!(world.upstream.count("/simple/p/"), 1);
    let head = world
        .send(&Method::HEAD, &on_remote("simple/p/"), &[("accept", JSON)], None)
        .await
        .unwrap();
    assert_eq!(head.header("content-length"), json.header("content-length"));
}

#[tokio::test(start_paused = true)]
async fn a_document_is_sent_compressed_where_the_client_takes_it() {
    let world = World::new().await;
    world.remote("r", "npm").await;
    let readme = "x".repeat(10_000);
    let packument = format!(
        r#"{{"name":"a","readme":"{readme}","dist-tags":{{}},"versions":{{"1.0.0":{{"name":"a","version":"1.0.0","dist":{{"tarball":"http://upstream.example/a.tgz"}}}}}}}}"#
    );
    world.upstream.on("/a", Script::ok(packument));
    let plain = world.get(&on_remote("a")).await.unwrap();
    assert_eq!(plain.header("content-encoding"), None);
    let gzip = world.get_with(&on_remote("a"), &[("accept-encoding", "gzip, br")]).await.unwrap();
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    assert!(gzip.body.as_ref().unwrap().len() < 1000);
    assert_ne!(gzip.header("etag"), plain.header("etag"));
    assert!(plain.header("vary").unwrap().contains("accept-encoding"));
}

#[tokio::test(start_paused = true)]
async fn a_warm_document_asks_nobody() {
    let world = pypi().await;
    world.upstream.on("/simple/p/", page(&id_of(b"sdist").to_hex()));
    world.get(&on_remote("simple/p/")).await.unwrap();
    world.get(&on_remote("simple/p/")).await.unwrap();
    let before = world.meta.calls();
    let hit = world.get(&on_remote("simple/p/")).await.unwrap();
    assert_eq!(hit.result(), CacheResult::Hit);
    let etag = hit.header("etag").unwrap().to_owned();
    let same = world.get_with(&on_remote("simple/p/"), &[("if-none-match", &etag)]).await.unwrap();
    assert_eq!(same.status, StatusCode::NOT_MODIFIED);
    assert_eq!((world.meta.calls(), world.upstream.requests().len()), (before, 1));
}

#[tokio::test(start_paused = true)]
async fn a_malformed_document_is_an_upstream_fault_and_the_last_good_one_stays() {
    let world = pypi().await;
    world.upstream.on("/simple/p/", Script::ok("{ not json").header(CONTENT_TYPE, JSON));
    let error = world.get(&on_remote("simple/p/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Upstream);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_costs_one_document_fetch() {
    let world = Arc::new(pypi().await);
    let (script, gate) = page(&id_of(b"sdist").to_hex()).with_gate(64);
    world.upstream.on("/simple/p/", script);
    let crowd: Vec<_> = (0..30)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.get(&on_remote("simple/p/")).await.unwrap().status })
        })
        .collect();
    gate.arrived(1).await;
    gate.release_all();
    for client in crowd {
        assert_eq!(client.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(world.upstream.count("/simple/p/"), 1);
}

#[tokio::test(start_paused = true)]
async fn names_are_redirected_to_their_normal_form() {
    let world = pypi().await;
    let answer = world.get(&on_remote("simple/Foo.Bar/?x=1")).await.unwrap();
    assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY);
    let location = answer.header("location").unwrap();
    assert!(!location.starts_with('/') && location.contains("foo-bar/"), "{location}");
}

#[tokio::test(start_paused = true)]
async fn every_spelling_of_a_scoped_name_is_one_entry() {
    let world = World::new().await;
    world.remote("r", "npm").await;
    let packument = r#"{"name":"@s/n","dist-tags":{},"versions":{"1.0.0":{"name":"@s/n","version":"1.0.0","dist":{"tarball":"http://upstream.example/n.tgz"}}}}"#;
    world.upstream.on("/@s%2fn", Script::ok(packument));
    for spelling in ["@s%2fn", "@s%2Fn", "%40s%2fn", "@s/n"] {
        assert_eq!(
            world.get(&on_remote(spelling)).await.unwrap().status,
            StatusCode::OK,
            "{spelling}"
        );
    }
    assert_eq!(world.upstream.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_question_is_forwarded_and_never_stored() {
    let world = World::new().await;
    world.remote("r", "npm").await;
    let path = "/-/npm/v1/security/advisories/bulk";
    world.upstream.on(path, Script::ok("{}"));
    let body = Some(bytes::Bytes::from_static(br#"{"a":["1.0.0"]}"#));
    for _ in 0..2 {
        let answer =
            world.send(&Method::POST, &on_remote(&path[1..]), &[], body.clone()).await.unwrap();
        assert_eq!(answer.text(), "{}");
    }
    assert_eq!(world.upstream.count(path), 2);
    let error = world.send(&Method::POST, &on_remote("a"), &[], body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MethodNotAllowed);
}

//! The operator's rules, on hits as on misses.

use artifact_core::{Definition, ErrorKind, Remote};
use testkit::Script;

use crate::world::{World, on_remote, remote};

async fn ruled(change: impl FnOnce(&mut Remote)) -> World {
    let world = World::new().await;
    let mut remote = remote();
    change(&mut remote);
    world.put("r", "generic", Definition::Remote(Box::new(remote))).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_denied_path_never_reaches_upstream_and_names_its_rule() {
    let world = ruled(|remote| remote.blocklist = vec!["^evil".into()]).await;
    world.upstream.on("/evil.bin", Script::ok("x"));
    let error = world.get(&on_remote("evil.bin")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(error.public(), "blocked by blocklist pattern \"^evil\" of remote r");
    assert!(world.upstream.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_cached_file_is_denied_as_soon_as_a_rule_says_so() {
    let world = ruled(|_| {}).await;
    world.upstream.on("/a.bin", Script::ok("x"));
    world.get(&on_remote("a.bin")).await.unwrap();
    let mut blocked = remote();
    blocked.blocklist = vec!["a\\.bin".into()];
    world.put("r", "generic", Definition::Remote(Box::new(blocked))).await;
    assert_eq!(world.get(&on_remote("a.bin")).await.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test(start_paused = true)]
async fn an_encoded_path_meets_the_same_rule() {
    let world = ruled(|remote| remote.blocklist = vec!["^a b$".into()]).await;
    for spelling in ["a%20b", "%61%20b", "a%20%62"] {
        let error = world.get(&on_remote(spelling)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{spelling}");
    }
}

#[tokio::test(start_paused = true)]
async fn traversal_is_a_bad_request() {
    let world = ruled(|_| {}).await;
    for path in ["../x", "a/%2e%2e/x", "a%2fb", "a\\b", "a%00", "%252e%252e/x", "a//b"] {
        let error = world.get(&on_remote(path)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadRequest, "{path}");
    }
    assert!(world.upstream.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_filtered_index_changes_with_the_rules_and_so_does_its_tag() {
    let world = World::new().await;
    world.remote("r", "pypi").await;
    let page = r#"{"meta":{"api-version":"1.0"},"name":"p","files":[
        {"filename":"p-1.0.tar.gz","url":"http://upstream.example/f/p-1.0.tar.gz","hashes":{}},
        {"filename":"p-2.0.tar.gz","url":"http://upstream.example/f/p-2.0.tar.gz","hashes":{}}]}"#;
    let script =
        Script::ok(page).header(http::header::CONTENT_TYPE, "application/vnd.pypi.simple.v1+json");
    world.upstream.on("/simple/p/", script);
    let open = world.get(&on_remote("simple/p/")).await.unwrap();
    assert!(open.text().contains("p-2.0"));
    let mut blocked = remote();
    blocked.blocklist = vec!["p-2\\.0".into()];
    world.put("r", "pypi", Definition::Remote(Box::new(blocked))).await;
    let etag = open.header("etag").unwrap().to_owned();
    let filtered =
        world.get_with(&on_remote("simple/p/"), &[("if-none-match", &etag)]).await.unwrap();
    assert!(!filtered.text().contains("p-2.0") && filtered.text().contains("p-1.0"));
    assert_eq!(world.upstream.count("/simple/p/"), 1, "the stored document is the unfiltered one");
}

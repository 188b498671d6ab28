//! Many members under one name.

use artifact_core::{Definition, ErrorKind, Remote, RepositoryKind};
use http::{Method, StatusCode};
use testkit::Script;

use crate::world::{World, at, remote};

fn on_virtual(path: &str) -> String {
    at(RepositoryKind::Virtual, "v", path)
}

fn at_host(host: &str, change: impl FnOnce(&mut Remote)) -> Definition {
    let mut remote = remote();
    remote.base_url = format!("http://upstream.example/{host}/");
    change(&mut remote);
    Definition::Remote(Box::new(remote))
}

async fn two(package_type: &str) -> World {
    let world = World::new().await;
    world.put("one", package_type, at_host("one", |_| {})).await;
    world.put("two", package_type, at_host("two", |_| {})).await;
    world.virtual_of("v", package_type, &["one", "two"]).await;
    world
}

fn packument(host: &str, version: &str) -> String {
    format!(
        r#"{{"name":"a","dist-tags":{{"latest":"{version}"}},"versions":{{"{version}":{{"name":"a","version":"{version}","dist":{{"tarball":"http://upstream.example/{host}/a/-/a-{version}.tgz"}}}}}}}}"#
    )
}

#[tokio::test(start_paused = true)]
async fn the_first_member_that_has_a_file_serves_it() {
    let world = two("generic").await;
    world.upstream.on("/two/a.bin", Script::ok("from two"));
    let answer = world.get(&on_virtual("a.bin")).await.unwrap();
    assert_eq!(answer.text(), "from two");
    assert_eq!(answer.header("x-artifact-member"), Some("two"));
    world.upstream.on("/one/b.bin", Script::ok("from one"));
    world.upstream.on("/two/b.bin", Script::ok("from two"));
    assert_eq!(world.get(&on_virtual("b.bin")).await.unwrap().text(), "from one");
    assert_eq!(world.upstream.count("/two/b.bin"), 0);
    assert_eq!(world.get(&on_virtual("c.bin")).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_fails_stops_the_walk() {
    let world = two("generic").await;
    world.upstream.on("/one/a.bin", Script::status(StatusCode::BAD_GATEWAY));
    world.upstream.on("/two/a.bin", Script::ok("from two"));
    assert_eq!(world.get(&on_virtual("a.bin")).await.unwrap_err().kind(), ErrorKind::Upstream);
    assert_eq!(world.upstream.count("/two/a.bin"), 0);
    let npm = two("npm").await;
    npm.upstream.on("/one/a", Script::status(StatusCode::SERVICE_UNAVAILABLE));
    npm.upstream.on("/two/a", Script::ok(packument("two", "1.0.0")));
    for path in ["a", "a/-/a-1.0.0.tgz", "a/1.0.0"] {
        let error = npm.get(&on_virtual(path)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Upstream, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_local_member_owns_its_names_wherever_it_stands() {
    let world = World::new().await;
    world.put("one", "generic", at_host("one", |_| {})).await;
    world.local("l", false).await;
    world.virtual_of("v", "generic", &["one", "l"]).await;
    world.upstream.on("/one/a.bin", Script::ok("from outside"));
    world.put_file(&at(RepositoryKind::Local, "l", "a.bin"), &[], b"ours").await.unwrap();
    assert_eq!(world.get(&on_virtual("a.bin")).await.unwrap().text(), "ours");
    assert!(world.upstream.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_name_is_owned_whole_by_the_first_member_that_has_it() {
    let world = two("npm").await;
    world.upstream.on("/one/a", Script::ok(packument("one", "1.0.0")));
    world.upstream.on("/two/a", Script::ok(packument("two", "9.0.0")));
    let answer = world.get(&on_virtual("a")).await.unwrap();
    assert!(answer.text().contains("http://cache.example/api/v1/virtual/v/a/-/a-1.0.0.tgz"));
    assert!(!answer.text().contains("9.0.0"));
    assert_eq!(world.upstream.count("/two/a"), 0);
    world.upstream.on("/one/a/-/a-1.0.0.tgz", Script::ok("tarball"));
    let tarball = world.get(&on_virtual("a/-/a-1.0.0.tgz")).await.unwrap();
    assert_eq!((tarball.text(), tarball.header("x-artifact-member")), ("tarball", Some("one")));
}

#[tokio::test(start_paused = true)]
async fn united_versions_come_from_the_member_that_listed_them() {
    let world = two("npm").await;
    let members = vec!["one".parse().unwrap(), "two".parse().unwrap()];
    let united = artifact_core::Virtual { members, merge_versions: true, deployment: None };
    world.put("v", "npm", Definition::Virtual(united)).await;
    world.upstream.on("/one/a", Script::ok(packument("one", "1.0.0")));
    world.upstream.on("/two/a", Script::ok(packument("two", "9.0.0")));
    let answer = world.get(&on_virtual("a")).await.unwrap();
    assert!(answer.text().contains("a-1.0.0.tgz") && answer.text().contains("a-9.0.0.tgz"));
    world.upstream.on("/two/a/-/a-9.0.0.tgz", Script::ok("from two"));
    let tarball = world.get(&on_virtual("a/-/a-9.0.0.tgz")).await.unwrap();
    assert_eq!(tarball.header("x-artifact-member"), Some("two"));
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_rules_refuse_a_name_leaves_it_to_the_others() {
    let world = World::new().await;
    world
        .put("one", "generic", at_host("one", |remote| remote.patterns = vec!["^ours/".into()]))
        .await;
    world.put("two", "generic", at_host("two", |_| {})).await;
    world.virtual_of("v", "generic", &["one", "two"]).await;
    world.upstream.on("/two/other.bin", Script::ok("x"));
    assert_eq!(world.get(&on_virtual("other.bin")).await.unwrap().text(), "x");
    assert_eq!(world.upstream.count("/one/other.bin"), 0);
    world.virtual_of("v", "generic", &["one"]).await;
    assert_eq!(world.get(&on_virtual("other.bin")).await.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test(start_paused = true)]
async fn a_refused_credential_stops_and_a_missing_one_counts_as_absent() {
    let world = two("generic").await;
    world.upstream.on("/one/a.bin", Script::status(StatusCode::UNAUTHORIZED));
    world.upstream.on("/two/a.bin", Script::ok("from two"));
    assert_eq!(world.get(&on_virtual("a.bin")).await.unwrap().text(), "from two");
    let credential = artifact_core::Credential {
        username: "u".into(),
        secret: artifact_core::Secret::new("p"),
        updated_at: artifact_core::Timestamp::EPOCH,
    };
    world
        .put("one", "generic", at_host("one", |remote| remote.credential = Some(credential)))
        .await;
    world.upstream.on("/one/b.bin", Script::status(StatusCode::UNAUTHORIZED));
    world.upstream.on("/two/b.bin", Script::ok("from two"));
    assert_eq!(world.get(&on_virtual("b.bin")).await.unwrap_err().kind(), ErrorKind::UpstreamAuth);
}

#[tokio::test(start_paused = true)]
async fn virtual_repositories_nest() {
    let world = two("generic").await;
    world.virtual_of("outer", "generic", &["v"]).await;
    world.upstream.on("/two/a.bin", Script::ok("deep"));
    let path = at(RepositoryKind::Virtual, "outer", "a.bin");
    assert_eq!(world.get(&path).await.unwrap().text(), "deep");
    let head = world.send(&Method::HEAD, &path, &[], None).await.unwrap();
    assert_eq!(head.header("content-length"), Some("4"));
}

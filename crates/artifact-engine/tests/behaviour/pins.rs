//! What a name led to, asked of a virtual repository by digest.

use std::sync::Arc;

use artifact_core::{Definition, ErrorKind, Remote, RepositoryKind};
use artifact_engine::{CacheResult, Coordination, Settings};
use http::StatusCode;
use testkit::Script;
use testkit::contract::blob_store::id_of;
use ttl_cache::MemoryTtlCache;

use crate::world::{World, at, remote};

fn member(host: &str, change: impl FnOnce(&mut Remote)) -> Definition {
    let mut remote = remote();
    remote.base_url = format!("http://upstream.example/{host}/");
    change(&mut remote);
    Definition::Remote(Box::new(remote))
}

async fn two() -> World {
    let world = World::new().await;
    for host in ["one", "two"] {
        world.put(host, "addressed", member(host, |_| {})).await;
    }
    world.virtual_of("v", "addressed", &["one", "two"]).await;
    world
}

fn on_virtual(path: &str) -> String {
    at(RepositoryKind::Virtual, "v", path)
}

fn addressed(body: &str) -> String {
    format!("app/by-digest/{}", id_of(body.as_bytes()))
}

/// Lets upstream have a file by its digest. Returns the path there.
fn publish(world: &World, host: &str, body: &'static str) -> String {
    let path = format!("/{host}/{}", addressed(body));
    world.upstream.on(&path, Script::ok(body));
    path
}

#[tokio::test(start_paused = true)]
async fn what_a_name_led_to_is_asked_of_the_member_that_knew_the_name() {
    let world = two().await;
    world.upstream.on("/two/app/tag/v1", Script::ok("manifest"));
    for body in ["manifest", "layer"] {
        publish(&world, "one", body);
        publish(&world, "two", body);
    }
    assert_eq!(world.get(&on_virtual("app/tag/v1")).await.unwrap().text(), "manifest");
    for body in ["manifest", "layer"] {
        let answer = world.get(&on_virtual(&addressed(body))).await.unwrap();
        assert_eq!((answer.text(), answer.header("x-artifact-member")), (body, Some("two")));
        assert_eq!(world.upstream.count(&format!("/one/{}", addressed(body))), 0, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_name_led_to_is_held_whatever_upstream_does_next() {
    let world = two().await;
    world.upstream.on("/two/app/tag/v1", Script::ok("manifest"));
    world.get(&on_virtual("app/tag/v1")).await.unwrap();
    let asked = world.upstream.requests().len();
    let of_member = at(RepositoryKind::Remote, "two", &addressed("manifest"));
    for path in [on_virtual(&addressed("manifest")), of_member] {
        let answer = world.get(&path).await.unwrap();
        assert_eq!((answer.text(), answer.result()), ("manifest", CacheResult::Hit));
    }
    assert_eq!(world.upstream.requests().len(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_file_of_one_package_is_held_for_the_others_that_the_rules_admit() {
    let world = two().await;
    publish(&world, "two", "layer");
    let of = |package: &str| {
        let path = addressed("layer").replacen("app", package, 1);
        at(RepositoryKind::Remote, "two", &path)
    };
    world.get(&of("app")).await.unwrap();
    assert_eq!(world.get(&of("other")).await.unwrap().result(), CacheResult::Hit);
    assert_eq!(world.upstream.requests().len(), 1);
    world
        .put("two", "addressed", member("two", |two| two.blocklist = vec!["^(app|other)/".into()]))
        .await;
    assert_eq!(world.get(&of("third")).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(world.upstream.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_upstream_is_asked_for_what_a_member_holds() {
    let world = two().await;
    let before = publish(&world, "one", "layer");
    publish(&world, "two", "layer");
    world.upstream.on(&before, Script::status(StatusCode::BAD_GATEWAY));
    let of_member = at(RepositoryKind::Remote, "two", &addressed("layer"));
    world.get(&of_member).await.unwrap();
    let elsewhere = world.beside(Settings::default(), None).await;
    for world in [&world, &elsewhere] {
        let answer = world.get(&on_virtual(&addressed("layer"))).await.unwrap();
        assert_eq!(answer.result(), CacheResult::Hit);
        assert_eq!(answer.header("x-artifact-member"), Some("two"));
    }
    assert_eq!(world.upstream.count(&before), 0);
    // The rest of the package is looked for where its first part was.
    publish(&world, "two", "other layer");
    world.get(&on_virtual(&addressed("other layer"))).await.unwrap();
    assert_eq!(world.upstream.count(&format!("/one/{}", addressed("other layer"))), 0);
}

#[tokio::test(start_paused = true)]
async fn a_member_serves_what_it_holds_only_as_far_as_its_rules_go() {
    let world = two().await;
    publish(&world, "one", "layer");
    publish(&world, "two", "layer");
    world.get(&at(RepositoryKind::Remote, "two", &addressed("layer"))).await.unwrap();
    world.put("two", "addressed", member("two", |two| two.blocklist = vec!["^app/".into()])).await;
    let answer = world.get(&on_virtual(&addressed("layer"))).await.unwrap();
    assert_eq!(answer.header("x-artifact-member"), Some("one"));
}

#[tokio::test(start_paused = true)]
async fn a_pin_that_leads_nowhere_leaves_the_members_to_their_order() {
    let world = two().await;
    world.upstream.on("/two/app/tag/v1", Script::ok("manifest"));
    world.get(&on_virtual("app/tag/v1")).await.unwrap();
    publish(&world, "one", "only in one");
    let answer = world.get(&on_virtual(&addressed("only in one"))).await.unwrap();
    assert_eq!(answer.header("x-artifact-member"), Some("one"));

    world.get(&on_virtual("app/tag/v1")).await.unwrap();
    publish(&world, "one", "while two fails");
    let failing = publish(&world, "two", "while two fails");
    world.upstream.on(&failing, Script::status(StatusCode::BAD_GATEWAY));
    let answer = world.get(&on_virtual(&addressed("while two fails"))).await.unwrap();
    assert_eq!(answer.text(), "while two fails");

    let failing = publish(&world, "one", "nowhere");
    world.upstream.on(&failing, Script::status(StatusCode::BAD_GATEWAY));
    let error = world.get(&on_virtual(&addressed("nowhere"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Upstream, "a failure in the order ends the walk");
}

#[tokio::test(start_paused = true)]
async fn another_replica_keeps_to_the_member_and_finds_it_by_itself_without_a_hint() {
    let world = two().await;
    let settings = || Settings { coordination: Coordination::Shared, ..Settings::default() };
    let told = world.beside(settings(), None).await;
    let untold = world.beside_with_hints(settings(), Arc::new(MemoryTtlCache::default())).await;
    world.upstream.on("/two/app/tag/v1", Script::ok("manifest"));
    world.get(&on_virtual("app/tag/v1")).await.unwrap();
    for (replica, layer, asked_of_one) in [(&told, "layer", 0), (&untold, "other layer", 1)] {
        publish(&world, "two", layer);
        let answer = replica.get(&on_virtual(&addressed(layer))).await.unwrap();
        assert_eq!(answer.header("x-artifact-member"), Some("two"));
        assert_eq!(world.upstream.count(&format!("/one/{}", addressed(layer))), asked_of_one);
        let asked = world.upstream.requests().len();
        let manifest = replica.get(&on_virtual(&addressed("manifest"))).await.unwrap();
        assert_eq!(manifest.header("x-artifact-member"), Some("two"));
        assert_eq!(world.upstream.requests().len(), asked);
    }
}

//! Where requests may lead and what they may take along.

mod common;

use std::sync::Arc;

use artifact_core::ports::{
    OriginState, Redirects, Trust, Upstream, UpstreamReason, UpstreamRequest, UpstreamTarget,
};
use common::{Names, client, client_with, credential, fetch, get, get_from, refused, target};
use http::StatusCode;
use http::header::LOCATION;
use testkit::{Origin, Script};
use url::Url;

fn listing(origin: &Origin, hosts: &[String]) -> UpstreamTarget {
    UpstreamTarget { allowed_hosts: hosts.to_vec(), ..target(origin.base_url()) }
}

#[tokio::test]
async fn redirects_are_followed_and_the_final_url_is_told() {
    let origin = Origin::start().await;
    origin.on("/a", Script::redirect("b?signed=1"));
    origin.on("/b", Script::redirect(&origin.url("/c")));
    origin.on("/c", Script::ok("here"));
    let response = client().send(get(&origin, "/a")).await.unwrap();
    assert_eq!(response.url.as_str(), origin.url("/c"));
    assert_eq!(common::read(response).await.unwrap(), b"here");
}

#[tokio::test]
async fn something_else_is_not_looked_at_where_only_moves_are_followed() {
    let origin = Origin::start().await;
    let see_other = Script::status(StatusCode::SEE_OTHER);
    origin.on("/a", Script::redirect("/b"));
    origin.on("/b", see_other.header(LOCATION, "/c"));
    let request = UpstreamRequest { redirects: Redirects::Moves, ..get(&origin, "/a") };
    let response = client().send(request).await.unwrap();
    assert_eq!((response.status, response.url.path()), (StatusCode::SEE_OTHER, "/b"));
    assert_eq!(origin.count("/c"), 0);
}

#[tokio::test]
async fn a_redirect_loop_is_left_after_five_hops() {
    let origin = Origin::start().await;
    origin.on("/a", Script::redirect("/a"));
    assert_eq!(refused(&client(), get(&origin, "/a")).await, UpstreamReason::Protocol);
    assert_eq!(origin.count("/a"), 6);
}

#[tokio::test]
async fn five_hops_are_fine() {
    let origin = Origin::start().await;
    for hop in 0..5 {
        origin.on(&format!("/{hop}"), Script::redirect(&format!("/{}", hop + 1)));
    }
    origin.on("/5", Script::ok("here"));
    assert_eq!(fetch(&client(), get(&origin, "/0")).await, b"here");
}

#[tokio::test]
async fn a_redirect_to_another_port_of_a_private_host_is_refused() {
    let (origin, other) = (Origin::start().await, Origin::start().await);
    origin.on("/a", Script::redirect(&other.url("/secret")));
    let client = client();
    assert_eq!(refused(&client, get(&origin, "/a")).await, UpstreamReason::Refused);
    assert_eq!(other.requests().len(), 0);
    assert_eq!(client.state(&target(origin.base_url())), OriginState::Closed);
}

#[tokio::test]
async fn names_of_private_addresses_are_refused_where_an_index_or_a_redirect_names_them() {
    let origin = Origin::start().await;
    let names = Names::of([
        ("loopback.example", "127.0.0.1"),
        ("private.example", "10.1.2.3"),
        ("mapped.example", "::ffff:192.168.0.1"),
        ("metadata.example", "169.254.169.254"),
    ]);
    let client = client_with(|settings| settings.resolver = names);
    for url in [
        "http://loopback.example/",
        "http://private.example/",
        "http://mapped.example/",
        "http://metadata.example/",
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://[::1]/",
        "http://[::ffff:7f00:1]/",
    ] {
        let mut request = get(&origin, url);
        request.trust = Trust::Index;
        assert_eq!(refused(&client, request).await, UpstreamReason::Refused, "{url}");
        origin.on("/a", Script::redirect(url));
        assert_eq!(refused(&client, get(&origin, "/a")).await, UpstreamReason::Refused, "{url}");
    }
}

#[tokio::test]
async fn metadata_addresses_are_refused_even_as_the_configured_host() {
    let names = Names::of([("mirror.example", "169.254.169.254")]);
    let client = client_with(|settings| settings.resolver = names);
    for base_url in ["http://169.254.169.254/", "http://mirror.example/", "http://[fd00:ec2::254]/"]
    {
        let request = get_from(target(base_url.parse().unwrap()), "latest/meta-data");
        assert_eq!(refused(&client, request).await, UpstreamReason::Refused, "{base_url}");
    }
}

#[tokio::test]
async fn a_configured_name_may_lead_to_loopback() {
    let origin = Origin::start().await;
    origin.on("/a", Script::ok("here"));
    let names = Names::of([("mirror.example", "127.0.0.1")]);
    let client = client_with(|settings| settings.resolver = names);
    let base_url = format!("http://mirror.example:{}/", origin.address().port());
    let request = get_from(target(base_url.parse().unwrap()), "/a");
    assert_eq!(fetch(&client, request).await, b"here");
    assert_eq!(origin.requests()[0].headers["host"], base_url[7..base_url.len() - 1]);
}

#[tokio::test]
async fn only_the_allowed_addresses_of_a_name_are_connected_to() {
    let origin = Origin::start().await;
    origin.on("/a", Script::ok("here"));
    let addresses = ["169.254.169.254", "127.0.0.1"].map(|ip| ip.parse().unwrap());
    let names = Arc::new(Names([("mirror.example", addresses.to_vec())].into()));
    let client = client_with(|settings| settings.resolver = names);
    let base_url = format!("http://mirror.example:{}/", origin.address().port());
    assert_eq!(fetch(&client, get_from(target(base_url.parse().unwrap()), "/a")).await, b"here");
}

#[tokio::test]
async fn an_unknown_name_is_a_resolution_failure() {
    let client = client_with(|settings| settings.resolver = Names::of([]));
    let request = get_from(target(Url::parse("http://nowhere.example/").unwrap()), "/a");
    assert_eq!(refused(&client, request).await, UpstreamReason::Dns);
}

#[tokio::test]
async fn the_credential_goes_to_its_origin_and_returns_with_a_redirect() {
    let (origin, other) = (Origin::start().await, Origin::start().await);
    let hosts = [other.address().to_string()];
    origin.on("/a", Script::redirect(&other.url("/b")));
    other.on("/b", Script::redirect(&origin.url("/c")));
    origin.on("/c", Script::ok("here"));
    for (username, expected) in [("", "Bearer s3cret"), ("me", "Basic bWU6czNjcmV0")] {
        let target =
            UpstreamTarget { credential: Some(credential(username)), ..listing(&origin, &hosts) };
        assert_eq!(fetch(&client(), get_from(target, "/a")).await, b"here");
        let seen = origin.requests();
        assert!(seen.iter().rev().take(2).all(|seen| seen.headers["authorization"] == expected));
    }
    assert_eq!(other.count("/b"), 2);
    assert!(other.requests().iter().all(|seen| !seen.headers.contains_key("authorization")));
}

#[tokio::test]
async fn an_index_cannot_send_the_credential_elsewhere() {
    let (origin, other) = (Origin::start().await, Origin::start().await);
    let hosts = ["127.0.0.1".to_owned()];
    let target = UpstreamTarget { credential: Some(credential("me")), ..listing(&origin, &hosts) };
    other.on("/a", Script::ok("here"));
    let mut request = get_from(target, &other.url("/a"));
    request.trust = Trust::Index;
    assert_eq!(fetch(&client(), request).await, b"here");
    assert!(!other.requests()[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn userinfo_and_foreign_schemes_are_refused() {
    let origin = Origin::start().await;
    let with_user = origin.url("/a").replace("http://", "http://me:secret@");
    for url in [with_user.as_str(), "ftp://127.0.0.1/a", "file:///etc/passwd"] {
        origin.on("/a", Script::redirect(url));
        assert_eq!(refused(&client(), get(&origin, "/a")).await, UpstreamReason::Refused, "{url}");
        let message = common::refusal(&client(), get(&origin, "/a")).await.message;
        assert!(!message.contains("secret"), "{message}");
    }
}

#[tokio::test]
async fn the_breaker_of_a_foreign_host_is_its_own() {
    let (origin, other) = (Origin::start().await, Origin::start().await);
    other.on("/b", Script::status(StatusCode::NOT_IMPLEMENTED));
    origin.on("/a", Script::redirect(&other.url("/b")));
    origin.on("/c", Script::ok("here"));
    let client = client();
    let listed = listing(&origin, &[other.address().to_string()]);
    for _ in 0..5 {
        client.send(get_from(listed.clone(), "/a")).await.unwrap();
    }
    assert_eq!(refused(&client, get_from(listed.clone(), "/a")).await, UpstreamReason::CircuitOpen);
    assert_eq!(client.state(&listed), OriginState::Closed);
    assert_eq!(fetch(&client, get_from(listed, "/c")).await, b"here");
}

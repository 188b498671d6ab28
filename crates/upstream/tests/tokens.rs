//! Upstreams that answer only who shows a token, against a real socket.

mod common;

use std::sync::Arc;

use artifact_core::ports::{Upstream, UpstreamReason};
use common::{client, credential, fetch, get, get_from, refused, target};
use futures_util::future::join_all;
use http::StatusCode;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use testkit::{Origin, Script};

fn challenge(realm: &str) -> Script {
    let text = format!(r#"Bearer realm="{realm}",service="registry",scope="repository:a:pull""#);
    Script::status(StatusCode::UNAUTHORIZED).header(WWW_AUTHENTICATE, &text)
}

/// Wants a token for the first request to each of `paths`, and gives it.
async fn registry(paths: &[&str]) -> Origin {
    let origin = Origin::start().await;
    let realm = origin.url("/token");
    for path in paths {
        origin.on(path, Script::sequence([challenge(&realm), Script::ok("bytes")]));
    }
    origin.on("/token", Script::ok(r#"{"token":"t1","expires_in":300}"#));
    origin
}

fn shown(origin: &Origin, path: &str) -> Vec<Option<String>> {
    let requests = origin.requests();
    let of_path = requests.iter().filter(|request| request.path == path);
    let header = |headers: &http::HeaderMap| {
        headers
            .get(AUTHORIZATION)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    of_path.map(|request| header(&request.headers)).collect()
}

#[tokio::test]
async fn a_token_is_fetched_when_upstream_wants_one_and_shown_from_then_on() {
    let origin = registry(&["/v2/a/manifests/1"]).await;
    origin.on("/v2/a/blobs/b", Script::ok("blob"));
    let client = client();
    assert_eq!(fetch(&client, get(&origin, "/v2/a/manifests/1")).await, b"bytes");
    assert_eq!(fetch(&client, get(&origin, "/v2/a/blobs/b")).await, b"blob");
    let bearer = Some("Bearer t1".to_owned());
    assert_eq!(shown(&origin, "/v2/a/manifests/1"), [None, bearer.clone()]);
    assert_eq!(shown(&origin, "/v2/a/blobs/b"), [bearer]);
    let token = origin.requests().into_iter().find(|request| request.path == "/token").unwrap();
    assert_eq!(token.query.as_deref(), Some("service=registry&scope=repository%3Aa%3Apull"));
    assert_eq!(shown(&origin, "/token"), [None]);
}

#[tokio::test]
async fn the_credential_buys_the_token() {
    let origin = registry(&["/v2/a/manifests/1"]).await;
    let mut target = target(origin.base_url());
    target.credential = Some(credential("me"));
    fetch(&client(), get_from(target, "/v2/a/manifests/1")).await;
    let basic = Some("Basic bWU6czNjcmV0".to_owned());
    assert_eq!(shown(&origin, "/token"), [basic]);
    assert_eq!(shown(&origin, "/v2/a/manifests/1")[1].as_deref(), Some("Bearer t1"));
}

#[tokio::test]
async fn many_who_need_a_token_at_once_share_one() {
    let paths: Vec<String> = (0..10).map(|n| format!("/v2/a/blobs/{n}")).collect();
    let origin = registry(&paths.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let client = Arc::new(client());
    let bodies = join_all(paths.iter().map(|path| fetch(&client, get(&origin, path)))).await;
    assert!(bodies.iter().all(|body| body == b"bytes"));
    assert_eq!(origin.count("/token"), 1);
}

#[tokio::test]
async fn a_token_that_is_taken_no_more_is_renewed_once() {
    let origin = registry(&["/v2/a/manifests/1"]).await;
    let realm = origin.url("/token");
    let client = client();
    fetch(&client, get(&origin, "/v2/a/manifests/1")).await;
    origin.on("/v2/a/manifests/2", Script::sequence([challenge(&realm), Script::ok("two")]));
    origin.on("/token", Script::ok(r#"{"token":"t2"}"#));
    assert_eq!(fetch(&client, get(&origin, "/v2/a/manifests/2")).await, b"two");
    let seen = shown(&origin, "/v2/a/manifests/2");
    assert_eq!(seen, [Some("Bearer t1".to_owned()), Some("Bearer t2".to_owned())]);
}

#[tokio::test]
async fn who_gets_no_token_gets_upstreams_refusal() {
    let origin = Origin::start().await;
    origin.on("/v2/a/manifests/1", challenge(&origin.url("/token")));
    origin.on("/token", Script::status(StatusCode::UNAUTHORIZED));
    let answer = client().send(get(&origin, "/v2/a/manifests/1")).await.unwrap();
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!((origin.count("/token"), origin.count("/v2/a/manifests/1")), (1, 2));
}

#[tokio::test]
async fn a_realm_elsewhere_is_told_nothing() {
    let (origin, other) = (Origin::start().await, Origin::start().await);
    let realm = other.url("/token").replace("127.0.0.1", "localhost");
    origin.on("/v2/a/manifests/1", challenge(&realm));
    let mut target = target(origin.base_url());
    target.credential = Some(credential("me"));
    let reason = refused(&client(), get_from(target, "/v2/a/manifests/1")).await;
    assert_eq!(reason, UpstreamReason::Refused);
    assert_eq!(other.requests().len(), 0);
}

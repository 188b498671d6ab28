//! A server that does not answer: everything fails in time, hits of the tier go on, and all is
//! well again when it is back.

use std::error::Error as _;
use std::time::Duration;

use artifact_core::ports::{BlobPayload, BlobStore, Durability};
use artifact_core::{BlobId, Error, ErrorKind, Result};
use cas_store::{DiskTier, Quota, S3Failure, S3Settings, S3Store, S3Timeouts, StoreError};
use futures_util::{StreamExt, TryStreamExt};
use http::{Method, Response};
use http_body_util::StreamBody;
use testkit::contract::blob_store::{Workbench, bytes_of, id_of, sample};
use testkit::services::S3Server;
use tokio::time::{Instant, sleep, timeout};

use super::server::{Reaction, Scripted, settings, settings_of};

/// A frozen server costs at most this much.
const IN_TIME: Duration = Duration::from_secs(8);

fn is_not_asked(error: &Error) -> bool {
    let cause = error.source().and_then(|source| source.downcast_ref::<StoreError>());
    matches!(cause, Some(StoreError::S3 { source: S3Failure::NotAsked, .. }))
}

async fn in_time<T: std::fmt::Debug>(call: impl Future<Output = Result<T>>) -> Error {
    let error = timeout(IN_TIME, call).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    error
}

/// Waits until the server answers again.
async fn until_back(store: &S3Store, id: BlobId) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while store.stat(id).await.is_err() {
        assert!(Instant::now() < deadline, "it does not come back");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn tier(server: &S3Server, bench: &Workbench) -> DiskTier<S3Store> {
    let store = S3Store::new(&settings_of(server).await).unwrap();
    let quota = Quota { bytes: 64 << 20, reserve: 0 };
    DiskTier::open(store, &bench.store_directory(), quota).unwrap()
}

#[tokio::test]
async fn a_frozen_server_fails_in_time_then_at_once_and_hits_go_on() {
    let Some(server) = S3Server::start().unwrap() else { return };
    let bench = Workbench::new();
    let tier = tier(&server, &bench).await;
    let bytes = sample(2_000_000);
    let held = bench.put(&tier, &bytes).await;
    let other = id_of(b"other");
    server.freeze();

    let source = bench.source("source", b"other");
    let calls = tokio::join!(
        in_time(tier.open(other, None)),
        in_time(tier.delete(other)),
        in_time(tier.list(None, 10)),
        in_time(tier.put_file(other, &source, 5, Durability::Cache)),
        in_time(tier.check()),
    );
    assert!(!is_not_asked(&calls.0), "it was asked");
    assert!(is_not_asked(&in_time(tier.open(other, None)).await), "and is left alone now");
    assert_eq!(bytes_of(tier.open(held, None).await.unwrap().unwrap()).await, bytes);
    assert_eq!(tier.stat(held).await.unwrap(), Some(2_000_000));

    server.thaw();
    until_back(tier.inner(), other).await;
    tier.put_file(other, &source, 5, Durability::Cache).await.unwrap();
    tier.check().await.unwrap();
}

#[tokio::test]
async fn a_stopped_server_fails_at_once_and_is_found_again_when_it_is_back() {
    let Some(server) = S3Server::start().unwrap() else { return };
    let bench = Workbench::new();
    let store = S3Store::new(&settings_of(&server).await).unwrap();
    let id = bench.put(&store, b"bytes").await;
    server.stop();
    let error = in_time(store.open(id, None)).await;
    let cause = error.source().and_then(|source| source.downcast_ref::<StoreError>());
    let is_unreachable =
        matches!(cause, Some(StoreError::S3 { source: S3Failure::Unreachable { .. }, .. }));
    assert!(is_unreachable, "{error:?}");

    server.restart();
    until_back(&store, id).await;
    assert_eq!(bytes_of(store.open(id, None).await.unwrap().unwrap()).await, "bytes");
}

fn impatient(endpoint: &str) -> S3Store {
    let first_byte = Duration::from_millis(200);
    let timeouts = S3Timeouts { first_byte, ..S3Timeouts::default() };
    S3Store::new(&S3Settings { timeouts, ..settings(endpoint) }).unwrap()
}

#[tokio::test]
async fn a_body_that_stops_coming_ends_with_an_error() {
    let bench = Workbench::new();
    let script = |parts: &http::request::Parts| {
        if parts.method != Method::GET {
            return Reaction::Pass;
        }
        let frame = hyper::body::Frame::data(bytes::Bytes::from(vec![7; 100_000]));
        let frames = futures_util::stream::iter([Ok::<_, std::io::Error>(frame)]);
        let frames = frames.chain(futures_util::stream::pending());
        let answer = Response::builder().header("content-length", 1_000_000);
        let body = s3s::Body::http_body_unsync(StreamBody::new(frames));
        Reaction::Answer(answer.body(body).unwrap())
    };
    let server = Scripted::start(&bench.store_directory(), script).await;
    let store = impatient(&server.endpoint);
    let read = store.open(id_of(b"bytes"), None).await.unwrap().unwrap();
    let BlobPayload::Stream(stream) = read.payload else { panic!("too long for memory") };
    let collected: Result<Vec<_>> = timeout(IN_TIME, stream.try_collect()).await.unwrap();
    assert_eq!(collected.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn after_three_silences_nothing_is_sent_for_a_moment() {
    let bench = Workbench::new();
    let server = Scripted::start(&bench.store_directory(), |_| Reaction::Hang).await;
    let store = impatient(&server.endpoint);
    for _ in 0..3 {
        assert!(!is_not_asked(&in_time(store.open(id_of(b"bytes"), None)).await));
    }
    for _ in 0..10 {
        assert!(is_not_asked(&in_time(store.open(id_of(b"bytes"), None)).await));
    }
    assert_eq!(server.requests().len(), 3);
}

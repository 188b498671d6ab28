//! Failures are told apart, none of them is an absence, and none gives a secret away.

use std::error::Error as _;
use std::path::Path;

use artifact_core::ports::{BlobStore, Durability};
use artifact_core::{ErrorKind, Secret};
use cas_store::{S3Failure, S3Settings, S3Store, Security, StoreError};
use http::Method;
use http::header::HeaderValue;
use http::request::Parts;
use testkit::contract::blob_store::{Workbench, bytes_of, id_of, sample};
use testkit::services::shared;

use super::server::{Reaction, SECRET_KEY, Scripted, answer, refusal, settings, settings_of};

/// Why the store that `settings` describe does not work.
async fn problem(settings: &S3Settings) -> S3Failure {
    match S3Store::new(settings).unwrap().probe().await.unwrap_err() {
        StoreError::S3 { source, .. } => source,
        other => panic!("{other}"),
    }
}

/// `s3s-fs` makes a bucket when something is put into it and finds no keys where none is, so the
/// script says what a server should.
fn without_other_buckets(parts: &Parts) -> Reaction {
    match parts.method {
        _ if parts.uri.path().starts_with("/artifacts") => Reaction::Pass,
        Method::HEAD => answer(404, ""),
        _ => refusal(404, "NoSuchBucket"),
    }
}

/// The settings of both servers, of which the real one may not be there.
async fn all_settings(root: &Path) -> Vec<S3Settings> {
    let scripted = Scripted::start(root, without_other_buckets).await;
    let mut all = vec![settings(&scripted.endpoint)];
    if let Some(server) = shared::s3() {
        all.push(settings_of(server).await);
    }
    all
}

#[tokio::test]
async fn wrong_settings_are_told_apart() {
    let bench = Workbench::new();
    for right in all_settings(&bench.store_directory()).await {
        S3Store::new(&right).unwrap().probe().await.unwrap();

        let wrong = S3Settings { bucket: "elsewhere".to_owned(), ..right.clone() };
        assert!(matches!(problem(&wrong).await, S3Failure::MissingBucket));

        let wrong = S3Settings { access_key: "somebody".to_owned(), ..right.clone() };
        let found = problem(&wrong).await;
        assert!(matches!(&found, S3Failure::Refused { .. }), "{found:?}");

        let wrong = S3Settings { secret_key: Secret::new("guessed-key"), ..right.clone() };
        let found = problem(&wrong).await;
        assert!(
            matches!(&found, S3Failure::Refused { code } if code == "SignatureDoesNotMatch"),
            "{found:?}"
        );

        let wrong = S3Settings { endpoint: "127.0.0.1:1".to_owned(), ..right.clone() };
        assert!(matches!(problem(&wrong).await, S3Failure::Unreachable { .. }));

        let wrong = S3Settings { security: Security::Tls, ..right.clone() };
        assert!(matches!(problem(&wrong).await, S3Failure::Unreachable { .. }));
    }
}

#[tokio::test]
async fn another_region_is_named_and_another_kind_of_server_is_recognised() {
    let bench = Workbench::new();
    let elsewhere = |_: &_| {
        let body =
            "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
        answer(400, body)
    };
    let server = Scripted::start(&bench.store_directory(), elsewhere).await;
    let found = problem(&settings(&server.endpoint)).await;
    assert!(
        matches!(&found, S3Failure::WrongRegion { region: Some(region) } if region == "eu-west-1"),
        "{found:?}"
    );

    let page = |_: &_| answer(404, "<html>nothing here</html>");
    let server = Scripted::start(&bench.store_directory(), page).await;
    let found = problem(&settings(&server.endpoint)).await;
    assert!(matches!(found, S3Failure::NotAStore { status: 404 }), "{found:?}");
}

#[test]
fn unusable_settings_are_refused_before_anything_is_asked() {
    for endpoint in ["", "ftp://example.com", "http://example.com/path"] {
        let error = S3Store::new(&settings(endpoint)).unwrap_err();
        assert!(matches!(error, StoreError::S3Settings { .. }), "{endpoint}");
    }
}

#[tokio::test]
async fn nothing_is_absent_from_a_bucket_that_does_not_exist() {
    let bench = Workbench::new();
    for right in all_settings(&bench.store_directory()).await {
        let wrong = S3Settings { bucket: "elsewhere".to_owned(), ..right };
        let store = S3Store::new(&wrong).unwrap();
        let id = id_of(b"bytes");
        let unavailable = |kind| assert_eq!(kind, ErrorKind::Unavailable);
        unavailable(store.open(id, None).await.unwrap_err().kind());
        unavailable(store.stat(id).await.unwrap_err().kind());
        unavailable(store.delete(id).await.unwrap_err().kind());
        unavailable(store.list(None, 10).await.unwrap_err().kind());
        unavailable(store.epoch().await.unwrap_err().kind());
        unavailable(store.set_epoch(1).await.unwrap_err().kind());
        unavailable(store.check().await.unwrap_err().kind());
        let source = bench.source("source", b"bytes");
        let put = store.put_file(id, &source, 5, Durability::Cache).await;
        unavailable(put.unwrap_err().kind());
        assert!(source.exists(), "a failed put leaves the file to its owner");
    }
}

#[tokio::test]
async fn the_bucket_is_asked_for_once_while_many_blobs_are_absent() {
    let bench = Workbench::new();
    let server = Scripted::start(&bench.store_directory(), |_| Reaction::Pass).await;
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    for number in 0..20 {
        assert_eq!(store.stat(id_of(&[number])).await.unwrap(), None);
    }
    assert_eq!(server.count_of(&["HEAD /artifacts"]), 21);
}

#[tokio::test]
async fn a_not_found_that_is_not_about_the_key_is_no_absence() {
    let bench = Workbench::new();
    for code in ["NoSuchBucket", "NoSuchUpload", ""] {
        let script = move |_: &_| refusal(404, code);
        let server = Scripted::start(&bench.store_directory(), script).await;
        let store = S3Store::new(&settings(&server.endpoint)).unwrap();
        let error = store.open(id_of(b"bytes"), None).await.unwrap_err();
        assert!(!error.is_absent(), "{code}");
    }
}

#[tokio::test]
async fn a_server_that_has_trouble_for_a_moment_is_asked_again() {
    let bench = Workbench::new();
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let script = move |_: &_| match asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 3 {
        0 => refusal(503, "SlowDown"),
        1 => refusal(500, "InternalError"),
        _ => Reaction::Pass,
    };
    let server = Scripted::start(&bench.store_directory(), script).await;
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    let bytes = sample(100_000);
    let id = bench.put(&store, &bytes).await;
    assert_eq!(bytes_of(store.open(id, None).await.unwrap().unwrap()).await, bytes);
    assert_eq!(server.requests().len(), 15, "three times each of five");
}

#[tokio::test]
async fn a_server_that_stays_in_trouble_is_asked_three_times() {
    let bench = Workbench::new();
    let server = Scripted::start(&bench.store_directory(), |_| refusal(503, "SlowDown")).await;
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    let error = store.open(id_of(b"bytes"), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_full_server_is_told_apart() {
    let bench = Workbench::new();
    let script = |parts: &Parts| match parts.method {
        Method::PUT => refusal(507, "XMinioStorageFull"),
        _ => Reaction::Pass,
    };
    let server = Scripted::start(&bench.store_directory(), script).await;
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    let source = bench.source("source", b"bytes");
    let put = store.put_file(id_of(b"bytes"), &source, 5, Durability::Cache).await;
    assert_eq!(put.unwrap_err().kind(), ErrorKind::InsufficientStorage);
}

#[tokio::test]
async fn a_header_that_is_no_text_is_no_trouble() {
    let bench = Workbench::new();
    let script = |parts: &Parts| {
        if parts.method != Method::GET {
            return Reaction::Pass;
        }
        let mut answer = http::Response::new(s3s::Body::from("bytes".to_owned()));
        let noise = HeaderValue::from_bytes(b"\xff\xfe").unwrap();
        for name in ["etag", "x-amz-meta-noise", "x-amz-delete-marker", "x-amz-mp-parts-count"] {
            answer.headers_mut().insert(name, noise.clone());
        }
        Reaction::Answer(answer)
    };
    let server = Scripted::start(&bench.store_directory(), script).await;
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    let read = store.open(id_of(b"bytes"), None).await.unwrap().unwrap();
    assert_eq!(bytes_of(read).await, "bytes");
}

#[tokio::test]
async fn a_listing_that_is_nonsense_is_a_failure() {
    let bench = Workbench::new();
    let key = format!("<Key>blobs/sha256/{}</Key>", "ab".repeat(32));
    let time = "<LastModified>2026-01-02T03:04:05Z</LastModified>";
    let contents = [
        format!("<Contents>{key}{time}<Size>many</Size></Contents>"),
        format!("<Contents>{key}{time}<Size>-1</Size></Contents>"),
        format!("<Contents>{key}<Size>1</Size></Contents>"),
        "<Contents>".to_owned(),
    ];
    for contents in contents {
        let script = move |_: &_| answer(200, &format!("<ListBucketResult>{contents}"));
        let server = Scripted::start(&bench.store_directory(), script).await;
        let store = S3Store::new(&settings(&server.endpoint)).unwrap();
        let error = store.list(None, 10).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn a_probe_object_is_removed_when_it_does_not_read_back() {
    let bench = Workbench::new();
    let script = |parts: &Parts| match parts.method {
        Method::GET => answer(200, "something else"),
        _ => Reaction::Pass,
    };
    let server = Scripted::start(&bench.store_directory(), script).await;
    let found = problem(&settings(&server.endpoint)).await;
    assert!(matches!(found, S3Failure::Unreadable { .. }), "{found:?}");
    assert_eq!(server.count_of(&["DELETE /artifacts/probe/"]), 1);
}

#[tokio::test]
async fn no_secret_is_in_any_text() {
    let bench = Workbench::new();
    let server = Scripted::start(&bench.store_directory(), |_| Reaction::Pass).await;
    let wrong = S3Settings { access_key: "somebody".to_owned(), ..settings(&server.endpoint) };
    let store = S3Store::new(&wrong).unwrap();
    let error = store.open(id_of(b"bytes"), None).await.unwrap_err();
    let mut texts = vec![format!("{wrong:?}"), format!("{store:?}"), format!("{error:?} {error}")];
    let mut source = error.source();
    while let Some(cause) = source {
        texts.push(format!("{cause:?} {cause}"));
        source = cause.source();
    }
    assert!(texts.iter().any(|text| text.contains("the credentials are refused")), "{texts:?}");
    for text in texts {
        assert!(!text.contains(SECRET_KEY) && !text.contains("Signature="), "{text}");
    }
    assert!(!error.public().contains(&server.endpoint), "clients see no place");
}

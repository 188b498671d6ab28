//! Large blobs go up in parts, and nothing of an upload that failed stays behind.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use artifact_core::BlobId;
use artifact_core::ports::{BlobPayload, BlobStore, ByteRange, Durability};
use artifact_core::{Clock, SystemClock, Timestamp};
use cas_store::S3Store;
use futures_util::TryStreamExt;
use http::request::Parts;
use testkit::contract::blob_store::{Workbench, bytes_of, sample};
use testkit::services::shared;

use super::server::{Reaction, Scripted, answer, refusal, settings, settings_of};

const BLOCK: usize = 1 << 20;
const BLOCKS: usize = 70;
const SIZE: u64 = (BLOCK * BLOCKS) as u64;
const ID: BlobId = BlobId::from_bytes([7; 32]);

/// A file of five parts, every block of which tells its number.
fn large_source(bench: &Workbench) -> PathBuf {
    let path = bench.source("large", b"");
    let mut file = fs::File::create(&path).unwrap();
    let rest = sample(BLOCK - 8);
    for number in 0..BLOCKS as u64 {
        file.write_all(&number.to_be_bytes()).unwrap();
        file.write_all(&rest).unwrap();
    }
    path
}

async fn assert_is_whole(store: &S3Store) {
    let read = store.open(ID, None).await.unwrap().unwrap();
    assert_eq!(read.size, SIZE);
    let BlobPayload::Stream(mut stream) = read.payload else { panic!("far too long for memory") };
    let mut all = Vec::new();
    while let Some(piece) = stream.try_next().await.unwrap() {
        all.extend_from_slice(&piece);
    }
    assert_eq!(all.len() as u64, SIZE);
    let rest = sample(BLOCK - 8);
    for (number, block) in (0..).zip(all.chunks(BLOCK)) {
        let (head, found) = block.split_first_chunk().unwrap();
        assert_eq!(u64::from_be_bytes(*head), number);
        assert!(found == rest, "block {number}");
    }
    let range = ByteRange { start: (16 << 20) - 4, end: (16 << 20) + 8 };
    let across = bytes_of(store.open(ID, Some(range)).await.unwrap().unwrap()).await;
    assert!(across.ends_with(&16_u64.to_be_bytes()), "across the border of two parts");
}

#[tokio::test]
async fn a_large_blob_goes_up_in_parts_and_comes_back_whole() {
    let bench = Workbench::new();
    let server = Scripted::start(&bench.store_directory(), |_| Reaction::Pass).await;
    let mut stores = vec![S3Store::new(&settings(&server.endpoint)).unwrap()];
    if let Some(server) = shared::s3() {
        stores.push(S3Store::new(&settings_of(server).await).unwrap());
    }
    for store in stores {
        let source = large_source(&bench);
        store.put_file(ID, &source, SIZE, Durability::Strict).await.unwrap();
        assert!(!source.exists());
        assert_eq!(store.stat(ID).await.unwrap(), Some(SIZE));
        assert_is_whole(&store).await;
    }
    assert_eq!(server.count_of(&["PUT", "partNumber="]), 5);
    assert_eq!(server.count_of(&["DELETE"]), 0);
}

/// Answers to the part `number` are `reaction`, all others as they should be.
fn at_part(number: u32, reaction: fn(usize) -> Reaction) -> impl Fn(&Parts) -> Reaction {
    let asked = AtomicUsize::new(0);
    move |parts| {
        let query = parts.uri.query().unwrap_or_default();
        let is_meant = query.split('&').any(|pair| pair == format!("partNumber={number}"));
        if is_meant { reaction(asked.fetch_add(1, Ordering::SeqCst)) } else { Reaction::Pass }
    }
}

#[tokio::test]
async fn a_part_that_fails_for_a_moment_is_sent_again() {
    let bench = Workbench::new();
    let once = |asked| if asked == 0 { refusal(503, "SlowDown") } else { Reaction::Pass };
    let server = Scripted::start(&bench.store_directory(), at_part(2, once)).await;
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    store.put_file(ID, &large_source(&bench), SIZE, Durability::Cache).await.unwrap();
    assert_is_whole(&store).await;
}

#[tokio::test]
async fn a_part_that_fails_aborts_the_upload() {
    let bench = Workbench::new();
    let script = at_part(3, |_| refusal(400, "InvalidRequest"));
    let server = Scripted::start(&bench.store_directory(), script).await;
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    let source = large_source(&bench);
    store.put_file(ID, &source, SIZE, Durability::Cache).await.unwrap_err();
    server.request_with(&["DELETE", "uploadId="]).await;
    assert!(source.exists(), "a failed put leaves the file to its owner");
    assert_eq!(store.stat(ID).await.unwrap(), None);
}

#[tokio::test]
async fn a_put_that_nobody_waits_for_is_aborted() {
    let bench = Workbench::new();
    let server = Scripted::start(&bench.store_directory(), at_part(2, |_| Reaction::Hang)).await;
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    let source = large_source(&bench);
    tokio::select! {
        _ = store.put_file(ID, &source, SIZE, Durability::Cache) => panic!("it hangs"),
        () = server.request_with(&["PUT", "partNumber=2"]) => {}
    }
    server.request_with(&["DELETE", "uploadId="]).await;
    assert_eq!(server.count_of(&["POST", "uploadId="]), 0, "it is not completed");
}

#[tokio::test]
async fn uploads_that_a_crash_left_are_found_by_age() {
    let bench = Workbench::new();
    let now = SystemClock.now();
    let upload = |id: &str, began: Timestamp| {
        let key = format!("blobs/sha256/{}", "ab".repeat(32));
        format!(
            "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{began}</Initiated></Upload>"
        )
    };
    let old = upload("old", Timestamp::from_millis(now.as_millis() - 90_000_000));
    let new = upload("new", now);
    let listing = format!(
        "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>{old}{new}\
         </ListMultipartUploadsResult>"
    );
    let script = move |parts: &Parts| {
        let query = parts.uri.query().unwrap_or_default();
        match parts.method {
            http::Method::GET if query.contains("uploads") => answer(200, &listing),
            http::Method::DELETE => answer(204, ""),
            _ => Reaction::Pass,
        }
    };
    let server = Scripted::start(&bench.store_directory(), script).await;
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    let day = Duration::from_secs(86_400);
    assert_eq!(store.abort_stale_uploads(day).await.unwrap(), 1);
    assert_eq!(server.count_of(&["DELETE", "uploadId=old"]), 1);
    assert_eq!(server.count_of(&["DELETE"]), 1);
}

#[tokio::test]
async fn a_real_server_lists_uploads_without_complaint() {
    let Some(server) = shared::s3() else { return };
    let store = S3Store::new(&settings_of(server).await).unwrap();
    assert_eq!(store.abort_stale_uploads(Duration::ZERO).await.unwrap(), 0);
}

//! Uploads that any replica continues: the contract on both servers, what is asked of a server, and
//! what is left when it fails half-way.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use artifact_core::ErrorKind;
use artifact_core::ports::{BlobStore, ByteRange, Staging, UploadId};
use bytes::Bytes;
use cas_store::{FileStore, S3Settings, S3Store};
use http::Method;
use http::request::Parts;
use testkit::contract::blob_store::{Workbench, bytes_of, id_of, sample};
use testkit::contract::staging::StagingBackend;
use testkit::services::shared;

use super::server::{Reaction, Scripted, refusal, settings, settings_of};

const MIB: usize = 1 << 20;

struct Bucket(S3Settings);

impl StagingBackend for Bucket {
    type Store = S3Store;

    fn open(&self) -> S3Store {
        S3Store::new(&self.0).unwrap()
    }
}

async fn in_process(directory: PathBuf) -> Bucket {
    let server = Scripted::start(&directory, |_| Reaction::Pass).await;
    Bucket(settings(&server.endpoint))
}

async fn on_a_server(_: PathBuf) -> Option<Bucket> {
    Some(Bucket(settings_of(shared::s3()?).await))
}

mod s3_in_this_process {
    testkit::staging_contract!(super::in_process);
}

mod s3_on_a_server {
    testkit::staging_contract!(if_there super::on_a_server);
}

/// `length` bytes, every mebibyte of which begins with its number.
fn numbered(length: usize) -> Bytes {
    let rest = sample(MIB - 8);
    let mut bytes = Vec::with_capacity(length + MIB);
    for number in 0_u64.. {
        if bytes.len() >= length {
            break;
        }
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(&rest);
    }
    bytes.truncate(length);
    Bytes::from(bytes)
}

/// What of uploads in parts is left on the server in this process: their parts and descriptions.
fn left_over_parts(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".upload")).collect()
}

/// The objects whose keys begin with `prefix`.
fn objects_below(root: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut directories = vec![root.join(super::server::BUCKET).join(prefix)];
    let mut found = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { directories.push(path) } else { found.push(path) }
        }
    }
    found
}

/// Nothing is staged.
fn assert_nothing_is_left(root: &Path) {
    assert_eq!(objects_below(root, "uploads"), Vec::<PathBuf>::new());
    assert_eq!(left_over_parts(root), [""; 0]);
}

/// Neither is there anything that was staged.
fn assert_nothing_is_left_at_all(root: &Path) {
    assert_nothing_is_left(root);
    for prefix in ["whole", "links"] {
        assert_eq!(objects_below(root, prefix), Vec::<PathBuf>::new());
    }
}

/// The state of an upload of `bytes`.
async fn uploaded(store: &S3Store, id: UploadId, bytes: &Bytes) -> String {
    let mut writer = store.write(id, "", &[]).await.unwrap();
    for chunk in bytes.chunks(MIB) {
        writer.append(bytes.slice_ref(chunk)).await.unwrap();
    }
    writer.flush().await.unwrap().state
}

async fn assert_is(store: &S3Store, bytes: &Bytes) {
    let read = store.open(id_of(bytes), None).await.unwrap().unwrap();
    assert!(bytes_of(read).await == bytes);
}

/// A server that does as it should until `is_broken` is set, and then refuses what `is_meant`.
async fn breakable(
    root: &Path,
    is_meant: impl Fn(&Parts) -> bool + Send + Sync + 'static,
) -> (Scripted, Arc<AtomicBool>) {
    let is_broken = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&is_broken);
    let script = move |parts: &Parts| {
        if switch.load(Ordering::SeqCst) && is_meant(parts) {
            return refusal(400, "InvalidRequest");
        }
        Reaction::Pass
    };
    (Scripted::start(root, script).await, is_broken)
}

fn is_part(parts: &Parts, number: usize) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    query.split('&').any(|pair| pair == format!("partNumber={number}"))
}

#[tokio::test]
async fn a_short_upload_is_one_object_and_one_copy_of_it() {
    let bench = Workbench::new();
    let root = bench.store_directory();
    let server = Scripted::start(&root, |_| Reaction::Pass).await;
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    let (id, bytes) = (UploadId::random(), numbered(7 * MIB));
    let mut writer = store.write(id, "", &[]).await.unwrap();
    writer.append(bytes.clone()).await.unwrap();
    let state = writer.flush().await.unwrap().state;
    assert_eq!(server.requests().len(), 1, "{:?}", server.requests());
    assert_eq!(writer.flush().await.unwrap().state, state);
    assert_eq!(server.requests().len(), 1, "there was nothing to flush");
    store.keep(id, &state, id_of(&bytes)).await.unwrap();
    assert_eq!(server.count_of(&["PUT"]), 2);
    assert_eq!(server.count_of(&["POST"]), 0);
    assert_eq!(server.count_of(&["GET /artifacts/uploads"]), 0, "no byte travels twice");
    assert_nothing_is_left(&root);
}

#[tokio::test]
async fn an_upload_in_parts_stays_where_it_is_and_no_byte_travels_twice() {
    let bench = Workbench::new();
    let root = bench.store_directory();
    let server = Scripted::start(&root, |_| Reaction::Pass).await;
    let mut all = vec![settings(&server.endpoint)];
    if let Some(server) = shared::s3() {
        all.push(settings_of(server).await);
    }
    let bytes = numbered(70 * MIB + 7);
    for settings in all {
        let store = S3Store::new(&settings).unwrap();
        let id = UploadId::random();
        let state = uploaded(&store, id, &bytes).await;
        store.keep(id, &state, id_of(&bytes)).await.unwrap();
        assert_eq!(store.staged(None, 10).await.unwrap(), []);
        assert_is(&store, &bytes).await;
        let range = ByteRange { start: 8 << 20, end: (8 << 20) + 8 };
        let across = store.open(id_of(&bytes), Some(range)).await.unwrap().unwrap();
        assert_eq!(bytes_of(across).await, 8_u64.to_be_bytes().as_slice());
        let behind = ByteRange { start: 1 << 40, end: u64::MAX };
        let behind = store.open(id_of(&bytes), Some(behind)).await.unwrap().unwrap();
        assert_eq!((behind.size, bytes_of(behind).await), (bytes.len() as u64, Bytes::new()));
    }
    assert_eq!(server.count_of(&["PUT /artifacts/whole", "partNumber"]), 9, "and the tail");
    assert_eq!(server.count_of(&["PUT /artifacts/blobs"]), 0);
    assert_eq!(server.count_of(&["PUT /artifacts/links"]), 1);
    assert_eq!(server.count_of(&["GET /artifacts/whole"]), 3, "those here");
    assert_nothing_is_left(&root);
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    assert!(store.delete(id_of(&bytes)).await.unwrap());
    assert_nothing_is_left_at_all(&root);
}

#[tokio::test]
async fn a_blob_under_its_own_key_costs_no_look_for_links() {
    let bench = Workbench::new();
    let server = Scripted::start(&bench.store_directory(), |_| Reaction::Pass).await;
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    let bytes = numbered(9 * MIB);
    for bytes in [&bytes.slice(..5), &bytes] {
        let id = bench.put(&store, bytes).await;
        let before = server.requests().len();
        assert_is(&store, bytes).await;
        assert_eq!(store.stat(id).await.unwrap(), Some(bytes.len() as u64));
        assert_eq!(server.requests().len(), before + 2);
    }
    assert_eq!(server.count_of(&["prefix=links"]), 1, "before the long one was put");
}

#[tokio::test]
async fn a_part_that_fails_leaves_the_upload_where_the_last_flush_was() {
    let bench = Workbench::new();
    let root = bench.store_directory();
    let (server, is_broken) = breakable(&root, |parts| is_part(parts, 2)).await;
    let settings = settings(&server.endpoint);
    let (id, bytes) = (UploadId::random(), numbered(20 * MIB));
    let store = S3Store::new(&settings).unwrap();
    let mut writer = store.write(id, "", &[]).await.unwrap();
    writer.append(bytes.slice(..9 * MIB)).await.unwrap();
    let flushed = writer.flush().await.unwrap();
    is_broken.store(true, Ordering::SeqCst);
    // Now or at the flush: the part is sent meanwhile.
    let _ = writer.append(bytes.slice(9 * MIB..)).await;
    assert_eq!(writer.flush().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(writer.append(Bytes::from_static(b"x")).await.is_err(), "it is given up");
    assert!(writer.flush().await.is_err());
    drop(writer);
    is_broken.store(false, Ordering::SeqCst);

    let store = S3Store::new(&settings).unwrap();
    let mut writer = store.write(id, &flushed.state, &[]).await.unwrap();
    assert_eq!(writer.digests().blob_id(), Some(id_of(&bytes[..9 * MIB])));
    writer.append(bytes.slice(9 * MIB..)).await.unwrap();
    let state = writer.flush().await.unwrap().state;
    store.keep(id, &state, id_of(&bytes)).await.unwrap();
    let read = store.open(id_of(&bytes), None).await.unwrap().unwrap();
    assert!(bytes_of(read).await == bytes);
    assert_nothing_is_left(&root);
}

#[tokio::test]
async fn a_part_that_fails_for_a_moment_is_sent_again() {
    let bench = Workbench::new();
    let asked = AtomicUsize::new(0);
    let script = move |parts: &Parts| {
        if is_part(parts, 1) && asked.fetch_add(1, Ordering::SeqCst) == 0 {
            return refusal(503, "SlowDown");
        }
        Reaction::Pass
    };
    let server = Scripted::start(&bench.store_directory(), script).await;
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    let (id, bytes) = (UploadId::random(), numbered(9 * MIB));
    let mut writer = store.write(id, "", &[]).await.unwrap();
    writer.append(bytes.clone()).await.unwrap();
    let state = writer.flush().await.unwrap().state;
    store.keep(id, &state, id_of(&bytes)).await.unwrap();
    let read = store.open(id_of(&bytes), None).await.unwrap().unwrap();
    assert!(bytes_of(read).await == bytes);
}

#[tokio::test]
async fn an_upload_that_failed_before_its_first_flush_leaves_nothing_behind_a_discard() {
    let bench = Workbench::new();
    let root = bench.store_directory();
    let (server, is_broken) = breakable(&root, |parts| is_part(parts, 2)).await;
    is_broken.store(true, Ordering::SeqCst);
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    let id = UploadId::random();
    let mut writer = store.write(id, "", &[]).await.unwrap();
    let _ = writer.append(numbered(17 * MIB)).await;
    writer.flush().await.unwrap_err();
    assert!(!left_over_parts(&root).is_empty());
    let listed = store.staged(None, 10).await.unwrap();
    assert_eq!(listed.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [id], "it is found");
    drop(writer);
    store.discard(id, "").await.unwrap();
    assert_nothing_is_left_at_all(&root);
}

#[tokio::test]
async fn an_upload_whose_marker_fails_is_aborted() {
    let bench = Workbench::new();
    let root = bench.store_directory();
    let is_marker =
        |parts: &Parts| parts.method == Method::PUT && parts.uri.path().contains("/multipart/");
    let (server, is_broken) = breakable(&root, is_marker).await;
    is_broken.store(true, Ordering::SeqCst);
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    let mut writer = store.write(UploadId::random(), "", &[]).await.unwrap();
    let _ = writer.append(numbered(8 * MIB)).await;
    writer.flush().await.unwrap_err();
    assert_nothing_is_left(&root);
}

/// The requests of a keep that change something, in their order.
const STEPS: [fn(&Parts) -> bool; 6] = [
    |parts| is_put_of(parts, "/multipart/"),
    |parts| is_part(parts, 2),
    |parts| {
        parts.method == Method::POST && parts.uri.query().is_some_and(|q| q.contains("uploadId"))
    },
    |parts| is_put_of(parts, "/links/"),
    |parts| parts.method == Method::DELETE && parts.uri.path().contains("/tail/"),
    |parts| parts.method == Method::DELETE && parts.uri.path().contains("/multipart/"),
];
/// From which of them on the bytes are the blob's.
const LINKED_AFTER: usize = 4;

fn is_put_of(parts: &Parts, key: &str) -> bool {
    parts.method == Method::PUT && parts.uri.path().contains(key)
}

#[tokio::test]
async fn a_keep_that_breaks_off_anywhere_is_repeated_or_cleared_away() {
    for (step, is_meant) in STEPS.into_iter().enumerate() {
        for is_repeated in [true, false] {
            let bench = Workbench::new();
            let root = bench.store_directory();
            let (server, is_broken) = breakable(&root, is_meant).await;
            let settings = settings(&server.endpoint);
            let store = S3Store::new(&settings).unwrap();
            let (id, bytes) = (UploadId::random(), numbered(9 * MIB));
            let state = uploaded(&store, id, &bytes).await;
            is_broken.store(true, Ordering::SeqCst);
            store.keep(id, &state, id_of(&bytes)).await.unwrap_err();
            is_broken.store(false, Ordering::SeqCst);

            let store = S3Store::new(&settings).unwrap();
            let staged = store.staged(None, 10).await.unwrap();
            assert_eq!(staged.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [id], "it is found");
            if is_repeated {
                store.keep(id, &state, id_of(&bytes)).await.unwrap();
            } else {
                store.discard(id, "").await.unwrap();
            }
            assert_nothing_is_left(&root);
            if is_repeated || step >= LINKED_AFTER {
                assert_is(&store, &bytes).await;
            }
            let was_there = store.delete(id_of(&bytes)).await.unwrap();
            assert_eq!(was_there, is_repeated || step >= LINKED_AFTER, "step {step}");
            assert_nothing_is_left_at_all(&root);
        }
    }
}

#[tokio::test]
async fn a_keep_of_bytes_that_came_meanwhile_leaves_those_and_drops_its_own() {
    for (step, is_meant) in STEPS.into_iter().enumerate().take(LINKED_AFTER) {
        let bench = Workbench::new();
        let root = bench.store_directory();
        let (server, is_broken) = breakable(&root, is_meant).await;
        let store = S3Store::new(&settings(&server.endpoint)).unwrap();
        let (slow, quick, bytes) = (UploadId::random(), UploadId::random(), numbered(9 * MIB));
        let state = uploaded(&store, slow, &bytes).await;
        let state_of_quick = uploaded(&store, quick, &bytes).await;
        is_broken.store(true, Ordering::SeqCst);
        store.keep(slow, &state, id_of(&bytes)).await.unwrap_err();
        is_broken.store(false, Ordering::SeqCst);
        store.keep(quick, &state_of_quick, id_of(&bytes)).await.unwrap();
        store.keep(slow, &state, id_of(&bytes)).await.unwrap();
        assert_is(&store, &bytes).await;
        assert_nothing_is_left(&root);
        let whole = objects_below(&root, "whole");
        assert_eq!(whole.len(), 1, "step {step}: {whole:?}");
        assert!(whole.iter().all(|path| path.to_string_lossy().contains(&quick.to_string())));
    }
}

#[tokio::test]
async fn a_deletion_that_breaks_off_leaves_nothing_that_is_read_and_is_repeated() {
    let steps: [fn(&Parts) -> bool; 2] =
        [|parts| is_delete_of(parts, "/whole/"), |parts| is_delete_of(parts, "/links/")];
    for (step, is_meant) in steps.into_iter().enumerate() {
        let bench = Workbench::new();
        let root = bench.store_directory();
        let (server, is_broken) = breakable(&root, is_meant).await;
        let store = S3Store::new(&settings(&server.endpoint)).unwrap();
        let (id, bytes) = (UploadId::random(), numbered(9 * MIB));
        let (blob, other) = (id_of(&bytes), bench.put(&store, b"other").await);
        let state = uploaded(&store, id, &bytes).await;
        store.keep(id, &state, blob).await.unwrap();
        is_broken.store(true, Ordering::SeqCst);
        store.delete(blob).await.unwrap_err();
        is_broken.store(false, Ordering::SeqCst);
        if step == 1 {
            assert!(store.open(blob, None).await.unwrap().is_none(), "a link to nothing");
            assert_eq!(store.stat(blob).await.unwrap(), None);
            let listed = store.list(None, 1).await.unwrap();
            assert_eq!(listed.iter().map(|listing| listing.id).collect::<Vec<_>>(), [other]);
            // Somebody uploads it anew before the deletion is repeated.
            let id = UploadId::random();
            let state = uploaded(&store, id, &bytes).await;
            store.keep(id, &state, blob).await.unwrap();
            assert_is(&store, &bytes).await;
            assert_eq!(store.list(None, 10).await.unwrap().len(), 2);
        }
        assert!(store.delete(blob).await.unwrap());
        assert_nothing_is_left_at_all(&root);
    }
}

fn is_delete_of(parts: &Parts, key: &str) -> bool {
    parts.method == Method::DELETE && parts.uri.path().contains(key)
}

#[tokio::test]
async fn a_blob_that_is_linked_and_under_its_own_key_is_one_blob() {
    let bench = Workbench::new();
    let root = bench.store_directory();
    let server = Scripted::start(&root, |_| Reaction::Pass).await;
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    let (id, bytes) = (UploadId::random(), numbered(9 * MIB));
    let (blob, state) = (id_of(&bytes), uploaded(&store, id, &bytes).await);
    store.keep(id, &state, blob).await.unwrap();
    // Another replica had looked before.
    let named = root.join(super::server::BUCKET).join("blobs/sha256");
    fs::create_dir_all(&named).unwrap();
    fs::write(named.join(blob.to_hex()), &bytes).unwrap();
    assert_is(&store, &bytes).await;
    assert_eq!(store.list(None, 10).await.unwrap().len(), 1);
    assert!(store.delete(blob).await.unwrap());
    assert_eq!(store.stat(blob).await.unwrap(), None);
    assert_nothing_is_left_at_all(&root);
}

#[tokio::test]
async fn parts_that_the_server_has_expired_are_gone_and_not_an_outage() {
    let bench = Workbench::new();
    let script = |parts: &Parts| {
        if is_part(parts, 2) { refusal(404, "NoSuchUpload") } else { Reaction::Pass }
    };
    let server = Scripted::start(&bench.store_directory(), script).await;
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    let mut writer = store.write(UploadId::random(), "", &[]).await.unwrap();
    let error = match writer.append(numbered(17 * MIB)).await {
        Ok(()) => writer.flush().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn uploads_that_only_the_server_knows_are_aborted_by_a_discard() {
    let bench = Workbench::new();
    let id = UploadId::random();
    let upload = |key: String, upload: &str| {
        format!("<Upload><Key>{key}</Key><UploadId>{upload}</UploadId></Upload>")
    };
    let ours = upload(format!("whole/{id}/name"), "ours");
    let other = upload(format!("whole/{id}1/name"), "other");
    let listing = format!(
        "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>{ours}{other}\
         </ListMultipartUploadsResult>"
    );
    let script = move |parts: &Parts| {
        let query = parts.uri.query().unwrap_or_default();
        match parts.method {
            Method::GET if query.contains("uploads") && !query.contains("list-type") => {
                super::server::answer(200, &listing)
            }
            Method::DELETE => super::server::answer(204, ""),
            _ => Reaction::Pass,
        }
    };
    let server = Scripted::start(&bench.store_directory(), script).await;
    let store = S3Store::new(&settings(&server.endpoint)).unwrap();
    store.discard(id, "").await.unwrap();
    assert_eq!(server.count_of(&["DELETE", "uploadId=ours"]), 1);
    assert_eq!(server.count_of(&["DELETE"]), 1);
}

#[tokio::test]
async fn nothing_is_gone_from_a_bucket_that_does_not_exist() {
    let Some(server) = shared::s3() else { return };
    let right = settings_of(server).await;
    let store = S3Store::new(&right).unwrap();
    let id = UploadId::random();
    let mut writer = store.write(id, "", &[]).await.unwrap();
    writer.append(Bytes::from_static(b"bytes")).await.unwrap();
    let state = writer.flush().await.unwrap().state;
    let wrong = S3Settings { bucket: "elsewhere".to_owned(), ..right };
    let store = S3Store::new(&wrong).unwrap();
    let unavailable = |kind| assert_eq!(kind, ErrorKind::Unavailable);
    unavailable(store.write(id, &state, &[]).await.err().unwrap().kind());
    unavailable(store.read(id, &state).await.err().unwrap().kind());
    unavailable(store.keep(id, &state, id_of(b"bytes")).await.unwrap_err().kind());
    unavailable(store.discard(id, &state).await.unwrap_err().kind());
    unavailable(store.staged(None, 10).await.unwrap_err().kind());
}

#[tokio::test]
async fn a_state_of_another_kind_of_store_is_refused() {
    let bench = Workbench::new();
    let files = FileStore::open(&bench.store_directory().join("files")).unwrap();
    let server = Scripted::start(&bench.store_directory().join("s3"), |_| Reaction::Pass).await;
    let objects = S3Store::new(&settings(&server.endpoint)).unwrap();
    let id = UploadId::random();
    let mut states = Vec::new();
    for store in [&files as &dyn Staging, &objects] {
        let mut writer = store.write(id, "", &[]).await.unwrap();
        writer.append(Bytes::from_static(b"bytes")).await.unwrap();
        states.push(writer.flush().await.unwrap().state);
    }
    let [of_files, of_objects] = states.as_slice() else { panic!() };
    assert!(files.keep(id, of_objects, id_of(b"bytes")).await.is_err());
    assert!(objects.keep(id, of_files, id_of(b"bytes")).await.is_err());
    files.discard(id, of_objects).await.unwrap();
    objects.discard(id, of_files).await.unwrap();
    assert_eq!(files.staged(None, 10).await.unwrap(), []);
    assert_eq!(objects.staged(None, 10).await.unwrap(), []);
}

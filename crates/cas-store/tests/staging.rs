//! Uploads in files and in memory: the contract, and what files promise beyond it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use artifact_core::ErrorKind;
use artifact_core::ports::{BlobStore, Staging, UploadId};
use bytes::Bytes;
use cas_store::{FileStore, MemoryStore, StoreError};
use testkit::contract::blob_store::{Workbench, bytes_of, id_of, sample};
use testkit::contract::staging::StagingBackend;

struct Files(PathBuf);

impl StagingBackend for Files {
    type Store = FileStore;

    fn open(&self) -> FileStore {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match FileStore::open(&self.0) {
                // A writer that was dropped has its last batch under way.
                Err(StoreError::Locked { .. }) if Instant::now() < deadline => {
                    std::thread::yield_now();
                }
                outcome => return outcome.unwrap(),
            }
        }
    }
}

struct Memory(Arc<MemoryStore>);

impl StagingBackend for Memory {
    type Store = Arc<MemoryStore>;

    fn open(&self) -> Self::Store {
        Arc::clone(&self.0)
    }
}

async fn in_files(directory: PathBuf) -> Files {
    Files(directory)
}

async fn in_memory(_: PathBuf) -> Memory {
    Memory(Arc::new(MemoryStore::new()))
}

mod files {
    testkit::staging_contract!(super::in_files);
}

mod memory {
    testkit::staging_contract!(super::in_memory);
}

fn staged_path(bench: &Workbench, id: UploadId) -> PathBuf {
    bench.store_directory().join("uploads").join(id.to_string())
}

#[tokio::test]
async fn a_staged_file_is_closed_to_other_users_and_so_is_the_blob() {
    let bench = Workbench::new();
    let store = FileStore::open(&bench.store_directory()).unwrap();
    let id = UploadId::random();
    let mut writer = store.write(id, "", &[]).await.unwrap();
    writer.append(Bytes::from_static(b"bytes")).await.unwrap();
    let state = writer.flush().await.unwrap().state;
    let path = staged_path(&bench, id);
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(path.as_path()), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let inode = |path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let staged = inode(path.as_path());
    store.keep(id, &state, id_of(b"bytes")).await.unwrap();
    let hex = id_of(b"bytes").to_hex();
    let root = bench.store_directory().join("blobs/sha256");
    let blob = root.join(&hex[0..2]).join(&hex[2..4]).join(&hex);
    assert_eq!(inode(blob.as_path()), staged, "it was renamed, not copied");
    assert_eq!(mode(blob.as_path()), 0o600);
}

#[tokio::test]
async fn a_blob_is_as_old_as_its_name_and_not_as_its_bytes() {
    let bench = Workbench::new();
    let store = FileStore::open(&bench.store_directory()).unwrap();
    let id = UploadId::random();
    let state = flushed(&store, id, b"bytes").await;
    let long_ago = SystemTime::now() - Duration::from_secs(100_000);
    let file = fs::File::options().write(true).open(staged_path(&bench, id)).unwrap();
    file.set_modified(long_ago).unwrap();
    store.keep(id, &state, id_of(b"bytes")).await.unwrap();
    let listed = store.list(None, 10).await.unwrap();
    let long_ago = long_ago.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!(listed[0].stored_at.as_seconds() > i64::try_from(long_ago).unwrap() + 90_000);
}

async fn flushed(store: &FileStore, id: UploadId, bytes: &'static [u8]) -> String {
    let mut writer = store.write(id, "", &[]).await.unwrap();
    writer.append(Bytes::from_static(bytes)).await.unwrap();
    writer.flush().await.unwrap().state
}

#[tokio::test]
async fn a_writer_that_was_overtaken_writes_nothing_any_more() {
    let bench = Workbench::new();
    let store = FileStore::open(&bench.store_directory()).unwrap();
    let id = UploadId::random();
    let mut first = store.write(id, "", &[]).await.unwrap();
    first.append(Bytes::from_static(b"first")).await.unwrap();
    let state = first.flush().await.unwrap().state;
    let mut second = store.write(id, &state, &[]).await.unwrap();
    first.append(sample(2_000_000)).await.unwrap();
    assert_eq!(first.flush().await.unwrap_err().kind(), ErrorKind::Conflict);
    second.append(Bytes::from_static(b" second")).await.unwrap();
    let state = second.flush().await.unwrap().state;
    assert_eq!(fs::read(staged_path(&bench, id)).unwrap(), b"first second");
    store.keep(id, &state, id_of(b"first second")).await.unwrap();
    second.append(Bytes::from_static(b" and more")).await.unwrap();
    assert_eq!(second.flush().await.unwrap_err().kind(), ErrorKind::Conflict);
    let read = store.open(id_of(b"first second"), None).await.unwrap().unwrap();
    assert_eq!(bytes_of(read).await, "first second");
}

#[tokio::test]
async fn a_staged_file_that_lost_its_end_is_gone() {
    let bench = Workbench::new();
    let store = FileStore::open(&bench.store_directory()).unwrap();
    let id = UploadId::random();
    let state = flushed(&store, id, b"bytes").await;
    fs::write(staged_path(&bench, id), b"byte").unwrap();
    let gone = |kind| assert_eq!(kind, ErrorKind::NotFound);
    gone(store.write(id, &state, &[]).await.err().unwrap().kind());
    gone(store.read(id, &state).await.err().unwrap().kind());
    gone(store.keep(id, &state, id_of(b"bytes")).await.unwrap_err().kind());
    assert_eq!(store.stat(id_of(b"bytes")).await.unwrap(), None);
}

#[tokio::test]
async fn a_store_that_lost_its_disk_has_lost_no_upload() {
    let bench = Workbench::new();
    let root = bench.store_directory();
    let store = FileStore::open(&root).unwrap();
    let id = UploadId::random();
    let state = flushed(&store, id, b"bytes").await;
    for name in ["blobs", "uploads"] {
        fs::rename(root.join(name), root.join(format!("{name}-gone"))).unwrap();
    }
    let unavailable = |kind| assert_eq!(kind, ErrorKind::Unavailable);
    unavailable(store.write(id, &state, &[]).await.err().unwrap().kind());
    unavailable(store.write(UploadId::random(), "", &[]).await.err().unwrap().kind());
    unavailable(store.read(id, &state).await.err().unwrap().kind());
    unavailable(store.keep(id, &state, id_of(b"bytes")).await.unwrap_err().kind());
    unavailable(store.discard(id, &state).await.unwrap_err().kind());
    unavailable(store.staged(None, 10).await.unwrap_err().kind());
}

#[tokio::test]
async fn foreign_files_are_no_uploads() {
    let bench = Workbench::new();
    let root = bench.store_directory();
    let store = FileStore::open(&root).unwrap();
    let id = UploadId::random();
    flushed(&store, id, b"bytes").await;
    for name in ["notes.txt", &id.to_string().to_uppercase(), &format!("{id}.part")] {
        fs::write(root.join("uploads").join(name), b"").unwrap();
    }
    let found = store.staged(None, 10).await.unwrap();
    assert_eq!(found.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [id]);
    assert_eq!(store.list(None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn no_second_process_opens_the_store_while_a_writer_lives() {
    let bench = Workbench::new();
    let store = FileStore::open(&bench.store_directory()).unwrap();
    let writer = store.write(UploadId::random(), "", &[]).await.unwrap();
    drop(store);
    let error = FileStore::open(&bench.store_directory()).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    drop(writer);
    FileStore::open(&bench.store_directory()).unwrap();
}

//! What a store on a file system promises beyond the contract: its layout, its lock, its
//! modes, and what is left after a crash.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use artifact_core::ErrorKind;
use artifact_core::ports::{BlobPayload, BlobStore, ByteRange, Durability, Spool};
use bytes::Bytes;
use cas_store::{FileSpool, FileStore, Quota, StoreError};
use testkit::contract::blob_store::{Workbench, bytes_of, id_of, sample};

const QUOTA: Quota = Quota { bytes: 1 << 30, reserve: 0 };
const LEFT_OVER: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

fn blob_path(root: &Path, bytes: &[u8]) -> PathBuf {
    let hex = id_of(bytes).to_hex();
    root.join("blobs/sha256").join(&hex[0..2]).join(&hex[2..4]).join(&hex)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_blob_lies_under_its_hash_closed_to_other_users() {
    let bench = Workbench::new();
    let root = bench.store_directory();
    let store = FileStore::open(&root).unwrap();
    let source = bench.source("source", b"bytes");
    fs::set_permissions(&source, fs::Permissions::from_mode(0o644)).unwrap();
    store.put_file(id_of(b"bytes"), &source, 5, Durability::Strict).await.unwrap();

    let path = blob_path(&root, b"bytes");
    assert_eq!(fs::read(&path).unwrap(), b"bytes");
    assert_eq!(mode(&path), 0o600);
    let directories = path.ancestors().skip(1).take_while(|directory| directory.starts_with(&root));
    for directory in directories {
        assert_eq!(mode(directory), 0o700, "{}", directory.display());
    }
}

#[tokio::test]
async fn an_opened_blob_survives_its_delete() {
    let bench = Workbench::new();
    let store = FileStore::open(&bench.store_directory()).unwrap();
    let bytes = sample(600_000);
    let id = bench.put(&store, &bytes).await;
    let read = store.open(id, None).await.unwrap().unwrap();
    assert!(store.delete(id).await.unwrap());
    assert!(matches!(read.payload, BlobPayload::Stream(_)), "long blobs are streamed");
    assert_eq!(bytes_of(read).await, bytes);
}

#[tokio::test]
async fn a_short_range_of_a_long_blob_is_read_at_once() {
    let bench = Workbench::new();
    let store = FileStore::open(&bench.store_directory()).unwrap();
    let bytes = sample(600_000);
    let id = bench.put(&store, &bytes).await;
    let range = ByteRange { start: 300_000, end: 300_010 };
    let read = store.open(id, Some(range)).await.unwrap().unwrap();
    assert_eq!(read.size, 600_000);
    let BlobPayload::Bytes(part) = read.payload else { panic!("in memory") };
    assert_eq!(part, bytes.slice(300_000..300_010));
}

#[tokio::test]
async fn a_second_opening_is_refused_and_names_the_holder() {
    let bench = Workbench::new();
    let root = bench.store_directory();
    let first = FileStore::open(&root).unwrap();
    let error = FileStore::open(&root).unwrap_err();
    let StoreError::Locked { directory, holder } = &error else { panic!("{error}") };
    assert_eq!((directory, *holder), (&root, Some(std::process::id())));
    drop(first);
    FileStore::open(&root).unwrap();
}

#[tokio::test]
async fn blobs_survive_a_restart() {
    let bench = Workbench::new();
    let root = bench.store_directory();
    let id = bench.put(&FileStore::open(&root).unwrap(), b"bytes").await;
    let store = FileStore::open(&root).unwrap();
    assert_eq!(store.stat(id).await.unwrap(), Some(5));
}

#[tokio::test]
async fn left_over_files_are_swept_and_never_were_blobs() {
    let bench = Workbench::new();
    let root = bench.store_directory();
    let store = FileStore::open(&root).unwrap();
    let spool = store.spool_directory();
    fs::create_dir_all(&spool).unwrap();
    let ours = [root.join("incoming"), spool.clone()].map(|place| place.join(LEFT_OVER));
    let foreign = [root.join("incoming"), spool.clone()].map(|place| place.join("notes.txt"));
    for path in ours.iter().chain(&foreign) {
        fs::write(path, b"half a bl").unwrap();
    }
    assert_eq!(store.list(None, 10).await.unwrap(), []);

    drop(store);
    let store = FileStore::open(&root).unwrap();
    let _spool = FileSpool::open(store.spool_directory(), QUOTA).unwrap();
    assert!(ours.iter().all(|path| !path.exists()));
    assert!(foreign.iter().all(|path| path.exists()));
    assert_eq!(store.list(None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_list_skips_foreign_files() {
    let bench = Workbench::new();
    let root = bench.store_directory();
    let store = FileStore::open(&root).unwrap();
    let id = bench.put(&store, b"bytes").await;
    let blob = blob_path(&root, b"bytes");
    let (leaf, base) = (blob.parent().unwrap(), root.join("blobs/sha256"));
    fs::write(leaf.join("notes.txt"), b"").unwrap();
    fs::write(leaf.join("0".repeat(64)), b"misplaced").unwrap();
    fs::write(blob.with_extension("part"), b"").unwrap();
    fs::write(base.join("README"), b"").unwrap();
    fs::write(leaf.with_file_name("zz"), b"").unwrap();
    for pair in ["00", "01"] {
        fs::write(base.join(pair), b"a file with a directory's name").unwrap();
    }
    let listed = store.list(None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|listing| listing.id).collect::<Vec<_>>(), [id]);
}

#[tokio::test]
async fn a_store_that_lost_its_disk_fails_instead_of_being_empty() {
    let bench = Workbench::new();
    let root = bench.store_directory();
    let store = FileStore::open(&root).unwrap();
    let id = bench.put(&store, b"bytes").await;
    fs::rename(root.join("blobs"), root.join("gone")).unwrap();

    let unavailable = |kind| assert_eq!(kind, ErrorKind::Unavailable);
    unavailable(store.open(id, None).await.unwrap_err().kind());
    unavailable(store.stat(id).await.unwrap_err().kind());
    unavailable(store.delete(id).await.unwrap_err().kind());
    unavailable(store.list(None, 1).await.unwrap_err().kind());
    unavailable(store.check().await.unwrap_err().kind());
    let source = bench.source("source", b"other");
    let put = store.put_file(id_of(b"other"), &source, 5, Durability::Cache).await;
    unavailable(put.unwrap_err().kind());
    assert!(source.exists(), "a failed put leaves the file to its owner");
    assert!(!root.join("blobs").exists(), "a store is not made anew in the wrong place");
}

#[tokio::test]
async fn something_else_under_a_blobs_name_is_damage_and_not_absence() {
    let bench = Workbench::new();
    let root = bench.store_directory();
    let store = FileStore::open(&root).unwrap();
    fs::create_dir_all(blob_path(&root, b"bytes")).unwrap();
    let error = store.open(id_of(b"bytes"), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(store.list(None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_source_on_another_file_system_is_copied_in() {
    let memory = Path::new("/dev/shm");
    let bench = Workbench::new();
    let root = bench.store_directory();
    let store = FileStore::open(&root).unwrap();
    let other = tempfile::tempdir_in(memory).unwrap();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    assert_ne!(device(other.path()), device(&root), "the test needs two file systems");
    let bytes = sample(300_000);
    for durability in [Durability::Strict, Durability::Cache] {
        let source = other.path().join("source");
        fs::write(&source, &bytes).unwrap();
        store.put_file(id_of(&bytes), &source, 300_000, durability).await.unwrap();
        assert!(!source.exists());
        assert_eq!(mode(&blob_path(&root, &bytes)), 0o600);
        assert!(fs::read(blob_path(&root, &bytes)).unwrap() == bytes);
        assert_eq!(fs::read_dir(root.join("incoming")).unwrap().count(), 0);
        store.delete(id_of(&bytes)).await.unwrap();
    }
}

#[tokio::test]
async fn a_published_spool_file_is_the_blob_and_its_readers_go_on() {
    let bench = Workbench::new();
    let store = FileStore::open(&bench.store_directory()).unwrap();
    let spool = FileSpool::open(store.spool_directory(), QUOTA).unwrap();
    let bytes = sample(200_000);
    for round in ["renamed", "dropped as already stored"] {
        let mut writer = spool.create(None, &[]).await.unwrap();
        writer.append(bytes.clone()).await.unwrap();
        writer.append(Bytes::from_static(b"tail")).await.unwrap();
        let reader = writer.reader();
        let id = writer.digests().blob_id().unwrap();
        store.put_file(id, writer.path(), 200_004, Durability::Strict).await.unwrap();
        drop(writer);
        assert_eq!(store.stat(id).await.unwrap(), Some(200_004), "{round}");
        assert_eq!(reader.read_at(199_999, 100).await.unwrap().len(), 5, "{round}");
    }
}

#[tokio::test]
async fn a_published_file_no_longer_counts_as_spool() {
    let bench = Workbench::new();
    let store = FileStore::open(&bench.store_directory()).unwrap();
    let spool = FileSpool::open(store.spool_directory(), QUOTA).unwrap();
    let mut writer = spool.create(Some(5), &[]).await.unwrap();
    writer.append(Bytes::from_static(b"bytes")).await.unwrap();
    let reader = writer.reader();
    store.put_file(id_of(b"bytes"), writer.path(), 5, Durability::Cache).await.unwrap();
    assert_eq!(spool.used_bytes(), 5);
    drop(writer);
    assert_eq!(spool.used_bytes(), 0, "the store's, though somebody still reads it");
    drop(reader);
}

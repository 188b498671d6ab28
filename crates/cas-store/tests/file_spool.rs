//! What a spool on a file system promises beyond the contract.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::task::Poll;

use artifact_core::ErrorKind;
use artifact_core::ports::Spool;
use bytes::Bytes;
use cas_store::{FileSpool, Quota, StoreError};
use testkit::contract::blob_store::{id_of, sample};

const QUOTA: Quota = Quota { bytes: 1 << 30, reserve: 0 };

#[tokio::test]
async fn a_spool_file_is_closed_to_other_users() {
    let directory = tempfile::tempdir().unwrap();
    let spool = FileSpool::open(directory.path().join("tmp"), QUOTA).unwrap();
    let writer = spool.create(None, &[]).await.unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(writer.path()), 0o600);
    assert_eq!(mode(writer.path().parent().unwrap()), 0o700);
}

#[tokio::test]
async fn a_second_spool_is_refused_while_a_file_of_the_first_lives() {
    let directory = tempfile::tempdir().unwrap();
    let spool = FileSpool::open(directory.path(), QUOTA).unwrap();
    let writer = spool.create(None, &[]).await.unwrap();
    drop(spool);
    let error = FileSpool::open(directory.path(), QUOTA).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    drop(writer);
    FileSpool::open(directory.path(), QUOTA).unwrap();
}

#[tokio::test]
async fn a_disk_without_room_refuses_before_a_file_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let quota = Quota { bytes: u64::MAX, reserve: 0 };
    let spool = FileSpool::open(directory.path(), quota).unwrap();
    let error = spool.create(Some(u64::MAX / 2), &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InsufficientStorage);
    assert_eq!(spool.used_bytes(), 0);
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap()).collect();
    assert!(names.iter().all(|entry| entry.file_name() == "lock"), "{names:?}");
}

#[tokio::test]
async fn a_cancelled_append_loses_and_doubles_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let spool = FileSpool::open(directory.path(), QUOTA).unwrap();
    let mut writer = spool.create(None, &[]).await.unwrap();
    let bytes = sample(1_200_000);
    for chunk in bytes.chunks(300_000) {
        // Polled once: the chunk is accepted and its write is on its way, then the caller leaves.
        let mut append = writer.append(Bytes::copy_from_slice(chunk));
        let first = futures_util::poll!(&mut append);
        assert!(matches!(first, Poll::Pending | Poll::Ready(Ok(()))));
    }
    assert_eq!(writer.digests().blob_id(), Some(id_of(&bytes)));
    assert!(fs::read(writer.path()).unwrap() == bytes);
    assert!(writer.reader().read_at(0, 2_000_000).await.unwrap() == bytes);
}

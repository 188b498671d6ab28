//! An operation that ends in the middle loses nothing: its transaction is rolled back, and doing
//! it again finishes it.
//!
//! Fail points are global to the process, so every test holds the scenario.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail like the tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use artifact_core::ports::{
    BlobIndex, EraseBytes, GarbagePass, GarbageSurvey, NewRepository, Pinned, Precondition,
    Published, Reclaimed, RepositoryStore, RowStore,
};
use artifact_core::{
    ArtifactRow, BlobId, Class, Clock, Definition, Digests, ErrorKind, Local, RepoPath,
    RepositoryId, RowKey, SystemClock, Timestamp, Variant,
};
use async_trait::async_trait;
use fail::FailScenario;
use meta_db::{EncryptionKey, SqliteStore};

const BLOB: BlobId = BlobId::from_bytes([1; 32]);

/// Bytes in memory.
#[derive(Debug)]
struct Bytes(Mutex<BTreeSet<BlobId>>);

impl Bytes {
    fn hold(&self, id: BlobId) -> bool {
        self.0.lock().unwrap().contains(&id)
    }
}

#[async_trait]
impl EraseBytes for Bytes {
    async fn erase(&self, ids: &[BlobId]) -> Vec<BlobId> {
        let mut stored = self.0.lock().unwrap();
        stored.retain(|id| !ids.contains(id));
        ids.to_vec()
    }
}

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, EncryptionKey::from_bytes([7; 32])).unwrap()
}

async fn create(store: &SqliteStore) -> RepositoryId {
    let new = NewRepository {
        name: "a".parse().unwrap(),
        package_type: "generic".parse().unwrap(),
        description: String::new(),
        managed_by: String::new(),
        definition: Definition::Local(Local::default()),
    };
    match store.put_repository(new, Precondition::Any, SystemClock.now()).await.unwrap() {
        Published::Stored(repository) => repository.id,
        Published::Conflict(_) => panic!("not created"),
    }
}

fn row(repository: RepositoryId) -> ArtifactRow {
    let path = RepoPath::from_decoded("x").unwrap();
    ArtifactRow {
        key: RowKey { repository, path, variant: Variant::SOURCE },
        blob: BLOB,
        size: 10,
        class: Class::Immutable,
        content_type: None,
        upstream_etag: None,
        upstream_last_modified: None,
        upstream_url: None,
        checksums: Digests::new(),
        fetched_at: Timestamp::EPOCH,
        validated_at: Timestamp::EPOCH,
        expires_at: None,
        generation: 0,
    }
}

fn at_once() -> GarbagePass {
    GarbagePass {
        now: SystemClock.now().plus(Duration::from_secs(1)),
        review_delay: Duration::ZERO,
        delete_delay: Duration::ZERO,
        limit: 100,
    }
}

/// What is there after a restart.
async fn survey(directory: &Path) -> GarbageSurvey {
    open(directory).survey(at_once()).await.unwrap()
}

/// A blob that was published and whose row is gone again.
async fn abandon(store: &SqliteStore) -> RepositoryId {
    let repository = create(store).await;
    store.publish(row(repository), Precondition::Any).await.unwrap();
    store.remove(&row(repository).key, Precondition::Any).await.unwrap();
    repository
}

#[tokio::test]
async fn a_publish_that_ends_in_the_middle_leaves_neither_row_nor_blob() {
    let scenario = FailScenario::setup();
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let repository = create(&store).await;
    fail::cfg("inside-publish-tx", "return").unwrap();
    let error = store.publish(row(repository), Precondition::Any).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(store.row(&row(repository).key).await.unwrap(), None);
    assert_eq!(survey(directory.path()).await, GarbageSurvey::default());
    fail::remove("inside-publish-tx");
    let published = store.publish(row(repository), Precondition::Absent).await.unwrap();
    assert!(matches!(published, Published::Stored(_)));
    scenario.teardown();
}

#[tokio::test]
async fn a_review_that_ends_before_its_commit_condemns_nothing_and_is_done_again() {
    let scenario = FailScenario::setup();
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    abandon(&store).await;
    fail::cfg("t1-before-commit", "return").unwrap();
    assert!(store.review(at_once()).await.is_err());
    let found = survey(directory.path()).await;
    assert_eq!((found.condemned, found.due_for_review), (0, 1));
    fail::remove("t1-before-commit");
    assert_eq!(store.review(at_once()).await.unwrap().condemned, 1);
    scenario.teardown();
}

#[tokio::test]
async fn a_deletion_that_ends_after_the_bytes_are_gone_keeps_the_entry_and_is_finished_later() {
    let scenario = FailScenario::setup();
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    abandon(&store).await;
    store.review(at_once()).await.unwrap();
    let bytes = Bytes(Mutex::new([BLOB].into()));
    fail::cfg("t2-after-delete", "return").unwrap();
    assert!(store.reclaim(at_once(), &bytes).await.is_err());
    assert!(!bytes.hold(BLOB));
    let found = survey(directory.path()).await;
    assert_eq!((found.blobs, found.condemned, found.due_for_deletion), (1, 1, 1));
    fail::remove("t2-after-delete");
    let expected = Reclaimed { blobs: 1, bytes: 10, ..Reclaimed::default() };
    assert_eq!(store.reclaim(at_once(), &bytes).await.unwrap(), expected);
    assert_eq!(survey(directory.path()).await, GarbageSurvey::default());
    scenario.teardown();
}

#[tokio::test]
async fn a_writer_after_such_a_deletion_is_told_to_look_for_the_bytes() {
    let scenario = FailScenario::setup();
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let repository = abandon(&store).await;
    store.review(at_once()).await.unwrap();
    let bytes = Bytes(Mutex::new([BLOB].into()));
    fail::cfg("t2-after-delete", "return").unwrap();
    assert!(store.reclaim(at_once(), &bytes).await.is_err());
    let until = SystemClock.now().plus(Duration::from_secs(3600));
    assert_eq!(store.pin(BLOB, "writer", until).await.unwrap(), Pinned::Revived);
    bytes.0.lock().unwrap().insert(BLOB);
    store.publish(row(repository), Precondition::Any).await.unwrap();
    store.unpin(BLOB, "writer").await.unwrap();
    fail::remove("t2-after-delete");
    store.review(at_once()).await.unwrap();
    assert_eq!(store.reclaim(at_once(), &bytes).await.unwrap(), Reclaimed::default());
    assert!(bytes.hold(BLOB));
    scenario.teardown();
}

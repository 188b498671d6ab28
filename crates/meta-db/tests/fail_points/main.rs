//! An operation that ends in the middle loses nothing: its transaction is rolled back, and doing
//! it again finishes it. On both databases.
//!
//! Fail points are global to the process, so every test holds the scenario.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail like the tests")]

mod place;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use artifact_core::ports::{
    EraseBytes, GarbagePass, GarbageSurvey, GivingUp, MetaStore, NewRepository, Pinned,
    Precondition, Published, PublishedSet, Reclaimed, RowSet,
};
use artifact_core::{
    ArtifactRow, BlobId, Class, Clock, Definition, Digests, ErrorKind, Local, RepoPath,
    RepositoryId, RowKey, SystemClock, Timestamp, Variant,
};
use async_trait::async_trait;
use fail::FailScenario;

use crate::place::Place;

/// Stamps the tests for both databases.
macro_rules! on_both_databases {
    ($($test:ident),+ $(,)?) => {
        on_both_databases! { @on sqlite $($test),+ }
        on_both_databases! { @on postgres $($test),+ }
    };
    (@on $database:ident $($test:ident),+) => {
        mod $database { $(
            #[tokio::test]
            async fn $test() {
                let alone = super::FailScenario::setup();
                if let Some(place) = super::Place::$database().await {
                    super::$test(place).await;
                }
                alone.teardown();
            }
        )+ }
    };
}

on_both_databases! {
    a_publish_that_ends_in_the_middle_leaves_neither_row_nor_blob,
    a_review_that_ends_before_its_commit_condemns_nothing_and_is_done_again,
    a_deletion_that_ends_after_the_bytes_are_gone_keeps_the_entry_and_is_finished_later,
    a_writer_after_such_a_deletion_is_told_to_look_for_the_bytes,
    a_set_that_ends_in_the_middle_leaves_nothing_of_it,
    giving_up_that_ends_in_the_middle_is_done_again,
}

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

async fn create(store: &dyn MetaStore) -> RepositoryId {
    let new = NewRepository {
        name: "a".parse().unwrap(),
        package_type: "generic".parse().unwrap(),
        description: String::new(),
        managed_by: String::new(),
        private: false,
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
async fn survey(place: &Place) -> GarbageSurvey {
    place.open().survey(at_once()).await.unwrap()
}

/// A blob that was published and whose row is gone again.
async fn abandon(store: &dyn MetaStore) -> RepositoryId {
    let repository = create(store).await;
    store.publish(row(repository), Precondition::Any).await.unwrap();
    store.remove(&row(repository).key, Precondition::Any).await.unwrap();
    repository
}

async fn a_publish_that_ends_in_the_middle_leaves_neither_row_nor_blob(place: Place) {
    let store = &*place.open();
    let repository = create(store).await;
    fail::cfg("inside-publish-tx", "return").unwrap();
    let error = store.publish(row(repository), Precondition::Any).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(store.row(&row(repository).key).await.unwrap(), None);
    assert_eq!(survey(&place).await, GarbageSurvey::default());
    fail::remove("inside-publish-tx");
    let published = store.publish(row(repository), Precondition::Absent).await.unwrap();
    assert!(matches!(published, Published::Stored(_)));
}

async fn a_review_that_ends_before_its_commit_condemns_nothing_and_is_done_again(place: Place) {
    let store = &*place.open();
    abandon(store).await;
    fail::cfg("t1-before-commit", "return").unwrap();
    assert!(store.review(at_once()).await.is_err());
    let found = survey(&place).await;
    assert_eq!((found.condemned, found.due_for_review), (0, 1));
    fail::remove("t1-before-commit");
    assert_eq!(store.review(at_once()).await.unwrap().condemned, 1);
}

async fn a_deletion_that_ends_after_the_bytes_are_gone_keeps_the_entry_and_is_finished_later(
    place: Place,
) {
    let store = &*place.open();
    abandon(store).await;
    store.review(at_once()).await.unwrap();
    let bytes = Bytes(Mutex::new([BLOB].into()));
    fail::cfg("t2-after-delete", "return").unwrap();
    assert!(store.reclaim(at_once(), &bytes).await.is_err());
    assert!(!bytes.hold(BLOB));
    let found = survey(&place).await;
    assert_eq!((found.blobs, found.condemned, found.due_for_deletion), (1, 1, 1));
    fail::remove("t2-after-delete");
    let expected = Reclaimed { blobs: 1, bytes: 10, ..Reclaimed::default() };
    assert_eq!(store.reclaim(at_once(), &bytes).await.unwrap(), expected);
    assert_eq!(survey(&place).await, GarbageSurvey::default());
}

async fn a_writer_after_such_a_deletion_is_told_to_look_for_the_bytes(place: Place) {
    let store = &*place.open();
    let repository = abandon(store).await;
    store.review(at_once()).await.unwrap();
    let bytes = Bytes(Mutex::new([BLOB].into()));
    fail::cfg("t2-after-delete", "return").unwrap();
    assert!(store.reclaim(at_once(), &bytes).await.is_err());
    place.end_doubt().await;
    let until = SystemClock.now().plus(Duration::from_secs(3600));
    assert_eq!(store.pin(BLOB, "writer", until).await.unwrap(), Pinned::Revived);
    bytes.0.lock().unwrap().insert(BLOB);
    store.publish(row(repository), Precondition::Any).await.unwrap();
    store.unpin(BLOB, "writer").await.unwrap();
    fail::remove("t2-after-delete");
    store.review(at_once()).await.unwrap();
    assert_eq!(store.reclaim(at_once(), &bytes).await.unwrap(), Reclaimed::default());
    assert!(bytes.hold(BLOB));
}

/// A set of one row that is promised from the beginning of time.
fn promised(repository: RepositoryId) -> RowSet {
    RowSet {
        rows: vec![(row(repository), Precondition::Absent)],
        promised_at: Some(Timestamp::EPOCH),
        ..RowSet::default()
    }
}

async fn a_set_that_ends_in_the_middle_leaves_nothing_of_it(place: Place) {
    let store = &*place.open();
    let repository = create(store).await;
    fail::cfg("inside-publish-set-tx", "return").unwrap();
    let error = store.publish_set(promised(repository)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(store.row(&row(repository).key).await.unwrap(), None);
    assert_eq!(survey(&place).await, GarbageSurvey::default());
    fail::remove("inside-publish-set-tx");
    let published = store.publish_set(promised(repository)).await.unwrap();
    assert!(matches!(published, PublishedSet::Stored(_)));
}

async fn giving_up_that_ends_in_the_middle_is_done_again(place: Place) {
    let store = &*place.open();
    let repository = create(store).await;
    store.publish_set(promised(repository)).await.unwrap();
    let pass = GivingUp { promised_before: SystemClock.now(), limit: 10 };
    fail::cfg("inside-giving-up-tx", "return").unwrap();
    assert!(store.give_up(pass).await.is_err());
    assert!(store.row(&row(repository).key).await.unwrap().is_some());
    fail::remove("inside-giving-up-tx");
    assert_eq!(store.give_up(pass).await.unwrap().objects, 1);
    assert_eq!(store.row(&row(repository).key).await.unwrap(), None);
}

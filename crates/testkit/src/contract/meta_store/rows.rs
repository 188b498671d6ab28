//! One row at a time.

use artifact_core::ports::{MetaStore, Precondition, Published, Validation};
use artifact_core::{Algorithm, ArtifactRow, Class, Digest, ErrorKind, RepositoryId};
use futures_util::future::join_all;

use super::{NOW, at, blob, create, is_stored, key, publish, row, stored, variant};

fn full_row(repository: RepositoryId) -> ArtifactRow {
    let checksums = [(Algorithm::Sha512, "00".repeat(64)), (Algorithm::Md5, "ff".repeat(16))];
    ArtifactRow {
        size: u64::from(u32::MAX) + 1,
        class: Class::Generic,
        content_type: Some("text/plain; charset=utf-8".to_owned()),
        upstream_etag: Some("W/\"é\"".to_owned()),
        upstream_last_modified: Some("Fri, 02 Jan 2026 03:04:05 GMT".to_owned()),
        upstream_url: Some("https://files.example/ä".to_owned()),
        checksums: checksums
            .iter()
            .map(|(algorithm, hex)| Digest::from_hex(*algorithm, hex).unwrap())
            .collect(),
        fetched_at: at(-7),
        validated_at: at(0),
        expires_at: Some(at(300)),
        generation: 99,
        ..row(repository, "@scope/Näme 1/index.html")
    }
}

fn validation() -> Validation {
    Validation {
        validated_at: at(60),
        expires_at: Some(at(360)),
        upstream_etag: None,
        upstream_last_modified: None,
    }
}

/// Absence is an answer and no failure, even for a repository that does not exist.
pub async fn an_absent_row_is_none(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "File")).await;
    assert_eq!(store.row(&key(repository, "file")).await.unwrap(), None);
    assert_eq!(store.row(&key(RepositoryId(4711), "File")).await.unwrap(), None);
}

/// What is published is what is read, but for the generation.
pub async fn a_published_row_is_given_back_whole(store: &dyn MetaStore) {
    let row = full_row(create(store, "a").await);
    let published = publish(store, row.clone()).await;
    assert_eq!(published, ArtifactRow { generation: 1, ..row });
    assert_eq!(store.row(&published.key).await.unwrap(), Some(published));
}

/// Facts that are not known stay unknown.
pub async fn a_row_without_optional_facts_is_given_back_whole(store: &dyn MetaStore) {
    let published = publish(store, row(create(store, "a").await, "")).await;
    assert_eq!(store.row(&published.key).await.unwrap(), Some(published));
}

/// Generations count from 1.
pub async fn every_publish_increases_the_generation(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    for expected in 1..=3 {
        assert_eq!(publish(store, row(repository, "x")).await.generation, expected);
    }
    let changed = publish(store, ArtifactRow { blob: blob("y"), ..row(repository, "x") }).await;
    assert_eq!((changed.generation, changed.blob), (4, blob("y")));
}

/// A conflict tells what is there and changes nothing.
pub async fn publishing_if_absent_conflicts_with_what_is_there(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let first = stored(store.publish(row(repository, "x"), Precondition::Absent).await.unwrap());
    let other = ArtifactRow { blob: blob("y"), ..row(repository, "x") };
    let second = store.publish(other, Precondition::Absent).await.unwrap();
    assert_eq!(second, Published::Conflict(Some(first.clone())));
    assert_eq!(store.row(&first.key).await.unwrap(), Some(first));
}

/// The generation is compared inside the transaction.
pub async fn publishing_if_unchanged_needs_that_generation(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let publish_after = |generation| {
        let precondition = Precondition::Unchanged(generation);
        store.publish(row(repository, "x"), precondition)
    };
    assert_eq!(publish_after(1).await.unwrap(), Published::Conflict(None));
    let first = publish(store, row(repository, "x")).await;
    assert_eq!(publish_after(0).await.unwrap(), Published::Conflict(Some(first)));
    assert_eq!(stored(publish_after(1).await.unwrap()).generation, 2);
    assert!(!is_stored(&publish_after(1).await.unwrap()));
}

/// A variant never answers for another.
pub async fn variants_of_a_path_are_rows_of_their_own(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let source = publish(store, row(repository, "x")).await;
    let short = ArtifactRow { blob: blob("short"), ..variant(row(repository, "x"), "short") };
    let short = stored(store.publish(short, Precondition::Absent).await.unwrap());
    assert_eq!(store.row(&source.key).await.unwrap(), Some(source));
    assert_eq!(store.row(&short.key).await.unwrap(), Some(short));
}

/// A repository that was deleted meanwhile is told apart from a failure.
pub async fn a_row_needs_its_repository(store: &dyn MetaStore) {
    let orphan = row(RepositoryId(4711), "x");
    let error = store.publish(orphan.clone(), Precondition::Any).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(store.row(&orphan.key).await.unwrap(), None);
}

/// Bytes of one digest have one size; anything else is damage.
pub async fn a_blob_never_changes_its_size(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let first = publish(store, row(repository, "x")).await;
    let damaged = ArtifactRow { size: 11, ..row(repository, "x") };
    let error = store.publish(damaged, Precondition::Any).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert_eq!(store.row(&first.key).await.unwrap(), Some(first));
}

/// One winner; everybody else is told who.
pub async fn of_many_concurrent_publishes_if_absent_exactly_one_is_stored(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let attempts = (0..50).map(|n| {
        let row = ArtifactRow { blob: blob(&n.to_string()), ..row(repository, "x") };
        store.publish(row, Precondition::Absent)
    });
    let outcomes: Vec<_> = join_all(attempts).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| is_stored(outcome)).count(), 1);
    let winner = store.row(&key(repository, "x")).await.unwrap().unwrap();
    for outcome in outcomes {
        let (Published::Stored(told) | Published::Conflict(Some(told))) = outcome else {
            panic!("a conflict with nothing");
        };
        assert_eq!(told, winner);
    }
}

/// Compare-and-swap.
pub async fn of_many_concurrent_publishes_if_unchanged_exactly_one_is_stored(
    store: &dyn MetaStore,
) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "x")).await;
    let attempts = (0..50).map(|_| store.publish(row(repository, "x"), Precondition::Unchanged(1)));
    let outcomes = join_all(attempts).await;
    assert_eq!(outcomes.iter().flatten().filter(|outcome| is_stored(outcome)).count(), 1);
    assert_eq!(store.row(&key(repository, "x")).await.unwrap().unwrap().generation, 2);
}

/// A 304 leaves the bytes and what describes them alone.
pub async fn a_validation_changes_only_what_upstream_confirmed(store: &dyn MetaStore) {
    let before = publish(store, full_row(create(store, "a").await)).await;
    let after = store.validate(&before.key, 1, validation()).await.unwrap().unwrap();
    let expected = ArtifactRow {
        validated_at: at(60),
        expires_at: Some(at(360)),
        generation: 2,
        ..before.clone()
    };
    assert_eq!(after, expected);
    assert_eq!(store.row(&before.key).await.unwrap(), Some(after));
    let new_tags = Validation {
        expires_at: None,
        upstream_etag: Some("\"2\"".to_owned()),
        upstream_last_modified: Some("later".to_owned()),
        ..validation()
    };
    let retagged = store.validate(&before.key, 2, new_tags).await.unwrap().unwrap();
    assert_eq!(retagged.upstream_etag.as_deref(), Some("\"2\""));
    assert_eq!(retagged.upstream_last_modified.as_deref(), Some("later"));
    assert_eq!((retagged.expires_at, retagged.generation), (None, 3));
}

/// A confirmation of old bytes must not refresh new ones.
pub async fn a_validation_of_another_generation_changes_nothing(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "x")).await;
    let current = publish(store, row(repository, "x")).await;
    assert_eq!(store.validate(&current.key, 1, validation()).await.unwrap(), None);
    assert_eq!(store.validate(&key(repository, "y"), 1, validation()).await.unwrap(), None);
    assert_eq!(store.row(&current.key).await.unwrap(), Some(current));
}

/// The removed row is given back; removing again finds nothing.
pub async fn a_removed_row_is_gone_and_given_back(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let published = publish(store, row(repository, "x")).await;
    let other = publish(store, variant(row(repository, "x"), "short")).await;
    let removed = store.remove(&published.key, Precondition::Any).await.unwrap();
    assert_eq!(removed, Published::Stored(published.clone()));
    assert_eq!(store.row(&published.key).await.unwrap(), None);
    assert_eq!(store.row(&other.key).await.unwrap(), Some(other));
    let again = store.remove(&published.key, Precondition::Any).await.unwrap();
    assert_eq!(again, Published::Conflict(None));
}

/// A row that changed meanwhile is kept.
pub async fn removing_needs_the_precondition(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "x")).await;
    let current = publish(store, ArtifactRow { fetched_at: NOW, ..row(repository, "x") }).await;
    for precondition in [Precondition::Unchanged(1), Precondition::Absent] {
        let outcome = store.remove(&current.key, precondition).await.unwrap();
        assert_eq!(outcome, Published::Conflict(Some(current.clone())));
    }
    assert!(is_stored(&store.remove(&current.key, Precondition::Unchanged(2)).await.unwrap()));
}

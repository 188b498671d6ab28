//! Writing together.

use artifact_core::ports::{
    Absence, Afterwards, MetaStore, Need, Precondition, PublishedSet, Removed, RowSet,
};
use artifact_core::{Algorithm, ArtifactRow, Digest, ErrorKind, RepositoryId};

use super::super::{at, blob, key, publish, publish_all};
use super::{
    create, is_there, need, needed_by, needing, of_rows, publish_set, related, relating, remove,
    row, set, those_there,
};

/// In the order of the set, with generations that count from 1.
pub async fn rows_of_a_set_are_published_together(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let stored = publish_set(store, set(repository, &["z", "a", "m"])).await;
    let expected = |path| ArtifactRow { generation: 1, ..row(repository, path) };
    assert_eq!(stored, ["z", "a", "m"].map(expected));
    for row in stored {
        assert_eq!(store.row(&row.key).await.unwrap(), Some(row));
    }
    assert_eq!(store.usage().await.unwrap().1, 30);
}

/// The first condition that does not hold is told with what is there; the rest is left out as well.
pub async fn nothing_of_a_set_is_written_when_a_condition_does_not_hold(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["old", "older"]).await;
    let mut refused = set(repository, &["new", "old", "older"]);
    for precondition in [Precondition::Absent, Precondition::Unchanged(2)] {
        refused.rows[1].1 = precondition;
        refused.rows[2].1 = precondition;
        let stored = store.row(&key(repository, "old")).await.unwrap().map(Box::new);
        assert!(stored.is_some());
        let expected = PublishedSet::Conflict { index: 1, stored };
        assert_eq!(store.publish_set(refused.clone()).await.unwrap(), expected);
        assert!(!is_there(store, repository, "new").await);
    }
    refused.rows[0].1 = Precondition::Unchanged(1);
    let expected = PublishedSet::Conflict { index: 0, stored: None };
    assert_eq!(store.publish_set(refused).await.unwrap(), expected);
    assert_eq!(store.usage().await.unwrap().1, 20);
}

/// Every need that does not exist is told, even where a condition does not hold either.
pub async fn nothing_of_a_set_is_written_when_something_is_missing(store: &dyn MetaStore) {
    let (repository, other) = (create(store, "a").await, create(store, "b").await);
    publish_all(store, repository, &["there", "old"]).await;
    publish_all(store, other, &["elsewhere"]).await;
    let needed = ["elsewhere", "there", "missing"];
    let mut refused = needing(repository, &["new", "old"], &needed, Afterwards::Kept);
    refused.rows[1].1 = Precondition::Absent;
    let missing = PublishedSet::Missing(vec![0, 2]);
    assert_eq!(store.publish_set(refused).await.unwrap(), missing);
    assert!(!is_there(store, repository, "new").await);
    assert_eq!(store.usage().await.unwrap().1, 30);
}

/// The others may go.
pub async fn the_first_that_exists_is_needed(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["second", "third"]).await;
    let any_of = ["first", "second", "third"].map(|path| key(repository, path));
    let needs = vec![need(&any_of, Afterwards::Kept)];
    publish_set(store, RowSet { needs, ..set(repository, &["user"]) }).await;
    assert_eq!(remove(store, repository, "second").await, needed_by("user"));
    assert_eq!(
        remove(store, repository, "third").await,
        Removed::Rows(vec![key(repository, "third")])
    );
}

/// What may be had elsewhere stays as long as it is needed, if it is here.
pub async fn what_may_be_absent_is_needed_if_it_is_there(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["there"]).await;
    let optional = |path| Need {
        absence: Absence::Accepted,
        ..need(&[key(repository, path)], Afterwards::GivenUp)
    };
    let needs = vec![optional("missing"), optional("there")];
    publish_set(store, RowSet { needs, ..set(repository, &["user"]) }).await;
    assert_eq!(remove(store, repository, "there").await, needed_by("user"));
    publish_all(store, repository, &["missing"]).await;
    let gone = |path| Removed::Rows(vec![key(repository, path)]);
    assert_eq!(remove(store, repository, "missing").await, gone("missing"));
    assert_eq!(remove(store, repository, "user").await, gone("user"));
    assert_eq!(remove(store, repository, "there").await, gone("there"));
}

/// It becomes visible at the same moment.
pub async fn a_row_of_the_set_itself_may_be_needed(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let together = needing(repository, &["user", "part"], &["part"], Afterwards::Kept);
    publish_set(store, together).await;
    assert_eq!(remove(store, repository, "part").await, needed_by("user"));
}

/// As for a single row.
pub async fn a_set_needs_its_repository(store: &dyn MetaStore) {
    let error = store.publish_set(set(RepositoryId(4711), &["x"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// Whoever made it made a mistake.
pub async fn a_malformed_set_is_refused(store: &dyn MetaStore) {
    let (one, two) = (create(store, "one").await, create(store, "two").await);
    publish_all(store, two, &["z"]).await;
    let mut mixed = set(one, &["x", "y"]);
    mixed.rows[1].0.key.repository = two;
    let foreign = need(&[key(two, "z")], Afterwards::Kept);
    for refused in [
        RowSet::default(),
        set(one, &["x", "x"]),
        mixed,
        needing(one, &["x"], &["x"], Afterwards::Kept),
        RowSet { needs: vec![foreign], ..set(one, &["x"]) },
        relating(one, "x", &"s".repeat(2000), ""),
    ] {
        let error = store.publish_set(refused).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unprocessable, "{error}");
        assert!(!is_there(store, one, "x").await);
    }
}

/// Bytes of one digest have one size.
pub async fn a_blob_of_another_size_spoils_the_whole_set(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["x"]).await;
    let damaged = ArtifactRow { size: 11, ..row(repository, "x") };
    let copied = ArtifactRow { blob: blob("x"), size: 11, ..row(repository, "y") };
    let both = ArtifactRow { blob: blob("new"), size: 11, ..row(repository, "new 2") };
    for rows in [
        vec![row(repository, "new"), damaged],
        vec![row(repository, "new"), copied],
        vec![row(repository, "new"), both],
    ] {
        let error = store.publish_set(of_rows(rows)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Integrity);
    }
    assert_eq!(those_there(store, repository, &["new", "new 2", "x", "y"]).await, ["x"]);
}

/// Like those of rows that are published one by one.
pub async fn generations_of_a_set_go_on(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["x", "y"]).await;
    publish(store, row(repository, "y")).await;
    let replaced = |path| ArtifactRow { blob: blob("other"), ..row(repository, path) };
    let mut next = of_rows(vec![replaced("x"), replaced("y"), replaced("z")]);
    next.rows[0].1 = Precondition::Unchanged(1);
    next.rows[1].1 = Precondition::Unchanged(2);
    next.rows[2].1 = Precondition::Absent;
    let stored = publish_set(store, next).await;
    assert_eq!(stored.iter().map(|row| row.generation).collect::<Vec<_>>(), [2, 3, 1]);
    for row in stored {
        assert_eq!(store.row(&row.key).await.unwrap(), Some(row));
    }
}

/// Publishing the same again is no change.
pub async fn a_row_of_a_set_with_the_same_bytes_stays(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let first = publish_set(store, set(repository, &["x", "y"])).await;
    let later = |path| ArtifactRow {
        fetched_at: at(60),
        validated_at: at(60),
        expires_at: Some(at(90)),
        ..row(repository, path)
    };
    let again = publish_set(store, of_rows(vec![later("x"), later("y")])).await;
    assert_eq!(again, first);
    for row in first {
        assert_eq!(store.row(&row.key).await.unwrap(), Some(row));
    }
}

/// What is said of them may have been wrong.
pub async fn a_changed_description_of_the_same_bytes_is_taken_over(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["x"]).await;
    let digest = Digest::from_hex(Algorithm::Sha512, &"0f".repeat(64)).unwrap();
    let steps: [&dyn Fn(ArtifactRow) -> ArtifactRow; 3] = [
        &|row| ArtifactRow { content_type: Some("text/plain".to_owned()), ..row },
        &|row| ArtifactRow { checksums: [digest.clone()].into_iter().collect(), ..row },
        &|row| ArtifactRow { upstream_etag: Some("\"e\"".to_owned()), ..row },
    ];
    for (step, generation) in steps.into_iter().zip(2..) {
        let described = ArtifactRow { fetched_at: at(60), ..step(row(repository, "x")) };
        let stored = publish_set(store, of_rows(vec![described])).await;
        let expected = ArtifactRow { generation, ..step(row(repository, "x")) };
        assert_eq!(stored, std::slice::from_ref(&expected));
        assert_eq!(store.row(&expected.key).await.unwrap(), Some(expected));
    }
}

/// The bytes were stored before.
pub async fn lost_bytes_of_a_set_that_is_published_again_are_lost_no_more(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_set(store, set(repository, &["x", "y"])).await;
    store.mark_lost(&[blob("x"), blob("y")], at(1)).await.unwrap();
    assert_eq!(store.lost_files(10).await.unwrap().hosted, 2);
    publish_set(store, set(repository, &["x"])).await;
    let lost = store.lost_files(10).await.unwrap();
    assert_eq!((lost.hosted, lost.listed[0].path.as_str()), (1, "y"));
}

/// They belonged to what it said.
pub async fn a_first_row_with_other_bytes_has_other_needs_and_another_relation(
    store: &dyn MetaStore,
) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["one", "two"]).await;
    let relation = relating(repository, "user", "subject", "{1}").relation;
    let first = needing(repository, &["user"], &["one"], Afterwards::Kept);
    publish_set(store, RowSet { relation, ..first }).await;
    assert_eq!(related(store, repository, "subject").await, ["user {1}"]);
    let mut second = needing(repository, &["user"], &["two"], Afterwards::Kept);
    second.rows[0].0.blob = blob("other");
    publish_set(store, second).await;
    assert!(related(store, repository, "subject").await.is_empty());
    assert_eq!(remove(store, repository, "two").await, needed_by("user"));
    assert_eq!(remove(store, repository, "one").await, Removed::Rows(vec![key(repository, "one")]));
}

/// So a set that was published before it could name everything can be completed.
pub async fn a_first_row_that_stays_gets_the_needs_and_the_relation_of_its_set(
    store: &dyn MetaStore,
) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["one", "two", "user"]).await;
    for needed in ["one", "two"] {
        let relation = relating(repository, "user", needed, "{}").relation;
        let again = needing(repository, &["user"], &[needed], Afterwards::Kept);
        publish_set(store, RowSet { relation, ..again }).await;
        assert_eq!(remove(store, repository, needed).await, needed_by("user"));
        assert_eq!(related(store, repository, needed).await, ["user {}"]);
    }
    assert!(related(store, repository, "one").await.is_empty());
    assert_eq!(remove(store, repository, "one").await, Removed::Rows(vec![key(repository, "one")]));
}

/// However many, the rows of one subject in one repository, each page behind the last.
pub async fn related_rows_are_told_in_order_of_path(store: &dyn MetaStore) {
    let (repository, other) = (create(store, "a").await, create(store, "b").await);
    for path in ["b", "a/2", "a\u{10FFFF}", "a/1", "a"] {
        publish_set(store, relating(repository, path, "s", "{\"ü\": \"'\"}")).await;
    }
    publish_set(store, relating(repository, "0", "S", "other subject")).await;
    publish_set(store, relating(other, "0", "s", "other repository")).await;
    let mut told = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.related(repository, "s", after.as_deref(), 2).await.unwrap();
        assert!(page.len() <= 2 && page.iter().all(|row| row.descriptor == "{\"ü\": \"'\"}"));
        let Some(last) = page.last() else { break };
        after = Some(last.path.to_string());
        told.extend(page.iter().map(|row| row.path.to_string()));
    }
    assert_eq!(told, ["a", "a/1", "a/2", "a\u{10FFFF}", "b"]);
    assert!(store.related(repository, "unknown", None, 10).await.unwrap().is_empty());
    assert!(store.related(repository, "s\0", None, 10).await.unwrap().is_empty());
    assert_eq!(
        store.related(repository, "s", Some("a\0"), 1).await.unwrap()[0].path.as_str(),
        "a/1"
    );
    remove(store, repository, "a/1").await;
    assert_eq!(related(store, repository, "s").await.len(), 4);
}

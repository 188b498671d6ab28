//! What is removed, and what is not because others need it.

use artifact_core::ports::{
    Afterwards, EvictionPass, MetaStore, Precondition, Published, PublishedSet, Removal, Removed,
    Selector, Usage,
};
use artifact_core::{Algorithm, ArtifactRow, Digest, RepositoryId};

use super::super::{at, blob, key, path, publish, publish_all, variant};
use super::{
    create, needed_by, needing, paths, publish_set, related, relating, removal, remove, row,
    those_there,
};

/// Rows "part", and "user" that needs it.
async fn publish_user(store: &dyn MetaStore, repository: RepositoryId) {
    publish_all(store, repository, &["part"]).await;
    publish_set(store, needing(repository, &["user"], &["part"], Afterwards::Kept)).await;
}

/// Neither by whoever asks nor to make room.
pub async fn a_needed_row_is_not_removed(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_user(store, repository).await;
    let part = store.row(&key(repository, "part")).await.unwrap().unwrap();
    let refused = store.remove(&part.key, Precondition::Any).await.unwrap();
    assert_eq!(refused, Published::Conflict(Some(part)));
    assert_eq!(remove(store, repository, "part").await, needed_by("user"));
    let pass = EvictionPass {
        repositories: vec![repository],
        bytes: 10,
        unused_since: at(1000),
        limit: 1,
    };
    assert_eq!(store.evict_least_used(&pass).await.unwrap().objects, 1);
    assert_eq!(those_there(store, repository, &["part", "user"]).await, ["part"]);
    assert_eq!(store.evict_least_used(&pass).await.unwrap().objects, 1);
    assert!(those_there(store, repository, &["part", "user"]).await.is_empty());
}

/// Whichever way that went.
pub async fn a_row_may_go_when_what_needed_it_is_gone(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    for way in 0..3 {
        publish_user(store, repository).await;
        let user = key(repository, "user");
        match way {
            0 => drop(store.remove(&user, Precondition::Any).await.unwrap()),
            1 => drop(remove(store, repository, "user").await),
            _ => {
                let user = Selector::Path(path("user"));
                store.evict(repository, &user, false).await.unwrap();
            }
        }
        let removed = remove(store, repository, "part").await;
        assert_eq!(removed, Removed::Rows(vec![key(repository, "part")]), "{way}");
    }
}

/// An operator knows what they do; whoever publishes afterwards is told what is missing.
pub async fn an_operator_may_evict_a_needed_row(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_user(store, repository).await;
    let part = Selector::Path(path("part"));
    assert_eq!(store.evict(repository, &part, false).await.unwrap().objects, 1);
    let again = needing(repository, &["user"], &["part"], Afterwards::Kept);
    assert_eq!(store.publish_set(again.clone()).await.unwrap(), PublishedSet::Missing(vec![0]));
    publish_all(store, repository, &["part"]).await;
    assert_eq!(remove(store, repository, "part").await, needed_by("user"));
    publish_set(store, again).await;
}

/// The others do not: other bytes, other places, other repositories.
pub async fn aliases_with_the_same_bytes_go_with_the_row(store: &dyn MetaStore) {
    let (repository, other) = (create(store, "a").await, create(store, "b").await);
    let same = |repository, path| ArtifactRow { blob: blob("x"), ..row(repository, path) };
    for path in ["m/x", "t/2", "t/1", "t", "t0"] {
        publish(store, same(repository, path)).await;
    }
    publish(store, variant(same(repository, "t/1"), "short")).await;
    publish(store, same(other, "t/1")).await;
    publish_all(store, repository, &["t/3"]).await;
    let wanted = Removal { aliases: Some("t/".to_owned()), ..removal(key(repository, "m/x")) };
    let Removed::Rows(gone) = store.remove_unneeded(&wanted).await.unwrap() else {
        panic!("not removed");
    };
    assert_eq!(paths(&gone), ["m/x", "t/1", "t/1", "t/2"]);
    for key in &gone {
        assert_eq!(store.row(key).await.unwrap(), None);
    }
    assert_eq!(those_there(store, repository, &["t", "t0", "t/3"]).await, ["t", "t0", "t/3"]);
    assert_eq!(those_there(store, other, &["t/1"]).await, ["t/1"]);
    let (usages, _) = store.usage().await.unwrap();
    let usage = usages.iter().find(|(id, _)| *id == repository).unwrap().1;
    assert_eq!(usage, Usage { objects: 3, logical_bytes: 30 });
}

/// The row itself is none of its aliases, wherever it is.
pub async fn a_row_among_its_aliases_is_removed_once(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    for path in ["t/1", "t/2", "t/3"] {
        publish(store, ArtifactRow { blob: blob("x"), ..row(repository, path) }).await;
    }
    let all = Removal { aliases: Some(String::new()), ..removal(key(repository, "t/2")) };
    let Removed::Rows(gone) = store.remove_unneeded(&all).await.unwrap() else {
        panic!("not removed");
    };
    assert_eq!(paths(&gone), ["t/2", "t/1", "t/3"]);
    let none = Removal { aliases: Some("t/\0".to_owned()), ..removal(key(repository, "t/2")) };
    assert_eq!(store.remove_unneeded(&none).await.unwrap(), Removed::Conflict(None));
}

/// What goes needs nothing any more; what stays does.
pub async fn only_rows_that_stay_keep_what_they_need(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let alias = |path: &str, needed: &[&str]| {
        let mut set = needing(repository, &[path], needed, Afterwards::Kept);
        set.rows[0].0.blob = blob("x");
        set
    };
    publish_all(store, repository, &["x"]).await;
    publish_set(store, alias("t/1", &["x"])).await;
    publish_set(store, alias("t/2", &[])).await;
    publish_set(store, alias("t/3", &[])).await;
    publish_set(store, needing(repository, &["user"], &["t/2"], Afterwards::Kept)).await;
    let wanted = Removal { aliases: Some("t/".to_owned()), ..removal(key(repository, "x")) };
    let Removed::Rows(gone) = store.remove_unneeded(&wanted).await.unwrap() else {
        panic!("not removed");
    };
    assert_eq!(paths(&gone), ["x", "t/1", "t/3"]);

    // An alias that stays because it is needed keeps the row that it needs.
    publish_all(store, repository, &["x"]).await;
    publish_set(store, alias("t/2", &["x"])).await;
    assert_eq!(store.remove_unneeded(&wanted).await.unwrap(), needed_by("t/2"));
    assert_eq!(those_there(store, repository, &["x", "t/2"]).await, ["x", "t/2"]);
}

/// A row that changed meanwhile stays, with its aliases and whether it is needed or not.
pub async fn removing_an_unneeded_row_needs_the_precondition(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_user(store, repository).await;
    publish(store, row(repository, "part")).await;
    for name in ["user", "part"] {
        let stored = store.row(&key(repository, name)).await.unwrap().map(Box::new);
        for precondition in [Precondition::Absent, Precondition::Unchanged(7)] {
            let wanted = Removal { precondition, ..removal(key(repository, name)) };
            let refused = store.remove_unneeded(&wanted).await.unwrap();
            assert_eq!(refused, Removed::Conflict(stored.clone()));
        }
    }
    let unchanged = Precondition::Unchanged(2);
    let wanted = Removal { precondition: unchanged, ..removal(key(repository, "part")) };
    assert_eq!(store.remove_unneeded(&wanted).await.unwrap(), needed_by("user"));
    assert_eq!(remove(store, repository, "nothing").await, Removed::Conflict(None));
    assert_eq!(remove(store, RepositoryId(4711), "part").await, Removed::Conflict(None));
}

/// And comes back without them.
pub async fn what_belongs_to_a_row_goes_with_it(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["part"]).await;
    let everything = |user: &str| {
        let relation = relating(repository, user, "s", "{}").relation;
        let set = needing(repository, &[user], &["part"], Afterwards::Kept);
        artifact_core::ports::RowSet { relation, ..set }
    };
    for way in 0..3 {
        publish_set(store, everything("user")).await;
        assert_eq!(related(store, repository, "s").await, ["user {}"]);
        match way {
            0 => drop(remove(store, repository, "user").await),
            1 => {
                let user = Selector::Prefix("us".to_owned());
                store.evict(repository, &user, false).await.unwrap();
            }
            _ => {
                let user = key(repository, "user");
                store.remove(&user, Precondition::Any).await.unwrap();
            }
        }
        assert!(related(store, repository, "s").await.is_empty());
        publish_all(store, repository, &["user"]).await;
        assert!(related(store, repository, "s").await.is_empty());
        let removed = remove(store, repository, "part").await;
        assert!(matches!(removed, Removed::Rows(_)), "{way}: {removed:?}");
        publish_all(store, repository, &["part"]).await;
    }
    publish_set(store, everything("user")).await;
    store.delete_repository(&"a".parse().unwrap(), Precondition::Any).await.unwrap();
    assert!(related(store, repository, "s").await.is_empty());
    assert_eq!(super::give_up_all(store).await.objects, 0);
}

/// A digest leads to a row of the repository that asked, where its path ends as asked for.
pub async fn a_row_is_found_by_its_digest_and_the_end_of_its_path(store: &dyn MetaStore) {
    let (mine, other) = (super::create(store, "mine").await, super::create(store, "other").await);
    let stored = publish_set(store, super::set(mine, &["a/_files/x", "b/_files/y"])).await;
    publish_set(store, super::set(other, &["c/_files/z"])).await;
    let digest = Digest::from_bytes(Algorithm::Sha256, stored[0].blob.as_bytes()).unwrap();
    for (repository, ending, expected) in [
        (mine, "/_files/x", Some("a/_files/x")),
        (mine, "", Some("a/_files/x")),
        (mine, "/_files/y", None),
        (mine, "%", None),
        (mine, "0/a/_files/x", None),
        (mine, "\0", None),
        (other, "/_files/x", None),
    ] {
        assert_eq!(
            found(store, repository, &digest, ending).await.as_deref(),
            expected,
            "{ending}"
        );
    }
}

/// What is not found by its bytes is found by the name that says what they are.
pub async fn a_row_is_found_by_another_digest_that_is_its_name(store: &dyn MetaStore) {
    let (mine, other) = (super::create(store, "mine").await, super::create(store, "other").await);
    let sha512 = |byte| Digest::from_bytes(Algorithm::Sha512, &[byte; 64]).unwrap();
    let named = |digest| format!("a/_files/{digest}");
    let paths = [named(sha512(1)), named(sha512(2)), format!("a/_others/{}", sha512(1))];
    publish_set(store, super::set(mine, &paths.each_ref().map(String::as_str))).await;
    publish_set(store, super::set(other, &[&named(sha512(3)), &format!("x{}", sha512(4))])).await;
    let ending = |digest| format!("/_files/{digest}");
    for (repository, digest, ending, expected) in [
        (mine, sha512(1), ending(sha512(1)), Some(named(sha512(1)))),
        (mine, sha512(2), ending(sha512(2)), Some(named(sha512(2)))),
        (mine, sha512(1), ending(sha512(2)), None),
        (mine, sha512(1), format!("/_nothing/{}", sha512(1)), None),
        (mine, sha512(3), ending(sha512(3)), None),
        (other, sha512(1), ending(sha512(1)), None),
        (other, sha512(3), String::new(), Some(named(sha512(3)))),
        (other, sha512(4), String::new(), None),
    ] {
        assert_eq!(found(store, repository, &digest, &ending).await, expected, "{ending}");
    }
}

async fn found(
    store: &dyn MetaStore,
    repository: RepositoryId,
    digest: &Digest,
    ending: &str,
) -> Option<String> {
    let found = store.row_with_digest(repository, digest, ending).await.unwrap();
    found.map(|row| row.key.path.as_str().to_owned())
}

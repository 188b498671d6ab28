//! Repositories and the generation of the configuration.

use artifact_core::ports::{MetaStore, NewRepository, Precondition, Published};
use artifact_core::{Definition, Local, Remote, Repository, Secret, Virtual};
use futures_util::future::join_all;

use super::{
    NOW, at, create, credential, is_stored, key, local, publish, put, remote, row, stored,
};

async fn read(store: &dyn MetaStore, name: &str) -> Option<Repository> {
    let change = store.repositories().await.unwrap();
    change.repositories.into_iter().find(|repository| repository.name.as_str() == name)
}

async fn generation(store: &dyn MetaStore) -> i64 {
    let generation = store.configuration_generation().await.unwrap();
    assert_eq!(store.repositories().await.unwrap().generation, generation);
    generation
}

fn merged(name: &str) -> NewRepository {
    let members = vec!["b".parse().unwrap(), "a".parse().unwrap()];
    let definition = Definition::Virtual(Virtual {
        deployment: members.first().cloned(),
        members,
        merge_versions: true,
    });
    NewRepository { definition, ..local(name) }
}

fn remote_of(repository: &mut NewRepository) -> &mut Remote {
    match &mut repository.definition {
        Definition::Remote(remote) => remote,
        other => panic!("not a remote: {other:?}"),
    }
}

/// Every field of every kind survives, the secret included.
pub async fn a_created_repository_is_given_back_whole(store: &dyn MetaStore) {
    let overwriting = Definition::Local(Local { allow_overwrite: true });
    let mut anonymous = remote("anonymous");
    remote_of(&mut anonymous).credential = None;
    let hosted = NewRepository { definition: overwriting, ..local("hosted") };
    for new in [remote("full"), anonymous, hosted, merged("all")] {
        let before = generation(store).await;
        let created = put(store, new.clone()).await;
        let expected = Repository {
            id: created.id,
            name: new.name,
            package_type: new.package_type,
            description: new.description,
            managed_by: new.managed_by,
            private: new.private,
            revision: 1,
            created_at: NOW,
            updated_at: NOW,
            definition: new.definition,
        };
        assert_eq!(created, expected);
        assert_eq!(read(store, created.name.as_str()).await, Some(expected));
        assert!(generation(store).await > before);
    }
}

/// A replacement keeps the number, the rows and the date of creation.
pub async fn replacing_increases_the_revision_and_keeps_the_identity(store: &dyn MetaStore) {
    let created = put(store, remote("a")).await;
    publish(store, row(created.id, "x")).await;
    let before = generation(store).await;
    let mut new = remote("a");
    remote_of(&mut new).blocklist.push("^evil/".to_owned());
    let outcome = store.put_repository(new.clone(), Precondition::Any, at(9)).await.unwrap();
    let replaced = stored(outcome);
    let expected = Repository {
        revision: 2,
        updated_at: at(9),
        definition: new.definition,
        ..created.clone()
    };
    assert_eq!(replaced, expected);
    assert_eq!(read(store, "a").await, Some(expected));
    assert!(generation(store).await > before);
    assert!(store.row(&key(created.id, "x")).await.unwrap().is_some());
}

/// A tool that applies its configuration again and again causes no change.
pub async fn putting_the_same_again_changes_nothing(store: &dyn MetaStore) {
    for new in [remote("full"), local("hosted"), merged("all")] {
        let created = put(store, new.clone()).await;
        let before = generation(store).await;
        let again = store.put_repository(new.clone(), Precondition::Any, at(9)).await.unwrap();
        assert_eq!(again, Published::Stored(created.clone()));
        let guarded = store.put_repository(new, Precondition::Unchanged(1), at(9)).await.unwrap();
        assert_eq!(guarded, Published::Stored(created));
        assert_eq!(generation(store).await, before);
    }
    let described = NewRepository { managed_by: "somebody".to_owned(), ..local("hosted") };
    assert_eq!(put(store, described.clone()).await.revision, 2);
    let hidden = put(store, NewRepository { private: true, ..described }).await;
    assert_eq!((hidden.revision, hidden.private), (3, true));
}

/// The date belongs to the secret: the same secret keeps it.
pub async fn setting_the_same_secret_again_changes_nothing(store: &dyn MetaStore) {
    let created = put(store, remote("a")).await;
    let mut again = remote("a");
    credential(&mut again).updated_at = at(9);
    assert_eq!(put(store, again).await, created);
    let mut renamed = remote("a");
    *credential(&mut renamed) = artifact_core::Credential {
        username: "other".to_owned(),
        updated_at: at(9),
        ..credential(&mut remote("a")).clone()
    };
    let renamed = put(store, renamed).await;
    assert_eq!(renamed.revision, 2);
    let Definition::Remote(definition) = renamed.definition else { panic!("not a remote") };
    let kept = definition.credential.unwrap();
    assert_eq!((kept.username.as_str(), kept.updated_at), ("other", NOW));
}

/// A secret that differs is stored with its date, and can be taken away.
pub async fn a_new_secret_is_a_change(store: &dyn MetaStore) {
    put(store, remote("a")).await;
    let mut changed = remote("a");
    credential(&mut changed).secret = Secret::new("");
    credential(&mut changed).updated_at = at(9);
    let stored = put(store, changed.clone()).await;
    assert_eq!((stored.revision, &stored.definition), (2, &changed.definition));
    assert_eq!(read(store, "a").await, Some(stored));
    remote_of(&mut changed).credential = None;
    let without = put(store, changed.clone()).await;
    assert_eq!((without.revision, &without.definition), (3, &changed.definition));
    assert_eq!(read(store, "a").await, Some(without));
}

/// A conflict tells what is there and changes nothing.
pub async fn preconditions_of_a_repository_hold(store: &dyn MetaStore) {
    let attempt = |precondition| store.put_repository(remote("a"), precondition, NOW);
    assert_eq!(attempt(Precondition::Unchanged(1)).await.unwrap(), Published::Conflict(None));
    let created = stored(attempt(Precondition::Absent).await.unwrap());
    let before = generation(store).await;
    for precondition in [Precondition::Absent, Precondition::Unchanged(2)] {
        let outcome = attempt(precondition).await.unwrap();
        assert_eq!(outcome, Published::Conflict(Some(created.clone())));
    }
    assert_eq!(generation(store).await, before);
    let changed = NewRepository { description: "changed".to_owned(), ..remote("a") };
    let outcome = store.put_repository(changed, Precondition::Unchanged(1), NOW).await.unwrap();
    assert_eq!(stored(outcome).revision, 2);
}

/// A name is taken over all kinds and types.
pub async fn kind_and_package_type_never_change(store: &dyn MetaStore) {
    let created = put(store, local("a")).await;
    let before = generation(store).await;
    let other_type = NewRepository { package_type: "npm".parse().unwrap(), ..local("a") };
    for other in [remote("a"), merged("a"), other_type] {
        for precondition in [Precondition::Any, Precondition::Unchanged(1)] {
            let outcome = store.put_repository(other.clone(), precondition, NOW).await.unwrap();
            assert_eq!(outcome, Published::Conflict(Some(created.clone())));
        }
    }
    assert_eq!(generation(store).await, before);
}

/// One winner.
pub async fn concurrent_creations_store_exactly_one(store: &dyn MetaStore) {
    let attempts = (0..20).map(|n| {
        let new = NewRepository { description: n.to_string(), ..local("a") };
        store.put_repository(new, Precondition::Absent, NOW)
    });
    let outcomes = join_all(attempts).await;
    assert_eq!(outcomes.iter().flatten().filter(|outcome| is_stored(outcome)).count(), 1);
    assert_eq!(store.repositories().await.unwrap().repositories.len(), 1);
}

/// Nothing of a deleted repository can be read again.
pub async fn deleting_takes_the_rows_along(store: &dyn MetaStore) {
    let created = put(store, remote("a")).await;
    let other = create(store, "b").await;
    publish(store, row(created.id, "x")).await;
    publish(store, row(other, "x")).await;
    let before = generation(store).await;
    let name = created.name.clone();
    let deleted = store.delete_repository(&name, Precondition::Any).await.unwrap();
    assert_eq!(deleted, Published::Stored(created.clone()));
    assert!(generation(store).await > before);
    assert_eq!(read(store, "a").await, None);
    assert_eq!(store.row(&key(created.id, "x")).await.unwrap(), None);
    assert!(store.row(&key(other, "x")).await.unwrap().is_some());
}

/// What changed meanwhile is kept; what is gone is told apart.
pub async fn deleting_needs_the_precondition(store: &dyn MetaStore) {
    let created = put(store, local("a")).await;
    let before = generation(store).await;
    for precondition in [Precondition::Absent, Precondition::Unchanged(2)] {
        let outcome = store.delete_repository(&created.name, precondition).await.unwrap();
        assert_eq!(outcome, Published::Conflict(Some(created.clone())));
    }
    let absent = store.delete_repository(&"b".parse().unwrap(), Precondition::Any).await.unwrap();
    assert_eq!(absent, Published::Conflict(None));
    assert_eq!(generation(store).await, before);
    let precondition = Precondition::Unchanged(1);
    assert!(is_stored(&store.delete_repository(&created.name, precondition).await.unwrap()));
}

/// What was cached for a deleted repository can never answer for a new one of its name.
pub async fn ids_are_never_reused(store: &dyn MetaStore) {
    let first = create(store, "a").await;
    publish(store, row(first, "x")).await;
    store.delete_repository(&"a".parse().unwrap(), Precondition::Any).await.unwrap();
    let second = create(store, "a").await;
    assert!(second > first);
    assert_eq!(store.row(&key(second, "x")).await.unwrap(), None);
}

/// By name and not by age.
pub async fn the_configuration_is_in_order_of_name(store: &dyn MetaStore) {
    for name in ["b", "a-1", "a", "a.1", "0"] {
        create(store, name).await;
    }
    let change = store.repositories().await.unwrap();
    let names: Vec<_> = change.repositories.iter().map(|each| each.name.as_str()).collect();
    assert_eq!(names, ["0", "a", "a-1", "a.1", "b"]);
}

//! Rows that refer to each other.

mod giving_up;
mod publishing;
mod races;
mod removal;

use std::time::Duration;

use artifact_core::ports::{
    Absence, Afterwards, Evicted, GivingUp, MetaStore, Need, Precondition, PublishedSet,
    RelatedRow, Relation, Removal, Removed, RowSet,
};
use artifact_core::{ArtifactRow, Clock, RepoPath, RepositoryId, RowKey, SystemClock, Timestamp};

use super::{create, key, row};

pub use giving_up::*;
pub use publishing::*;
pub use races::*;
pub use removal::*;

const HOUR: Duration = Duration::from_secs(3600);

fn now() -> Timestamp {
    SystemClock.now()
}

/// The moment `span` ago.
fn ago(span: Duration) -> Timestamp {
    Timestamp::from_millis(now().as_millis() - i64::try_from(span.as_millis()).unwrap())
}

/// A set of these paths, each with a blob of its own, whatever is there.
fn set(repository: RepositoryId, paths: &[&str]) -> RowSet {
    of_rows(paths.iter().map(|path| row(repository, path)).collect())
}

fn of_rows(rows: Vec<ArtifactRow>) -> RowSet {
    let rows = rows.into_iter().map(|row| (row, Precondition::Any)).collect();
    RowSet { rows, ..RowSet::default() }
}

/// Rows of which the first needs each of these paths.
fn needing(
    repository: RepositoryId,
    paths: &[&str],
    needed: &[&str],
    afterwards: Afterwards,
) -> RowSet {
    let needs = needed.iter().map(|path| need(&[key(repository, path)], afterwards));
    RowSet { needs: needs.collect(), ..set(repository, paths) }
}

fn need(any_of: &[RowKey], afterwards: Afterwards) -> Need {
    Need { any_of: any_of.to_vec(), absence: Absence::Refused, afterwards }
}

fn promised(repository: RepositoryId, paths: &[&str], promised_at: Timestamp) -> RowSet {
    RowSet { promised_at: Some(promised_at), ..set(repository, paths) }
}

fn relating(repository: RepositoryId, path: &str, subject: &str, descriptor: &str) -> RowSet {
    let (subject, descriptor) = (subject.to_owned(), descriptor.to_owned());
    RowSet { relation: Some(Relation { subject, descriptor }), ..set(repository, &[path]) }
}

/// Publishes a set and gives what is stored.
async fn publish_set(store: &dyn MetaStore, set: RowSet) -> Vec<ArtifactRow> {
    match store.publish_set(set).await.unwrap() {
        PublishedSet::Stored(rows) => rows,
        other => panic!("not stored: {other:?}"),
    }
}

fn removal(key: RowKey) -> Removal {
    Removal { key, aliases: None, precondition: Precondition::Any }
}

async fn remove(store: &dyn MetaStore, repository: RepositoryId, path: &str) -> Removed {
    store.remove_unneeded(&removal(key(repository, path))).await.unwrap()
}

/// Gives up whatever was promised before that moment.
async fn give_up(store: &dyn MetaStore, promised_before: Timestamp) -> Evicted {
    store.give_up(GivingUp { promised_before, limit: 1000 }).await.unwrap()
}

/// Gives up whatever was promised until now.
async fn give_up_all(store: &dyn MetaStore) -> Evicted {
    give_up(store, now().plus(HOUR)).await
}

async fn is_there(store: &dyn MetaStore, repository: RepositoryId, path: &str) -> bool {
    store.row(&key(repository, path)).await.unwrap().is_some()
}

/// Which of these paths are there.
async fn those_there<'a>(
    store: &dyn MetaStore,
    repository: RepositoryId,
    paths: &[&'a str],
) -> Vec<&'a str> {
    let mut there = Vec::new();
    for path in paths {
        if is_there(store, repository, path).await {
            there.push(*path);
        }
    }
    there
}

async fn related(store: &dyn MetaStore, repository: RepositoryId, subject: &str) -> Vec<String> {
    let related = store.related(repository, subject, None, 100).await.unwrap();
    related.iter().map(|row: &RelatedRow| format!("{} {}", row.path, row.descriptor)).collect()
}

fn paths(keys: &[RowKey]) -> Vec<&str> {
    keys.iter().map(|key| key.path.as_str()).collect()
}

fn needed_by(path: &str) -> Removed {
    Removed::Needed(RepoPath::from_decoded(path).unwrap())
}

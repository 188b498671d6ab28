//! Rows that refer to each other. There is one writer, so what is asked and what is written belong
//! together without a lock.

use std::collections::{BTreeMap, BTreeSet};

use artifact_core::ports::{
    Evicted, GivingUp, PublishedSet, RelatedRow, Relation, Removal, Removed, RowSet, RowSets,
};
use artifact_core::{Algorithm, ArtifactRow, Digest, RepositoryId, Result, RowKey, Timestamp};
use async_trait::async_trait;
use rusqlite::{Connection, ToSql, params};

use super::range::{PathRange, just_behind};
use super::{SqliteStore, integer, row_columns, rows};
use crate::crash_point::crash_point;
use crate::error::StoreError;
use crate::precondition::holds;
use crate::row_set::{Change, Decision, Found, Needed, Written, decide};

const HAS_REPOSITORY: &str = "SELECT 1 FROM repository WHERE id = ?1";
const NEEDS: &str = "SELECT repository, needed_path AS path, needed_variant AS variant, given_up
    FROM need WHERE repository = ?1 AND path = ?2 AND variant = ?3";
const USERS: &str = "SELECT repository, path, variant FROM need
    WHERE repository = ?1 AND needed_path = ?2 AND needed_variant = ?3 ORDER BY path, variant";
const BEGIN_NEED: &str = include_str!("queries/begin_need.sql");
const END_NEED: &str = "DELETE FROM need WHERE repository = ?1 AND path = ?2 AND variant = ?3
    AND needed_path = ?4 AND needed_variant = ?5";
const RELATE: &str = "INSERT INTO relation (repository, path, variant, subject, descriptor)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (repository, path, variant) DO UPDATE
        SET subject = excluded.subject, descriptor = excluded.descriptor";
const END_RELATION: &str =
    "DELETE FROM relation WHERE repository = ?1 AND path = ?2 AND variant = ?3";
const RELATED: &str = "SELECT path, descriptor FROM relation
    WHERE repository = ?1 AND subject = ?2 AND path >= ?3 ORDER BY path LIMIT ?4";
const BEGIN_PROMISE: &str = "INSERT INTO promise (repository, path, variant, promised_at)
    VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (repository, path, variant) DO UPDATE
        SET promised_at = max(promised_at, excluded.promised_at)";
const RENEW_PROMISE: &str = "UPDATE promise SET promised_at = max(promised_at, ?4)
    WHERE repository = ?1 AND path = ?2 AND variant = ?3";
const END_PROMISE: &str =
    "DELETE FROM promise WHERE repository = ?1 AND path = ?2 AND variant = ?3";
const DUE: &str = "SELECT repository, path, variant FROM promise WHERE promised_at < ?1
    ORDER BY promised_at, repository, path, variant LIMIT ?2";
/// A row that is published again has its bytes.
const FOUND_BLOB: &str = "DELETE FROM lost_blob WHERE sha256 = ?1";
const ALIASES: &str = "SELECT repository, path, variant FROM artifact
    WHERE sha256 = ?1 AND repository = ?2 AND path >= ?3 AND path < ?4 ORDER BY path, variant";

const WITH_BLOB: &str = "SELECT repository, path, variant FROM artifact
    WHERE sha256 = ?1 AND repository = ?2 AND (?3 = '' OR substr(path, -length(?3)) = ?3) LIMIT 1";
const NAMED_BY_SHA512: &str = "SELECT repository, path, variant FROM artifact
    WHERE instr(path, '/sha512:') > 0 AND substr(path, -136) = ?1 AND repository = ?2
        AND (?3 = '' OR substr(path, -length(?3)) = ?3)
    LIMIT 1";

#[async_trait]
impl RowSets for SqliteStore {
    async fn publish_set(&self, set: RowSet) -> Result<PublishedSet> {
        set.check()?;
        self.metadata.writer.call(move |connection| publish_set(connection, &set)).await
    }

    async fn promise(&self, key: &RowKey, now: Timestamp) -> Result<bool> {
        let key = key.clone();
        self.metadata.writer.call(move |connection| promise(connection, &key, now)).await
    }

    async fn remove_unneeded(&self, removal: &Removal) -> Result<Removed> {
        let removal = removal.clone();
        self.metadata.writer.call(move |connection| remove(connection, &removal)).await
    }

    async fn row_with_digest(
        &self,
        repository: RepositoryId,
        digest: &Digest,
        ending: &str,
    ) -> Result<Option<ArtifactRow>> {
        let (digest, ending) = (digest.clone(), ending.to_owned());
        let read =
            move |connection: &Connection| with_digest(connection, repository, &digest, &ending);
        self.metadata.readers.call(read).await
    }

    async fn related(
        &self,
        repository: RepositoryId,
        subject: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RelatedRow>> {
        let (subject, start) = (subject.to_owned(), after.map_or_else(String::new, just_behind));
        let read =
            move |connection: &Connection| related(connection, repository, &subject, &start, limit);
        self.metadata.readers.call(read).await
    }

    async fn give_up(&self, pass: GivingUp) -> Result<Evicted> {
        self.metadata.writer.call(move |connection| give_up(connection, pass)).await
    }
}

fn publish_set(connection: &Connection, set: &RowSet) -> Result<PublishedSet, StoreError> {
    let Some((first, _)) = set.rows.first() else { return Ok(PublishedSet::Stored(Vec::new())) };
    let first = &first.key;
    if !connection.prepare_cached(HAS_REPOSITORY)?.exists([first.repository.0])? {
        return Err(StoreError::NoSuchRepository);
    }
    let found = find(connection, set)?;
    let (written, needed) = match decide(set, &found) {
        Decision::Refused(refused) => return Ok(refused),
        Decision::Write(written, needed) => (written, needed),
    };
    for (row, _) in &set.rows {
        rows::enter_blob(connection, row.blob, row.size)?;
        connection.prepare_cached(FOUND_BLOB)?.execute([row.blob.as_bytes()])?;
    }
    crash_point!("inside-publish-set-tx");
    for Written { row, change } in &written {
        if *change != Change::Nothing {
            row_columns::write(connection, row)?;
        }
        set_promise(connection, &row.key, *change, set.promised_at)?;
    }
    set_needs(connection, first, &needed)?;
    relate(connection, first, set.relation.as_ref())?;
    Ok(PublishedSet::Stored(written.into_iter().map(|written| written.row).collect()))
}

/// What is stored of the rows of a set and of what the first may need.
fn find(connection: &Connection, set: &RowSet) -> Result<Found, StoreError> {
    let rows = set.rows.iter().map(|(row, _)| &row.key);
    let candidates = set.needs.iter().flat_map(|need| &need.any_of);
    let keys: BTreeSet<_> = rows.chain(candidates).collect();
    let mut found = Found::new();
    for key in keys {
        if let Some(row) = row_columns::find(connection, key)? {
            found.insert(key.clone(), row);
        }
    }
    Ok(found)
}

fn set_promise(
    connection: &Connection,
    key: &RowKey,
    change: Change,
    promised_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    let (repository, path, variant) = columns(key);
    let Some(moment) = promised_at.map(Timestamp::as_millis) else {
        connection.prepare_cached(END_PROMISE)?.execute(params![repository, path, variant])?;
        return Ok(());
    };
    let sql = match change {
        Change::New | Change::Bytes(_) => BEGIN_PROMISE,
        Change::Nothing | Change::Description => RENEW_PROMISE,
    };
    connection.prepare_cached(sql)?.execute(params![repository, path, variant, moment])?;
    Ok(())
}

fn set_needs(connection: &Connection, key: &RowKey, needed: &Needed) -> Result<(), StoreError> {
    let former = needs_of(connection, key)?;
    let (repository, path, variant) = columns(key);
    for ended in former.keys().filter(|key| !needed.contains_key(*key)) {
        let (_, needed_path, needed_variant) = columns(ended);
        let parameters = params![repository, path, variant, needed_path, needed_variant];
        connection.prepare_cached(END_NEED)?.execute(parameters)?;
    }
    for (begun, given_up) in needed.iter().filter(|(key, kind)| former.get(*key) != Some(*kind)) {
        let (_, needed_path, needed_variant) = columns(begun);
        let parameters = params![repository, path, variant, needed_path, needed_variant, given_up];
        connection.prepare_cached(BEGIN_NEED)?.execute(parameters)?;
    }
    Ok(())
}

fn needs_of(connection: &Connection, key: &RowKey) -> Result<Needed, StoreError> {
    let mut statement = connection.prepare_cached(NEEDS)?;
    let (repository, path, variant) = columns(key);
    let mut rows = statement.query(params![repository, path, variant])?;
    let mut needed = BTreeMap::new();
    while let Some(row) = rows.next()? {
        needed.insert(row_columns::key_from_columns(row)?, row.get("given_up")?);
    }
    Ok(needed)
}

fn relate(
    connection: &Connection,
    key: &RowKey,
    relation: Option<&Relation>,
) -> Result<(), StoreError> {
    let (repository, path, variant) = columns(key);
    match relation {
        Some(Relation { subject, descriptor }) => connection
            .prepare_cached(RELATE)?
            .execute(params![repository, path, variant, subject, descriptor])?,
        None => {
            connection.prepare_cached(END_RELATION)?.execute(params![repository, path, variant])?
        }
    };
    Ok(())
}

fn promise(connection: &Connection, key: &RowKey, now: Timestamp) -> Result<bool, StoreError> {
    if row_columns::find(connection, key)?.is_none() {
        return Ok(false);
    }
    let (repository, path, variant) = columns(key);
    let parameters = params![repository, path, variant, now.as_millis()];
    connection.prepare_cached(RENEW_PROMISE)?.execute(parameters)?;
    Ok(true)
}

fn remove(connection: &Connection, removal: &Removal) -> Result<Removed, StoreError> {
    let Removal { key, aliases, precondition } = removal;
    let Some(row) = row_columns::find(connection, key)? else {
        return Ok(Removed::Conflict(None));
    };
    if !holds(*precondition, Some(row.generation)) {
        return Ok(Removed::Conflict(Some(Box::new(row))));
    }
    let mut aliases = find_aliases(connection, &row, aliases.as_deref())?;
    // An alias that stays may need another one, or the row.
    loop {
        let goes = |user: &RowKey| user == key || aliases.contains(user);
        let stays = |of: &RowKey| -> Result<Option<RowKey>, StoreError> {
            Ok(users_of(connection, of)?.into_iter().find(|user| !goes(user)))
        };
        if let Some(user) = stays(key)? {
            return Ok(Removed::Needed(user.path));
        }
        let mut needed = Vec::new();
        for alias in &aliases {
            needed.extend(stays(alias)?.map(|_| alias.clone()));
        }
        if needed.is_empty() {
            break;
        }
        aliases.retain(|alias| !needed.contains(alias));
    }
    let keys: Vec<_> = [key.clone()].into_iter().chain(aliases).collect();
    for key in &keys {
        rows::delete(connection, key)?;
    }
    Ok(Removed::Rows(keys))
}

/// The other rows below `prefix` with the same bytes, in order.
fn find_aliases(
    connection: &Connection,
    row: &ArtifactRow,
    prefix: Option<&str>,
) -> Result<Vec<RowKey>, StoreError> {
    let Some(prefix) = prefix else { return Ok(Vec::new()) };
    let PathRange { start, end } = PathRange::of_prefix(prefix);
    let mut statement = connection.prepare_cached(ALIASES)?;
    let parameters = params![row.blob.as_bytes(), row.key.repository.0, start, end];
    let mut rows = statement.query(parameters)?;
    let mut aliases = Vec::new();
    while let Some(alias) = rows.next()? {
        aliases.push(row_columns::key_from_columns(alias)?);
    }
    aliases.retain(|alias| *alias != row.key);
    Ok(aliases)
}

/// The rows that need the one of `key`, in order.
pub(crate) fn users_of(connection: &Connection, key: &RowKey) -> Result<Vec<RowKey>, StoreError> {
    let mut statement = connection.prepare_cached(USERS)?;
    let (repository, path, variant) = columns(key);
    let mut rows = statement.query(params![repository, path, variant])?;
    let mut users = Vec::new();
    while let Some(row) = rows.next()? {
        users.push(row_columns::key_from_columns(row)?);
    }
    Ok(users)
}

fn with_digest(
    connection: &Connection,
    repository: RepositoryId,
    digest: &Digest,
    ending: &str,
) -> Result<Option<ArtifactRow>, StoreError> {
    let name = format!("/{digest}");
    let (sql, sought): (_, &dyn ToSql) = match digest.algorithm() {
        Algorithm::Sha256 => (WITH_BLOB, &digest.as_bytes()),
        Algorithm::Sha512 => (NAMED_BY_SHA512, &name),
        Algorithm::Md5 | Algorithm::Sha1 => return Ok(None),
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![sought, repository.0, ending])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let key = row_columns::key_from_columns(row)?;
    row_columns::find(connection, &key)
}

fn related(
    connection: &Connection,
    repository: RepositoryId,
    subject: &str,
    start: &str,
    limit: usize,
) -> Result<Vec<RelatedRow>, StoreError> {
    let mut statement = connection.prepare_cached(RELATED)?;
    let parameters = params![repository.0, subject, start, integer::limit(limit)];
    let mut rows = statement.query(parameters)?;
    let mut related = Vec::new();
    while let Some(row) = rows.next()? {
        let path = row_columns::path_from_text(&row.get::<_, String>("path")?)?;
        related.push(RelatedRow { path, descriptor: row.get("descriptor")? });
    }
    Ok(related)
}

fn give_up(connection: &Connection, pass: GivingUp) -> Result<Evicted, StoreError> {
    // Before anything is removed: that may end needs, and what was needed is promised again then.
    let mut unneeded = Vec::new();
    for key in due(connection, pass)? {
        if users_of(connection, &key)?.is_empty() {
            unneeded.push(key);
        } else {
            let (repository, path, variant) = columns(&key);
            connection.prepare_cached(END_PROMISE)?.execute(params![repository, path, variant])?;
        }
    }
    let mut evicted = Evicted::default();
    for key in unneeded {
        if let Some(row) = row_columns::find(connection, &key)? {
            rows::delete(connection, &key)?;
            evicted.objects += 1;
            evicted.bytes = evicted.bytes.saturating_add(row.size);
        }
    }
    crash_point!("inside-giving-up-tx");
    Ok(evicted)
}

fn due(connection: &Connection, pass: GivingUp) -> Result<Vec<RowKey>, StoreError> {
    let mut statement = connection.prepare_cached(DUE)?;
    let parameters = params![pass.promised_before.as_millis(), integer::limit(pass.limit)];
    let mut rows = statement.query(parameters)?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        due.push(row_columns::key_from_columns(row)?);
    }
    Ok(due)
}

/// A key as statements take it.
fn columns(key: &RowKey) -> (i64, &str, &str) {
    (key.repository.0, key.path.as_str(), key.variant.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::connection::metadata_migrations::migrations;
    use super::*;

    #[test]
    fn rows_are_found_by_their_digests_without_reading_all_of_them() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations::runner().run(&mut connection).unwrap();
        for (sql, search) in [
            (WITH_BLOB, "artifact_sha256 (sha256=? AND repository=?)"),
            (NAMED_BY_SHA512, "artifact_named_by_sha512 (repository=? AND <expr>=?)"),
        ] {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let lines = statement.query_map([0; 3], |row| row.get("detail")).unwrap();
            let plan: Vec<String> = lines.map(Result::unwrap).collect();
            assert_eq!(plan, [format!("SEARCH artifact USING COVERING INDEX {search}")]);
        }
    }
}

//! Repositories and the generation of the configuration.

use std::sync::Arc;

use artifact_core::ports::{Change, NewRepository, Precondition, Published, RepositoryStore};
use artifact_core::{Repository, RepositoryId, RepositoryName, Result, Timestamp};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::SqliteStore;
use crate::definition::keep_secret_date;
use crate::encryption::EncryptionKey;
use crate::error::StoreError;
use crate::precondition::holds;
use crate::stored_repository::{StoredRepository, is_another, is_the_same, seal};

const GENERATION: &str = "SELECT generation FROM configuration WHERE id = 1";
const ADVANCE: &str = "UPDATE configuration SET generation = generation + 1 WHERE id = 1";
const READ_ALL: &str = include_str!("queries/repositories.sql");
const READ: &str = include_str!("queries/repository.sql");
const INSERT: &str = include_str!("queries/insert_repository.sql");
const UPDATE: &str = include_str!("queries/update_repository.sql");
const DELETE: &str = "DELETE FROM repository WHERE id = ?1";

#[async_trait]
impl RepositoryStore for SqliteStore {
    async fn repositories(&self) -> Result<Change> {
        let key = Arc::clone(&self.key);
        self.metadata.readers.call(move |connection| read_all(connection, &key)).await
    }

    async fn configuration_generation(&self) -> Result<i64> {
        self.metadata.readers.call(generation).await
    }

    async fn put_repository(
        &self,
        repository: NewRepository,
        precondition: Precondition,
        now: Timestamp,
    ) -> Result<Published<Repository>> {
        let key = Arc::clone(&self.key);
        let work =
            move |connection: &Connection| put(connection, &key, repository, precondition, now);
        self.metadata.writer.call(work).await
    }

    async fn delete_repository(
        &self,
        name: &RepositoryName,
        precondition: Precondition,
    ) -> Result<Published<Repository>> {
        let (key, name) = (Arc::clone(&self.key), name.clone());
        let work = move |connection: &Connection| delete(connection, &key, &name, precondition);
        self.metadata.writer.call(work).await
    }
}

fn generation(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.prepare_cached(GENERATION)?.query_row([], |row| row.get(0))?)
}

fn advance_generation(connection: &Connection) -> Result<(), StoreError> {
    connection.prepare_cached(ADVANCE)?.execute([])?;
    Ok(())
}

fn read_all(connection: &Connection, key: &EncryptionKey) -> Result<Change, StoreError> {
    let mut statement = connection.prepare_cached(READ_ALL)?;
    let repositories = statement
        .query_map([], |row| Ok(from_columns(row, key)))?
        .map(|read| read.map_err(StoreError::from).flatten())
        .collect::<Result<_, _>>()?;
    Ok(Change { generation: generation(connection)?, repositories })
}

fn find(
    connection: &Connection,
    key: &EncryptionKey,
    name: &RepositoryName,
) -> Result<Option<Repository>, StoreError> {
    let mut statement = connection.prepare_cached(READ)?;
    let read = statement.query_row([name.as_str()], |row| Ok(from_columns(row, key))).optional()?;
    read.transpose()
}

fn put(
    connection: &Connection,
    key: &EncryptionKey,
    mut new: NewRepository,
    precondition: Precondition,
    now: Timestamp,
) -> Result<Published<Repository>, StoreError> {
    let stored = find(connection, key, &new.name)?;
    if !holds(precondition, stored.as_ref().map(|stored| stored.revision)) {
        return Ok(Published::Conflict(stored));
    }
    match stored {
        None => insert(connection, key, &new, now)?,
        Some(stored) if is_another(&stored, &new) => return Ok(Published::Conflict(Some(stored))),
        Some(stored) => {
            new.definition = keep_secret_date(&stored.definition, new.definition);
            if is_the_same(&stored, &new) {
                return Ok(Published::Stored(stored));
            }
            update(connection, key, stored.id, &new, now)?;
        }
    }
    advance_generation(connection)?;
    let written = find(connection, key, &new.name)?;
    written.map(Published::Stored).ok_or(StoreError::NoSuchRepository)
}

fn insert(
    connection: &Connection,
    key: &EncryptionKey,
    new: &NewRepository,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (definition, secret) = seal(key, new)?;
    connection.prepare_cached(INSERT)?.execute(params![
        new.name.as_str(),
        new.definition.kind().name(),
        new.package_type.as_str(),
        new.description,
        new.managed_by,
        now.as_millis(),
        definition,
        secret,
    ])?;
    Ok(())
}

fn update(
    connection: &Connection,
    key: &EncryptionKey,
    id: RepositoryId,
    new: &NewRepository,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (definition, secret) = seal(key, new)?;
    connection.prepare_cached(UPDATE)?.execute(params![
        id.0,
        new.description,
        new.managed_by,
        now.as_millis(),
        definition,
        secret,
    ])?;
    Ok(())
}

fn delete(
    connection: &Connection,
    key: &EncryptionKey,
    name: &RepositoryName,
    precondition: Precondition,
) -> Result<Published<Repository>, StoreError> {
    let Some(stored) = find(connection, key, name)? else {
        return Ok(Published::Conflict(None));
    };
    if !holds(precondition, Some(stored.revision)) {
        return Ok(Published::Conflict(Some(stored)));
    }
    connection.prepare_cached(DELETE)?.execute([stored.id.0])?;
    advance_generation(connection)?;
    Ok(Published::Stored(stored))
}

fn from_columns(row: &Row<'_>, key: &EncryptionKey) -> Result<Repository, StoreError> {
    let stored = StoredRepository {
        id: row.get("id")?,
        name: row.get("name")?,
        package_type: row.get("package_type")?,
        description: row.get("description")?,
        managed_by: row.get("managed_by")?,
        revision: row.get("revision")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        definition: row.get("definition")?,
        secret: row.get("secret")?,
    };
    stored.open(key)
}

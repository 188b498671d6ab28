//! Repositories and the generation of the configuration.

use artifact_core::ports::{Change, NewRepository, Precondition, Published, RepositoryStore};
use artifact_core::{Repository, RepositoryId, RepositoryName, Result, Timestamp};
use async_trait::async_trait;
use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;

use super::connections::{Client, Purpose};
use super::kept_configuration::Configuration;
use super::{PostgresStore, statement};
use crate::definition::keep_secret_date;
use crate::encryption::EncryptionKey;
use crate::error::StoreError;
use crate::precondition::holds;
use crate::stored_repository::{StoredRepository, is_another, is_the_same, seal};

const GENERATION: &str = "SELECT generation FROM configuration WHERE id = 1";
/// Changes of the configuration come one after the other.
const LOCK: &str = "SELECT generation FROM configuration WHERE id = 1 FOR UPDATE";
const ADVANCE: &str = "UPDATE configuration SET generation = generation + 1 WHERE id = 1";
const READ_ALL: &str = include_str!("queries/repositories.sql");
const READ: &str = include_str!("queries/repository.sql");
const INSERT: &str = include_str!("queries/insert_repository.sql");
const UPDATE: &str = include_str!("queries/update_repository.sql");
const DELETE: &str = "DELETE FROM repository WHERE id = $1";

#[async_trait]
impl RepositoryStore for PostgresStore {
    async fn repositories(&self) -> Result<Change> {
        let read = |client: Client| async move { read_all(&client).await };
        match self.connections.read_together(read).await {
            Ok(configuration) => {
                self.kept.keep(&configuration).await;
                Ok(configuration.open(&self.key)?)
            }
            Err(error) => match self.kept.instead_of(&error).await? {
                Some(configuration) => Ok(configuration.open(&self.key)?),
                None => Err(error),
            },
        }
    }

    async fn configuration_generation(&self) -> Result<i64> {
        self.connections.read(|client: Client| async move { generation(&client).await }).await
    }

    async fn put_repository(
        &self,
        repository: NewRepository,
        precondition: Precondition,
        now: Timestamp,
    ) -> Result<Published<Repository>> {
        let (new, key) = (&repository, &self.key);
        let work =
            |client: Client| async move { put(&client, key, new.clone(), precondition, now).await };
        self.connections.transact(Purpose::Write, work).await
    }

    async fn delete_repository(
        &self,
        name: &RepositoryName,
        precondition: Precondition,
    ) -> Result<Published<Repository>> {
        let key = &self.key;
        let work = |client: Client| async move { delete(&client, key, name, precondition).await };
        self.connections.transact(Purpose::Bulk, work).await
    }
}

async fn generation(client: &ClientWrapper) -> Result<i64, StoreError> {
    Ok(statement::row(client, GENERATION, &[]).await?.try_get(0)?)
}

async fn read_all(client: &ClientWrapper) -> Result<Configuration, StoreError> {
    let generation = generation(client).await?;
    let rows = statement::rows(client, READ_ALL, &[]).await?;
    let repositories = rows.iter().map(from_columns).collect::<Result<_, _>>()?;
    Ok(Configuration { generation, repositories })
}

async fn find(
    client: &ClientWrapper,
    key: &EncryptionKey,
    name: &RepositoryName,
) -> Result<Option<Repository>, StoreError> {
    let row = statement::row_if_any(client, READ, &[&name.as_str()]).await?;
    row.map(|row| from_columns(&row)?.open(key)).transpose()
}

async fn put(
    client: &ClientWrapper,
    key: &EncryptionKey,
    mut new: NewRepository,
    precondition: Precondition,
    now: Timestamp,
) -> Result<Published<Repository>, StoreError> {
    statement::row(client, LOCK, &[]).await?;
    let stored = find(client, key, &new.name).await?;
    if !holds(precondition, stored.as_ref().map(|stored| stored.revision)) {
        return Ok(Published::Conflict(stored));
    }
    match stored {
        None => insert(client, key, &new, now).await?,
        Some(stored) if is_another(&stored, &new) => return Ok(Published::Conflict(Some(stored))),
        Some(stored) => {
            new.definition = keep_secret_date(&stored.definition, new.definition);
            if is_the_same(&stored, &new) {
                return Ok(Published::Stored(stored));
            }
            update(client, key, stored.id, &new, now).await?;
        }
    }
    statement::execute(client, ADVANCE, &[]).await?;
    let written = find(client, key, &new.name).await?;
    written.map(Published::Stored).ok_or(StoreError::NoSuchRepository)
}

async fn insert(
    client: &ClientWrapper,
    key: &EncryptionKey,
    new: &NewRepository,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (definition, secret) = seal(key, new)?;
    let parameters: statement::Parameters<'_> = &[
        &new.name.as_str(),
        &new.definition.kind().name(),
        &new.package_type.as_str(),
        &new.description,
        &new.managed_by,
        &now.as_millis(),
        &definition,
        &secret,
    ];
    statement::execute(client, INSERT, parameters).await.map(|_| ())
}

async fn update(
    client: &ClientWrapper,
    key: &EncryptionKey,
    id: RepositoryId,
    new: &NewRepository,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (definition, secret) = seal(key, new)?;
    let parameters: statement::Parameters<'_> =
        &[&id.0, &new.description, &new.managed_by, &now.as_millis(), &definition, &secret];
    statement::execute(client, UPDATE, parameters).await.map(|_| ())
}

async fn delete(
    client: &ClientWrapper,
    key: &EncryptionKey,
    name: &RepositoryName,
    precondition: Precondition,
) -> Result<Published<Repository>, StoreError> {
    statement::row(client, LOCK, &[]).await?;
    let Some(stored) = find(client, key, name).await? else {
        return Ok(Published::Conflict(None));
    };
    if !holds(precondition, Some(stored.revision)) {
        return Ok(Published::Conflict(Some(stored)));
    }
    statement::execute(client, DELETE, &[&stored.id.0]).await?;
    statement::execute(client, ADVANCE, &[]).await?;
    Ok(Published::Stored(stored))
}

fn from_columns(row: &Row) -> Result<StoredRepository, StoreError> {
    Ok(StoredRepository {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        package_type: row.try_get("package_type")?,
        description: row.try_get("description")?,
        managed_by: row.try_get("managed_by")?,
        revision: row.try_get("revision")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        definition: row.try_get("definition")?,
        secret: row.try_get("secret")?,
    })
}

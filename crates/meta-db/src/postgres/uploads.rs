//! Uploads that take several requests.

use artifact_core::ports::{Claimed, IdlePass, Upload, UploadId, UploadProgress, UploadStore};
use artifact_core::{RepositoryId, Result, Timestamp};
use async_trait::async_trait;
use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::connections::{Client, Purpose};
use super::{PostgresStore, statement};
use crate::claim::is_free;
use crate::error::StoreError;
use crate::integer;

const INSERT: &str = "INSERT INTO upload
        (id, repository, name, size, state, finished_as, created_at, updated_at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8
    WHERE EXISTS (SELECT 1 FROM repository WHERE id = $2)";
const READ: &str = include_str!("queries/upload.sql");
const LOCK: &str = concat!(include_str!("queries/upload.sql"), "FOR UPDATE");
const CLAIM: &str = "UPDATE upload SET claimed_by = $2, claimed_until = $3 WHERE id = $1";
const ADVANCE: &str = "UPDATE upload SET size = $3, state = $4, updated_at = $5, claimed_until = $6
    WHERE id = $1 AND claimed_by = $2 AND finished_as IS NULL";
const RELEASE: &str = "UPDATE upload SET claimed_by = NULL, claimed_until = NULL
    WHERE id = $1 AND claimed_by = $2";
const FINISH: &str = "UPDATE upload
    SET finished_as = $3, updated_at = $4, claimed_by = NULL, claimed_until = NULL
    WHERE id = $1 AND claimed_by = $2 AND finished_as IS NULL";
const REMOVE: &str = "DELETE FROM upload WHERE id = $1";
const IDLE: &str = include_str!("queries/idle_uploads.sql");

#[async_trait]
impl UploadStore for PostgresStore {
    async fn create_upload(&self, upload: &Upload) -> Result<()> {
        Upload::check_name(&upload.name)?;
        Upload::check_state(&upload.state)?;
        Upload::check_name(upload.finished_as.as_deref().unwrap_or_default())?;
        let work = |client: Client| async move { insert(&client, upload).await };
        self.connections.execute(work).await
    }

    async fn upload(&self, id: UploadId) -> Result<Option<Upload>> {
        let read = |client: Client| async move {
            let row = statement::row_if_any(&client, READ, &[&id.as_uuid()]).await?;
            row.as_ref().map(from_columns).transpose()
        };
        self.connections.read(read).await
    }

    async fn claim_upload(
        &self,
        id: UploadId,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Claimed> {
        Upload::check_name(owner)?;
        let work = |client: Client| async move { claim(&client, id, owner, now, until).await };
        self.connections.transact(Purpose::Write, work).await
    }

    async fn advance_upload(
        &self,
        id: UploadId,
        owner: &str,
        progress: &UploadProgress,
    ) -> Result<bool> {
        Upload::check_name(owner)?;
        Upload::check_state(&progress.state)?;
        let UploadProgress { size, state, now, claimed_until } = progress;
        let parameters: statement::Parameters<'_> = &[
            &id.as_uuid(),
            &owner,
            &integer::to_sql(*size),
            state,
            &now.as_millis(),
            &claimed_until.as_millis(),
        ];
        self.changes_an_upload(ADVANCE, parameters).await
    }

    async fn release_upload(&self, id: UploadId, owner: &str) -> Result<()> {
        Upload::check_name(owner)?;
        self.changes_an_upload(RELEASE, &[&id.as_uuid(), &owner]).await.map(|_| ())
    }

    async fn finish_upload(
        &self,
        id: UploadId,
        owner: &str,
        finished_as: &str,
        now: Timestamp,
    ) -> Result<bool> {
        Upload::check_name(owner)?;
        Upload::check_name(finished_as)?;
        let parameters: statement::Parameters<'_> =
            &[&id.as_uuid(), &owner, &finished_as, &now.as_millis()];
        self.changes_an_upload(FINISH, parameters).await
    }

    async fn remove_upload(&self, id: UploadId) -> Result<bool> {
        self.changes_an_upload(REMOVE, &[&id.as_uuid()]).await
    }

    async fn idle_uploads(&self, pass: IdlePass) -> Result<Vec<Upload>> {
        let (since, now) = (pass.idle_since.as_millis(), pass.now.as_millis());
        let limit = integer::limit(pass.limit);
        let parameters: statement::Parameters<'_> = &[&since, &now, &limit];
        let read = |client: Client| async move {
            statement::rows(&client, IDLE, parameters).await?.iter().map(from_columns).collect()
        };
        self.connections.read(read).await
    }
}

impl PostgresStore {
    /// Runs a statement about one upload; whether it found it as it should be.
    async fn changes_an_upload(
        &self,
        sql: &'static str,
        parameters: statement::Parameters<'_>,
    ) -> Result<bool> {
        let work = |client: Client| async move {
            Ok(statement::execute(&client, sql, parameters).await? == 1)
        };
        self.connections.execute(work).await
    }
}

async fn insert(client: &ClientWrapper, upload: &Upload) -> Result<(), StoreError> {
    let parameters: statement::Parameters<'_> = &[
        &upload.id.as_uuid(),
        &upload.repository.0,
        &upload.name,
        &integer::to_sql(upload.size),
        &upload.state,
        &upload.finished_as,
        &upload.created_at.as_millis(),
        &upload.updated_at.as_millis(),
    ];
    match statement::execute(client, INSERT, parameters).await {
        Ok(0) => Err(StoreError::NoSuchRepository),
        Ok(_) => Ok(()),
        Err(StoreError::Postgres(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
            Err(StoreError::UploadExists)
        }
        Err(error) => Err(error),
    }
}

async fn claim(
    client: &ClientWrapper,
    id: UploadId,
    owner: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<Claimed, StoreError> {
    let Some(row) = statement::row_if_any(client, LOCK, &[&id.as_uuid()]).await? else {
        return Ok(Claimed::Absent);
    };
    let upload = from_columns(&row)?;
    if upload.finished_as.is_some() {
        return Ok(Claimed::Finished(upload));
    }
    if !is_free(row.try_get("claimed_by")?, row.try_get("claimed_until")?, owner, now) {
        return Ok(Claimed::Busy);
    }
    let parameters: statement::Parameters<'_> = &[&id.as_uuid(), &owner, &until.as_millis()];
    statement::execute(client, CLAIM, parameters).await?;
    Ok(Claimed::Upload(upload))
}

fn from_columns(row: &Row) -> Result<Upload, StoreError> {
    Ok(Upload {
        id: UploadId::from_uuid(row.try_get("id")?),
        repository: RepositoryId(row.try_get("repository")?),
        name: row.try_get("name")?,
        size: integer::from_sql(row.try_get("size")?),
        state: row.try_get("state")?,
        finished_as: row.try_get("finished_as")?,
        created_at: Timestamp::from_millis(row.try_get("created_at")?),
        updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
    })
}

//! Uploads that take several requests.

use artifact_core::ports::{Claimed, IdlePass, Upload, UploadId, UploadProgress, UploadStore};
use artifact_core::{RepositoryId, Result, Timestamp};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::{SqliteStore, integer};
use crate::claim::is_free;
use crate::error::StoreError;

const INSERT: &str = "INSERT INTO upload
        (id, repository, name, size, state, finished_as, created_at, updated_at)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
    WHERE EXISTS (SELECT 1 FROM repository WHERE id = ?2)";
const READ: &str = include_str!("queries/upload.sql");
const CLAIM: &str = "UPDATE upload SET claimed_by = ?2, claimed_until = ?3 WHERE id = ?1";
const ADVANCE: &str = "UPDATE upload SET size = ?3, state = ?4, updated_at = ?5, claimed_until = ?6
    WHERE id = ?1 AND claimed_by = ?2 AND finished_as IS NULL";
const RELEASE: &str = "UPDATE upload SET claimed_by = NULL, claimed_until = NULL
    WHERE id = ?1 AND claimed_by = ?2";
const END_CLAIMS: &str =
    "UPDATE upload SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by IS NOT NULL";
const FINISH: &str = "UPDATE upload
    SET finished_as = ?3, updated_at = ?4, claimed_by = NULL, claimed_until = NULL
    WHERE id = ?1 AND claimed_by = ?2 AND finished_as IS NULL";
const REMOVE: &str = "DELETE FROM upload WHERE id = ?1";
const IDLE: &str = include_str!("queries/idle_uploads.sql");

/// Ends every claim, whoever has it.
pub(super) fn end_claims(connection: &Connection) -> Result<(), StoreError> {
    connection.execute(END_CLAIMS, [])?;
    Ok(())
}

#[async_trait]
impl UploadStore for SqliteStore {
    async fn create_upload(&self, upload: &Upload) -> Result<()> {
        Upload::check_name(&upload.name)?;
        Upload::check_state(&upload.state)?;
        Upload::check_name(upload.finished_as.as_deref().unwrap_or_default())?;
        let upload = upload.clone();
        self.metadata.writer.call(move |connection| insert(connection, &upload)).await
    }

    async fn upload(&self, id: UploadId) -> Result<Option<Upload>> {
        let find = move |connection: &Connection| Ok(find(connection, id)?.map(|held| held.upload));
        self.metadata.readers.call(find).await
    }

    async fn claim_upload(
        &self,
        id: UploadId,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Claimed> {
        Upload::check_name(owner)?;
        let owner = owner.to_owned();
        let claim = move |connection: &Connection| claim(connection, id, &owner, now, until);
        self.metadata.writer.call(claim).await
    }

    async fn advance_upload(
        &self,
        id: UploadId,
        owner: &str,
        progress: &UploadProgress,
    ) -> Result<bool> {
        Upload::check_name(owner)?;
        Upload::check_state(&progress.state)?;
        let UploadProgress { size, state, now, claimed_until } = progress.clone();
        let (id, owner, size) = (id.to_string(), owner.to_owned(), integer::to_sql(size));
        let (now, until) = (now.as_millis(), claimed_until.as_millis());
        self.changes_an_upload(ADVANCE, (id, owner, size, state, now, until)).await
    }

    async fn release_upload(&self, id: UploadId, owner: &str) -> Result<()> {
        Upload::check_name(owner)?;
        let parameters = (id.to_string(), owner.to_owned());
        self.changes_an_upload(RELEASE, parameters).await.map(|_| ())
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
        let (id, owner, finished_as) = (id.to_string(), owner.to_owned(), finished_as.to_owned());
        self.changes_an_upload(FINISH, (id, owner, finished_as, now.as_millis())).await
    }

    async fn remove_upload(&self, id: UploadId) -> Result<bool> {
        self.changes_an_upload(REMOVE, [id.to_string()]).await
    }

    async fn idle_uploads(&self, pass: IdlePass) -> Result<Vec<Upload>> {
        self.metadata.readers.call(move |connection| idle(connection, pass)).await
    }
}

impl SqliteStore {
    /// Runs a statement about one upload; whether it found it as it should be.
    async fn changes_an_upload(
        &self,
        sql: &'static str,
        parameters: impl Params + Send + 'static,
    ) -> Result<bool> {
        let change = move |connection: &Connection| {
            Ok(connection.prepare_cached(sql)?.execute(parameters)? == 1)
        };
        self.metadata.writer.call(change).await
    }
}

/// An upload and the claim on it.
struct Held {
    upload: Upload,
    claimed_by: Option<String>,
    claimed_until: Option<i64>,
}

fn find(connection: &Connection, id: UploadId) -> Result<Option<Held>, StoreError> {
    let mut statement = connection.prepare_cached(READ)?;
    let held = |row: &Row<'_>| -> Result<Held, StoreError> {
        Ok(Held {
            upload: from_columns(row)?,
            claimed_by: row.get("claimed_by")?,
            claimed_until: row.get("claimed_until")?,
        })
    };
    let read = statement.query_row([id.to_string()], |row| Ok(held(row))).optional()?;
    read.transpose()
}

fn insert(connection: &Connection, upload: &Upload) -> Result<(), StoreError> {
    if find(connection, upload.id)?.is_some() {
        return Err(StoreError::UploadExists);
    }
    let inserted = connection.prepare_cached(INSERT)?.execute(params![
        upload.id.to_string(),
        upload.repository.0,
        upload.name,
        integer::to_sql(upload.size),
        upload.state,
        upload.finished_as,
        upload.created_at.as_millis(),
        upload.updated_at.as_millis(),
    ])?;
    if inserted == 1 { Ok(()) } else { Err(StoreError::NoSuchRepository) }
}

fn claim(
    connection: &Connection,
    id: UploadId,
    owner: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<Claimed, StoreError> {
    let Some(Held { upload, claimed_by, claimed_until }) = find(connection, id)? else {
        return Ok(Claimed::Absent);
    };
    if upload.finished_as.is_some() {
        return Ok(Claimed::Finished(upload));
    }
    if !is_free(claimed_by.as_deref(), claimed_until, owner, now) {
        return Ok(Claimed::Busy);
    }
    let parameters = params![id.to_string(), owner, until.as_millis()];
    connection.prepare_cached(CLAIM)?.execute(parameters)?;
    Ok(Claimed::Upload(upload))
}

fn idle(connection: &Connection, pass: IdlePass) -> Result<Vec<Upload>, StoreError> {
    let mut statement = connection.prepare_cached(IDLE)?;
    let (since, now) = (pass.idle_since.as_millis(), pass.now.as_millis());
    let mut rows = statement.query(params![since, now, integer::limit(pass.limit)])?;
    let mut uploads = Vec::new();
    while let Some(row) = rows.next()? {
        uploads.push(from_columns(row)?);
    }
    Ok(uploads)
}

fn from_columns(row: &Row<'_>) -> Result<Upload, StoreError> {
    let id: String = row.get("id")?;
    Ok(Upload {
        id: id.parse().map_err(|error| StoreError::malformed("id of an upload", error))?,
        repository: RepositoryId(row.get("repository")?),
        name: row.get("name")?,
        size: integer::from_sql(row.get("size")?),
        state: row.get("state")?,
        finished_as: row.get("finished_as")?,
        created_at: Timestamp::from_millis(row.get("created_at")?),
        updated_at: Timestamp::from_millis(row.get("updated_at")?),
    })
}

//! Rows that refer to each other: promises, relations, and the way to what is published, removed and
//! given up together.

use artifact_core::ports::{
    Evicted, GivingUp, PublishedSet, RelatedRow, Removal, Removed, RowSet, RowSets,
};
use artifact_core::{Algorithm, ArtifactRow, Digest, RepositoryId, Result, RowKey, Timestamp};
use async_trait::async_trait;
use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::connections::{Client, Purpose};
use super::{PostgresStore, giving_up, publishing, removal, row_columns, statement};
use crate::error::StoreError;
use crate::integer;
use crate::range::just_behind;

const PROMISE: &str = include_str!("queries/promise.sql");
const WITH_BLOB: &str = include_str!("queries/row_with_blob.sql");
const NAMED_BY_SHA512: &str = include_str!("queries/row_named_by_sha512.sql");
const RELATED: &str = "SELECT path, descriptor FROM relation
    WHERE repository = $1 AND subject = $2 AND path >= $3 ORDER BY path LIMIT $4";

#[async_trait]
impl RowSets for PostgresStore {
    async fn publish_set(&self, set: RowSet) -> Result<PublishedSet> {
        set.check()?;
        let set = &set;
        let work = |client: Client| async move { publishing::publish(&client, set).await };
        self.connections.transact(Purpose::Write, work).await
    }

    async fn promise(&self, key: &RowKey, now: Timestamp) -> Result<bool> {
        let work = |client: Client| async move { promise(&client, key, now).await };
        self.connections.execute(work).await
    }

    async fn remove_unneeded(&self, removal: &Removal) -> Result<Removed> {
        let work = |client: Client| async move { removal::remove(&client, removal).await };
        self.connections.transact(Purpose::Write, work).await
    }

    async fn row_with_digest(
        &self,
        repository: RepositoryId,
        digest: &Digest,
        ending: &str,
    ) -> Result<Option<ArtifactRow>> {
        if ending.contains('\0') {
            return Ok(None);
        }
        let (bytes, name) = (digest.as_bytes(), format!("/{digest}"));
        let (sql, sought): (_, &(dyn ToSql + Sync)) = match digest.algorithm() {
            Algorithm::Sha256 => (WITH_BLOB, &bytes),
            Algorithm::Sha512 => (NAMED_BY_SHA512, &name),
            Algorithm::Md5 | Algorithm::Sha1 => return Ok(None),
        };
        let read = |client: Client| async move {
            let parameters: statement::Parameters<'_> = &[sought, &repository.0, &ending];
            let found = statement::rows(&client, sql, parameters).await?;
            found.first().map(row_columns::from_columns).transpose()
        };
        self.connections.read(read).await
    }

    async fn related(
        &self,
        repository: RepositoryId,
        subject: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RelatedRow>> {
        // No text in this database holds NUL: the first one behind such a text is behind what
        // precedes the NUL.
        let after = after.and_then(|text| text.split('\0').next());
        if subject.contains('\0') {
            return Ok(Vec::new());
        }
        let start = &after.map_or_else(String::new, just_behind);
        let read = |client: Client| async move {
            let parameters: statement::Parameters<'_> =
                &[&repository.0, &subject, start, &integer::limit(limit)];
            statement::rows(&client, RELATED, parameters).await?.iter().map(related).collect()
        };
        self.connections.read(read).await
    }

    async fn give_up(&self, pass: GivingUp) -> Result<Evicted> {
        let work = |client: Client| async move { giving_up::give_up(&client, pass).await };
        self.connections.transact(Purpose::Collect, work).await
    }
}

async fn promise(client: &ClientWrapper, key: &RowKey, now: Timestamp) -> Result<bool, StoreError> {
    let (path, variant) = (key.path.as_str(), key.variant.as_str());
    let parameters: statement::Parameters<'_> =
        &[&key.repository.0, &path, &variant, &now.as_millis()];
    Ok(statement::row(client, PROMISE, parameters).await?.try_get(0)?)
}

fn related(row: &Row) -> Result<RelatedRow, StoreError> {
    let path = row_columns::path_from_text(row.try_get("path")?)?;
    Ok(RelatedRow { path, descriptor: row.try_get("descriptor")? })
}

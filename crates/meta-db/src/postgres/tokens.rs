//! Access tokens.

use artifact_core::ports::{NewToken, Published, Token, TokenHash, TokenId, TokenStore};
use artifact_core::{Result, Timestamp};
use async_trait::async_trait;
use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;
use uuid::Uuid;

use super::connections::{Client, Purpose};
use super::{PostgresStore, statement};
use crate::error::StoreError;
use crate::integer;
use crate::stored_token::{StoredToken, USE_STEP};

const GIVE_UP_NAME: &str = "DELETE FROM token
    WHERE name = $1 AND (revoked_at IS NOT NULL OR expires_at <= $2)";
/// Waits for another replica that takes the same name, and then leaves it that one's.
const INSERT: &str = "INSERT INTO token (id, name, secret_sha256, scopes, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
const BY_NAME: &str = "SELECT id, name, scopes, created_at, expires_at, last_used_at, revoked_at
    FROM token WHERE name = $1";
const BY_HASH: &str = "SELECT id, name, scopes, created_at, expires_at, last_used_at, revoked_at
    FROM token WHERE secret_sha256 = $1";
const LIST: &str = "SELECT id, name, scopes, created_at, expires_at, last_used_at, revoked_at
    FROM token WHERE name COLLATE \"C\" > $1 ORDER BY name COLLATE \"C\" LIMIT $2";
const REVOKE: &str = "UPDATE token SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1
    RETURNING id, name, scopes, created_at, expires_at, last_used_at, revoked_at";
/// In order of id, so that replicas that record the same tokens do not lock each other out.
const RECORD: &str = "UPDATE token SET last_used_at = used_at
    FROM (
        SELECT token.id, used.used_at
        FROM unnest($1::uuid[], $2::bigint[]) AS used (id, used_at)
        JOIN token ON token.id = used.id
        WHERE token.last_used_at IS NULL OR token.last_used_at + $3 <= used.used_at
        ORDER BY token.id FOR UPDATE OF token
    ) AS due
    WHERE token.id = due.id";
const FORGET: &str = "DELETE FROM token WHERE least(revoked_at, expires_at) < $1";

#[async_trait]
impl TokenStore for PostgresStore {
    async fn create_token(&self, new: &NewToken) -> Result<Published<Token>> {
        let work = |client: Client| async move { create(&client, new).await };
        self.connections.transact(Purpose::Write, work).await
    }

    async fn tokens(&self, after: Option<&str>, limit: usize) -> Result<Vec<Token>> {
        let after = after.unwrap_or_default();
        let list = |client: Client| async move {
            let parameters: statement::Parameters<'_> = &[&after, &integer::limit(limit)];
            let rows = statement::rows(&client, LIST, parameters).await?;
            rows.iter().map(from_columns).collect()
        };
        self.connections.read(list).await
    }

    async fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<Token>> {
        let hash = hash.as_bytes().as_slice();
        let find = |client: Client| async move {
            let row = statement::row_if_any(&client, BY_HASH, &[&hash]).await?;
            row.map(|row| from_columns(&row)).transpose()
        };
        self.connections.read(find).await
    }

    async fn revoke_token(&self, id: TokenId, now: Timestamp) -> Result<Option<Token>> {
        let revoke = |client: Client| async move {
            let parameters: statement::Parameters<'_> = &[&id.as_uuid(), &now.as_millis()];
            let row = statement::row_if_any(&client, REVOKE, parameters).await?;
            row.map(|row| from_columns(&row)).transpose()
        };
        self.connections.execute(revoke).await
    }

    async fn record_token_uses(&self, uses: &[(TokenId, Timestamp)]) -> Result<()> {
        let ids: Vec<Uuid> = uses.iter().map(|(id, _)| id.as_uuid()).collect();
        let moments: Vec<i64> = uses.iter().map(|(_, moment)| moment.as_millis()).collect();
        let parameters: statement::Parameters<'_> = &[&ids, &moments, &USE_STEP];
        let record = |client: Client| async move {
            statement::execute(&client, RECORD, parameters).await.map(|_| ())
        };
        self.connections.execute(record).await
    }

    async fn forget_tokens(&self, ended_before: Timestamp) -> Result<()> {
        let before = ended_before.as_millis();
        let forget = |client: Client| async move {
            statement::execute(&client, FORGET, &[&before]).await.map(|_| ())
        };
        self.connections.execute(forget).await
    }
}

async fn create(client: &ClientWrapper, new: &NewToken) -> Result<Published<Token>, StoreError> {
    let (name, created_at) = (new.name.as_str(), new.created_at.as_millis());
    statement::execute(client, GIVE_UP_NAME, &[&name, &created_at]).await?;
    let parameters: statement::Parameters<'_> = &[
        &new.id.as_uuid(),
        &name,
        &new.hash.as_bytes().as_slice(),
        &new.scopes.to_string(),
        &created_at,
        &new.expires_at.map(Timestamp::as_millis),
    ];
    let inserted = statement::execute(client, INSERT, parameters).await?;
    let row = statement::row_if_any(client, BY_NAME, &[&name]).await?;
    let stored = row.map(|row| from_columns(&row)).transpose()?;
    match stored {
        Some(stored) if inserted == 1 => Ok(Published::Stored(stored)),
        stored => Ok(Published::Conflict(stored)),
    }
}

fn from_columns(row: &Row) -> Result<Token, StoreError> {
    let id: Uuid = row.try_get("id")?;
    let stored = StoredToken {
        id: id.to_string(),
        name: row.try_get("name")?,
        scopes: row.try_get("scopes")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        last_used_at: row.try_get("last_used_at")?,
        revoked_at: row.try_get("revoked_at")?,
    };
    stored.open()
}

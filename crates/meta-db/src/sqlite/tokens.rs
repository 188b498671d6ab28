//! Access tokens.

use artifact_core::ports::{NewToken, Published, Token, TokenHash, TokenId, TokenStore};
use artifact_core::{Result, Timestamp};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::{SqliteStore, integer};
use crate::error::StoreError;
use crate::stored_token::{StoredToken, USE_STEP};

const GIVE_UP_NAME: &str = "DELETE FROM token
    WHERE name = ?1 AND (revoked_at IS NOT NULL OR expires_at <= ?2)";
const INSERT: &str = "INSERT INTO token (id, name, secret_sha256, scopes, created_at, expires_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
const BY_NAME: &str = "SELECT id, name, scopes, created_at, expires_at, last_used_at, revoked_at
    FROM token WHERE name = ?1";
const BY_HASH: &str = "SELECT id, name, scopes, created_at, expires_at, last_used_at, revoked_at
    FROM token WHERE secret_sha256 = ?1";
const LIST: &str = "SELECT id, name, scopes, created_at, expires_at, last_used_at, revoked_at
    FROM token WHERE name > ?1 ORDER BY name LIMIT ?2";
const REVOKE: &str = "UPDATE token SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1
    RETURNING id, name, scopes, created_at, expires_at, last_used_at, revoked_at";
const RECORD: &str = "UPDATE token SET last_used_at = ?2
    WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at + ?3 <= ?2)";
const FORGET: &str = "DELETE FROM token WHERE revoked_at < ?1 OR expires_at < ?1";

#[async_trait]
impl TokenStore for SqliteStore {
    async fn create_token(&self, new: &NewToken) -> Result<Published<Token>> {
        let new = new.clone();
        self.metadata.writer.call(move |connection| create(connection, &new)).await
    }

    async fn tokens(&self, after: Option<&str>, limit: usize) -> Result<Vec<Token>> {
        let after = after.unwrap_or_default().to_owned();
        let list = move |connection: &Connection| list(connection, &after, limit);
        self.metadata.readers.call(list).await
    }

    async fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<Token>> {
        let hash = *hash;
        let find = move |connection: &Connection| {
            find(connection, BY_HASH, params![hash.as_bytes().as_slice()])
        };
        self.metadata.readers.call(find).await
    }

    async fn revoke_token(&self, id: TokenId, now: Timestamp) -> Result<Option<Token>> {
        let revoke = move |connection: &Connection| {
            find(connection, REVOKE, params![id.to_string(), now.as_millis()])
        };
        self.metadata.writer.call(revoke).await
    }

    async fn record_token_uses(&self, uses: &[(TokenId, Timestamp)]) -> Result<()> {
        let uses = uses.to_vec();
        self.metadata.writer.call(move |connection| record(connection, &uses)).await
    }

    async fn forget_tokens(&self, ended_before: Timestamp) -> Result<()> {
        let forget = move |connection: &Connection| {
            connection.prepare_cached(FORGET)?.execute([ended_before.as_millis()])?;
            Ok(())
        };
        self.metadata.writer.call(forget).await
    }
}

fn create(connection: &Connection, new: &NewToken) -> Result<Published<Token>, StoreError> {
    let (name, created_at) = (new.name.as_str(), new.created_at.as_millis());
    connection.prepare_cached(GIVE_UP_NAME)?.execute(params![name, created_at])?;
    let inserted = connection.prepare_cached(INSERT)?.execute(params![
        new.id.to_string(),
        name,
        new.hash.as_bytes().as_slice(),
        new.scopes.to_string(),
        created_at,
        new.expires_at.map(Timestamp::as_millis),
    ])?;
    match find(connection, BY_NAME, params![name])? {
        Some(stored) if inserted == 1 => Ok(Published::Stored(stored)),
        stored => Ok(Published::Conflict(stored)),
    }
}

fn list(connection: &Connection, after: &str, limit: usize) -> Result<Vec<Token>, StoreError> {
    let mut statement = connection.prepare_cached(LIST)?;
    let rows = statement.query_map(params![after, integer::limit(limit)], from_columns)?;
    rows.map(|row| row?.open()).collect()
}

fn find(
    connection: &Connection,
    sql: &str,
    parameters: &[&dyn ToSql],
) -> Result<Option<Token>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let columns = statement.query_row(parameters, from_columns).optional()?;
    columns.map(StoredToken::open).transpose()
}

fn record(connection: &Connection, uses: &[(TokenId, Timestamp)]) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(RECORD)?;
    for (id, moment) in uses {
        statement.execute(params![id.to_string(), moment.as_millis(), USE_STEP])?;
    }
    Ok(())
}

fn from_columns(row: &Row<'_>) -> rusqlite::Result<StoredToken> {
    Ok(StoredToken {
        id: row.get("id")?,
        name: row.get("name")?,
        scopes: row.get("scopes")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        last_used_at: row.get("last_used_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}

//! The keys with which this installation signs.

use std::sync::Arc;

use artifact_core::ports::{KeyStore, StoredKey};
use artifact_core::{KeyKind, Result};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteStore;
use crate::encryption::EncryptionKey;
use crate::error::StoreError;
use crate::signing_key::SealedKey;

const READ: &str = "SELECT public_key, sealed_key, created_at FROM signing_key WHERE kind = ?1";
const KEEP: &str = "INSERT INTO signing_key (kind, public_key, sealed_key, created_at)
    VALUES (?1, ?2, ?3, ?4) ON CONFLICT (kind) DO NOTHING";

#[async_trait]
impl KeyStore for SqliteStore {
    async fn signing_key(&self, kind: KeyKind) -> Result<Option<StoredKey>> {
        let key = Arc::clone(&self.key);
        self.metadata.readers.call(move |connection| find(connection, &key, kind)).await
    }

    async fn keep_signing_key(&self, kind: KeyKind, new: StoredKey) -> Result<StoredKey> {
        let key = Arc::clone(&self.key);
        self.metadata.writer.call(move |connection| keep(connection, &key, kind, &new)).await
    }
}

fn find(
    connection: &Connection,
    key: &EncryptionKey,
    kind: KeyKind,
) -> Result<Option<StoredKey>, StoreError> {
    let mut statement = connection.prepare_cached(READ)?;
    let columns = statement.query_row([kind.name()], |row| {
        Ok(SealedKey {
            public: row.get("public_key")?,
            secret: row.get("sealed_key")?,
            created_at: row.get("created_at")?,
        })
    });
    columns.optional()?.map(|sealed| sealed.open(key, kind)).transpose()
}

fn keep(
    connection: &Connection,
    key: &EncryptionKey,
    kind: KeyKind,
    new: &StoredKey,
) -> Result<StoredKey, StoreError> {
    let sealed = SealedKey::seal(key, kind, new)?;
    connection.prepare_cached(KEEP)?.execute(params![
        kind.name(),
        sealed.public,
        sealed.secret,
        sealed.created_at
    ])?;
    find(connection, key, kind)?.ok_or(StoreError::Unsettled)
}

//! The keys with which this installation signs.

use artifact_core::ports::{KeyStore, StoredKey};
use artifact_core::{KeyKind, Result};
use async_trait::async_trait;
use deadpool_postgres::ClientWrapper;

use super::connections::{Client, Purpose};
use super::{PostgresStore, statement};
use crate::encryption::EncryptionKey;
use crate::error::StoreError;
use crate::signing_key::SealedKey;

const READ: &str = "SELECT public_key, sealed_key, created_at FROM signing_key WHERE kind = $1";
/// Waits for another replica that is storing its key, and then leaves that one alone.
const KEEP: &str = "INSERT INTO signing_key (kind, public_key, sealed_key, created_at)
    VALUES ($1, $2, $3, $4) ON CONFLICT (kind) DO NOTHING";

#[async_trait]
impl KeyStore for PostgresStore {
    async fn signing_key(&self, kind: KeyKind) -> Result<Option<StoredKey>> {
        let key = &self.key;
        self.connections.read(|client: Client| async move { find(&client, key, kind).await }).await
    }

    async fn keep_signing_key(&self, kind: KeyKind, new: StoredKey) -> Result<StoredKey> {
        let (key, new) = (&self.key, &new);
        let work = |client: Client| async move { keep(&client, key, kind, new).await };
        self.connections.transact(Purpose::Write, work).await
    }
}

async fn find(
    client: &ClientWrapper,
    key: &EncryptionKey,
    kind: KeyKind,
) -> Result<Option<StoredKey>, StoreError> {
    let Some(row) = statement::row_if_any(client, READ, &[&kind.name()]).await? else {
        return Ok(None);
    };
    let sealed = SealedKey {
        public: row.try_get("public_key")?,
        secret: row.try_get("sealed_key")?,
        created_at: row.try_get("created_at")?,
    };
    sealed.open(key, kind).map(Some)
}

async fn keep(
    client: &ClientWrapper,
    key: &EncryptionKey,
    kind: KeyKind,
    new: &StoredKey,
) -> Result<StoredKey, StoreError> {
    let sealed = SealedKey::seal(key, kind, new)?;
    let parameters: statement::Parameters<'_> =
        &[&kind.name(), &sealed.public, &sealed.secret, &sealed.created_at];
    statement::execute(client, KEEP, parameters).await?;
    find(client, key, kind).await?.ok_or(StoreError::Unsettled)
}

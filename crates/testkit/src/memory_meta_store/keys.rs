//! Signing keys in memory.

use std::collections::HashMap;

use artifact_core::ports::{KeyStore, StoredKey};
use artifact_core::{KeyKind, Result};
use async_trait::async_trait;

use super::MemoryMetaStore;

/// One key of each kind.
pub(super) type Keys = HashMap<KeyKind, StoredKey>;

#[async_trait]
impl KeyStore for MemoryMetaStore {
    async fn signing_key(&self, kind: KeyKind) -> Result<Option<StoredKey>> {
        Ok(self.enter()?.keys.get(&kind).cloned())
    }

    async fn keep_signing_key(&self, kind: KeyKind, new: StoredKey) -> Result<StoredKey> {
        Ok(self.enter()?.keys.entry(kind).or_insert(new).clone())
    }
}

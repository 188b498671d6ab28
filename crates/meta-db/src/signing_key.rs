//! A signing key as the databases hold it: its secret half encrypted.

use artifact_core::ports::StoredKey;
use artifact_core::{KeyKind, Secret, Timestamp};

use crate::encryption::EncryptionKey;
use crate::error::StoreError;

/// The columns of a signing key.
pub(crate) struct SealedKey {
    pub(crate) public: Vec<u8>,
    pub(crate) secret: Vec<u8>,
    pub(crate) created_at: i64,
}

impl SealedKey {
    /// What `new` is stored as.
    pub(crate) fn seal(
        key: &EncryptionKey,
        kind: KeyKind,
        new: &StoredKey,
    ) -> Result<Self, StoreError> {
        let sealed = key.seal(&owner(kind), new.secret.expose()).ok_or(StoreError::Encryption)?;
        Ok(Self {
            public: new.public.to_vec(),
            secret: sealed,
            created_at: new.created_at.as_millis(),
        })
    }

    /// What it means, with its secret half decrypted.
    pub(crate) fn open(self, key: &EncryptionKey, kind: KeyKind) -> Result<StoredKey, StoreError> {
        let secret = key
            .open(&owner(kind), &self.secret)
            .ok_or_else(|| StoreError::SigningKey(kind.name()))?;
        Ok(StoredKey {
            public: self.public.into(),
            secret: Secret::new(secret.as_str()),
            created_at: Timestamp::from_millis(self.created_at),
        })
    }
}

/// What a sealed key is bound to. No repository can have this name.
fn owner(kind: KeyKind) -> String {
    format!("signing key {}", kind.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> StoredKey {
        StoredKey {
            public: "public".into(),
            secret: Secret::new("secret half"),
            created_at: Timestamp::from_seconds(1_800_000_000),
        }
    }

    #[test]
    fn a_sealed_key_opens_only_as_its_kind_and_with_its_encryption_key() {
        let key = EncryptionKey::from_bytes([7; 32]);
        let sealed = || SealedKey::seal(&key, KeyKind::Rsa, &new()).unwrap();
        assert_eq!(sealed().open(&key, KeyKind::Rsa).unwrap(), new());
        let other = EncryptionKey::from_bytes([8; 32]);
        for error in [
            sealed().open(&key, KeyKind::OpenPgp).unwrap_err(),
            sealed().open(&other, KeyKind::Rsa).unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::SigningKey(_)), "{error:?}");
        }
    }

    #[test]
    fn the_secret_half_is_not_in_any_column() {
        let key = EncryptionKey::from_bytes([7; 32]);
        let sealed = SealedKey::seal(&key, KeyKind::Rsa, &new()).unwrap();
        for column in [sealed.public, sealed.secret] {
            assert!(!column.windows(6).any(|window| window == b"secret"));
        }
    }
}

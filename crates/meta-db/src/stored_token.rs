//! A token as the databases hold it.

use artifact_core::Timestamp;
use artifact_core::ports::Token;

use crate::error::StoreError;

/// The columns of a token, without its hash.
pub(crate) struct StoredToken {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) scopes: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) last_used_at: Option<i64>,
    pub(crate) revoked_at: Option<i64>,
}

impl StoredToken {
    /// What it means.
    pub(crate) fn open(self) -> Result<Token, StoreError> {
        let id = self.id.parse();
        let name = self.name.parse();
        let scopes = self.scopes.parse();
        Ok(Token {
            id: id.map_err(|error| StoreError::malformed("id of a token", error))?,
            name: name.map_err(|error| StoreError::malformed("name of a token", error))?,
            scopes: scopes.map_err(|error| StoreError::malformed("scope of a token", error))?,
            created_at: Timestamp::from_millis(self.created_at),
            expires_at: self.expires_at.map(Timestamp::from_millis),
            last_used_at: self.last_used_at.map(Timestamp::from_millis),
            revoked_at: self.revoked_at.map(Timestamp::from_millis),
        })
    }
}

/// How much newer a use must be to be recorded, in milliseconds.
pub(crate) const USE_STEP: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(name: &str, scopes: &str) -> StoredToken {
        StoredToken {
            id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
            name: name.to_owned(),
            scopes: scopes.to_owned(),
            created_at: 1,
            expires_at: Some(2),
            last_used_at: None,
            revoked_at: None,
        }
    }

    #[test]
    fn a_scope_that_is_not_understood_gives_no_right() {
        assert!(stored("ci", "read:* write:a").open().is_ok());
        for (name, scopes) in [("ci", ""), ("ci", "read:* own:a"), ("c i", "admin")] {
            let error = stored(name, scopes).open().unwrap_err();
            assert!(matches!(error, StoreError::Malformed(..)), "{error:?}");
        }
    }
}

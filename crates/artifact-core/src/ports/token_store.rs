//! Access tokens. The store holds what a token may do and the SHA-256 of its secret, never the secret.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use uuid::Uuid;

use super::Published;
use crate::{Result, Scopes, Timestamp, TokenName};

/// The number of a token.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TokenId(Uuid);

/// A text that is no [`TokenId`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not the id of a token")]
pub struct InvalidTokenId;

impl TokenId {
    /// A new id; ids that are made later are greater.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id in a UUID of the database.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The id as a UUID.
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl Default for TokenId {
    fn default() -> Self {
        Self::new()
    }
}

impl FromStr for TokenId {
    type Err = InvalidTokenId;

    fn from_str(text: &str) -> Result<Self, InvalidTokenId> {
        Uuid::try_parse(text).map(Self).map_err(|_| InvalidTokenId)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The SHA-256 of a secret. `Debug` prints nothing of it.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// A token about to be created.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewToken {
    /// Its id.
    pub id: TokenId,
    /// Unique among the tokens in force.
    pub name: TokenName,
    /// The SHA-256 of its secret.
    pub hash: TokenHash,
    /// What it may do.
    pub scopes: Scopes,
    /// The present.
    pub created_at: Timestamp,
    /// From when on it is worth nothing.
    pub expires_at: Option<Timestamp>,
}

/// A token without its secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// What people call it.
    pub name: TokenName,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was created.
    pub created_at: Timestamp,
    /// From when on it is worth nothing.
    pub expires_at: Option<Timestamp>,
    /// When it was presented last, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl Token {
    /// Whether it is worth anything at `now`.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// Access tokens.
#[async_trait]
pub trait TokenStore: fmt::Debug + Send + Sync {
    /// Creates a token, unless another one that is in force has its name. One that is revoked or has expired
    /// gives its name up and is forgotten.
    async fn create_token(&self, new: &NewToken) -> Result<Published<Token>>;

    /// Tokens in order of name, with names greater than `after`; those that are revoked or have expired among them.
    async fn tokens(&self, after: Option<&str>, limit: usize) -> Result<Vec<Token>>;

    /// The token of this secret's hash, whether it is in force or not.
    async fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<Token>>;

    /// Revokes a token. One that was revoked before keeps its moment; `None` if there is no such token.
    async fn revoke_token(&self, id: TokenId, now: Timestamp) -> Result<Option<Token>>;

    /// Records when tokens were presented. What is less than a minute newer than what is known may be left out;
    /// what is older changes nothing, nor do tokens that are gone.
    async fn record_token_uses(&self, uses: &[(TokenId, Timestamp)]) -> Result<()>;

    /// Forgets tokens that were revoked or expired before a moment.
    async fn forget_tokens(&self, ended_before: Timestamp) -> Result<()>;
}

//! Access tokens in memory.

use std::collections::BTreeMap;

use artifact_core::ports::{NewToken, Published, Token, TokenHash, TokenId, TokenStore};
use artifact_core::{Result, Timestamp, TokenName};
use async_trait::async_trait;

use super::MemoryMetaStore;

/// Tokens by name, each with the hash of its secret.
pub(super) type Tokens = BTreeMap<TokenName, (TokenHash, Token)>;

/// What a use must be newer by to be recorded, in milliseconds.
const USE_STEP: i64 = 60_000;

#[async_trait]
impl TokenStore for MemoryMetaStore {
    async fn create_token(&self, new: &NewToken) -> Result<Published<Token>> {
        let tokens = &mut self.enter()?.tokens;
        if let Some((_, held)) = tokens.get(&new.name)
            && held.is_in_force(new.created_at)
        {
            return Ok(Published::Conflict(Some(held.clone())));
        }
        let token = Token {
            id: new.id,
            name: new.name.clone(),
            scopes: new.scopes.clone(),
            created_at: new.created_at,
            expires_at: new.expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        tokens.insert(new.name.clone(), (new.hash, token.clone()));
        Ok(Published::Stored(token))
    }

    async fn tokens(&self, after: Option<&str>, limit: usize) -> Result<Vec<Token>> {
        let state = self.enter()?;
        let tokens = state.tokens.values().map(|(_, token)| token);
        let is_behind = |token: &&Token| token.name.as_str() > after.unwrap_or_default();
        Ok(tokens.filter(is_behind).take(limit).cloned().collect())
    }

    async fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<Token>> {
        let state = self.enter()?;
        let found = state.tokens.values().find(|(known, _)| known == hash);
        Ok(found.map(|(_, token)| token.clone()))
    }

    async fn revoke_token(&self, id: TokenId, now: Timestamp) -> Result<Option<Token>> {
        let tokens = &mut self.enter()?.tokens;
        let found = tokens.values_mut().find(|(_, token)| token.id == id);
        Ok(found.map(|(_, token)| {
            token.revoked_at.get_or_insert(now);
            token.clone()
        }))
    }

    async fn record_token_uses(&self, uses: &[(TokenId, Timestamp)]) -> Result<()> {
        let tokens = &mut self.enter()?.tokens;
        for (_, token) in tokens.values_mut() {
            let Some((_, used_at)) = uses.iter().find(|(id, _)| *id == token.id) else { continue };
            let is_due = |last: Timestamp| last.as_millis() + USE_STEP <= used_at.as_millis();
            if token.last_used_at.is_none_or(is_due) {
                token.last_used_at = Some(*used_at);
            }
        }
        Ok(())
    }

    async fn forget_tokens(&self, ended_before: Timestamp) -> Result<()> {
        let is_before = |moment: Option<Timestamp>| moment.is_some_and(|at| at < ended_before);
        self.enter()?
            .tokens
            .retain(|_, (_, token)| !is_before(token.revoked_at) && !is_before(token.expires_at));
        Ok(())
    }
}

//! Access tokens: made here, shown once, stored as a hash.

use std::time::Duration;

use admin_types::{
    CreatedToken, FieldError, Page, Problem, TokenQuery, TokenSecret, decode_cursor, encode_cursor,
};
use artifact_core::ports::{NewToken, Published, Token, TokenHash, TokenId};
use artifact_core::{
    Error, ErrorKind, InvalidName, Scope, Scopes, Timestamp, TokenForm, TokenName,
};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::Value;

use super::Admin;
use super::fields::{Fields, type_name};
use super::problem::from_error;

/// How long a token that is revoked or has expired is still listed.
const MEMORY: Duration = Duration::from_secs(30 * 24 * 3600);
/// A name that no token may have.
const ADMINISTRATOR: &str = "administrator";
const FIELDS: [&str; 3] = ["name", "scopes", "expires_at"];

/// The hash under which the token of `secret` is stored.
pub fn token_hash(secret: &[u8]) -> TokenHash {
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(digest(&SHA256, secret).as_ref()) {
        *to = *from;
    }
    TokenHash::from_bytes(hash)
}

impl Admin {
    pub(super) async fn list_tokens(
        &self,
        query: &TokenQuery,
    ) -> Result<Page<admin_types::Token>, Problem> {
        let after = query.cursor.as_deref().map(decode_cursor).transpose()?;
        let limit = query.limit.max(1);
        let tokens = self.meta().tokens(after.as_deref(), limit.saturating_add(1)).await;
        let mut tokens = tokens.map_err(from_error)?;
        let is_last = tokens.len() <= limit;
        tokens.truncate(limit);
        let last = tokens.last().filter(|_| !is_last);
        let next_cursor = last.map(|token| encode_cursor(token.name.as_str()));
        Ok(Page { items: tokens.iter().map(shown).collect(), next_cursor, total: None })
    }

    pub(super) async fn make_token(&self, document: &Value) -> Result<CreatedToken, Problem> {
        let now = self.now();
        let wanted = read(document, now).map_err(|errors| {
            let name = document.get("name").and_then(Value::as_str);
            Problem::invalid(
                &name.map_or("token".to_owned(), |name| format!("token {name}")),
                errors,
            )
        })?;
        let mut random = [0; TokenForm::BYTES];
        SystemRandom::new().fill(&mut random).map_err(|_| no_randomness()).map_err(from_error)?;
        let secret = TokenForm::secret_of(&random);
        let new = NewToken {
            id: TokenId::new(),
            name: wanted.name,
            hash: token_hash(secret.expose().as_bytes()),
            scopes: wanted.scopes,
            created_at: now,
            expires_at: wanted.expires_at,
        };
        self.meta().forget_tokens(now.minus(MEMORY)).await.map_err(from_error)?;
        match self.meta().create_token(&new).await.map_err(from_error)? {
            Published::Stored(token) => {
                let secret = TokenSecret::new(secret.expose());
                Ok(CreatedToken { token: shown(&token), secret })
            }
            Published::Conflict(_) => {
                let detail = format!("the name {} is taken by another token", new.name);
                let error = FieldError::new("#/name", "duplicate", "is taken");
                Err(Problem::conflict(detail, vec![error]))
            }
        }
    }

    pub(super) async fn end_token(&self, id: &str) -> Result<(), Problem> {
        let missing = || Problem::not_found(format!("there is no token with the id {id:?}"));
        let parsed = id.parse().map_err(|_| missing())?;
        let revoked = self.meta().revoke_token(parsed, self.now()).await.map_err(from_error)?;
        revoked.map(drop).ok_or_else(missing)
    }
}

/// What a document asks for.
#[derive(Debug)]
struct Wanted {
    name: TokenName,
    scopes: Scopes,
    expires_at: Option<Timestamp>,
}

fn read(document: &Value, now: Timestamp) -> Result<Wanted, Vec<FieldError>> {
    let Value::Object(document) = document else {
        let detail = format!("must be an object, got {}", type_name(document));
        return Err(vec![FieldError::new("#", "wrong_type", detail)]);
    };
    let mut fields = Fields::new(document);
    fields.refuse_unknown(&FIELDS);
    let name = name(&mut fields);
    let scopes = scopes(&mut fields);
    let expires_at = expires_at(&mut fields, now);
    match (name, scopes) {
        (Some(name), Some(scopes)) if fields.is_flawless() => {
            Ok(Wanted { name, scopes, expires_at })
        }
        _ => Err(fields.into_errors()),
    }
}

fn name(fields: &mut Fields<'_>) -> Option<TokenName> {
    let text = fields.required_text("name")?;
    if text == ADMINISTRATOR {
        let detail = "is what logs call the holder of ADMIN_TOKEN";
        fields.report("name", "bad_name", detail);
        return None;
    }
    match text.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            let error: InvalidName = error;
            fields.report("name", "bad_name", error.to_string());
            None
        }
    }
}

fn scopes(fields: &mut Fields<'_>) -> Option<Scopes> {
    let texts = fields.texts("scopes");
    if texts.is_empty() {
        // A list that could not be read was reported as that.
        let is_absent =
            fields.value("scopes").is_none_or(|value| value == &Value::Array(Vec::new()));
        if is_absent {
            fields.report("scopes", "required", "must name at least one scope");
        }
        return None;
    }
    if texts.len() > Scopes::MOST {
        let detail = format!("must have at most {} entries, got {}", Scopes::MOST, texts.len());
        fields.report("scopes", "out_of_range", detail);
        return None;
    }
    let mut scopes: Vec<Scope> = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(scope) => scopes.push(scope),
            Err(error) => fields.report(
                &format!("scopes/{index}"),
                "bad_scope",
                format!("{text:?} is no scope: {error}"),
            ),
        }
    }
    Scopes::new(scopes).ok()
}

fn expires_at(fields: &mut Fields<'_>, now: Timestamp) -> Option<Timestamp> {
    let text = fields.text("expires_at");
    if text.is_empty() {
        return None;
    }
    match Timestamp::from_rfc3339(&text) {
        Some(moment) if moment > now => return Some(moment),
        Some(_) => fields.report("expires_at", "out_of_range", "must lie in the future"),
        None => {
            let detail = "must be a moment such as 2030-01-02T03:04:05Z";
            fields.report("expires_at", "bad_value", detail);
        }
    }
    None
}

fn shown(token: &Token) -> admin_types::Token {
    admin_types::Token {
        id: token.id.to_string(),
        name: token.name.to_string(),
        scopes: token.scopes.iter().map(ToString::to_string).collect(),
        created_at: token.created_at.to_rfc3339(),
        expires_at: token.expires_at.map(Timestamp::to_rfc3339),
        last_used_at: token.last_used_at.map(Timestamp::to_rfc3339),
        revoked_at: token.revoked_at.map(Timestamp::to_rfc3339),
    }
}

fn no_randomness() -> Error {
    Error::new(ErrorKind::Unavailable, "the system gives no random bytes")
}

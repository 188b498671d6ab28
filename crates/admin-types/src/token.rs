//! Access tokens as the API shows them. Times are RFC 3339 in UTC.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A token. Its secret is shown once, by [`CreatedToken`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Token {
    /// How it is addressed.
    pub id: String,
    /// What people call it; unique among the tokens in force.
    pub name: String,
    /// What it may do: `admin`, `read:<pattern>`, `write:<pattern>`.
    pub scopes: Vec<String>,
    /// When it was created.
    pub created_at: String,
    /// From when on it is worth nothing; `null` if it does not expire.
    pub expires_at: Option<String>,
    /// When it was presented last, to the minute.
    pub last_used_at: Option<String>,
    /// When it was revoked; `null` if it was not.
    pub revoked_at: Option<String>,
}

/// A token that was created just now, with the secret that nobody will be shown again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CreatedToken {
    /// The token.
    #[serde(flatten)]
    pub token: Token,
    /// What clients send: as Bearer, or as the password of Basic with any user.
    pub secret: TokenSecret,
}

/// The secret of a token. `Debug` prints nothing of it.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct TokenSecret(String);

impl TokenSecret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_created_token_is_a_token_with_its_secret() {
        let token = Token {
            id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
            name: "ci".into(),
            scopes: vec!["read:*".into()],
            created_at: "2026-01-02T03:04:05Z".into(),
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        };
        let created = CreatedToken { token: token.clone(), secret: TokenSecret::new("hunter2") };
        let document = serde_json::to_value(&created).unwrap();
        assert_eq!(document["secret"], json!("hunter2"));
        assert_eq!(serde_json::from_value::<Token>(document.clone()).unwrap(), token);
        assert_eq!(serde_json::from_value::<CreatedToken>(document).unwrap(), created);
        assert!(!format!("{created:?}").contains("hunter2"));
    }
}

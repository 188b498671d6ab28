//! The reply of the token endpoint.

use std::time::Duration;

use artifact_core::Timestamp;
use bytes::Bytes;
use serde::Serialize;

use crate::error::to_json;

/// A token, and how long it is good.
#[derive(Clone, Copy, Debug)]
pub struct TokenReply<'a> {
    /// The token.
    pub token: &'a str,
    /// How long it is good. Clients that are told less than a minute are told a minute, which they assume anyway.
    pub lifetime: Duration,
    /// When it was issued. Behind the clock of a client, it asks for a token before every request.
    pub issued_at: Timestamp,
}

impl TokenReply<'_> {
    /// The body of the reply. The token has two names, because clients look for either.
    pub fn to_body(&self) -> Bytes {
        #[derive(Serialize)]
        struct Body<'a> {
            token: &'a str,
            access_token: &'a str,
            expires_in: u64,
            issued_at: String,
        }
        to_json(&Body {
            token: self.token,
            access_token: self.token,
            expires_in: self.lifetime.as_secs().max(60),
            issued_at: self.issued_at.to_rfc3339(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(seconds: u64) -> String {
        let reply = TokenReply {
            token: "t",
            lifetime: Duration::from_secs(seconds),
            issued_at: Timestamp::from_millis(1_767_323_045_000),
        };
        String::from_utf8(reply.to_body().to_vec()).unwrap()
    }

    #[test]
    fn a_reply_has_the_token_under_both_names() {
        assert_eq!(
            body(900),
            concat!(
                r#"{"token":"t","access_token":"t","expires_in":900,"#,
                r#""issued_at":"2026-01-02T03:04:05Z"}"#
            )
        );
    }

    #[test]
    fn nobody_is_told_less_than_a_minute() {
        assert!(body(1).contains(r#""expires_in":60"#));
    }
}

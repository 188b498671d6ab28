//! The challenge: where clients get a token, and for what.

use std::fmt;

use super::Scope;

/// The value of a `WWW-Authenticate` that asks for a token.
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'a> {
    /// The absolute URL of the token endpoint. Clients insist on https where they reach us by https.
    pub realm: &'a str,
    /// The name of this service.
    pub service: &'a str,
    /// What the request needs; nothing for the ping.
    pub scopes: &'a [Scope],
    /// Whether a valid token came that lacks a scope: clients then ask for a better one.
    pub is_insufficient: bool,
}

impl fmt::Display for Challenge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer realm={},service={}", Quoted(self.realm), Quoted(self.service))?;
        if !self.scopes.is_empty() {
            let scopes: Vec<_> = self.scopes.iter().map(ToString::to_string).collect();
            write!(f, ",scope={}", Quoted(&scopes.join(" ")))?;
        }
        if self.is_insufficient {
            f.write_str(",error=\"insufficient_scope\"")?;
        }
        Ok(())
    }
}

/// A quoted string of HTTP. What a header cannot carry is left out.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for character in self.0.chars().filter(|c| *c == ' ' || c.is_ascii_graphic()) {
            if matches!(character, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{character}")?;
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Permission;

    fn challenge(scopes: &[Scope], is_insufficient: bool) -> String {
        let realm = "https://host.example/token";
        Challenge { realm, service: "artifacts", scopes, is_insufficient }.to_string()
    }

    #[test]
    fn a_challenge_says_where_and_for_what() {
        let pull = Scope::repository("r/a", [Permission::Pull]);
        let push = Scope::repository("r/b", [Permission::Push, Permission::Pull]);
        let start = "Bearer realm=\"https://host.example/token\",service=\"artifacts\"";
        assert_eq!(challenge(&[], false), start);
        assert_eq!(
            challenge(std::slice::from_ref(&pull), false),
            format!("{start},scope=\"repository:r/a:pull\"")
        );
        assert_eq!(
            challenge(&[pull, push], true),
            format!(
                "{start},scope=\"repository:r/a:pull repository:r/b:pull,push\",\
                 error=\"insufficient_scope\""
            )
        );
    }

    #[test]
    fn nothing_breaks_out_of_the_quotes() {
        let scope = Scope::repository("a\"\\\r\nb", [Permission::Pull]);
        let text = challenge(&[scope], false);
        assert!(text.ends_with("scope=\"repository:a\\\"\\\\b:pull\""), "{text}");
        assert!(http::HeaderValue::from_str(&text).is_ok());
    }
}

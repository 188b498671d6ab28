//! The challenge that sends clients of container registries to the place where tickets are issued. Pure.

use http::HeaderValue;

/// Why a request is not good enough.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shortfall {
    /// It carries no credential, or one that is worth nothing.
    NoCredential,
    /// Its ticket is valid and was not issued for this.
    InsufficientScope,
}

/// The value of `WWW-Authenticate` for a client that reached us under `origin` (no trailing slash) and has to ask for
/// `scope`. Without a scope, as for the ping, any ticket will do.
pub fn challenge(origin: &str, scope: Option<&str>, shortfall: Shortfall) -> Option<HeaderValue> {
    let mut text = format!("Bearer realm=\"{origin}/token\",service=\"artifactapi\"");
    if let Some(scope) = scope.filter(|scope| is_quotable(scope)) {
        text = [&*text, ",scope=\"", scope, "\""].concat();
    }
    if shortfall == Shortfall::InsufficientScope {
        text.push_str(",error=\"insufficient_scope\"");
    }
    HeaderValue::try_from(text).ok()
}

/// A name comes from the path, where anything may stand.
fn is_quotable(scope: &str) -> bool {
    scope.len() <= 1024
        && scope.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_says_where_to_get_a_ticket_for_what() {
        use Shortfall::{InsufficientScope, NoCredential};
        let realm = "Bearer realm=\"https://a.example/x/token\",service=\"artifactapi\"";
        for (scope, shortfall, expected) in [
            (None, NoCredential, ""),
            (Some("repository:hub/a:pull"), NoCredential, ",scope=\"repository:hub/a:pull\""),
            (
                Some("repository:hub/a:pull,push"),
                InsufficientScope,
                ",scope=\"repository:hub/a:pull,push\",error=\"insufficient_scope\"",
            ),
            (Some("repository:a\",realm=\"evil:pull"), NoCredential, ""),
            (Some("repository:a\r\nb:pull"), NoCredential, ""),
        ] {
            let value = challenge("https://a.example/x", scope, shortfall).unwrap();
            assert_eq!(value, format!("{realm}{expected}"));
        }
    }
}

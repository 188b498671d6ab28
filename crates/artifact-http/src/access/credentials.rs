//! Credentials as requests carry them. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};

/// The token in `Authorization`: Bearer, or the password of Basic whatever its user. An empty one is none: some
/// clients say "anonymous" like that.
pub(crate) fn presented(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    let credentials = credentials.trim();
    let token = if scheme.eq_ignore_ascii_case("bearer") {
        credentials.as_bytes().to_vec()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(credentials).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        decoded.get(colon + 1..)?.to_vec()
    } else {
        return None;
    };
    Some(token).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_as_bearer_or_as_a_basic_password() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let cases = [
            ("Bearer s3:cret".to_owned(), Some("s3:cret")),
            ("bearer  s3:cret".to_owned(), Some("s3:cret")),
            (basic("anyone:s3:cret"), Some("s3:cret")),
            (basic(":s3:cret"), Some("s3:cret")),
            (basic("s3"), None),
            (basic("anyone:"), None),
            ("Basic Og==".to_owned(), None),
            ("Bearer ".to_owned(), None),
            ("Basic !!!".to_owned(), None),
            ("Digest s3:cret".to_owned(), None),
            ("s3:cret".to_owned(), None),
        ];
        for (sent, expected) in cases {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, sent.parse().unwrap())]);
            let found = presented(&headers);
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{sent}");
        }
        assert_eq!(presented(&HeaderMap::new()), None);
    }
}

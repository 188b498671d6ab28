//! What an operator may write as an upstream address. Pure; nothing is normalised, because a
//! value that comes back changed never settles in a declarative tool.

use artifact_core::Defaults;
use url::Url;

/// Why `text` cannot be a `base_url` of a type with these `defaults`, if it cannot.
pub(super) fn base_url_flaw(text: &str, defaults: &Defaults) -> Option<String> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Some("must not contain white space, control characters or backslashes".into());
    }
    let lower = text.to_ascii_lowercase();
    if !lower.starts_with("http://") && !lower.starts_with("https://") {
        return Some("must start with http:// or https://".into());
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return Some(format!("is not a URL: {error}")),
    };
    if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
        return Some("must not contain a user name or password, use the fields for them".into());
    }
    if url.query().is_some() && !defaults.base_query {
        return Some("must not contain a query".into());
    }
    if url.fragment().is_some() {
        return Some("must not contain a fragment".into());
    }
    None
}

/// Whether `text` is `host` or `host:port`.
pub(super) fn is_host(text: &str) -> bool {
    let has_other_parts = text.contains(['/', '@', '?', '#', '\\', '%'])
        || text.chars().any(|c| c.is_whitespace() || c.is_control());
    if has_other_parts {
        return false;
    }
    Url::parse(&format!("http://{text}/")).is_ok_and(|url| url.has_host() && url.path() == "/")
}

/// Whether `text` is empty or looks like PEM certificates: blocks that are opened and closed.
pub(super) fn is_pem(text: &str) -> bool {
    let begins = text.matches("-----BEGIN CERTIFICATE-----").count();
    let ends = text.matches("-----END CERTIFICATE-----").count();
    text.trim().is_empty() || (begins > 0 && begins == ends)
}

/// Whether two URLs have the same scheme, host and port. A text that is no URL is the same as nothing.
pub(super) fn is_same_origin(one: &str, other: &str) -> bool {
    match (url::Url::parse(one), url::Url::parse(other)) {
        (Ok(one), Ok(other)) => one.origin() == other.origin(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_plain_http() {
        for good in [
            "https://registry.example",
            "https://registry.example/",
            "HTTP://host:81/a//b/",
            "http://127.0.0.1:8080/x",
            "http://[::1]:1/",
        ] {
            assert_eq!(base_url_flaw(good, &Defaults::default()), None, "{good}");
        }
        for bad in [
            "",
            "registry.example",
            "ftp://host/",
            "http:/host",
            "http://",
            "https://user@host/",
            "https://user:pass@host/",
            "https://@host/",
            "https://host/?a",
            "https://host/#a",
            " https://host/",
            "https://host/\n",
            "https:\\\\host",
            "https://host:99999/",
        ] {
            assert!(base_url_flaw(bad, &Defaults::default()).is_some(), "{bad:?}");
        }
        let with_query = Defaults { base_query: true, ..Defaults::default() };
        assert_eq!(base_url_flaw("https://host/metalink?repo=a", &with_query), None);
    }

    #[test]
    fn a_flaw_does_not_quote_the_url() {
        let flaw = base_url_flaw("https://user:hunter2@host/", &Defaults::default()).unwrap();
        assert!(!flaw.contains("hunter2"));
    }

    #[test]
    fn hosts_have_no_other_parts() {
        for good in ["a.example", "a.example:443", "10.0.0.1", "[::1]:80"] {
            assert!(is_host(good), "{good}");
        }
        for bad in ["", "a/b", "http://a", "u@a", "a b", "a:x", ":80"] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn certificates_are_whole_blocks() {
        let block = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
        assert!(is_pem(""));
        assert!(is_pem(block));
        assert!(!is_pem("AA=="));
        assert!(!is_pem("-----BEGIN CERTIFICATE-----\nAA=="));
    }
}

//! The address of a server.

use http::Uri;

/// Why an endpoint or a token cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// Not an absolute URL.
    #[error("the endpoint must be a URL such as https://host:8000")]
    Url,
    /// Another scheme.
    #[error("the endpoint must start with http:// or https://")]
    Scheme,
    /// User information, a query or a fragment.
    #[error("the endpoint must not contain a user name, a query or a fragment")]
    Parts,
    /// The token cannot stand in a header.
    #[error("the token contains characters that no header may carry")]
    Token,
}

/// The address of a server: scheme, host and an optional path prefix.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Endpoint(String);

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        // The parser drops a fragment in silence.
        if text.contains('#') {
            return Err(InvalidEndpoint::Parts);
        }
        let uri: Uri = text.parse().map_err(|_| InvalidEndpoint::Url)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(InvalidEndpoint::Url);
        };
        if scheme != "http" && scheme != "https" {
            return Err(InvalidEndpoint::Scheme);
        }
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(InvalidEndpoint::Parts);
        }
        if authority.host().is_empty() {
            return Err(InvalidEndpoint::Url);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    /// The address without a trailing slash.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL of a resource; `path` begins with a slash, `query` may be empty.
    pub(crate) fn join(&self, path: &str, query: &str) -> String {
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{path}{mark}{query}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_plain_http_with_an_optional_prefix() {
        for (text, expected) in [
            ("http://127.0.0.1:8000", Ok("http://127.0.0.1:8000/x?y=1")),
            ("https://host/prefix/", Ok("https://host/prefix/x?y=1")),
            ("http://[::1]:8000/", Ok("http://[::1]:8000/x?y=1")),
            ("host:8000", Err(InvalidEndpoint::Url)),
            ("/path", Err(InvalidEndpoint::Url)),
            ("ftp://host", Err(InvalidEndpoint::Scheme)),
            ("http://user:secret@host", Err(InvalidEndpoint::Parts)),
            ("http://host/?a", Err(InvalidEndpoint::Parts)),
            ("http://host/#a", Err(InvalidEndpoint::Parts)),
        ] {
            let joined = Endpoint::parse(text).map(|endpoint| endpoint.join("/x", "y=1"));
            assert_eq!(joined.as_deref().map_err(|error| *error), expected, "{text}");
        }
        let endpoint = Endpoint::parse("http://host").unwrap();
        assert_eq!(endpoint.join("/x", ""), "http://host/x");
    }
}

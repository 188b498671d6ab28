//! Where Redis is, read from a URL.

use artifact_core::Secret;
use fred::types::config::{Config, ServerConfig};
use percent_encoding::percent_decode_str;
use url::Url;

const PORT: u16 = 6379;

/// Why a URL is not one of a Redis server.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BadAddress {
    /// Not a URL at all.
    #[error("it is no URL")]
    Syntax,
    /// Another scheme than `redis` and `rediss`.
    #[error("its scheme is neither redis nor rediss")]
    Scheme,
    /// No host.
    #[error("it has no host")]
    Host,
    /// The path is no database number.
    #[error("its path is no database number")]
    Database,
    /// A user name or password is not UTF-8.
    #[error("its user name or password is not UTF-8")]
    Credentials,
    /// A user name and nothing to prove it.
    #[error("it has a user name but no password")]
    NoPassword,
    /// A query or a fragment, which would mean nothing.
    #[error("it has a query or a fragment")]
    Query,
}

/// A server and how to greet it.
pub(crate) struct Address {
    /// Host and port.
    pub(crate) server: String,
    pub(crate) is_tls: bool,
    host: String,
    port: u16,
    username: Option<String>,
    password: Option<Secret>,
    database: Option<u8>,
}

impl Address {
    pub(crate) fn parse(url: &Secret) -> Result<Self, BadAddress> {
        let url = Url::parse(url.expose()).map_err(|_| BadAddress::Syntax)?;
        let is_tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _ => return Err(BadAddress::Scheme),
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BadAddress::Query);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(BadAddress::Host)?;
        let port = url.port().unwrap_or(PORT);
        let username = decoded(url.username())?;
        let password = decoded(url.password().unwrap_or_default())?.map(Secret::new);
        if username.is_some() && password.is_none() {
            return Err(BadAddress::NoPassword);
        }
        Ok(Self {
            server: format!("{host}:{port}"),
            is_tls,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            username,
            password,
            database: database(url.path())?,
        })
    }

    /// The client's form of it.
    pub(crate) fn config(&self) -> Config {
        Config {
            server: ServerConfig::new_centralized(self.host.clone(), self.port),
            username: self.username.clone(),
            password: self.password.as_ref().map(|password| password.expose().to_owned()),
            database: self.database,
            ..Config::default()
        }
    }
}

fn decoded(text: &str) -> Result<Option<String>, BadAddress> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| BadAddress::Credentials)?;
    Ok((!decoded.is_empty()).then(|| decoded.into_owned()))
}

fn database(path: &str) -> Result<Option<u8>, BadAddress> {
    match path.strip_prefix('/').unwrap_or(path) {
        "" => Ok(None),
        number => number.parse().map(Some).map_err(|_| BadAddress::Database),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, BadAddress> {
        Address::parse(&Secret::new(url))
    }

    #[test]
    fn every_part_but_the_host_may_be_absent() {
        for (url, server, username, password, database) in [
            ("redis://cache", "cache:6379", None, None, None),
            ("redis://cache:7000/", "cache:7000", None, None, None),
            ("redis://:s%40cret@cache/3", "cache:6379", None, Some("s@cret"), Some(3)),
            ("redis://me:secret@[::1]:7000/0", "[::1]:7000", Some("me"), Some("secret"), Some(0)),
            ("rediss://10.0.0.1", "10.0.0.1:6379", None, None, None),
        ] {
            let address = parse(url).unwrap();
            assert_eq!(address.server, server, "{url}");
            assert_eq!(address.username.as_deref(), username, "{url}");
            assert_eq!(address.password.as_ref().map(Secret::expose), password, "{url}");
            assert_eq!(address.database, database, "{url}");
            assert_eq!(address.is_tls, url.starts_with("rediss"), "{url}");
        }
    }

    #[test]
    fn a_bad_url_is_refused_with_its_reason() {
        for (url, expected) in [
            ("", BadAddress::Syntax),
            ("cache", BadAddress::Syntax),
            ("cache:6379", BadAddress::Scheme),
            ("http://cache", BadAddress::Scheme),
            ("redis-cluster://cache", BadAddress::Scheme),
            ("redis:///3", BadAddress::Host),
            ("redis:cache", BadAddress::Host),
            ("redis://cache:99999", BadAddress::Syntax),
            ("redis://cache/zero", BadAddress::Database),
            ("redis://cache/256", BadAddress::Database),
            ("redis://cache/1/2", BadAddress::Database),
            ("redis://me@cache", BadAddress::NoPassword),
            ("redis://me:%ff@cache", BadAddress::Credentials),
            ("redis://cache?db=3", BadAddress::Query),
        ] {
            assert_eq!(parse(url).err(), Some(expected), "{url}");
        }
    }
}

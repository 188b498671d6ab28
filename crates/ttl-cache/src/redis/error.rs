//! What goes wrong with Redis. No text here carries a URL: it may hold a password.

use std::time::Duration;

use artifact_core::{Error, ErrorKind};
use fred::error::ErrorKind as Kind;

use super::BadAddress;

/// Redis did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// The URL is not one of a Redis server.
    #[error("the redis URL is not usable: {0}")]
    Address(#[from] BadAddress),
    /// The TLS library refuses its configuration.
    #[error("TLS towards redis cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// No connection, or no answer to the greeting.
    #[error("redis at {server} cannot be reached: {source}")]
    Unreachable {
        /// Host and port.
        server: String,
        /// Why.
        source: fred::error::Error,
    },
    /// User or password are wrong or missing.
    #[error("redis at {server} refuses the user name or password: {source}")]
    Refused {
        /// Host and port.
        server: String,
        /// What it says.
        source: fred::error::Error,
    },
    /// The connection stands, but the server wants no part of the greeting.
    #[error("redis at {server} answers the greeting with an error: {source}")]
    Greeting {
        /// Host and port.
        server: String,
        /// What it says.
        source: fred::error::Error,
    },
    /// The server is older than version 6.
    #[error("redis at {server} has version {version}, at least 6 is needed")]
    TooOld {
        /// Host and port.
        server: String,
        /// Its version.
        version: String,
    },
    /// There is no connection at the moment.
    #[error("redis is not connected")]
    Disconnected,
    /// It failed too often; nothing was sent.
    #[error("redis keeps failing and is not asked at the moment")]
    LeftAlone,
    /// No answer within the budget.
    #[error("redis did not answer within {0:?}")]
    Slow(Duration),
    /// It answered with an error, or the connection broke.
    #[error("redis failed: {0}")]
    Command(#[source] fred::error::Error),
}

impl RedisError {
    /// Why there is no session with `server`.
    pub(crate) fn of_greeting(server: &str, source: fred::error::Error) -> Self {
        let server = server.to_owned();
        match source.kind() {
            Kind::Auth => Self::Refused { server, source },
            // What a server without the user's permissions for the greeting says.
            _ if source.details().starts_with("NOPERM") => Self::Refused { server, source },
            Kind::IO | Kind::Timeout | Kind::Tls | Kind::Canceled => {
                Self::Unreachable { server, source }
            }
            _ => Self::Greeting { server, source },
        }
    }
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        Self::new(ErrorKind::Unavailable, "the cache for hints does not answer").with_source(error)
    }
}

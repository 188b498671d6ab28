//! Why the database cannot be used at start, told apart so that the right setting can be named.

use std::error::Error as StdError;

use artifact_core::{Error, ErrorKind};
use tokio_postgres::error::SqlState;

use super::settings::PostgresSettings;

type Source = Box<dyn StdError + Send + Sync>;

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// Nothing answers at this host and port, or not in time.
    #[error("postgresql at {address} does not answer")]
    Unreachable {
        /// Host and port.
        address: String,
        /// Why.
        source: Source,
    },
    /// The connection cannot be encrypted as it should be.
    #[error("the connection to postgresql cannot be encrypted")]
    Tls(#[source] Source),
    /// The user does not exist, or not with this password, or not from here.
    #[error("postgresql at {address} refuses the user {user:?}")]
    Credentials {
        /// Host and port.
        address: String,
        /// The user.
        user: String,
        /// What the server says.
        source: Source,
    },
    /// The server has no such database.
    #[error("postgresql at {address} has no database {database:?}; it must be created first")]
    NoDatabase {
        /// Host and port.
        address: String,
        /// The database.
        database: String,
        /// What the server says.
        source: Source,
    },
    /// The user may not do in the database what must be done.
    #[error("the user {user:?} may not create tables in the database {database:?}")]
    Forbidden {
        /// The user.
        user: String,
        /// The database.
        database: String,
        /// What the server says.
        source: Source,
    },
    /// The server is too old.
    #[error("postgresql {0} is too old: 12 is the oldest version that is supported")]
    TooOld(String),
    /// Another replica keeps the migration lock, or it cannot be held through this connection.
    #[error("the lock for migrations cannot be held: {0}")]
    Lock(&'static str),
    /// The schema cannot be brought up to date, and is as it was.
    #[error("the schema of the database {database:?} cannot be brought up to date")]
    Schema {
        /// The database.
        database: String,
        /// Why.
        source: Source,
    },
    /// The credentials in the database are encrypted with another key.
    #[error("the database was set up with another SECRET_KEY than this one")]
    OtherKey,
    /// Anything else that the server refused.
    #[error("postgresql refused to work")]
    Refused(#[source] Source),
}

impl PostgresError {
    pub(crate) fn tls(source: impl Into<Source>) -> Self {
        Self::Tls(source.into())
    }

    pub(crate) fn unreachable(settings: &PostgresSettings, source: impl Into<Source>) -> Self {
        Self::Unreachable { address: settings.address(), source: source.into() }
    }

    pub(crate) fn schema(settings: &PostgresSettings, source: impl Into<Source>) -> Self {
        Self::Schema { database: settings.database.clone(), source: source.into() }
    }

    /// What an error of the client means.
    pub(crate) fn of(error: tokio_postgres::Error, settings: &PostgresSettings) -> Self {
        let cause = Cause::of(&error);
        Self::new(cause, error, settings).unwrap_or_else(Self::Refused)
    }

    /// What an error of a migration means.
    pub(crate) fn of_migration(error: refinery::Error, settings: &PostgresSettings) -> Self {
        let cause = cause_of_migration(&error).map_or(Cause::Other, Cause::of);
        let database = settings.database.clone();
        Self::new(cause, error, settings).unwrap_or_else(|source| Self::Schema { database, source })
    }

    /// Gives the source back if the cause is none of those that have a name.
    fn new(
        cause: Cause,
        source: impl Into<Source>,
        settings: &PostgresSettings,
    ) -> Result<Self, Source> {
        let (source, address) = (source.into(), settings.address());
        let (user, database) = (settings.user.clone(), settings.database.clone());
        match cause {
            Cause::Unreachable => Ok(Self::Unreachable { address, source }),
            Cause::Tls => Ok(Self::Tls(source)),
            Cause::Credentials => Ok(Self::Credentials { address, user, source }),
            Cause::NoDatabase => Ok(Self::NoDatabase { address, database, source }),
            Cause::Forbidden => Ok(Self::Forbidden { user, database, source }),
            Cause::Other => Err(source),
        }
    }
}

/// The error of the client inside, if that is what failed.
pub(crate) fn cause_of_migration(error: &refinery::Error) -> Option<&tokio_postgres::Error> {
    let mut cause = StdError::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

impl From<PostgresError> for Error {
    fn from(error: PostgresError) -> Self {
        Self::new(ErrorKind::Unavailable, "the metadata store does not answer").with_source(error)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cause {
    Unreachable,
    Tls,
    Credentials,
    NoDatabase,
    Forbidden,
    Other,
}

impl Cause {
    fn of(error: &tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code) => Self::of_code(code),
            None => Self::of_step(&error.to_string()),
        }
    }

    fn of_code(code: &SqlState) -> Self {
        match *code {
            SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                Self::Credentials
            }
            SqlState::INVALID_CATALOG_NAME => Self::NoDatabase,
            SqlState::INSUFFICIENT_PRIVILEGE => Self::Forbidden,
            SqlState::CANNOT_CONNECT_NOW
            | SqlState::ADMIN_SHUTDOWN
            | SqlState::CRASH_SHUTDOWN
            | SqlState::CONNECTION_EXCEPTION
            | SqlState::CONNECTION_FAILURE => Self::Unreachable,
            _ => Self::Other,
        }
    }

    /// Where the client failed by itself, its text alone tells at which step.
    fn of_step(text: &str) -> Self {
        if text.starts_with("error performing TLS handshake") {
            Self::Tls
        } else if text.starts_with("authentication error")
            || text.starts_with("invalid configuration")
        {
            Self::Credentials
        } else {
            Self::Unreachable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_of_the_server_names_its_setting() {
        for (code, expected) in [
            ("28P01", Cause::Credentials),
            ("28000", Cause::Credentials),
            ("3D000", Cause::NoDatabase),
            ("42501", Cause::Forbidden),
            ("57P03", Cause::Unreachable),
            ("53300", Cause::Other),
            ("42P01", Cause::Other),
        ] {
            assert_eq!(Cause::of_code(&SqlState::from_code(code)), expected, "{code}");
        }
    }
}

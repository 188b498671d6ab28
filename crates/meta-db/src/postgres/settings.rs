//! Where the database is and how it is spoken to.

use std::time::Duration;

use artifact_core::Secret;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

/// Until a connection is given up: TCP alone, not what comes after it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A peer that is gone without a word is noticed after about twice this.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// How long what was sent may stay without an acknowledgement.
const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the database is, who asks, and how many connections that takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PostgresSettings {
    /// A host name, an address, or the directory of a Unix socket.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The role, which owns the database or may create tables in it.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// The database, which must exist.
    pub database: String,
    /// Whether the connection is encrypted.
    pub tls: TlsMode,
    /// At most this many connections at once, half of them for reads; two are the least. One more
    /// listens for changes, and one more belongs to the collector.
    pub pool_size: usize,
}

/// Whether and how a connection is encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsMode {
    /// Never.
    Disable,
    /// Where the server can; its certificate is not verified.
    Prefer,
    /// Always; the server's certificate is not verified.
    Require,
    /// Always; the certificate must be of this host and of an authority that the system trusts.
    VerifyFull,
}

impl PostgresSettings {
    /// The server's name for people.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub(crate) fn to_config(&self) -> Config {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user(&self.user)
            .password(self.password.expose())
            .dbname(&self.database)
            .application_name("artifactapi")
            .ssl_mode(match self.tls {
                TlsMode::Disable => SslMode::Disable,
                TlsMode::Prefer => SslMode::Prefer,
                TlsMode::Require | TlsMode::VerifyFull => SslMode::Require,
            })
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives_idle(KEEPALIVE)
            .keepalives_interval(KEEPALIVE / 3)
            .keepalives_retries(3)
            .tcp_user_timeout(USER_TIMEOUT);
        config
    }
}

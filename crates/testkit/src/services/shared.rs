//! One server of a kind for all tests of a process. `None` if it is not installed and not
//! required.
//!
//! Tests that stop or freeze a server start their own.

use std::sync::OnceLock;

use super::{PostgresServer, RedisServer, S3Server, ServiceError};

type Shared<T> = OnceLock<Option<T>>;

/// The PostgreSQL server of this process.
///
/// # Panics
/// If it does not start.
pub fn postgres() -> Option<&'static PostgresServer> {
    static SERVER: Shared<PostgresServer> = OnceLock::new();
    of(&SERVER, PostgresServer::start)
}

/// The Redis server of this process.
///
/// # Panics
/// If it does not start.
pub fn redis() -> Option<&'static RedisServer> {
    static SERVER: Shared<RedisServer> = OnceLock::new();
    of(&SERVER, RedisServer::start)
}

/// The S3 store of this process.
///
/// # Panics
/// If it does not start.
pub fn s3() -> Option<&'static S3Server> {
    static SERVER: Shared<S3Server> = OnceLock::new();
    of(&SERVER, S3Server::start)
}

fn of<T>(
    shared: &'static Shared<T>,
    start: impl FnOnce() -> Result<Option<T>, ServiceError>,
) -> Option<&'static T> {
    let server = shared.get_or_init(|| match start() {
        Ok(server) => server,
        Err(error) => panic!("{error}"),
    });
    server.as_ref()
}

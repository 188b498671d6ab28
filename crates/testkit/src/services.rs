//! Private PostgreSQL, Redis and S3 servers and docker engines for tests: real programs on free
//! ports of loopback, with their data in a temporary directory.
//!
//! Exists so that an adapter meets the system that it is for, killed and frozen at will. A
//! server and its directory are gone when the launcher is dropped and when the test process
//! dies, however it dies. A server that is not installed is a failure where the environment
//! says `REQUIRE_BACKENDS=1`, otherwise a printed notice and `None`.
//!
//! Calls block the thread while a server starts or stops, which takes up to a few seconds.

mod docker;
mod error;
mod installed;
mod loopback;
mod postgres;
mod process_tree;
mod redis;
mod s3;
mod service;
pub mod shared;
mod watchdog;

pub use docker::{Docker, DockerEngine};
pub use error::ServiceError;
pub use loopback::free_port;
pub use postgres::{Postgres, PostgresServer};
pub use redis::{Redis, RedisServer};
pub use s3::{S3, S3Server};
pub use service::Service;

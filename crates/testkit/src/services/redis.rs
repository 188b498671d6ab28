//! Redis.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::installed::{Wanted, on_search_path};
use super::service::{Farewell, Software};
use super::{Service, ServiceError, loopback};

const WANTED: Wanted = Wanted { service: "Redis", hint: "redis-server on the search path" };

/// A private Redis server without a password. It keeps what it has answered for, also when killed.
pub type RedisServer = Service<Redis>;

/// Redis as a program of this machine.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
}

impl RedisServer {
    /// Starts an empty one; `None` if it is not installed and not required.
    pub fn start() -> Result<Option<Self>, ServiceError> {
        let program = WANTED.or_missing(on_search_path("redis-server"))?;
        program.map(|program| Self::launch(Redis { program })).transpose()
    }

    /// Its address as clients take it: `redis://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("redis://{}:{}", self.host(), self.port())
    }

    /// Makes it forget everything.
    ///
    /// # Panics
    /// If it does not.
    pub fn flush(&self) {
        self.command("FLUSHALL");
    }

    /// Wants `password` from every client from now on.
    ///
    /// # Panics
    /// If it cannot be told.
    pub fn require_password(&self, password: &str) {
        self.command(&format!("CONFIG SET requirepass {password}"));
    }

    fn command(&self, line: &str) {
        let answer = loopback::ask(self.port(), &format!("{line}\r\n"));
        let is_done = answer.as_deref().is_some_and(|answer| answer.starts_with("+OK"));
        assert!(is_done, "{line}: {answer:?}");
    }
}

impl Software for Redis {
    const NAME: &'static str = WANTED.service;
    const FAREWELL: Farewell = Farewell::Kill;

    fn prepare(&self, _directory: &Path) -> Result<(), ServiceError> {
        Ok(())
    }

    fn command(&self, directory: &Path, port: u16) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "no", "--dir"])
            .arg(directory);
        command
    }

    fn is_ready(&self, _directory: &Path, port: u16, _process: u32) -> bool {
        loopback::ask(port, "PING\r\n").is_some_and(|answer| answer.starts_with("+PONG"))
    }
}

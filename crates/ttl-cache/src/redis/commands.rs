//! Commands: on the connection that is there now, within the budget, or not at all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fred::clients::{Client, WithOptions};
use fred::interfaces::ClientLike;
use fred::types::config::Options;
use tokio::time::timeout;

use super::RedisError;
use super::circuit::{Circuit, Outcome};
use super::keeper::Purpose;
use super::session::Session;

/// A connection on which commands have a deadline.
pub(crate) type Connected = WithOptions<Client>;

/// The connection of the moment, if there is one; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Current(Arc<Mutex<Option<Client>>>);

impl Current {
    fn get(&self) -> Option<Client> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Client>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Withdraws the connection when the session is over, however that comes about.
struct Offered<'a>(&'a Current);

impl Drop for Offered<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

impl Purpose for Current {
    const NAME: &'static str = "commands";

    async fn serve(&self, mut session: Session) -> RedisError {
        *self.lock() = Some(session.client().clone());
        let _offered = Offered(self);
        session.ended().await
    }
}

/// Sends commands.
pub(crate) struct Commands {
    current: Current,
    circuit: Circuit,
    budget: Duration,
}

impl Commands {
    pub(crate) fn new(current: Current, budget: Duration) -> Self {
        Self { current, circuit: Circuit::new(), budget }
    }

    /// What `command` gives. Without a connection, and while the server is left alone, it fails
    /// at once; a failure for want of a connection costs nothing and is not counted.
    pub(crate) async fn run<T, F>(
        &self,
        command: impl FnOnce(Connected) -> F,
    ) -> Result<T, RedisError>
    where
        F: Future<Output = Result<T, fred::error::Error>>,
    {
        let client = self.current.get().ok_or(RedisError::Disconnected)?;
        let pass = self.circuit.admit()?;
        let answer = timeout(self.budget, command(client.with_options(&self.options()))).await;
        let is_success = matches!(answer, Ok(Ok(_)));
        pass.settle(if is_success { Outcome::Success } else { Outcome::Failure });
        match answer {
            Ok(answer) => answer.map_err(|failed| self.error(failed)),
            Err(_) => Err(RedisError::Slow(self.budget)),
        }
    }

    /// The client's own timeout keeps commands that nobody waits for off the wire; ours
    /// covers those that take two.
    fn options(&self) -> Options {
        Options {
            max_attempts: Some(1),
            timeout: Some(self.budget),
            fail_fast: true,
            ..Options::default()
        }
    }

    fn error(&self, failed: fred::error::Error) -> RedisError {
        match failed.kind() {
            fred::error::ErrorKind::Timeout => RedisError::Slow(self.budget),
            _ => RedisError::Command(failed),
        }
    }
}

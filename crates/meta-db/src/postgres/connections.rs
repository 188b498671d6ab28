//! The connections in use: how long each kind of work may take, and what becomes of a connection
//! whose work was given up.
//!
//! A frozen server still acknowledges what it is sent, so every call has a limit here as well as
//! on the server. A connection goes back to its pool only when its call came to an end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use artifact_core::Result;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::error::SqlState;

use super::circuit::Circuit;
use super::connector::{Connector, Role};
use super::failure::PostgresError;
use crate::error::StoreError;

/// A connection for the duration of one call.
pub(crate) type Client = Arc<Object>;

/// Until a new connection is open.
const CREATE: Duration = Duration::from_secs(2);
/// Reads altogether: waiting for a connection, asking, asking again.
const READ: Duration = Duration::from_millis(2500);
/// Transactions that the server gave up in favour of another one are begun anew, twice.
const ATTEMPTS: u32 = 3;

/// What a transaction is for, which decides how long it may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// A few rows.
    Write,
    /// The collector, and those who may have to wait for it.
    Collect,
    /// Whole repositories.
    Bulk,
}

impl Purpose {
    /// How a transaction begins: with the limit of each of its statements.
    fn begin(self) -> &'static str {
        match self {
            // As every writing connection is told when it is opened.
            Self::Write => "BEGIN",
            Self::Collect => "BEGIN; SET LOCAL statement_timeout = '10s'",
            Self::Bulk => "BEGIN; SET LOCAL statement_timeout = '60s'",
        }
    }

    /// How long one attempt may take as a whole, once it has a connection.
    fn limit(self) -> Duration {
        match self {
            Self::Write => Duration::from_millis(5500),
            Self::Collect => Duration::from_secs(20),
            Self::Bulk => Duration::from_secs(65),
        }
    }
}

/// All pools.
#[derive(Debug)]
pub(crate) struct Connections {
    readers: Pool,
    writers: Pool,
    /// For who already holds a transaction open: all writers may be waiting for its locks.
    apart: Pool,
    circuit: Circuit,
}

impl Connections {
    /// Connects to nothing yet.
    pub(crate) fn new(connector: &Connector, size: usize) -> Result<Self, PostgresError> {
        let readers = size.div_ceil(2).max(1);
        let writers = size.saturating_sub(readers).max(1);
        Ok(Self {
            readers: pool(connector, Role::Reading, readers, Duration::from_millis(500))?,
            writers: pool(connector, Role::Writing, writers, Duration::from_secs(2))?,
            apart: pool(connector, Role::Writing, 1, Duration::from_secs(2))?,
            circuit: Circuit::default(),
        })
    }

    /// Reads. Once more if the connection broke.
    pub(crate) async fn read<T, W, F>(&self, work: W) -> Result<T>
    where
        W: Fn(Client) -> F,
        F: Future<Output = Result<T, StoreError>>,
    {
        let deadline = Instant::now() + READ;
        let first = self.attempt(&self.readers, deadline, &work).await;
        let answer = match first {
            Err(error) if error.is_broken_connection() => {
                self.attempt(&self.readers, deadline, &work).await
            }
            answer => answer,
        };
        Ok(answer?)
    }

    /// Reads with several statements that see the same state of the database.
    pub(crate) async fn read_together<T, W, F>(&self, work: W) -> Result<T>
    where
        W: Fn(Client) -> F,
        F: Future<Output = Result<T, StoreError>>,
    {
        const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        self.read(|client| transaction(client, BEGIN, &work)).await
    }

    /// Runs a transaction of several statements, which is committed if `work` succeeds.
    pub(crate) async fn transact<T, W, F>(&self, purpose: Purpose, work: W) -> Result<T>
    where
        W: Fn(Client) -> F,
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut attempts = 1;
        loop {
            let whole = |client| transaction(client, purpose.begin(), &work);
            match self.write(&self.writers, purpose, whole).await {
                Err(error) if error.is_lost_race() && attempts < ATTEMPTS => attempts += 1,
                answer => return Ok(answer?),
            }
        }
    }

    /// Runs one statement that is a transaction by itself.
    pub(crate) async fn execute<T, W, F>(&self, work: W) -> Result<T>
    where
        W: Fn(Client) -> F,
        F: Future<Output = Result<T, StoreError>>,
    {
        Ok(self.write(&self.writers, Purpose::Write, work).await?)
    }

    /// The same for one who holds a transaction open: it is committed whatever becomes of that.
    pub(crate) async fn execute_apart<T, W, F>(&self, work: W) -> Result<T, StoreError>
    where
        W: Fn(Client) -> F,
        F: Future<Output = Result<T, StoreError>>,
    {
        self.write(&self.apart, Purpose::Write, work).await
    }

    async fn write<T, W, F>(&self, pool: &Pool, purpose: Purpose, work: W) -> Result<T, StoreError>
    where
        W: Fn(Client) -> F,
        F: Future<Output = Result<T, StoreError>>,
    {
        let deadline = Instant::now() + CREATE + purpose.limit();
        self.attempt(pool, deadline, &work).await
    }

    async fn attempt<T, W, F>(
        &self,
        pool: &Pool,
        deadline: Instant,
        work: &W,
    ) -> Result<T, StoreError>
    where
        W: Fn(Client) -> F,
        F: Future<Output = Result<T, StoreError>>,
    {
        let permit = self.circuit.admit().ok_or(StoreError::Paused)?;
        let answer = match timeout_at(deadline, call(pool, work)).await {
            Ok(answer) => answer,
            Err(_) => Err(StoreError::Unanswered),
        };
        match &answer {
            Err(error) if error.is_outage() => permit.failed(),
            // All connections are busy: that says nothing about the server.
            Err(StoreError::Busy) => drop(permit),
            _ => permit.answered(),
        }
        answer
    }
}

fn pool(
    connector: &Connector,
    role: Role,
    size: usize,
    wait: Duration,
) -> Result<Pool, PostgresError> {
    let fast = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let config = connector.config().clone();
    let manager = Manager::from_connect(config, connector.for_role(role), fast);
    Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(wait))
        .create_timeout(Some(CREATE))
        .recycle_timeout(Some(CREATE))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| PostgresError::Refused(error.into()))
}

/// Closes the connection when dropped before the call came to its end: whatever the server is
/// still doing for it must not meet the next call.
struct InUse(Option<Client>);

impl InUse {
    fn give_back(mut self) {
        self.0 = None;
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(object) = self.0.take().and_then(Arc::into_inner) {
            drop(Object::take(object));
        }
    }
}

async fn call<T, W, F>(pool: &Pool, work: &W) -> Result<T, StoreError>
where
    W: Fn(Client) -> F,
    F: Future<Output = Result<T, StoreError>>,
{
    let client = Arc::new(pool.get().await?);
    // Before the work, so that it is dropped after it.
    let in_use = InUse(Some(Arc::clone(&client)));
    let answer = work(client).await;
    if !answer.as_ref().is_err_and(StoreError::is_outage) {
        in_use.give_back();
    }
    answer
}

async fn transaction<T, W, F>(client: Client, begin: &str, work: &W) -> Result<T, StoreError>
where
    W: Fn(Client) -> F,
    F: Future<Output = Result<T, StoreError>>,
{
    client.batch_execute(begin).await?;
    match work(Arc::clone(&client)).await {
        Ok(value) => {
            client.batch_execute("COMMIT").await?;
            Ok(value)
        }
        Err(error) => {
            client.batch_execute("ROLLBACK").await?;
            Err(error)
        }
    }
}

impl From<deadpool_postgres::PoolError> for StoreError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        use deadpool_postgres::{PoolError, TimeoutType};
        match error {
            PoolError::Timeout(TimeoutType::Wait) => Self::Busy,
            PoolError::Timeout(_) => Self::Unanswered,
            PoolError::Backend(error) => Self::NoConnection(error.into()),
            other => Self::NoConnection(Box::new(other)),
        }
    }
}

/// Whether the server, or the way to it, ended the connection.
pub(crate) fn is_broken(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        ]
        .contains(code),
        None => error.is_closed() || error.to_string().starts_with("error communicating"),
    }
}

/// Whether the server gave a transaction up in favour of another one.
pub(crate) fn is_lost_race(error: &tokio_postgres::Error) -> bool {
    [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE]
        .iter()
        .any(|code| error.code() == Some(code))
}

//! Threads that own connections, and the queues to them.
//!
//! The writer runs everything that waits as one transaction, because a sync of the disk costs
//! more than hundreds of statements. Every job keeps a savepoint of its own: one that fails
//! takes nothing else back. Nobody is told of a success before the commit. A job that changes
//! the world outside has a transaction of its own, so that no neighbour can lose its commit.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use artifact_core::{Error, Result};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::error::{StoreError, unavailable};

/// Jobs that may wait before callers do.
const CAPACITY: usize = 1024;
/// Jobs that share a transaction at most.
const BATCH: usize = 256;

/// A way to run work on a connection of another thread.
#[derive(Clone, Debug)]
pub(crate) struct Queue(mpsc::Sender<Box<dyn Job>>);

/// Work that was asked for and somebody who waits for its result.
trait Job: Send {
    /// Who may share its transaction.
    fn company(&self) -> Company;

    /// Does the work; whether its effects are to be kept.
    fn run(&mut self, connection: &Connection) -> bool;

    /// Tells the result, now that the fate of the transaction is known.
    fn finish(self: Box<Self>, committed: Result<()>);
}

/// Whether a job shares its transaction with others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Company {
    Shared,
    Alone,
}

struct Call<T, W> {
    company: Company,
    work: Option<W>,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, W> Job for Call<T, W>
where
    T: Send,
    W: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn company(&self) -> Company {
        self.company
    }

    fn run(&mut self, connection: &Connection) -> bool {
        let Some(work) = self.work.take() else { return false };
        let outcome = work(connection);
        let keep = outcome.is_ok();
        self.outcome = Some(outcome.map_err(Error::from));
        keep
    }

    fn finish(self: Box<Self>, committed: Result<()>) {
        let answer = match (self.outcome, committed) {
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(outcome), Ok(())) => outcome,
            (None, Ok(())) => Err(unavailable()),
        };
        // Whoever asked may have gone away; the work is done all the same.
        let _ = self.reply.send(answer);
    }
}

impl Queue {
    /// Starts the thread that alone writes through `connection`.
    pub(crate) fn to_writer(name: &str, connection: Connection) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        spawn(format!("{name}-writer"), move || write_batches(&connection, receiver))?;
        Ok(Self(sender))
    }

    /// Starts one thread for each of `connections`; they share the queue.
    pub(crate) fn to_readers(name: &str, connections: Vec<Connection>) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let receiver = Arc::new(Mutex::new(receiver));
        for (index, connection) in connections.into_iter().enumerate() {
            let receiver = Arc::clone(&receiver);
            spawn(format!("{name}-reader-{index}"), move || read_each(&connection, &receiver))?;
        }
        Ok(Self(sender))
    }

    /// Runs `work` in a transaction and waits for its commit. Work that fails leaves no trace.
    /// Once queued it runs even if nobody waits any more.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T> {
        self.send(Company::Shared, work).await
    }

    /// Like [`call`](Self::call), in a transaction that is committed as soon as `work` is done.
    pub(crate) async fn call_alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T> {
        self.send(Company::Alone, work).await
    }

    async fn send<T: Send + 'static>(
        &self,
        company: Company,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let call = Call { company, work: Some(work), outcome: None, reply };
        self.0.send(Box::new(call)).await.map_err(|_| unavailable())?;
        answer.await.map_err(|_| unavailable())?
    }
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    // Not joined: a thread ends by itself when its queue is dropped and worked off.
    thread::Builder::new().name(name).spawn(body)?;
    Ok(())
}

fn write_batches(connection: &Connection, mut queue: mpsc::Receiver<Box<dyn Job>>) {
    let mut held_back = None;
    while let Some(first) = held_back.take().or_else(|| queue.blocking_recv()) {
        let mut batch = next_batch(first, &mut queue, &mut held_back);
        let committed =
            transact(connection, &mut batch).map_err(|error| roll_back(connection, error));
        for job in batch {
            job.finish(committed.clone());
        }
    }
}

/// The jobs of the next transaction. One that was met and must not be among them is held back.
fn next_batch(
    first: Box<dyn Job>,
    queue: &mut mpsc::Receiver<Box<dyn Job>>,
    held_back: &mut Option<Box<dyn Job>>,
) -> Vec<Box<dyn Job>> {
    let is_alone = first.company() == Company::Alone;
    let mut batch = vec![first];
    while !is_alone
        && batch.len() < BATCH
        && let Ok(next) = queue.try_recv()
    {
        if next.company() == Company::Alone {
            *held_back = Some(next);
            break;
        }
        batch.push(next);
    }
    batch
}

fn transact(connection: &Connection, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for job in batch {
        connection.execute_batch("SAVEPOINT job")?;
        if !job.run(connection) {
            // Fails when SQLite has ended the transaction by itself, as it does on a full
            // disk: then nothing of the batch is stored, and everyone is told so.
            connection.execute_batch("ROLLBACK TO job")?;
        }
        connection.execute_batch("RELEASE job")?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}

fn roll_back(connection: &Connection, error: StoreError) -> Error {
    let error = Error::from(error);
    tracing::error!(error = ?error, "a transaction failed");
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "a failed transaction cannot be rolled back");
    }
    error
}

fn read_each(connection: &Connection, queue: &Mutex<mpsc::Receiver<Box<dyn Job>>>) {
    loop {
        // The guard is dropped before the job runs: one reader waits, the others work.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(mut job) = next else { return };
        let outcome = read_snapshot(connection, job.as_mut());
        job.finish(outcome.map_err(Error::from));
    }
}

/// Everything that one job reads belongs to one state of the database.
fn read_snapshot(connection: &Connection, job: &mut dyn Job) -> Result<(), StoreError> {
    let transaction = connection.unchecked_transaction()?;
    job.run(&transaction);
    transaction.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use artifact_core::ErrorKind;
    use futures_util::future::join_all;

    use super::*;

    fn connection(directory: &tempfile::TempDir) -> Connection {
        let connection = Connection::open(directory.path().join("test.sqlite3")).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection
            .execute_batch("CREATE TABLE IF NOT EXISTS number (n INTEGER PRIMARY KEY)")
            .unwrap();
        connection
    }

    fn insert(n: i64) -> impl FnOnce(&Connection) -> Result<i64, StoreError> + Send {
        move |connection| {
            connection.execute("INSERT INTO number (n) VALUES (?1)", [n])?;
            Ok(n)
        }
    }

    fn numbers(connection: &Connection) -> Vec<i64> {
        let mut statement = connection.prepare("SELECT n FROM number ORDER BY n").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[tokio::test]
    async fn a_job_that_fails_takes_nothing_of_its_neighbours_back() {
        let directory = tempfile::tempdir().unwrap();
        let queue = Queue::to_writer("test", connection(&directory)).unwrap();
        let twice = |connection: &Connection| {
            connection.execute("INSERT INTO number (n) VALUES (100)", [])?;
            connection.execute("INSERT INTO number (n) VALUES (100)", [])?;
            Ok(())
        };
        let neighbours = join_all((0..10).map(|n| queue.call(insert(n))));
        let (failed, done) = tokio::join!(queue.call(twice), neighbours);
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Unavailable);
        assert!(done.iter().all(Result::is_ok));
        assert_eq!(numbers(&connection(&directory)), (0..10).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_success_is_told_only_after_it_is_visible_to_others() {
        let directory = tempfile::tempdir().unwrap();
        let queue = Queue::to_writer("test", connection(&directory)).unwrap();
        let other = connection(&directory);
        for n in 0..20 {
            queue.call(insert(n)).await.unwrap();
            assert_eq!(numbers(&other).last(), Some(&n));
        }
    }

    #[tokio::test]
    async fn everyone_is_told_when_the_transaction_as_a_whole_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let queue = Queue::to_writer("test", connection(&directory)).unwrap();
        let lose = |connection: &Connection| {
            connection.execute_batch("ROLLBACK")?;
            Ok(())
        };
        let (stored, lost) = tokio::join!(queue.call(insert(1)), queue.call(lose));
        assert_eq!(lost.unwrap_err().kind(), ErrorKind::Unavailable);
        let visible = numbers(&connection(&directory));
        assert_eq!(stored.is_ok(), visible == [1], "a lost write was acknowledged");
        assert!(queue.call(insert(2)).await.is_ok(), "the writer must go on");
    }

    #[tokio::test]
    async fn a_full_disk_is_told_as_such_and_the_writer_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let writer = connection(&directory);
        writer.execute_batch("CREATE TABLE filler (content BLOB)").unwrap();
        writer.pragma_update(None, "max_page_count", 10).unwrap();
        let queue = Queue::to_writer("test", writer).unwrap();
        queue.call(insert(1)).await.unwrap();
        let fill = |connection: &Connection| {
            connection.execute("INSERT INTO filler (content) VALUES (zeroblob(1000000))", [])?;
            Ok(())
        };
        let (stored, full) = tokio::join!(queue.call(insert(2)), queue.call(fill));
        assert_eq!(full.unwrap_err().kind(), ErrorKind::InsufficientStorage);
        let is_stored = numbers(&connection(&directory)).contains(&2);
        assert_eq!(stored.is_ok(), is_stored, "what is told and what is stored differ");
        queue.call(insert(3)).await.unwrap();
    }

    #[tokio::test]
    async fn a_job_alone_is_committed_before_the_next_begins_and_after_the_last_ended() {
        let directory = tempfile::tempdir().unwrap();
        let queue = Queue::to_writer("test", connection(&directory)).unwrap();
        let lose = |connection: &Connection| {
            connection.execute_batch("ROLLBACK")?;
            Ok(())
        };
        // Without a job alone, everything that waits meanwhile would share one transaction.
        let (release, released) = std::sync::mpsc::channel();
        let hold = move |_: &Connection| Ok(released.recv().is_ok());
        let (held, before, alone, after, lost, ()) = tokio::join!(
            queue.call(hold),
            queue.call(insert(1)),
            queue.call_alone(insert(2)),
            queue.call(insert(3)),
            queue.call(lose),
            async { release.send(()).unwrap() },
        );
        assert!(held.unwrap());
        assert!(before.is_ok() && alone.is_ok());
        assert!(after.is_err() && lost.is_err());
        assert_eq!(numbers(&connection(&directory)), [1, 2]);
    }

    #[tokio::test]
    async fn a_job_runs_although_nobody_waits_for_it_any_more() {
        let directory = tempfile::tempdir().unwrap();
        let queue = Queue::to_writer("test", connection(&directory)).unwrap();
        let mut first = Box::pin(queue.call(insert(1)));
        let _ = futures_util::poll!(first.as_mut());
        drop(first);
        queue.call(insert(2)).await.unwrap();
        assert_eq!(numbers(&connection(&directory)), [1, 2]);
    }

    #[tokio::test]
    async fn readers_work_side_by_side() {
        let directory = tempfile::tempdir().unwrap();
        let connections = vec![connection(&directory), connection(&directory)];
        let queue = Queue::to_readers("test", connections).unwrap();
        let meeting = Arc::new(std::sync::Barrier::new(2));
        let meet = || {
            let meeting = Arc::clone(&meeting);
            queue.call(move |_| {
                meeting.wait();
                Ok(())
            })
        };
        let (one, two) = tokio::join!(meet(), meet());
        assert!(one.is_ok() && two.is_ok());
    }
}

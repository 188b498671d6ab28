//! The door from async code to the disk.

use std::sync::{Mutex, MutexGuard, PoisonError};

use artifact_core::{Error, ErrorKind, Result};
use tokio::task::JoinHandle;

use crate::StoreError;

/// Work on the blocking pool.
pub(crate) type Running<T> = JoinHandle<Result<T, StoreError>>;

/// Runs `work` on the blocking pool. A caller that goes away does not stop it, so `work` must
/// be whole in itself.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T> {
    outcome(&mut tokio::task::spawn_blocking(work)).await
}

/// What became of work on the blocking pool. May be given up and asked again.
pub(crate) async fn outcome<T>(running: &mut Running<T>) -> Result<T> {
    match running.await {
        Ok(outcome) => outcome.map_err(Error::from),
        Err(error) => {
            Err(Error::new(ErrorKind::Internal, "a storage task broke off").with_source(error))
        }
    }
}

/// Locks `mutex`. What these mutexes guard is valid between any two statements, so a panic of
/// another holder changes nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The door from async code to the disk.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use artifact_core::{Error, ErrorKind, Result};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::StoreError;

/// The nice value of what gives way.
#[cfg(target_os = "linux")]
const LOWEST_PRIORITY: i32 = 19;

/// Work on the blocking pool.
pub(crate) type Running<T> = JoinHandle<Result<T, StoreError>>;

/// Runs `work` on the blocking pool. A caller that goes away does not stop it, so `work` must
/// be whole in itself.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T> {
    outcome(&mut tokio::task::spawn_blocking(work)).await
}

/// Runs `work` on a thread that gives way to all others, for what nobody waits for. It cannot be one of the
/// pool: without privileges no thread gets its priority back.
pub(crate) async fn run_behind_others<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (send, outcome) = oneshot::channel();
    let body = move || {
        give_way();
        // Whoever asked may have gone away; the work is done all the same.
        let _ = send.send(work());
    };
    thread::Builder::new().name("behind-others".to_owned()).spawn(body).map_err(broke_off)?;
    outcome.await.map_err(broke_off)
}

/// If that is refused, the work is done like any other.
fn give_way() {
    // Elsewhere than on Linux this is a property of the whole process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, LOWEST_PRIORITY);
}

fn broke_off(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Internal, "a storage task broke off").with_source(error)
}

/// What became of work on the blocking pool. May be given up and asked again.
pub(crate) async fn outcome<T>(running: &mut Running<T>) -> Result<T> {
    match running.await {
        Ok(outcome) => outcome.map_err(Error::from),
        Err(error) => Err(broke_off(error)),
    }
}

/// Locks `mutex`. What these mutexes guard is valid between any two statements, so a panic of
/// another holder changes nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_gives_way_and_the_pool_does_not() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let usual = priority();
        assert_eq!(run_behind_others(priority).await.unwrap(), LOWEST_PRIORITY);
        assert_eq!(run(move || Ok(priority())).await.unwrap(), usual);
        let broken = run_behind_others(|| panic!("on purpose")).await.map(|()| "done");
        assert_eq!(broken.unwrap_err().kind(), ErrorKind::Internal);
    }
}

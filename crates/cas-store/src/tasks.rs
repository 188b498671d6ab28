//! Background work with an owner.

use std::future::{Future, poll_fn};
use std::sync::Mutex;

use tokio::task::JoinSet;

use crate::blocking::lock;

/// Tasks that nobody waits for. Dropping it ends them.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<JoinSet<()>>);

impl Tasks {
    /// Starts `work`. Must be called in a tokio runtime.
    pub(crate) fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.0);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(work);
    }

    /// Waits until everything that was started is done.
    pub(crate) async fn settle(&self) {
        while poll_fn(|context| lock(&self.0).poll_join_next(context)).await.is_some() {}
    }
}

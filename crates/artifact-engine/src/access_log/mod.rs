//! The access log: the serving path tries to send, a task writes batches, and what the metadata
//! store cannot take for now waits on the local disk.
//!
//! Invariant: a request never waits for its record. A record is lost only when the queue or the
//! disk's share is full, or when the process is killed, and what is dropped is counted.

mod queue;
mod retention;
mod spill;
mod stored;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;

use artifact_core::Result;

pub use queue::AccessLogQueue;
pub use stored::CACHE_WORDS;

use crate::settings::AccessLogSettings;
use crate::shared::Shared;
use spill::Spill;
use writer::Writer;

/// Opens the spill and starts the tasks.
pub(crate) async fn start(
    shared: &Arc<Shared>,
    settings: &AccessLogSettings,
) -> Result<AccessLogQueue> {
    let spill = Spill::open(settings.spill_directory.clone(), spill::LIMIT).await?;
    let (queue, records) = AccessLogQueue::new();
    let meta = Arc::clone(&shared.parts.meta);
    let writer = Writer::new(queue.clone(), records, meta, spill, shared.stop.clone());
    shared.tasks.spawn(writer.run());
    shared.tasks.spawn(retention::forget_old_days(Arc::clone(shared), settings.days));
    Ok(queue)
}

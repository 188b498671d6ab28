//! Announcements on their way to whoever listens in this process.

use artifact_core::ports::{Announcement, Announcements};
use futures_util::stream;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Announcements that a slow receiver may be behind before it loses some.
pub(crate) const ANNOUNCEMENTS: usize = 1024;

/// The announcements that `receiver` hears. A lag costs the oldest ones.
pub(crate) fn heard(receiver: broadcast::Receiver<Announcement>) -> Announcements {
    Box::pin(stream::unfold(receiver, |mut receiver| async {
        loop {
            match receiver.recv().await {
                Ok(announcement) => return Some((announcement, receiver)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }))
}

//! The way from a signal to the end.

use artifact_http::Shutdown;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for the signals to stop. Made before serving, so that none is missed.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The first signal stops gracefully, the second at once.
    pub(crate) async fn conduct(mut self, shutdown: Shutdown) {
        self.next().await;
        tracing::info!("stopping: downloads under way may finish, a second signal cuts them");
        shutdown.gracefully.cancel();
        self.next().await;
        tracing::warn!("stopping at once");
        shutdown.now.cancel();
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

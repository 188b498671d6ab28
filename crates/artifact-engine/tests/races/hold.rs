//! Stopping the product at a named point until the test lets it go on.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use tokio::sync::watch;

/// What a test waits for must come within this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The first that comes to a point is held there; others pass.
pub(crate) struct Hold {
    point: &'static str,
    is_reached: watch::Receiver<bool>,
    release: mpsc::Sender<()>,
}

impl Hold {
    pub(crate) fn at(point: &'static str) -> Self {
        let (tell, is_reached) = watch::channel(false);
        let (release, released) = mpsc::channel();
        let first = Mutex::new(Some(released));
        let hold = move || {
            let Some(released) = first.lock().unwrap().take() else { return };
            tell.send_replace(true);
            // Fails when the test is over.
            let _ = tokio::task::block_in_place(|| released.recv());
        };
        fail::cfg_callback(point, hold).unwrap();
        Self { point, is_reached, release }
    }

    /// Resolves once somebody is held.
    pub(crate) async fn reached(&mut self) {
        let reached = tokio::time::timeout(PATIENCE, self.is_reached.wait_for(|is| *is)).await;
        assert!(reached.is_ok(), "nobody came to {}", self.point);
    }

    pub(crate) fn release(self) {
        fail::remove(self.point);
        self.release.send(()).unwrap();
    }
}

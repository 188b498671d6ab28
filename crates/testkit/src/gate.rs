//! Control over when a scripted answer goes on, instead of sleeping and hoping.

use std::sync::Arc;

use tokio::sync::watch;

/// Holds back the head and every chunk of a scripted answer until the test releases them.
///
/// Releases count from the beginning of the body and hold for every request that meets the
/// gate, so a second request of a released answer runs straight through.
#[derive(Clone, Debug)]
pub struct Gate {
    released: Arc<watch::Sender<Released>>,
    seen: Arc<watch::Sender<Seen>>,
}

#[derive(Debug, Default)]
struct Released {
    head: bool,
    chunks: usize,
}

#[derive(Debug, Default)]
struct Seen {
    arrived: usize,
    abandoned: usize,
}

impl Gate {
    pub(crate) fn closed() -> Self {
        Self { released: Arc::default(), seen: Arc::default() }
    }

    /// Lets the head go.
    pub fn release_head(&self) {
        self.released.send_modify(|released| released.head = true);
    }

    /// Lets `chunks` more chunks of the body go.
    pub fn release(&self, chunks: usize) {
        self.released
            .send_modify(|released| released.chunks = released.chunks.saturating_add(chunks));
    }

    /// Lets the head and the whole body go.
    pub fn release_all(&self) {
        self.released.send_modify(|released| {
            released.head = true;
            released.chunks = usize::MAX;
        });
    }

    /// Resolves once `requests` requests have reached the gate.
    pub async fn arrived(&self, requests: usize) {
        let _ = self.seen.subscribe().wait_for(|seen| seen.arrived >= requests).await;
    }

    /// Resolves once somebody stopped reading an answer before its end.
    pub async fn abandoned(&self) {
        let _ = self.seen.subscribe().wait_for(|seen| seen.abandoned > 0).await;
    }

    pub(crate) async fn pass_head(&self) {
        self.seen.send_modify(|seen| seen.arrived += 1);
        let _ = self.released.subscribe().wait_for(|released| released.head).await;
    }

    pub(crate) async fn pass_chunk(&self, index: usize) {
        let _ = self.released.subscribe().wait_for(|released| released.chunks > index).await;
    }

    pub(crate) fn note_abandoned(&self) {
        self.seen.send_modify(|seen| seen.abandoned += 1);
    }
}

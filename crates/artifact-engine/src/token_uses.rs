//! When tokens were presented last: noted in memory, written now and then. A note that is lost is no harm.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use artifact_core::Timestamp;
use artifact_core::ports::{MetaStore, TokenId};
use tokio_util::sync::CancellationToken;

/// Uses since the last flush: one per token, so that there are no more than tokens.
#[derive(Debug, Default)]
pub struct TokenUses(Mutex<HashMap<TokenId, Timestamp>>);

impl TokenUses {
    /// Notes that a token was presented.
    pub fn note(&self, id: TokenId, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, now);
    }

    /// Writes every `interval` what was noted, and once more at the end.
    pub(crate) async fn run(
        self: Arc<Self>,
        meta: Arc<dyn MetaStore>,
        interval: Duration,
        stop: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(interval) => {}
            }
            self.flush(meta.as_ref()).await;
        }
        self.flush(meta.as_ref()).await;
    }

    async fn flush(&self, meta: &dyn MetaStore) {
        let noted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if noted.is_empty() {
            return;
        }
        let mut uses: Vec<_> = noted.into_iter().collect();
        uses.sort_unstable();
        if let Err(error) = meta.record_token_uses(&uses).await {
            tracing::debug!(%error, "uses of tokens could not be written");
        }
    }
}

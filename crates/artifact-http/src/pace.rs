//! The least speed of a transfer, as a budget of waiting time.

use std::time::Duration;

/// Waiting that one [`QUANTUM`] of bytes pays for.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);

/// The bytes that have to move in a window: 1 KiB/s.
pub(crate) const QUANTUM: u64 = 60 * 1024;

/// Adds up how long one side waited for the other. Only waiting counts, so a transfer is never
/// judged by the time that we or upstream took; every quantum of bytes settles the account.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    waited: Duration,
    moved: u64,
}

impl Pace {
    /// The other side kept us waiting.
    pub(crate) fn waited(&mut self, time: Duration) {
        self.waited = self.waited.saturating_add(time);
    }

    /// Bytes moved.
    pub(crate) fn moved(&mut self, bytes: u64) {
        self.moved = self.moved.saturating_add(bytes);
        if self.moved >= QUANTUM {
            *self = Self::default();
        }
    }

    /// How long the other side may still keep us waiting; zero ends the transfer.
    pub(crate) fn remaining(&self) -> Duration {
        WINDOW.saturating_sub(self.waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_uses_up_the_budget_and_bytes_renew_it() {
        let mut pace = Pace::default();
        pace.waited(Duration::from_secs(59));
        assert_eq!(pace.remaining(), Duration::from_secs(1));
        pace.moved(QUANTUM - 1);
        pace.waited(Duration::from_secs(1));
        assert_eq!(pace.remaining(), Duration::ZERO);
        pace.moved(1);
        assert_eq!(pace.remaining(), WINDOW);
    }
}

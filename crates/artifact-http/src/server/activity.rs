//! What a connection is doing, noted where it happens, judged in one place.
//!
//! hyper's own header timeout is not used: it allocates and registers a timer per request, it
//! also cuts idle connections, and it does not run before the protocol is known. Here the
//! connection notes moments, and one watchdog per connection compares them with the limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::limits::Limits;
use crate::pace::QUANTUM;

const NEVER: u64 = u64::MAX;

/// The notes of one connection. All moments are milliseconds since its beginning.
#[derive(Debug)]
pub(crate) struct Activity {
    began: Instant,
    /// Requests under way, bodies included.
    active: AtomicUsize,
    /// Whether the connection turned out to be HTTP/2.
    multiplexed: AtomicBool,
    /// Since when a request's head is awaited or incomplete.
    head_since: AtomicU64,
    /// Since when no request is under way.
    quiet_since: AtomicU64,
    /// Since when the client does not take what is written.
    blocked_since: AtomicU64,
    /// How long it did not since it last took a quantum.
    blocked: AtomicU64,
    /// Bytes taken towards the next quantum.
    taken: AtomicU64,
}

/// Why a connection is cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// A request's head took too long.
    SlowHead,
    /// Nothing was asked for a long time.
    Idle,
    /// The client takes an answer too slowly.
    SlowReader,
}

/// The notes at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Notes {
    active: usize,
    head_since: Option<u64>,
    quiet_since: u64,
    blocked_since: Option<u64>,
    blocked: u64,
}

impl Activity {
    /// A connection that was just accepted: its first head is awaited.
    pub(super) fn begin() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            active: AtomicUsize::new(0),
            multiplexed: AtomicBool::new(false),
            head_since: AtomicU64::new(0),
            quiet_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(NEVER),
            blocked: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        })
    }

    /// The connection speaks HTTP/2: bytes between requests are frames, not heads.
    pub(super) fn is_multiplexed(&self) {
        self.multiplexed.store(true, Relaxed);
    }

    /// Bytes arrived.
    pub(super) fn read(&self) {
        let is_idle = self.active.load(Relaxed) == 0 && !self.multiplexed.load(Relaxed);
        if is_idle && self.head_since.load(Relaxed) == NEVER {
            self.head_since.store(self.now(), Relaxed);
        }
    }

    /// The client does not take more at the moment.
    pub(super) fn blocked(&self) {
        if self.blocked_since.load(Relaxed) == NEVER {
            self.blocked_since.store(self.now(), Relaxed);
        }
    }

    /// The client took bytes.
    pub(super) fn wrote(&self, bytes: u64) {
        let since = self.blocked_since.load(Relaxed);
        if since != NEVER {
            self.blocked.fetch_add(self.now().saturating_sub(since), Relaxed);
            self.blocked_since.store(NEVER, Relaxed);
        }
        if self.taken.fetch_add(bytes, Relaxed).saturating_add(bytes) >= QUANTUM {
            self.taken.store(0, Relaxed);
            self.blocked.store(0, Relaxed);
        }
    }

    /// Ends when the connection has to be cut.
    pub(super) async fn watch(&self, limits: &Limits) -> Verdict {
        let shortest = limits.head_timeout.min(limits.idle_timeout).min(limits.slow_reader);
        let step = (shortest / 8).clamp(Duration::from_millis(5), Duration::from_secs(2));
        loop {
            sleep(step).await;
            if let Some(verdict) = self.notes().judge(self.now(), limits) {
                return verdict;
            }
        }
    }

    fn notes(&self) -> Notes {
        let moment = |note: &AtomicU64| Some(note.load(Relaxed)).filter(|at| *at != NEVER);
        Notes {
            active: self.active.load(Relaxed),
            head_since: moment(&self.head_since),
            quiet_since: self.quiet_since.load(Relaxed),
            blocked_since: moment(&self.blocked_since),
            blocked: self.blocked.load(Relaxed),
        }
    }

    fn now(&self) -> u64 {
        millis(self.began.elapsed())
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl Notes {
    fn judge(self, now: u64, limits: &Limits) -> Option<Verdict> {
        if let Some(since) = self.blocked_since
            && self.blocked + now.saturating_sub(since) >= millis(limits.slow_reader)
        {
            return Some(Verdict::SlowReader);
        }
        if self.active > 0 {
            return None;
        }
        match self.head_since {
            Some(since) if now.saturating_sub(since) >= millis(limits.head_timeout) => {
                Some(Verdict::SlowHead)
            }
            None if now.saturating_sub(self.quiet_since) >= millis(limits.idle_timeout) => {
                Some(Verdict::Idle)
            }
            _ => None,
        }
    }
}

/// A request under way on a connection: from its complete head to the last byte of its answer.
#[derive(Debug)]
pub(crate) struct Exchange(Arc<Activity>);

impl Exchange {
    pub(super) fn begin(activity: &Arc<Activity>) -> Self {
        activity.active.fetch_add(1, Relaxed);
        activity.head_since.store(NEVER, Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.quiet_since.store(self.0.now(), Relaxed);
        self.0.active.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(notes: Notes, seconds: u64) -> Option<Verdict> {
        notes.judge(seconds * 1000, &Limits::default())
    }

    #[test]
    fn a_head_has_15_seconds_and_an_idle_connection_75() {
        let awaited = Notes { head_since: Some(0), ..Notes::default() };
        assert_eq!(judge(awaited, 14), None);
        assert_eq!(judge(awaited, 15), Some(Verdict::SlowHead));
        let idle = Notes { quiet_since: 10_000, ..Notes::default() };
        assert_eq!(judge(idle, 84), None);
        assert_eq!(judge(idle, 85), Some(Verdict::Idle));
    }

    #[test]
    fn a_request_under_way_is_never_idle_but_may_be_read_too_slowly() {
        let busy = Notes { active: 1, ..Notes::default() };
        assert_eq!(judge(busy, 100_000), None);
        let blocked = Notes { blocked_since: Some(0), ..busy };
        assert_eq!(judge(blocked, 59), None);
        assert_eq!(judge(blocked, 60), Some(Verdict::SlowReader));
        let tried = Notes { blocked: 50_000, ..blocked };
        assert_eq!(judge(tried, 10), Some(Verdict::SlowReader));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_a_quantum_may_wait_again() {
        let activity = Activity::begin();
        activity.blocked();
        tokio::time::advance(Duration::from_secs(50)).await;
        activity.wrote(QUANTUM - 1);
        assert_eq!(activity.notes().blocked, 50_000);
        activity.wrote(1);
        assert_eq!(activity.notes().blocked, 0);
        assert_eq!(activity.notes().blocked_since, None);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_between_requests_begin_a_head_except_on_http2() {
        let activity = Activity::begin();
        drop(Exchange::begin(&activity));
        assert_eq!(activity.notes().head_since, None);
        tokio::time::advance(Duration::from_secs(3)).await;
        activity.read();
        assert_eq!(activity.notes().head_since, Some(3000));
        drop(Exchange::begin(&activity));
        activity.is_multiplexed();
        activity.read();
        assert_eq!(activity.notes().head_since, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_ends_soon_after_the_limit() {
        let activity = Activity::begin();
        let began = Instant::now();
        assert_eq!(activity.watch(&Limits::default()).await, Verdict::SlowHead);
        let took = began.elapsed().as_secs();
        assert!((15..=17).contains(&took), "{took}");
    }
}

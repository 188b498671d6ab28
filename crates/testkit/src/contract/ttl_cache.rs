//! Contract of `TtlCache`.
//!
//! A backend stamps the suite with a factory: `testkit::ttl_cache_contract!(make)`. Its clauses
//! run in paused time; waiting for an expiry takes none. A backend with a clock of its own adds a
//! [`Pace`], and its clauses run in real time.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "the clauses are the bodies of tests: a panic is their verdict"
)]

use std::time::Duration;

use artifact_core::ports::{Announcement, Lease, LeaseOutcome, TtlCache};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;

/// Stamps one test per clause of the `TtlCache` contract. The first argument names a function
/// that gives a future of the cache. A second one is the [`Pace`] of a backend whose time cannot
/// be paused; there the future gives an `Option`, `None` if the backend is not installed. The
/// caller's tokio needs the feature `test-util`.
#[macro_export]
macro_rules! ttl_cache_contract {
    ($make:path) => {
        $crate::ttl_cache_contract! {
            @clauses paused($make, $crate::contract::ttl_cache::Pace::paused())
        }
    };
    ($make:path, $pace:expr) => {
        $crate::ttl_cache_contract! { @clauses real($make, $pace) }
    };
    (@clauses $time:ident $backend:tt) => {
        $crate::ttl_cache_contract! {
            @$time $backend timeless
            a_value_is_given_back_until_it_is_replaced,
            an_unknown_key_is_none,
            a_value_of_no_life_is_never_seen,
            the_longest_life_is_accepted,
            a_removed_value_is_gone,
            a_free_lease_is_acquired,
            a_held_lease_is_refused_to_everyone,
            of_many_who_ask_at_once_exactly_one_acquires,
            renewing_publishes_a_state,
            a_released_lease_is_free,
            a_lease_given_back_cannot_be_renewed_or_released,
            leases_of_other_keys_are_independent,
            an_announcement_reaches_every_receiver_in_order,
            a_receiver_hears_nothing_from_before_it_listened,
            announcing_to_nobody_is_no_failure,
        }
        $crate::ttl_cache_contract! {
            @$time $backend timed
            a_value_expires,
            setting_again_starts_a_new_life,
            renewing_extends_the_lease,
            an_expired_lease_is_free,
            an_expired_lease_cannot_be_renewed_or_released,
            a_foreign_owner_can_neither_renew_nor_release,
        }
    };
    (@paused $backend:tt $kind:ident $($clause:ident),+ $(,)?) => { $(
        #[tokio::test(start_paused = true)]
        async fn $clause() {
            $crate::ttl_cache_contract! { @$kind $backend $clause cache; cache }
        }
    )+ };
    (@real $backend:tt $kind:ident $($clause:ident),+ $(,)?) => { $(
        #[tokio::test]
        async fn $clause() {
            $crate::ttl_cache_contract! {
                @$kind $backend $clause cache;
                match cache {
                    Some(cache) => cache,
                    None => return,
                }
            }
        }
    )+ };
    (@timeless ($make:path, $pace:expr) $clause:ident $made:ident; $cache:expr) => {
        let $made = $make().await;
        $crate::contract::ttl_cache::$clause(&$cache).await;
    };
    (@timed ($make:path, $pace:expr) $clause:ident $made:ident; $cache:expr) => {
        let $made = $make().await;
        $crate::contract::ttl_cache::$clause(&$cache, $pace).await;
    };
}

const MINUTE: Duration = Duration::from_secs(60);

/// How long things live in the clauses that wait for their end.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A time to live.
    life: Duration,
    /// What has a life is surely there after this.
    early: Duration,
    /// What has a life is surely gone after this.
    late: Duration,
}

impl Pace {
    /// Time passes only where a clause says so, and takes none.
    pub const fn paused() -> Self {
        let minute = Duration::from_secs(60);
        Self { life: minute, early: Duration::from_secs(59), late: minute }
    }

    /// The backend's clock runs while the clauses do: they may lag by half of `life`, and the
    /// backend by a tenth of it.
    pub fn real(life: Duration) -> Self {
        Self { life, early: life / 2, late: life + life / 10 }
    }

    /// What lives so long is surely gone early.
    fn short(self) -> Duration {
        self.early / 2
    }
}

/// Waits, or jumps where time is paused.
async fn elapse(span: Duration) {
    tokio::time::sleep(span).await;
}

fn held(state: &'static str) -> LeaseOutcome {
    LeaseOutcome::Held(Bytes::from_static(state.as_bytes()))
}

async fn set(cache: &dyn TtlCache, key: &str, value: &'static str, ttl: Duration) {
    cache.set(key, Bytes::from_static(value.as_bytes()), ttl).await.unwrap();
}

async fn get(cache: &dyn TtlCache, key: &str) -> Option<Bytes> {
    cache.get(key).await.unwrap()
}

async fn ask(cache: &dyn TtlCache, key: &str, owner: &str) -> LeaseOutcome {
    cache.acquire(key, owner, MINUTE).await.unwrap()
}

async fn acquire(cache: &dyn TtlCache, key: &str, owner: &str) -> Lease {
    acquire_for(cache, key, owner, MINUTE).await
}

async fn acquire_for(cache: &dyn TtlCache, key: &str, owner: &str, ttl: Duration) -> Lease {
    match cache.acquire(key, owner, ttl).await.unwrap() {
        LeaseOutcome::Acquired(lease) => lease,
        LeaseOutcome::Held(state) => panic!("held: {state:?}"),
    }
}

async fn renew(cache: &dyn TtlCache, lease: &Lease, state: &'static str) -> bool {
    renew_for(cache, lease, state, MINUTE).await
}

async fn renew_for(
    cache: &dyn TtlCache,
    lease: &Lease,
    state: &'static str,
    ttl: Duration,
) -> bool {
    cache.renew(lease, Bytes::from_static(state.as_bytes()), ttl).await.unwrap()
}

/// The last value counts; the empty value is one.
pub async fn a_value_is_given_back_until_it_is_replaced(cache: &dyn TtlCache) {
    set(cache, "a", "1", MINUTE).await;
    set(cache, "b", "2", MINUTE).await;
    assert_eq!(get(cache, "a").await.as_deref(), Some(b"1".as_slice()));
    set(cache, "a", "", MINUTE).await;
    assert_eq!(get(cache, "a").await.as_deref(), Some(b"".as_slice()));
    assert_eq!(get(cache, "b").await.as_deref(), Some(b"2".as_slice()));
}

/// Absence is no failure.
pub async fn an_unknown_key_is_none(cache: &dyn TtlCache) {
    set(cache, "a", "1", MINUTE).await;
    assert_eq!(get(cache, "A").await, None);
    assert_eq!(get(cache, "").await, None);
}

/// Seen until its time is over, and not at its end.
pub async fn a_value_expires(cache: &dyn TtlCache, pace: Pace) {
    set(cache, "a", "1", pace.life).await;
    elapse(pace.early).await;
    assert!(get(cache, "a").await.is_some());
    elapse(pace.late.saturating_sub(pace.early)).await;
    assert_eq!(get(cache, "a").await, None);
}

/// The time to live of the last `set` counts, longer or shorter.
pub async fn setting_again_starts_a_new_life(cache: &dyn TtlCache, pace: Pace) {
    set(cache, "longer", "1", pace.short()).await;
    set(cache, "longer", "2", pace.life).await;
    set(cache, "shorter", "1", pace.life).await;
    set(cache, "shorter", "2", pace.short()).await;
    elapse(pace.early).await;
    assert_eq!(get(cache, "longer").await.as_deref(), Some(b"2".as_slice()));
    assert_eq!(get(cache, "shorter").await, None);
}

/// Zero is no life at all, and ends an earlier one.
pub async fn a_value_of_no_life_is_never_seen(cache: &dyn TtlCache) {
    set(cache, "a", "1", MINUTE).await;
    set(cache, "a", "2", Duration::ZERO).await;
    assert_eq!(get(cache, "a").await, None);
}

/// No time to live is too long.
pub async fn the_longest_life_is_accepted(cache: &dyn TtlCache) {
    set(cache, "a", "1", Duration::MAX).await;
    assert!(get(cache, "a").await.is_some());
    assert!(matches!(
        cache.acquire("a", "one", Duration::MAX).await.unwrap(),
        LeaseOutcome::Acquired(_)
    ));
}

/// Removing what is not there is no failure.
pub async fn a_removed_value_is_gone(cache: &dyn TtlCache) {
    set(cache, "a", "1", MINUTE).await;
    cache.remove("a").await.unwrap();
    cache.remove("a").await.unwrap();
    assert_eq!(get(cache, "a").await, None);
}

/// The lease says what and who.
pub async fn a_free_lease_is_acquired(cache: &dyn TtlCache) {
    let lease = acquire(cache, "a", "one").await;
    assert_eq!(lease, Lease { key: "a".to_owned(), owner: "one".to_owned() });
}

/// Not even its owner acquires a held lease again: owners renew.
pub async fn a_held_lease_is_refused_to_everyone(cache: &dyn TtlCache) {
    acquire(cache, "a", "one").await;
    assert_eq!(ask(cache, "a", "two").await, held(""));
    assert_eq!(ask(cache, "a", "one").await, held(""));
}

/// One winner.
pub async fn of_many_who_ask_at_once_exactly_one_acquires(cache: &dyn TtlCache) {
    let owners: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let outcomes = join_all(owners.iter().map(|owner| ask(cache, "a", owner))).await;
    let is_acquired = |outcome: &&LeaseOutcome| matches!(outcome, LeaseOutcome::Acquired(_));
    assert_eq!(outcomes.iter().filter(is_acquired).count(), 1);
}

/// Those who wait see the last state, which may be any bytes.
pub async fn renewing_publishes_a_state(cache: &dyn TtlCache) {
    let lease = acquire(cache, "a", "one").await;
    for state in ["first", "", "\u{0}:\r\n1:one"] {
        assert!(renew(cache, &lease, state).await);
        assert_eq!(ask(cache, "a", "two").await, held(state));
    }
    let state = Bytes::from_static(b"\xff\xfe");
    assert!(cache.renew(&lease, state.clone(), MINUTE).await.unwrap());
    assert_eq!(ask(cache, "a", "two").await, LeaseOutcome::Held(state));
}

/// The new time counts from the renewal.
pub async fn renewing_extends_the_lease(cache: &dyn TtlCache, pace: Pace) {
    let lease = acquire_for(cache, "a", "one", pace.life).await;
    elapse(pace.early).await;
    assert!(renew_for(cache, &lease, "first", pace.life).await);
    elapse(pace.early).await;
    assert!(renew_for(cache, &lease, "second", pace.life).await);
    elapse(pace.early).await;
    assert_eq!(ask(cache, "a", "two").await, held("second"));
}

/// The next owner starts without a state.
pub async fn a_released_lease_is_free(cache: &dyn TtlCache) {
    let lease = acquire(cache, "a", "one").await;
    assert!(renew(cache, &lease, "state").await);
    assert!(cache.release(&lease).await.unwrap());
    acquire(cache, "a", "two").await;
    assert_eq!(ask(cache, "a", "three").await, held(""));
}

/// A holder that died is followed by another.
pub async fn an_expired_lease_is_free(cache: &dyn TtlCache, pace: Pace) {
    let lease = acquire(cache, "a", "one").await;
    assert!(renew_for(cache, &lease, "state", pace.life).await);
    elapse(pace.late).await;
    acquire(cache, "a", "two").await;
    assert_eq!(ask(cache, "a", "three").await, held(""));
}

/// Its time is over.
pub async fn an_expired_lease_cannot_be_renewed_or_released(cache: &dyn TtlCache, pace: Pace) {
    let lease = acquire_for(cache, "a", "one", pace.life).await;
    elapse(pace.late).await;
    assert!(!renew(cache, &lease, "late").await);
    assert!(!cache.release(&lease).await.unwrap());
}

/// It is nobody's.
pub async fn a_lease_given_back_cannot_be_renewed_or_released(cache: &dyn TtlCache) {
    let lease = acquire(cache, "a", "one").await;
    assert!(cache.release(&lease).await.unwrap());
    assert!(!renew(cache, &lease, "late").await);
    assert!(!cache.release(&lease).await.unwrap());
}

/// A slow former holder takes nothing from its follower.
pub async fn a_foreign_owner_can_neither_renew_nor_release(cache: &dyn TtlCache, pace: Pace) {
    let former = acquire_for(cache, "a", "one", pace.life).await;
    elapse(pace.late).await;
    let current = acquire(cache, "a", "two").await;
    assert!(!renew(cache, &former, "late").await);
    assert!(!cache.release(&former).await.unwrap());
    assert_eq!(ask(cache, "a", "three").await, held(""));
    assert!(cache.release(&current).await.unwrap());
}

/// One owner may hold many.
pub async fn leases_of_other_keys_are_independent(cache: &dyn TtlCache) {
    let first = acquire(cache, "a", "one").await;
    let second = acquire(cache, "b", "one").await;
    assert!(cache.release(&first).await.unwrap());
    assert!(renew(cache, &second, "state").await);
}

/// Every receiver hears everything, the announcer's own included.
pub async fn an_announcement_reaches_every_receiver_in_order(cache: &dyn TtlCache) {
    let mut receivers = [cache.changes(), cache.changes()];
    let sent = [("configuration", "7"), ("rows", "a:b"), ("configuration", "")];
    for (topic, message) in sent {
        cache.announce(topic, message).await.unwrap();
    }
    for receiver in &mut receivers {
        for (topic, message) in sent {
            let expected = Announcement { topic: topic.to_owned(), message: message.to_owned() };
            assert_eq!(receiver.next().await, Some(expected));
        }
    }
}

/// Announcements that have arrived are not kept for those who come later.
pub async fn a_receiver_hears_nothing_from_before_it_listened(cache: &dyn TtlCache) {
    let mut earlier = cache.changes();
    cache.announce("rows", "before").await.unwrap();
    assert_eq!(earlier.next().await.unwrap().message, "before");
    let mut later = cache.changes();
    cache.announce("rows", "after").await.unwrap();
    assert_eq!(later.next().await.unwrap().message, "after");
    assert_eq!(earlier.next().await.unwrap().message, "after");
}

/// Announcing is telling whoever listens.
pub async fn announcing_to_nobody_is_no_failure(cache: &dyn TtlCache) {
    cache.announce("rows", "x").await.unwrap();
    drop(cache.changes());
    cache.announce("rows", "y").await.unwrap();
}

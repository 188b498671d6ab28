//! Blobs that nobody needs any more.

mod adoption;
mod concurrency;
mod histories;
mod pins;
mod races;
mod reclaim;
mod review;

use std::time::Duration;

use artifact_core::ports::{GarbagePass, GarbageSurvey, MetaStore, Precondition};
use artifact_core::{BlobId, Clock, RepositoryId, SystemClock, Timestamp};

use super::bytes::Bytes;
use super::{blob, key, publish, row};

pub use adoption::*;
pub use concurrency::*;
pub use histories::*;
pub use pins::*;
pub use races::*;
pub use reclaim::*;
pub use review::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A minute less than `span`.
fn almost(span: Duration) -> Duration {
    span.saturating_sub(MINUTE)
}

/// Changes are dated by the store's own clock, so the passes of these tests start from the
/// present.
fn now() -> Timestamp {
    SystemClock.now()
}

/// The moment `span` ago.
fn ago(span: Duration) -> Timestamp {
    Timestamp::from_millis(now().as_millis() - i64::try_from(span.as_millis()).unwrap())
}

/// A pass to which everything that happened is due.
pub(super) fn at_once() -> GarbagePass {
    // A second more than now: whatever happened lies before it, however clocks are rounded.
    after(Duration::from_secs(1))
}

/// The same, some time from now.
fn after(span: Duration) -> GarbagePass {
    GarbagePass {
        now: now().plus(span),
        review_delay: Duration::ZERO,
        delete_delay: Duration::ZERO,
        limit: 1000,
    }
}

/// A live blob that nothing refers to any more.
async fn abandon(store: &dyn MetaStore, repository: RepositoryId, text: &str) -> BlobId {
    publish(store, row(repository, text)).await;
    store.remove(&key(repository, text), Precondition::Any).await.unwrap();
    blob(text)
}

/// A blob that nothing refers to and that a review condemned.
async fn condemn(store: &dyn MetaStore, repository: RepositoryId, text: &str) -> BlobId {
    let id = abandon(store, repository, text).await;
    assert_eq!(store.review(at_once()).await.unwrap().condemned, 1);
    id
}

async fn survey(store: &dyn MetaStore) -> GarbageSurvey {
    store.survey(at_once()).await.unwrap()
}

/// Reviews and reclaims whatever is due at `pass`.
async fn collect(store: &dyn MetaStore, pass: GarbagePass, bytes: &Bytes) {
    store.review(pass).await.unwrap();
    store.reclaim(pass, bytes).await.unwrap();
}

/// Returns when the clock shows a later millisecond than now.
async fn next_millisecond() {
    let before = now();
    while now() <= before {
        tokio::task::yield_now().await;
    }
}

//! Counters over time.

use std::time::Duration;

use artifact_core::RepositoryId;
use artifact_core::ports::{MetaStore, StatBucket};

use super::at;

const ONE: RepositoryId = RepositoryId(1);
const TWO: RepositoryId = RepositoryId(2);
const MINUTE: Duration = Duration::from_secs(60);

fn bucket(factor: u64) -> StatBucket {
    StatBucket {
        hits: factor,
        misses: 2 * factor,
        stale: 3 * factor,
        revalidated: 4 * factor,
        negative: 5 * factor,
        denied: 6 * factor,
        errors: 7 * factor,
        bytes_served: 8 * factor,
        bytes_fetched: 9 * factor,
        bytes_hit: 10 * factor,
    }
}

async fn add(store: &dyn MetaStore, seconds: i64, buckets: &[(RepositoryId, StatBucket)]) {
    store.add_statistics(at(seconds), MINUTE, buckets.to_vec()).await.unwrap();
}

/// Every counter adds up, by repository.
pub async fn statistics_of_one_span_add_up(store: &dyn MetaStore) {
    assert_eq!(store.statistics_since(at(0)).await.unwrap(), []);
    add(store, 0, &[(TWO, bucket(5)), (ONE, bucket(1))]).await;
    add(store, 59, &[(ONE, bucket(100))]).await;
    let sums = store.statistics_since(at(0)).await.unwrap();
    assert_eq!(sums, [(ONE, bucket(101)), (TWO, bucket(5))]);
}

/// A moment in the middle of a span means the whole span.
pub async fn statistics_since_a_moment_include_its_span(store: &dyn MetaStore) {
    for (seconds, factor) in [(0, 1), (60, 10), (120, 100)] {
        add(store, seconds, &[(ONE, bucket(factor))]).await;
    }
    for (since, expected) in [(-1, 111), (0, 111), (59, 111), (60, 110), (119, 110), (120, 100)] {
        let sums = store.statistics_since(at(since)).await.unwrap();
        assert_eq!(sums, [(ONE, bucket(expected))], "since {since}");
    }
    assert_eq!(store.statistics_since(at(180)).await.unwrap(), []);
}

/// Only what lies wholly before the moment.
pub async fn forgotten_statistics_are_gone(store: &dyn MetaStore) {
    for (seconds, factor) in [(0, 1), (60, 10)] {
        add(store, seconds, &[(ONE, bucket(factor))]).await;
    }
    store.forget_statistics(at(59)).await.unwrap();
    assert_eq!(store.statistics_since(at(0)).await.unwrap(), [(ONE, bucket(11))]);
    store.forget_statistics(at(60)).await.unwrap();
    assert_eq!(store.statistics_since(at(0)).await.unwrap(), [(ONE, bucket(10))]);
}

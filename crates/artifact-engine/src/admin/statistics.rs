//! Counters as the API shows them.

use std::collections::HashMap;
use std::time::Duration;

use admin_types::{
    ByteCounts, Problem, RepositoryStats, RequestCounts, Stats, StatsQuery, StorageStats,
    UpstreamStats,
};
use artifact_core::ports::{StatBucket, Usage};
use artifact_core::{Repository, RepositoryId, Timestamp};

use super::Admin;
use super::problem::from_error;
use super::view::kind_of;

impl Admin {
    pub(super) async fn gather_statistics(&self, query: &StatsQuery) -> Result<Stats, Problem> {
        // What happened a moment ago is counted, too.
        self.engine.flush().await;
        let now = self.now();
        let window = Duration::from_secs(query.window_seconds);
        let since = Timestamp::EPOCH.plus(now.since(Timestamp::EPOCH).saturating_sub(window));
        let wanted = |repository: &Repository| {
            query.repository.as_deref().is_none_or(|name| repository.name.as_str() == name)
        };
        let mut repositories = self.stored().await?;
        repositories.retain(wanted);
        if let (Some(name), true) = (&query.repository, repositories.is_empty()) {
            return Err(Problem::not_found(format!("there is no repository {name:?}")));
        }
        let counters = self.meta().statistics_since(since).await.map_err(from_error)?;
        let (usage, distinct_bytes) = self.meta().usage().await.map_err(from_error)?;
        let gathered = gather(&repositories, &sum_by_id(counters), &usage.into_iter().collect());
        let stored_bytes = match query.repository {
            None => distinct_bytes,
            Some(_) => gathered.usage.logical_bytes,
        };
        Ok(Stats {
            window_seconds: query.window_seconds,
            as_of: now.to_rfc3339(),
            requests: counts(&gathered.sum),
            hit_ratio: hit_ratio(&gathered.sum),
            byte_hit_ratio: ratio(gathered.sum.bytes_hit, gathered.sum.bytes_served),
            bytes: bytes(&gathered.sum),
            storage: StorageStats {
                objects: gathered.usage.objects,
                logical_bytes: gathered.usage.logical_bytes,
                stored_bytes,
                temporary_bytes: self.engine.parts().spool.used_bytes(),
                capacity_bytes: None,
            },
            upstream: UpstreamStats::default(),
            repositories: gathered.repositories,
        })
    }
}

/// Sums over the repositories that exist, and each of them.
struct Gathered {
    sum: StatBucket,
    usage: Usage,
    repositories: Vec<RepositoryStats>,
}

fn gather(
    repositories: &[Repository],
    counters: &HashMap<RepositoryId, StatBucket>,
    usage: &HashMap<RepositoryId, Usage>,
) -> Gathered {
    let empty = Gathered {
        sum: StatBucket::default(),
        usage: Usage::default(),
        repositories: Vec::with_capacity(repositories.len()),
    };
    repositories.iter().fold(empty, |mut gathered, repository| {
        let bucket = counters.get(&repository.id).copied().unwrap_or_default();
        let held = usage.get(&repository.id).copied().unwrap_or_default();
        gathered.sum = added(gathered.sum, bucket);
        gathered.usage.objects += held.objects;
        gathered.usage.logical_bytes += held.logical_bytes;
        gathered.repositories.push(RepositoryStats {
            name: repository.name.to_string(),
            kind: kind_of(repository),
            package_type: repository.package_type.to_string(),
            requests: total(&bucket),
            hit_ratio: hit_ratio(&bucket),
            objects: held.objects,
            stored_bytes: held.logical_bytes,
        });
        gathered
    })
}

fn sum_by_id(counters: Vec<(RepositoryId, StatBucket)>) -> HashMap<RepositoryId, StatBucket> {
    counters.into_iter().fold(HashMap::new(), |mut sums, (id, bucket)| {
        let sum = sums.entry(id).or_default();
        *sum = added(*sum, bucket);
        sums
    })
}

fn added(left: StatBucket, right: StatBucket) -> StatBucket {
    StatBucket {
        hits: left.hits + right.hits,
        misses: left.misses + right.misses,
        stale: left.stale + right.stale,
        revalidated: left.revalidated + right.revalidated,
        negative: left.negative + right.negative,
        denied: left.denied + right.denied,
        errors: left.errors + right.errors,
        bytes_served: left.bytes_served + right.bytes_served,
        bytes_fetched: left.bytes_fetched + right.bytes_fetched,
        bytes_hit: left.bytes_hit + right.bytes_hit,
    }
}

fn answered_from_cache(bucket: &StatBucket) -> u64 {
    bucket.hits + bucket.stale + bucket.revalidated + bucket.negative
}

fn total(bucket: &StatBucket) -> u64 {
    answered_from_cache(bucket) + bucket.misses + bucket.denied + bucket.errors
}

/// The definition that the dashboards use, too: refused and failed requests say nothing
/// about the cache.
fn hit_ratio(bucket: &StatBucket) -> Option<f64> {
    let from_cache = answered_from_cache(bucket);
    ratio(from_cache, from_cache + bucket.misses)
}

/// `None` and not zero without traffic.
#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn counts(bucket: &StatBucket) -> RequestCounts {
    RequestCounts {
        total: total(bucket),
        hit: bucket.hits,
        miss: bucket.misses,
        stale: bucket.stale,
        revalidated: bucket.revalidated,
        negative: bucket.negative,
        denied: bucket.denied,
        error: bucket.errors,
    }
}

fn bytes(bucket: &StatBucket) -> ByteCounts {
    ByteCounts {
        served: bucket.bytes_served,
        from_upstream: bucket.bytes_fetched,
        saved: bucket.bytes_hit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_without_traffic_is_absent() {
        let refused = StatBucket { denied: 3, errors: 4, ..StatBucket::default() };
        assert_eq!(hit_ratio(&refused), None);
        assert_eq!(total(&refused), 7);
    }

    #[test]
    fn everything_but_a_miss_counts_as_a_hit() {
        let bucket = StatBucket {
            hits: 1,
            stale: 1,
            revalidated: 1,
            negative: 1,
            misses: 4,
            denied: 10,
            errors: 10,
            ..StatBucket::default()
        };
        assert_eq!(hit_ratio(&bucket), Some(0.5));
        let counts = counts(&bucket);
        let sum = counts.hit + counts.miss + counts.stale + counts.revalidated + counts.negative;
        assert_eq!(counts.total, sum + counts.denied + counts.error);
    }

    #[test]
    fn spans_of_one_repository_add_up() {
        let bucket = StatBucket { hits: 1, bytes_served: 5, ..StatBucket::default() };
        let sums = sum_by_id(vec![(RepositoryId(1), bucket), (RepositoryId(1), bucket)]);
        let expected = StatBucket { hits: 2, bytes_served: 10, ..StatBucket::default() };
        assert_eq!(sums.get(&RepositoryId(1)), Some(&expected));
    }
}

//! Counters.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Kind;

/// Counters over a window of time, and what is stored now.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Stats {
    /// The length of the window.
    pub window_seconds: u64,
    /// Its end.
    pub as_of: String,
    /// Requests to repositories by result.
    pub requests: RequestCounts,
    /// Hits, stale, revalidated and negative answers among all but denied and failed ones;
    /// `null` without traffic.
    pub hit_ratio: Option<f64>,
    /// Bytes that came out of the cache among all bytes sent; `null` without traffic.
    pub byte_hit_ratio: Option<f64>,
    /// Bytes moved.
    pub bytes: ByteCounts,
    /// What is stored now.
    pub storage: StorageStats,
    /// How upstreams answered.
    pub upstream: UpstreamStats,
    /// The same for every repository.
    pub repositories: Vec<RepositoryStats>,
}

/// Requests by result; the results add up to the total.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct RequestCounts {
    /// All of them.
    pub total: u64,
    /// Answered from a fresh copy.
    pub hit: u64,
    /// Upstream had to be asked for the bytes.
    pub miss: u64,
    /// Answered from an expired copy.
    pub stale: u64,
    /// Answered from a copy that upstream confirmed first.
    pub revalidated: u64,
    /// Answered from a remembered absence.
    pub negative: u64,
    /// Refused by a rule.
    pub denied: u64,
    /// Failed.
    pub error: u64,
}

/// Bytes moved.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ByteCounts {
    /// Sent to clients.
    pub served: u64,
    /// Received from upstream.
    pub from_upstream: u64,
    /// Sent to clients out of the cache.
    pub saved: u64,
}

/// What is stored.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct StorageStats {
    /// Objects in all repositories.
    pub objects: u64,
    /// The sum of their sizes.
    pub logical_bytes: u64,
    /// Bytes of distinct blobs: less than logical where repositories share them.
    pub stored_bytes: u64,
    /// Bytes of files that are being fetched or uploaded.
    pub temporary_bytes: u64,
    /// How much could be stored; `null` if there is no known limit.
    pub capacity_bytes: Option<u64>,
}

/// How upstreams answered; `null` is "not measured".
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct UpstreamStats {
    /// The median time to the first byte.
    pub p50_ms: Option<u64>,
    /// The time that 95 of 100 answers stayed under.
    pub p95_ms: Option<u64>,
    /// Failures by reason.
    pub errors_by_reason: Option<BTreeMap<String, u64>>,
}

/// Counters of one repository.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RepositoryStats {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Its type.
    pub package_type: String,
    /// Requests of any result.
    pub requests: u64,
    /// As in [`Stats::hit_ratio`].
    pub hit_ratio: Option<f64>,
    /// Objects it holds.
    pub objects: u64,
    /// The sum of their sizes.
    pub stored_bytes: u64,
}

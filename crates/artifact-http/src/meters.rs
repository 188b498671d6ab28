//! Metric handles, looked up once per repository and label and then only touched.
//!
//! Labels are bounded: configured repositories, known methods, known statuses. A path or a name
//! that somebody made up never becomes a label.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use artifact_core::RepositoryId;
use artifact_engine::AccessLogQueue;
use http::{Method, StatusCode};
use metrics::{Counter, Histogram};

use crate::call::Verdict;
use crate::repositories::{Repositories, RepositoryLabels};

const METHODS: [&str; 6] = ["GET", "HEAD", "PUT", "POST", "DELETE", "other"];

/// The statuses that this server sends, by how often it does; any other is counted as `other`.
const STATUSES: [u16; 27] = [
    200, 304, 206, 404, 403, 201, 204, 202, 302, 307, 400, 401, 405, 409, 410, 412, 413, 416, 422,
    429, 451, 500, 502, 503, 504, 507, 0,
];

/// The handles of all repositories.
pub(crate) struct Meters {
    repositories: Arc<dyn Repositories>,
    known: ArcSwap<HashMap<RepositoryId, Arc<RepositoryMeters>>>,
    elsewhere: Arc<RepositoryMeters>,
}

impl Meters {
    pub(crate) fn new(repositories: Arc<dyn Repositories>) -> Self {
        let none = RepositoryLabels { repository: String::new(), package_type: String::new() };
        let elsewhere = Arc::new(RepositoryMeters::new(none));
        Self { repositories, known: ArcSwap::default(), elsewhere }
    }

    /// The handles of a repository; of everything else for `None` and for one that was just deleted.
    pub(crate) fn of(&self, repository: Option<RepositoryId>) -> Arc<RepositoryMeters> {
        let Some(id) = repository else { return Arc::clone(&self.elsewhere) };
        if let Some(meters) = self.known.load().get(&id) {
            return Arc::clone(meters);
        }
        match self.repositories.labels(id) {
            Some(labels) => self.learn(id, labels),
            None => Arc::clone(&self.elsewhere),
        }
    }

    /// Two that learn at once make handles of the same series, so it does not matter who wins.
    fn learn(&self, id: RepositoryId, labels: RepositoryLabels) -> Arc<RepositoryMeters> {
        let meters = Arc::new(RepositoryMeters::new(labels));
        self.known.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.insert(id, Arc::clone(&meters));
            known
        });
        meters
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").field("known", &self.known.load().len()).finish_non_exhaustive()
    }
}

/// The handles of one repository, made when they are first needed.
pub(crate) struct RepositoryMeters {
    labels: RepositoryLabels,
    requests: [[OnceLock<Counter>; STATUSES.len()]; METHODS.len()],
    cache: [OnceLock<Counter>; Verdict::COUNT],
    durations: [OnceLock<Histogram>; Verdict::COUNT],
    response_bytes: OnceLock<Counter>,
}

impl RepositoryMeters {
    fn new(labels: RepositoryLabels) -> Self {
        Self {
            labels,
            requests: Default::default(),
            cache: Default::default(),
            durations: Default::default(),
            response_bytes: OnceLock::new(),
        }
    }

    /// An answer's head is on its way.
    pub(crate) fn answered(&self, method: &Method, status: StatusCode, verdict: Verdict) {
        let (method, status) = (method_index(method), status_index(status));
        if let Some(counter) = self.requests.get(method).and_then(|row| row.get(status)) {
            counter.get_or_init(|| self.request_counter(method, status)).increment(1);
        }
        if self.labels.repository.is_empty() {
            return;
        }
        if let Some(counter) = self.cache.get(verdict.index()) {
            counter.get_or_init(|| self.cache_counter(verdict)).increment(1);
        }
    }

    /// An answer's body ended.
    pub(crate) fn delivered(&self, verdict: Verdict, bytes: u64, duration: Duration) {
        self.response_bytes.get_or_init(|| self.byte_counter()).increment(bytes);
        if let Some(histogram) = self.durations.get(verdict.index()) {
            histogram.get_or_init(|| self.duration_histogram(verdict)).record(duration);
        }
    }

    fn request_counter(&self, method: usize, status: usize) -> Counter {
        let code = match STATUSES.get(status) {
            None | Some(0) => "other".to_owned(),
            Some(status) => status.to_string(),
        };
        metrics::counter!(
            "artifactapi_http_requests_total",
            "repository" => self.labels.repository.clone(),
            "package_type" => self.labels.package_type.clone(),
            "method" => METHODS.get(method).copied().unwrap_or("other"),
            "code" => code,
        )
    }

    fn cache_counter(&self, verdict: Verdict) -> Counter {
        metrics::counter!(
            "artifactapi_cache_requests_total",
            "repository" => self.labels.repository.clone(),
            "package_type" => self.labels.package_type.clone(),
            "result" => verdict.name(),
        )
    }

    fn byte_counter(&self) -> Counter {
        metrics::counter!(
            "artifactapi_http_response_bytes_total",
            "repository" => self.labels.repository.clone(),
            "package_type" => self.labels.package_type.clone(),
        )
    }

    fn duration_histogram(&self, verdict: Verdict) -> Histogram {
        metrics::histogram!(
            "artifactapi_http_request_duration_seconds",
            "package_type" => self.labels.package_type.clone(),
            "result" => verdict.name(),
        )
    }
}

impl fmt::Debug for RepositoryMeters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepositoryMeters").field("labels", &self.labels).finish_non_exhaustive()
    }
}

fn method_index(method: &Method) -> usize {
    let known = METHODS.iter().position(|known| *known == method.as_str());
    known.unwrap_or(METHODS.len() - 1)
}

fn status_index(status: StatusCode) -> usize {
    let known = STATUSES.iter().position(|known| *known == status.as_u16());
    known.unwrap_or(STATUSES.len() - 1)
}

/// Brings the series of the access log up to date: when they are read, not when they change.
pub(crate) fn publish_access_log(queue: &AccessLogQueue) {
    let waiting = u32::try_from(queue.waiting()).unwrap_or(u32::MAX);
    metrics::gauge!("artifactapi_access_log_waiting").set(f64::from(waiting));
    #[expect(clippy::cast_precision_loss, reason = "at most 1 GiB")]
    let spilled = queue.spilled_bytes() as f64;
    metrics::gauge!("artifactapi_access_log_spilled_bytes").set(spilled);
    metrics::counter!("artifactapi_access_log_dropped_total").absolute(queue.dropped());
}

/// Says what the metrics mean, for the recorder's help texts. To be called once, after a
/// recorder was installed.
pub fn describe_metrics(version: &'static str, revision: &'static str) {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("artifactapi_build_info", "Always 1; which build this is");
    describe_counter!(
        "artifactapi_http_requests_total",
        "Answers by repository, method and status"
    );
    describe_histogram!(
        "artifactapi_http_request_duration_seconds",
        "From a request's head to the last byte of its answer"
    );
    describe_gauge!("artifactapi_http_requests_in_flight", "Requests under way, bodies included");
    describe_counter!("artifactapi_http_response_bytes_total", "Bytes of answer bodies");
    describe_counter!("artifactapi_cache_requests_total", "Repository requests by cache result");
    describe_gauge!("artifactapi_access_log_waiting", "Access records that wait for their batch");
    describe_gauge!(
        "artifactapi_access_log_spilled_bytes",
        "Access records on the local disk that the metadata store has not taken"
    );
    describe_counter!("artifactapi_access_log_dropped_total", "Access records that were lost");
    metrics::gauge!("artifactapi_build_info", "version" => version, "revision" => revision)
        .set(1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_and_status_has_a_bounded_label() {
        assert_eq!(METHODS[method_index(&Method::GET)], "GET");
        assert_eq!(METHODS[method_index(&Method::from_bytes(b"MADE-UP").unwrap())], "other");
        assert_eq!(STATUSES[status_index(StatusCode::NOT_FOUND)], 404);
        assert_eq!(STATUSES[status_index(StatusCode::IM_A_TEAPOT)], 0);
    }

    #[test]
    fn every_verdict_has_an_index_of_its_own() {
        use artifact_engine::CacheResult as Cache;
        let served = [
            Cache::Hit,
            Cache::Miss,
            Cache::Stale,
            Cache::Revalidated,
            Cache::Negative,
            Cache::Bypass,
            Cache::None,
        ];
        let verdicts =
            served.into_iter().map(Verdict::Served).chain([Verdict::Denied, Verdict::Failed]);
        let indexes: Vec<_> = verdicts.map(Verdict::index).collect();
        assert_eq!(indexes, (0..Verdict::COUNT).collect::<Vec<_>>());
    }
}

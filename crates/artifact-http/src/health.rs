//! Liveness and readiness.
//!
//! Invariant: an upstream that is down never makes this server unready, nor does a service of its
//! own without which it still serves what it holds.

use std::fmt::{self, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use artifact_core::{Error, ErrorKind, Result};
use artifact_engine::Engine;
use futures_util::future::join_all;
use http::{Response, StatusCode};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::action::Probe;
use crate::body::Body;
use crate::dispatch::uncached;
use crate::respond;

/// How long a result is good: probes of many balancers cost one check per second.
const FRESH: Duration = Duration::from_secs(1);
/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(2);

type Checking = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// A check of something that this server works with.
pub(crate) struct Check {
    name: &'static str,
    weight: Weight,
    run: Box<dyn Fn() -> Checking + Send + Sync>,
}

/// What a check that fails means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Weight {
    /// Nothing can be served.
    Fatal,
    /// What is held here can be served.
    Tolerated,
}

impl Check {
    pub(crate) fn new<F>(name: &'static str, run: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        Self { name, weight: Weight::Fatal, run: Box::new(move || Box::pin(run())) }
    }

    /// The same check, which is told and otherwise ignored when `services` names it.
    fn tolerated_in(self, services: &[&str]) -> Self {
        let is_tolerated = services.contains(&self.name);
        Self { weight: if is_tolerated { Weight::Tolerated } else { self.weight }, ..self }
    }

    /// The checks of an engine's own stores.
    pub(crate) fn of(engine: &Engine) -> Vec<Self> {
        let (parts, services) = (engine.parts(), &engine.settings().services);
        let (meta, blobs) = (Arc::clone(&parts.meta), Arc::clone(&parts.blobs));
        let metadata = Self::new("metadata", move || {
            let meta = Arc::clone(&meta);
            async move { meta.check().await }
        });
        let storage = Self::new("storage", move || {
            let blobs = Arc::clone(&blobs);
            async move { blobs.check().await }
        });
        vec![metadata.tolerated_in(services), storage.tolerated_in(services)]
    }
}

/// What came of one check.
#[derive(Clone, Debug)]
struct Finding {
    name: &'static str,
    weight: Weight,
    result: Result<()>,
}

impl Finding {
    fn allows_serving(&self) -> bool {
        self.result.is_ok() || self.weight == Weight::Tolerated
    }
}

/// Knows whether this server should be sent requests.
pub(crate) struct Readiness {
    checks: Vec<Check>,
    findings: Mutex<Option<(Instant, Vec<Finding>)>>,
    is_draining: AtomicBool,
}

impl Readiness {
    pub(crate) fn new(checks: Vec<Check>) -> Self {
        Self { checks, findings: Mutex::default(), is_draining: AtomicBool::new(false) }
    }

    /// From now on the server is not ready, whatever the checks say.
    pub(crate) fn begin_draining(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Answers a probe; `?verbose` lists the checks.
    pub(crate) async fn answer(&self, probe: Probe, query: Option<&str>) -> Response<Body> {
        if probe == Probe::Live {
            return uncached(respond::bytes(StatusCode::OK, respond::TEXT, "ok\n"));
        }
        let mut findings = self.findings().await;
        findings.push(self.serving());
        let is_ready = findings.iter().all(Finding::allows_serving);
        let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let is_verbose = query.is_some_and(|query| query.split('&').any(is_verbose_flag));
        let text = if is_verbose { listed(&findings) } else { String::new() };
        let summary = if is_ready { "ok\n" } else { "not ready\n" };
        uncached(respond::bytes(status, respond::TEXT, text + summary))
    }

    async fn findings(&self) -> Vec<Finding> {
        // Held while checking: probes that arrive meanwhile share the result.
        let mut known = self.findings.lock().await;
        if let Some((at, findings)) = &*known
            && at.elapsed() < FRESH
        {
            return findings.clone();
        }
        let findings = join_all(self.checks.iter().map(examine)).await;
        *known = Some((Instant::now(), findings.clone()));
        findings
    }

    fn serving(&self) -> Finding {
        let result = if self.is_draining.load(Ordering::Relaxed) {
            Err(Error::new(ErrorKind::Unavailable, "the server is shutting down"))
        } else {
            Ok(())
        };
        Finding { name: "serving", weight: Weight::Fatal, result }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.checks.iter().map(|check| check.name).collect();
        f.debug_struct("Readiness").field("checks", &names).finish_non_exhaustive()
    }
}

async fn examine(check: &Check) -> Finding {
    let late = || Err(Error::new(ErrorKind::Unavailable, "no answer in time"));
    let result = timeout(PATIENCE, (check.run)()).await.unwrap_or_else(|_| late());
    if let Err(error) = &result {
        let source = std::error::Error::source(error).map(tracing::field::display);
        tracing::warn!(check = check.name, %error, source, "not ready");
    }
    Finding { name: check.name, weight: check.weight, result }
}

fn is_verbose_flag(parameter: &str) -> bool {
    parameter == "verbose" || parameter.starts_with("verbose=")
}

/// One line per check, in the form that Kubernetes made common.
fn listed(findings: &[Finding]) -> String {
    findings.iter().fold(String::new(), |mut text, finding| {
        // Writing to a string cannot fail.
        let _ = match &finding.result {
            Ok(()) => writeln!(text, "[+]{} ok", finding.name),
            Err(error) if finding.allows_serving() => {
                writeln!(text, "[!]{} failed, serving what is held here: {error}", finding.name)
            }
            Err(error) => writeln!(text, "[-]{} failed: {error}", finding.name),
        };
        text
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use http_body_util::BodyExt;

    use super::*;

    async fn ask(readiness: &Readiness, query: Option<&str>) -> (u16, String) {
        let response = readiness.answer(Probe::Ready, query).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn checks_run_at_most_once_per_second() {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let readiness = Readiness::new(vec![Check::new("storage", move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok(()) }
        })]);
        for _ in 0..5 {
            assert_eq!(ask(&readiness, None).await, (200, "ok\n".to_owned()));
        }
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        tokio::time::advance(FRESH).await;
        ask(&readiness, None).await;
        assert_eq!(runs.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_or_hanging_check_makes_the_server_unready() {
        let readiness = Readiness::new(vec![
            Check::new("metadata", || async {
                Err(Error::new(ErrorKind::Unavailable, "the disk is gone"))
            }),
            Check::new("storage", std::future::pending),
        ]);
        let (status, text) = ask(&readiness, Some("verbose")).await;
        assert_eq!(status, 503);
        let expected = "[-]metadata failed: the disk is gone\n\
             [-]storage failed: no answer in time\n[+]serving ok\nnot ready\n";
        assert_eq!(text, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_is_down_is_told_and_leaves_the_server_ready() {
        let failing = Check::new("metadata", || async {
            Err(Error::new(ErrorKind::Unavailable, "it does not answer"))
        });
        let readiness = Readiness::new(vec![failing.tolerated_in(&["metadata", "storage"])]);
        let (status, text) = ask(&readiness, Some("verbose")).await;
        let expected = "[!]metadata failed, serving what is held here: it does not answer\n\
             [+]serving ok\nok\n";
        assert_eq!((status, &*text), (200, expected));
    }

    #[tokio::test]
    async fn a_draining_server_is_unready_at_once_but_alive() {
        let readiness = Readiness::new(Vec::new());
        assert_eq!(ask(&readiness, None).await.0, 200);
        readiness.begin_draining();
        assert_eq!(ask(&readiness, None).await, (503, "not ready\n".to_owned()));
        assert_eq!(readiness.answer(Probe::Live, None).await.status(), 200);
    }
}

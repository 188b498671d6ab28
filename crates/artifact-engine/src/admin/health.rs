//! Health: every part is tried, every upstream is asked about, nothing waits for ever.

use std::future::Future;
use std::time::Duration;

use admin_types::{Check, CheckStatus, Health, HealthStatus, State, Status};
use artifact_core::{Repository, Result};
use bytes::Bytes;
use futures_util::future;
use tokio::time::{Instant, timeout};

use super::{Access, Admin, status};

/// How long a part may take before it counts as down.
const PATIENCE: Duration = Duration::from_secs(5);
const HINTS: &str = "hints";
const SPOOL: &str = "spool";

impl Admin {
    pub(super) async fn examine(&self) -> Health {
        let parts = self.engine.parts();
        let (storage, metadata, spool) = future::join3(
            tried("storage", "write, read and delete passed", parts.blobs.check()),
            tried("metadata", "read and write passed", parts.meta.check()),
            tried(SPOOL, "write passed", self.try_spool()),
        )
        .await;
        let hints = self.hints_check().await;
        let own = [storage, metadata, spool].into_iter().chain(hints);
        let own = own.map(|check| self.with_what_is_served(check));
        let upstreams = self.repository_checks().await;
        let checks: Vec<_> = own.chain([self.access_check()]).chain(upstreams).collect();
        Health {
            status: overall(&checks, &self.engine.settings().services),
            version: self.server.version.clone(),
            uptime_seconds: self.now().since(self.server.started_at).as_secs(),
            checks,
        }
    }

    async fn try_spool(&self) -> Result<()> {
        let mut file = self.engine.parts().spool.create(Some(1), &[]).await?;
        file.append(Bytes::from_static(b"!")).await
    }

    /// Hints of this process cannot fail; those of a service can.
    async fn hints_check(&self) -> Option<Check> {
        if !self.engine.settings().services.contains(&HINTS) {
            return None;
        }
        let ttl = &self.engine.parts().ttl;
        let key = format!("health:{}", self.engine.settings().replica);
        let trial = async {
            ttl.set(&key, Bytes::from_static(b"!"), PATIENCE).await?;
            ttl.get(&key).await.map(drop)
        };
        Some(tried(HINTS, "write and read passed", trial).await)
    }

    /// Says what clients still get while a part is down that is not missed by all.
    fn with_what_is_served(&self, check: Check) -> Check {
        let only_degrades = only_degrades(&check.name, &self.engine.settings().services);
        if check.status != CheckStatus::Down || !only_degrades {
            return check;
        }
        let serving = match &*check.name {
            SPOOL => "everything that is held; the rest passes through unstored; no uploads",
            "metadata" => {
                "recently served files; other files of remotes pass through unstored; no uploads"
            }
            "storage" => {
                "files on the local disk; other files of remotes pass through unstored; no uploads"
            }
            _ => "everything; upstreams may be asked once per replica",
        };
        Check { serving: Some(serving.to_owned()), ..check }
    }

    fn access_check(&self) -> Check {
        match self.server.access {
            Access::Token => Check {
                detail: Some("writing needs a token".to_owned()),
                ..Check::new("access", CheckStatus::Ok)
            },
            Access::Open => Check {
                reason: Some("open".to_owned()),
                detail: Some(self.open_access()),
                hint: Some("/docs/errors#open_access".to_owned()),
                ..Check::new("access", CheckStatus::Warning)
            },
        }
    }

    fn open_access(&self) -> String {
        let snapshot = self.engine.configuration().snapshot();
        let mut private: Vec<_> = snapshot
            .all()
            .map(|mounted| mounted.name())
            .filter(|name| snapshot.is_private(name))
            .collect();
        private.sort_unstable();
        let mut text = "ADMIN_TOKEN is not set: everyone who reaches it may write".to_owned();
        if !private.is_empty() {
            text = format!("{text}, and read the private repositories {}", private.join(", "));
        }
        text
    }

    /// Every remote, and what could not be loaded. When the store does not answer, and while a
    /// change that it tells of is not in force yet, the configuration in force is what is judged.
    async fn repository_checks(&self) -> Vec<Check> {
        let snapshot = self.engine.configuration().snapshot();
        let stored = match timeout(PATIENCE, self.meta().repositories()).await {
            Ok(Ok(change)) if change.generation == snapshot.generation() => change.repositories,
            Ok(_) | Err(_) => in_force(&snapshot),
        };
        stored
            .iter()
            .filter_map(|repository| {
                let status = status::of(repository, &snapshot, &*self.engine.parts().upstream);
                repository_check(repository, &status)
            })
            .collect()
    }
}

fn in_force(snapshot: &crate::snapshot::Snapshot) -> Vec<Repository> {
    let mut repositories: Vec<_> =
        snapshot.all().map(|mounted| mounted.repository.clone()).collect();
    repositories.sort_by(|left, right| left.name.cmp(&right.name));
    repositories
}

async fn tried(name: &str, passed: &str, trial: impl Future<Output = Result<()>>) -> Check {
    let started = Instant::now();
    let result = timeout(PATIENCE, trial).await;
    let ms = u64::try_from(started.elapsed().as_millis()).ok();
    let (status, detail) = verdict(result.ok(), passed);
    let hint = (status == CheckStatus::Down).then(|| format!("/docs/errors#{name}"));
    Check { ms, detail: Some(detail), hint, ..Check::new(name, status) }
}

/// What a trial proves; `None` means that it did not end in time.
fn verdict(result: Option<Result<()>>, passed: &str) -> (CheckStatus, String) {
    match result {
        Some(Ok(())) => (CheckStatus::Ok, passed.to_owned()),
        Some(Err(error)) => (CheckStatus::Down, error.public().to_owned()),
        None => (CheckStatus::Down, format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// The line of a repository: every remote has one, the others only when they are down.
fn repository_check(repository: &Repository, status: &Status) -> Option<Check> {
    let name = format!("{}/{}", repository.kind(), repository.name);
    let is_remote = repository.kind() == artifact_core::RepositoryKind::Remote;
    match status.state {
        State::Ok | State::Degraded => is_remote.then(|| Check::new(name, CheckStatus::Ok)),
        State::Offline => Some(Check {
            reason: Some("offline".to_owned()),
            detail: Some("set offline by an operator".to_owned()),
            serving: Some("cached objects only".to_owned()),
            ..Check::new(name, CheckStatus::Ok)
        }),
        State::Down | State::RateLimited => {
            let reason = match status.state {
                State::RateLimited => "rate_limited",
                _ => "down",
            };
            Some(Check {
                since: status.since.clone(),
                reason: Some(reason.to_owned()),
                detail: status.last_error.clone(),
                serving: is_remote.then(|| "cached objects only".to_owned()),
                hint: Some(format!("/docs/errors#upstream_{reason}")),
                ..Check::new(name, CheckStatus::Down)
            })
        }
    }
}

/// Whether the server still serves while this is down: an upstream, one of the `services`, the
/// room for files under way.
fn only_degrades(name: &str, services: &[&str]) -> bool {
    name.contains('/') || name == SPOOL || services.contains(&name)
}

/// What is down degrades the whole, or takes it down.
fn overall(checks: &[Check], services: &[&str]) -> HealthStatus {
    let down = || checks.iter().filter(|check| check.status == CheckStatus::Down);
    if down().any(|check| !only_degrades(&check.name, services)) {
        return HealthStatus::Down;
    }
    if down().next().is_some() { HealthStatus::Degraded } else { HealthStatus::Ok }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_degrades_and_a_part_of_ours_takes_down() {
        use CheckStatus::{Down, Ok, Warning};
        for (checks, expected) in [
            (vec![("storage", Ok), ("access", Warning)], HealthStatus::Ok),
            (vec![("storage", Ok), ("remote/a", Down)], HealthStatus::Degraded),
            (vec![("storage", Ok), ("spool", Down)], HealthStatus::Degraded),
            (vec![("storage", Down), ("remote/a", Down)], HealthStatus::Down),
        ] {
            let checks: Vec<_> =
                checks.into_iter().map(|(name, status)| Check::new(name, status)).collect();
            assert_eq!(overall(&checks, &[]), expected, "{checks:?}");
        }
        let storage = [Check::new("storage", Down)];
        assert_eq!(overall(&storage, &["storage"]), HealthStatus::Degraded);
        assert_eq!(overall(&storage, &["metadata"]), HealthStatus::Down);
    }

    #[test]
    fn a_part_that_fails_or_never_answers_is_down() {
        let error =
            artifact_core::Error::new(artifact_core::ErrorKind::Unavailable, "disk is gone");
        for (result, status, detail) in [
            (Some(Ok(())), CheckStatus::Ok, "passed"),
            (Some(Err(error)), CheckStatus::Down, "disk is gone"),
            (None, CheckStatus::Down, "no answer within 5 s"),
        ] {
            assert_eq!(verdict(result, "passed"), (status, detail.to_owned()));
        }
    }
}

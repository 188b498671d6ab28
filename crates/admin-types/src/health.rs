//! Health as operators see it; not what an orchestrator probes.

use serde::{Deserialize, Serialize};

/// How the server and its upstreams are doing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Health {
    /// The worst that matters.
    pub status: HealthStatus,
    /// The server's version.
    pub version: String,
    /// Since when it runs.
    pub uptime_seconds: u64,
    /// What was looked at.
    pub checks: Vec<Check>,
}

impl Health {
    /// The check of that name.
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}

/// The whole in one word.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Everything works; there may be warnings.
    Ok,
    /// An upstream is down: what is cached is served, the rest is not.
    Degraded,
    /// A part of the server itself does not work.
    Down,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Check {
    /// What: `storage`, `metadata`, `spool`, `hints`, `access` or `remote/{name}`.
    pub name: String,
    /// The result.
    pub status: CheckStatus,
    /// How long it took, where something was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// Since when, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The reason as a stable word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What clients still get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<String>,
    /// Where the documentation explains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Check {
    /// A check without any details.
    pub fn new(name: impl Into<String>, status: CheckStatus) -> Self {
        Self {
            name: name.into(),
            status,
            ms: None,
            since: None,
            reason: None,
            detail: None,
            serving: None,
            hint: None,
        }
    }
}

/// The result of a check.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// Well.
    Ok,
    /// Works, but somebody should know.
    Warning,
    /// Does not work.
    Down,
}

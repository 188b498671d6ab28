//! What may be configured.

use std::time::Duration;

use artifact_core::Secret;

const PREFIX: &str = "artifactapi";

/// Where Redis is, and how long it is waited for.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// `redis://` or, with TLS, `rediss://`, then `user:password@host:port/database`; all but
    /// the host may be absent.
    pub url: Secret,
    /// Keeps servers apart that share one Redis; channels are shared by all its databases.
    pub name_space: Option<String>,
    /// The longest that an operation may take.
    pub budget: Duration,
    /// The longest that connecting may take, and again the greeting that follows.
    pub connect: Duration,
}

impl RedisSettings {
    /// The settings for production, with the server at `url`.
    pub fn new(url: Secret) -> Self {
        Self {
            url,
            name_space: None,
            budget: Duration::from_millis(50),
            connect: Duration::from_secs(1),
        }
    }

    /// What every key begins with.
    pub(crate) fn prefix(&self) -> String {
        match &self.name_space {
            Some(name_space) => format!("{PREFIX}:{name_space}"),
            None => PREFIX.to_owned(),
        }
    }
}

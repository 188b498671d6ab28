//! Which services are used instead of the embedded stores, each chosen by its first variable.

use artifact_core::Secret;
use cas_store::{Addressing, S3Settings, Security};
use meta_db::{PostgresSettings, TlsMode};
use ttl_cache::RedisSettings;

use super::problems::Problems;
use super::set;
use crate::command_line::ServiceSettings;

/// Connections to PostgreSQL that one replica takes.
const POOL_SIZE: usize = 16;

/// The services in use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Services {
    /// Instead of SQLite.
    pub(crate) postgres: Option<PostgresSettings>,
    /// Instead of hints in this process.
    pub(crate) redis: Option<RedisSettings>,
    /// Instead of files.
    pub(crate) s3: Option<S3Settings>,
    /// Whether to wait for them instead of giving up.
    pub(crate) wait: bool,
}

impl Services {
    pub(super) fn load(
        settings: &ServiceSettings,
        problems: &mut Problems,
        environment: &impl Fn(&str) -> Option<String>,
    ) -> Self {
        Self {
            postgres: postgres(settings, problems, environment),
            redis: problems.secret("REDIS_URL", environment).map(RedisSettings::new),
            s3: s3(settings, problems, environment),
            wait: settings.wait_for_services,
        }
    }

    /// The parts of the server that are services of their own, as health checks name them.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        [
            self.postgres.as_ref().map(|_| "metadata"),
            self.s3.as_ref().map(|_| "storage"),
            self.redis.as_ref().map(|_| "hints"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn postgres(
    settings: &ServiceSettings,
    problems: &mut Problems,
    environment: &impl Fn(&str) -> Option<String>,
) -> Option<PostgresSettings> {
    let password = problems.secret("DBPASS", environment);
    let host = settings.db_host.as_deref().filter(|host| !host.is_empty())?;
    Some(PostgresSettings {
        host: host.to_owned(),
        port: problems.or_default("DBPORT", set(settings.db_port.as_deref(), "5432"), port),
        user: set(settings.db_user.as_deref(), "artifacts").to_owned(),
        password: password.unwrap_or_else(|| Secret::new("")),
        database: set(settings.db_name.as_deref(), "artifacts").to_owned(),
        tls: problems
            .optional("DBSSLMODE", settings.db_ssl_mode.as_deref(), tls_mode)
            .unwrap_or(TlsMode::Prefer),
        pool_size: POOL_SIZE,
    })
}

fn s3(
    settings: &ServiceSettings,
    problems: &mut Problems,
    environment: &impl Fn(&str) -> Option<String>,
) -> Option<S3Settings> {
    let secret_key = problems.secret("MINIO_SECRET_KEY", environment);
    let endpoint = settings.minio_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty())?;
    let access_key = set(settings.minio_access_key.as_deref(), "");
    if access_key.is_empty() || secret_key.is_none() {
        let missing = if access_key.is_empty() { "MINIO_ACCESS_KEY" } else { "MINIO_SECRET_KEY" };
        problems.add(missing, "is not set, but MINIO_ENDPOINT is", "set both keys of the bucket");
    }
    let bucket = set(settings.minio_bucket.as_deref(), "artifacts");
    let secret_key = secret_key.unwrap_or_else(|| Secret::new(""));
    let is_secure = problems
        .optional("MINIO_SECURE", settings.minio_secure.as_deref(), switch)
        .unwrap_or(false);
    Some(S3Settings {
        security: if is_secure { Security::Tls } else { Security::Plain },
        region: set(settings.minio_region.as_deref(), "us-east-1").to_owned(),
        addressing: problems
            .optional("MINIO_ADDRESSING", settings.minio_addressing.as_deref(), addressing)
            .unwrap_or(Addressing::Path),
        ..S3Settings::new(endpoint, bucket, access_key, secret_key)
    })
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("\"{text}\" is not a port"))
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err(format!("\"{text}\" is not true or false")),
    }
}

fn tls_mode(text: &str) -> Result<TlsMode, String> {
    match text {
        "disable" => Ok(TlsMode::Disable),
        "prefer" => Ok(TlsMode::Prefer),
        "require" => Ok(TlsMode::Require),
        "verify-full" => Ok(TlsMode::VerifyFull),
        _ => Err(format!("\"{text}\" is not one of disable, prefer, require, verify-full")),
    }
}

fn addressing(text: &str) -> Result<Addressing, String> {
    match text {
        "path" => Ok(Addressing::Path),
        "virtual-host" => Ok(Addressing::VirtualHost),
        _ => Err(format!("\"{text}\" is not one of path, virtual-host")),
    }
}

//! The services behind the ports: making them, proving them at start, and saying which variable is
//! wrong when one cannot be used.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cas_store::{S3Failure, S3Store, StoreError};
use meta_db::{EncryptionKey, PostgresError, PostgresStore};
use tokio::time::timeout;
use ttl_cache::{RedisError, RedisTtlCache};

use crate::configuration::Services;

/// How long a service may take to say anything at all.
const PATIENCE: Duration = Duration::from_secs(4);
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// A schema is brought up to date in this time, or not before somebody looks.
const MIGRATION: Duration = Duration::from_secs(15 * 60);

/// The clients of the services in use.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    pub(crate) postgres: Option<Arc<PostgresStore>>,
    pub(crate) redis: Option<Arc<RedisTtlCache>>,
    pub(crate) s3: Option<Arc<S3Store>>,
}

/// A database that did not answer at start: its schema has yet to be brought up to date.
#[derive(Debug)]
pub(crate) struct Unprepared(Arc<PostgresStore>);

/// A service that cannot be used.
#[derive(Debug)]
struct Trouble {
    variables: &'static str,
    problem: String,
    /// Whether it may be over in a moment without anybody doing anything to the settings.
    is_outage: bool,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variables, self.problem)
    }
}

impl Clients {
    /// The clients, none of which connects yet.
    pub(crate) fn new(
        services: &Services,
        key: EncryptionKey,
        snapshot: &Path,
    ) -> anyhow::Result<Self> {
        let postgres = services.postgres.clone().map(|settings| {
            PostgresStore::new(settings, key, snapshot.into()).map(Arc::new).context("DBHOST")
        });
        let redis = services
            .redis
            .as_ref()
            .map(|settings| RedisTtlCache::new(settings).map(Arc::new).context("REDIS_URL"));
        let s3 = services.s3.as_ref().map(|settings| {
            S3Store::new(settings).map(Arc::new).context("MINIO_ENDPOINT, MINIO_BUCKET")
        });
        Ok(Self { postgres: postgres.transpose()?, redis: redis.transpose()?, s3: s3.transpose()? })
    }

    /// Proves every service, and brings the database up to date. With `wait` an unusable service is
    /// tried until it can be used. Otherwise it is an error that names the variables, except for
    /// an outage where this process `has_served` before: then it serves what it holds, and returns
    /// the database if that is what does not answer.
    pub(crate) async fn prepare(
        &self,
        wait: bool,
        has_served: bool,
    ) -> anyhow::Result<Option<Unprepared>> {
        loop {
            let [postgres, redis, s3] = Box::pin(self.troubles()).await;
            let unprepared = self.postgres.clone().filter(|_| postgres.is_some()).map(Unprepared);
            let troubles: Vec<_> = [postgres, redis, s3].into_iter().flatten().collect();
            let Some(first) = troubles.first() else { return Ok(None) };
            if wait {
                tracing::warn!(problem = %first, "waiting for a service");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            if has_served && troubles.iter().all(|trouble| trouble.is_outage) {
                for trouble in &troubles {
                    tracing::warn!(problem = %trouble, "starting without a service");
                }
                return Ok(unprepared);
            }
            let lines: Vec<_> = troubles.iter().map(|trouble| format!("\n  {trouble}")).collect();
            anyhow::bail!("a service cannot be used{}", lines.concat());
        }
    }

    /// Of the database, Redis and S3, in this order.
    async fn troubles(&self) -> [Option<Trouble>; 3] {
        tokio::join!(
            async { try_postgres(self.postgres.as_ref()?).await.err() },
            async { try_redis(self.redis.as_ref()?).await.err() },
            async { try_s3(self.s3.as_ref()?).await.err() },
        )
        .into()
    }
}

impl Unprepared {
    /// Makes the database ready once it answers.
    pub(crate) async fn prepare(self) {
        while let Err(trouble) = try_postgres(&self.0).await {
            tracing::debug!(problem = %trouble, "the database is not ready yet");
            tokio::time::sleep(5 * PAUSE).await;
        }
    }
}

async fn try_postgres(store: &PostgresStore) -> Result<(), Trouble> {
    let prepared = timeout(MIGRATION, Box::pin(store.prepare())).await;
    let Ok(prepared) = prepared else {
        return Err(trouble("DBHOST", "the schema could not be brought up to date in time", true));
    };
    prepared.map_err(|error| {
        let (variables, is_outage) = match &error {
            PostgresError::Unreachable { .. } => ("DBHOST, DBPORT", true),
            PostgresError::Tls(_) => ("DBSSLMODE", false),
            PostgresError::Credentials { .. } => ("DBUSER, DBPASS", false),
            PostgresError::NoDatabase { .. } => ("DBNAME", false),
            PostgresError::Forbidden { .. } => ("DBUSER", false),
            PostgresError::OtherKey => ("SECRET_KEY", false),
            _ => ("DBHOST", false),
        };
        trouble(variables, &chain(&error), is_outage)
    })
}

async fn try_redis(cache: &RedisTtlCache) -> Result<(), Trouble> {
    let silent = |_| trouble("REDIS_URL", "redis does not answer in time", true);
    timeout(PATIENCE, cache.check()).await.map_err(silent)?.map_err(|error| {
        let is_outage = matches!(
            error,
            RedisError::Unreachable { .. }
                | RedisError::Disconnected
                | RedisError::LeftAlone
                | RedisError::Slow(_)
        );
        trouble("REDIS_URL", &error.to_string(), is_outage)
    })
}

async fn try_s3(store: &S3Store) -> Result<(), Trouble> {
    let silent = |_| trouble("MINIO_ENDPOINT", "the object store does not answer in time", true);
    timeout(PATIENCE, store.probe()).await.map_err(silent)?.map_err(|error| {
        let (variables, is_outage) = match &error {
            StoreError::S3 { source, .. } => match source {
                S3Failure::Unreachable { .. }
                | S3Failure::TimedOut { .. }
                | S3Failure::Broken { .. }
                | S3Failure::NotAsked => ("MINIO_ENDPOINT, MINIO_SECURE", true),
                S3Failure::Refused { .. } => ("MINIO_ACCESS_KEY, MINIO_SECRET_KEY", false),
                S3Failure::MissingBucket => ("MINIO_BUCKET", false),
                S3Failure::WrongRegion { .. } => ("MINIO_REGION", false),
                _ => ("MINIO_ENDPOINT", false),
            },
            _ => ("MINIO_ENDPOINT", false),
        };
        trouble(variables, &chain(&error), is_outage)
    })
}

fn trouble(variables: &'static str, problem: &str, is_outage: bool) -> Trouble {
    Trouble { variables, problem: problem.to_owned(), is_outage }
}

/// The error with its causes. None of them carries a password.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

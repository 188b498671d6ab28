//! Several servers over the same PostgreSQL, Redis and S3.

use std::ops::Deref;

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use testkit::services::{PostgresServer, RedisServer, S3Server, shared};

use crate::{DataDirectory, Environment, Server, Start};

/// Services, and all that replicas have to know to work on them.
///
/// Database, bucket and Redis are new and empty. The replicas are whoever starts them.
#[derive(Debug)]
pub struct Cluster {
    postgres: Kept<PostgresServer>,
    redis: RedisServer,
    s3: Kept<S3Server>,
    bucket: String,
    environment: Environment,
}

/// How a cluster comes by its servers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lasting {
    /// PostgreSQL and S3 are those of the whole test process: nobody stops or freezes them.
    Shared,
    /// All are its own, to be stopped and frozen at will.
    Own,
}

#[derive(Debug)]
enum Kept<T: 'static> {
    Shared(&'static T),
    Own(T),
}

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Shared(server) => server,
            Self::Own(server) => server,
        }
    }
}

impl Cluster {
    /// Starts what is missing; `None` if a server is not installed and not required.
    pub async fn start(lasting: Lasting) -> Result<Option<Self>> {
        let (postgres, s3) = match lasting {
            Lasting::Shared => {
                (shared::postgres().map(Kept::Shared), shared::s3().map(Kept::Shared))
            }
            Lasting::Own => {
                (PostgresServer::start()?.map(Kept::Own), S3Server::start()?.map(Kept::Own))
            }
        };
        let (Some(postgres), Some(s3), Some(redis)) = (postgres, s3, RedisServer::start()?) else {
            return Ok(None);
        };
        let (database, bucket) = (postgres.create_database().await, s3.create_bucket().await);
        let environment = [
            ("SECRET_KEY", secret_key(1)),
            ("DBHOST", postgres.host().to_owned()),
            ("DBPORT", postgres.port().to_string()),
            ("DBUSER", postgres.user().to_owned()),
            ("DBPASS", postgres.password().to_owned()),
            ("DBNAME", database),
            ("REDIS_URL", redis.url()),
            ("MINIO_ENDPOINT", s3.endpoint()),
            ("MINIO_ACCESS_KEY", s3.access_key().to_owned()),
            ("MINIO_SECRET_KEY", s3.secret_key().to_owned()),
            ("MINIO_BUCKET", bucket.clone()),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
        Ok(Some(Self { postgres, redis, s3, bucket, environment }))
    }

    /// The same with one more variable for every replica that is started from now on.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The variables that lead a replica to the services.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The value of one of them.
    pub fn variable(&self, name: &str) -> Result<&str> {
        let value = self.environment.get(name).map(String::as_str);
        value.with_context(|| format!("{name} is not set"))
    }

    /// A replica on an empty disk, ready to serve.
    pub async fn replica(&self) -> Result<Server> {
        self.replica_on(DataDirectory::new()?).await
    }

    /// A replica that goes on with the disk of another.
    pub async fn replica_on(&self, data: DataDirectory) -> Result<Server> {
        Server::start_with(data, &self.environment).await
    }

    /// A replica whose disk can be filled.
    pub async fn replica_on_small_disk(&self) -> Result<Server> {
        Start::begin_on_small_disk(&self.environment).await?.ready().await
    }

    /// The metadata.
    pub fn postgres(&self) -> &PostgresServer {
        &self.postgres
    }

    /// The hints.
    pub fn redis(&self) -> &RedisServer {
        &self.redis
    }

    /// The files.
    pub fn s3(&self) -> &S3Server {
        &self.s3
    }

    /// The keys of everything in the bucket that begins with `prefix`.
    pub fn stored(&self, prefix: &str) -> Vec<String> {
        self.s3.objects(&self.bucket, prefix)
    }
}

/// A well-formed key; another for every `number`.
pub fn secret_key(number: u8) -> String {
    BASE64_STANDARD.encode([number; 32])
}

//! What an operator reads first.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use artifact_engine::Engine;

use crate::configuration::Configuration;
use crate::serve::VERSION;

/// The lines that a starting server prints.
pub(crate) struct Banner<'a> {
    pub(crate) configuration: &'a Configuration,
    pub(crate) engine: &'a Arc<Engine>,
    pub(crate) address: SocketAddr,
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.configuration.data_directory.display();
        writeln!(f, "artifactapi-server {VERSION}")?;
        writeln!(f, "  listening on http://{}", self.address)?;
        match &self.configuration.public_url {
            Some(url) => writeln!(f, "  public URL   {url}")?,
            None => writeln!(
                f,
                "  public URL   not set: links repeat the host that each client used (set PUBLIC_URL)"
            )?,
        }
        self.write_stores(f, &data.to_string())?;
        writeln!(f, "  repositories {}", self.repositories())?;
        if self.configuration.admin_token.is_some() {
            writeln!(
                f,
                "  access       what is not private is read by everybody, everything else needs a token"
            )?;
        } else {
            writeln!(
                f,
                "  access       OPEN: whoever reaches this port may change everything (set ADMIN_TOKEN)"
            )?;
        }
        write!(f, "  next         {}", self.next())
    }
}

impl Banner<'_> {
    /// Which store serves what. Neither a user nor a password is shown.
    fn write_stores(&self, f: &mut fmt::Formatter<'_>, data: &str) -> fmt::Result {
        let services = &self.configuration.services;
        match &services.postgres {
            Some(postgres) => {
                let (host, port, name) = (&postgres.host, postgres.port, &postgres.database);
                writeln!(f, "  metadata     PostgreSQL, database {name} at {host}:{port}")?;
            }
            None => writeln!(f, "  metadata     embedded, SQLite in {data}")?,
        }
        match &services.s3 {
            Some(s3) => {
                let (endpoint, bucket) = (&s3.endpoint, &s3.bucket);
                writeln!(
                    f,
                    "  files        S3, bucket {bucket} at {endpoint}, before it the disk in {data}/tier"
                )?;
            }
            None => writeln!(f, "  files        embedded, {data}/blobs")?,
        }
        if services.redis.is_some() {
            writeln!(f, "  hints        Redis")?;
        } else {
            writeln!(f, "  hints        embedded, in this process")?;
        }
        match &self.engine.settings().peer_address {
            Some(address) => writeln!(f, "  replicas     reach this one at {address}"),
            None => Ok(()),
        }
    }

    fn repositories(&self) -> String {
        let snapshot = self.engine.configuration().snapshot();
        let types: BTreeSet<_> =
            snapshot.all().map(|mounted| mounted.repository.package_type.to_string()).collect();
        let count = snapshot.all().count();
        if count == 0 {
            return "none yet".to_owned();
        }
        let types: Vec<_> = types.into_iter().collect();
        format!("{count} ({})", types.join(", "))
    }

    /// The first thing to do: a repository where there is none, else a look at the health.
    fn next(&self) -> String {
        let port = self.address.port();
        let host = if self.address.ip().is_unspecified() {
            format!("localhost:{port}")
        } else {
            self.address.to_string()
        };
        let token = match self.configuration.admin_token {
            Some(_) => " -H \"authorization: Bearer $ADMIN_TOKEN\"",
            None => "",
        };
        if self.engine.configuration().snapshot().all().next().is_some() {
            return format!("curl{token} http://{host}/api/v2/health");
        }
        format!(
            "curl{token} http://{host}/api/v2/remotes -d \
             '{{\"name\":\"files\",\"package_type\":\"generic\",\"base_url\":\"https://example.com\"}}'"
        )
    }
}

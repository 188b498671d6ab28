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
        writeln!(f, "  metadata     embedded, SQLite in {data}")?;
        writeln!(f, "  files        embedded, {data}/blobs")?;
        writeln!(f, "  hints        embedded, in this process")?;
        writeln!(f, "  repositories {}", self.repositories())?;
        if self.configuration.admin_token.is_some() {
            writeln!(f, "  access       reads are anonymous, everything else needs ADMIN_TOKEN")?;
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

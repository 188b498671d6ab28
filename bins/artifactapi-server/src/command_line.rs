//! The command line. Values stay text here; [`Configuration`] judges them all at once.

use std::time::Duration;

use anyhow::bail;
use clap::{Args, Parser, Subcommand};

use crate::configuration::{Configuration, parse_duration};

/// A caching proxy and registry for packages.
#[derive(Debug, Parser)]
#[command(name = "artifactapi-server", version, about)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Debug, Default, Subcommand)]
pub(crate) enum Command {
    /// Serve until told to stop (the default)
    #[default]
    Serve,
    /// Look at the configuration without serving
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Wait until the server is ready
    Wait(Wait),
    /// Succeed if the server is alive; for container images without curl
    Healthcheck(Target),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Report everything that is wrong with it
    Check,
    /// Print what is in force, without secrets
    Show,
}

/// Every setting, from flag or environment.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Settings {
    /// Address to listen on: `:port` or `host:port`; port 0 takes a free one [default: :8000]
    #[arg(long, env = "LISTEN_ADDR", global = true, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Directory of the embedded stores [default: ./data]
    #[arg(long, env = "DATA_DIR", global = true, value_name = "DIRECTORY")]
    pub(crate) data_dir: Option<String>,
    /// Address under which clients reach this server
    #[arg(long, env = "PUBLIC_URL", global = true, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// Proxies whose forwarding headers are believed, as a list of networks
    #[arg(long, env = "TRUSTED_PROXIES", global = true, value_name = "NETWORKS")]
    pub(crate) trusted_proxies: Option<String>,
    /// How long downloads may take to finish when the server stops [default: 60s]
    #[arg(long, env = "SHUTDOWN_TIMEOUT", global = true, value_name = "TIME")]
    pub(crate) shutdown_timeout: Option<String>,
    /// `json`, `pretty`, or `auto`: pretty on a terminal [default: auto]
    #[arg(long, env = "LOG_FORMAT", global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,upstream=debug` [default: info]
    #[arg(long, env = "LOG_LEVEL", global = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Wait {
    /// How long to wait at most
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    target: Target,
}

impl Wait {
    pub(crate) fn target(&self, configuration: &Configuration) -> anyhow::Result<String> {
        self.target.target(configuration)
    }
}

#[derive(Args, Debug)]
pub(crate) struct Target {
    /// Address of the server as `host:port`; otherwise the one that `LISTEN_ADDR` names, on this machine
    #[arg(long, value_name = "ADDRESS")]
    endpoint: Option<String>,
}

impl Target {
    pub(crate) fn target(&self, configuration: &Configuration) -> anyhow::Result<String> {
        if let Some(endpoint) = &self.endpoint {
            return Ok(endpoint.clone());
        }
        if configuration.listen.port() == 0 {
            bail!("the server listens on a port of its own choice; name it with --endpoint");
        }
        Ok(configuration.listen.reachable())
    }
}

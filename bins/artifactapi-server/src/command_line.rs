//! The command line. Values stay text here; [`Configuration`] judges them all at once.

use std::time::Duration;

use anyhow::bail;
use clap::builder::FalseyValueParser;
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
    /// Hosts that stand for a repository of container images, as a list of `host[:port]=repository`
    #[arg(long, env = "REGISTRY_HOSTS", global = true, value_name = "MAP")]
    pub(crate) registry_hosts: Option<String>,
    /// Registries whose images a repository has, for mirrors of containerd, as a list of `registry=repository`
    #[arg(long, env = "REGISTRY_NAMESPACES", global = true, value_name = "MAP")]
    pub(crate) registry_namespaces: Option<String>,
    /// How long downloads may take to finish when the server stops [default: 60s]
    #[arg(long, env = "SHUTDOWN_TIMEOUT", global = true, value_name = "TIME")]
    pub(crate) shutdown_timeout: Option<String>,
    /// `json`, `pretty`, or `auto`: pretty on a terminal [default: auto]
    #[arg(long, env = "LOG_FORMAT", global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,upstream=debug` [default: info]
    #[arg(long, env = "LOG_LEVEL", global = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    #[command(flatten)]
    pub(crate) keys: KeySettings,
    #[command(flatten)]
    pub(crate) services: ServiceSettings,
    #[command(flatten)]
    pub(crate) upkeep: UpkeepSettings,
}

/// Keys that merged indexes are signed with, the same on every replica. What is not given is made when it
/// is first needed and kept in the metadata store. The passphrase comes from the environment alone:
/// `TF_SIGNING_KEY_PASSPHRASE`, also with `_FILE`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Signing keys")]
pub(crate) struct KeySettings {
    /// File with an armoured `OpenPGP` secret key
    #[arg(long, env = "TF_SIGNING_KEY_PATH", global = true, value_name = "FILE")]
    pub(crate) tf_signing_key_path: Option<String>,
    /// File with an RSA private key in PEM, for Alpine's indexes
    #[arg(long, env = "APK_SIGNING_KEY_PATH", global = true, value_name = "FILE")]
    pub(crate) apk_signing_key_path: Option<String>,
}

/// Services instead of the embedded stores. Passwords come from the environment alone: `DBPASS`,
/// `REDIS_URL`, `MINIO_SECRET_KEY`, each also with `_FILE`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Services")]
pub(crate) struct ServiceSettings {
    /// Host of `PostgreSQL`, which keeps the metadata then
    #[arg(long, env = "DBHOST", global = true, value_name = "HOST")]
    pub(crate) db_host: Option<String>,
    /// Its port [default: 5432]
    #[arg(long, env = "DBPORT", global = true, value_name = "PORT")]
    pub(crate) db_port: Option<String>,
    /// The role that owns the database [default: artifacts]
    #[arg(long, env = "DBUSER", global = true, value_name = "NAME")]
    pub(crate) db_user: Option<String>,
    /// The database, which must exist [default: artifacts]
    #[arg(long, env = "DBNAME", global = true, value_name = "NAME")]
    pub(crate) db_name: Option<String>,
    /// `disable`, `prefer`, `require` or `verify-full` [default: prefer]
    #[arg(long, env = "DBSSLMODE", global = true, value_name = "MODE")]
    pub(crate) db_ssl_mode: Option<String>,
    /// `host:port` or URL of an S3-compatible store, which keeps the files then
    #[arg(long, env = "MINIO_ENDPOINT", global = true, value_name = "ADDRESS")]
    pub(crate) minio_endpoint: Option<String>,
    /// Its access key
    #[arg(long, env = "MINIO_ACCESS_KEY", global = true, value_name = "KEY")]
    pub(crate) minio_access_key: Option<String>,
    /// The bucket, which must exist [default: artifacts]
    #[arg(long, env = "MINIO_BUCKET", global = true, value_name = "NAME")]
    pub(crate) minio_bucket: Option<String>,
    /// Whether the store is spoken to over TLS [default: false]
    #[arg(long, env = "MINIO_SECURE", global = true, value_name = "BOOLEAN")]
    pub(crate) minio_secure: Option<String>,
    /// The region that requests are signed for [default: us-east-1]
    #[arg(long, env = "MINIO_REGION", global = true, value_name = "NAME")]
    pub(crate) minio_region: Option<String>,
    /// How requests name the bucket: `path` or `virtual-host` [default: path]
    #[arg(long, env = "MINIO_ADDRESSING", global = true, value_name = "STYLE")]
    pub(crate) minio_addressing: Option<String>,
    /// Wait for services that cannot be used yet instead of giving up
    #[arg(long, env = "WAIT_FOR_SERVICES", global = true, value_parser = FalseyValueParser::new())]
    pub(crate) wait_for_services: bool,
}

/// How much is kept, for how long, and how replicas reach each other.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Upkeep")]
pub(crate) struct UpkeepSettings {
    /// Local disk that may be used before S3 [default: 20GiB]
    #[arg(long, env = "DISK_TIER_QUOTA", global = true, value_name = "SIZE")]
    pub(crate) disk_tier_quota: Option<String>,
    /// Bytes that cached files may occupy before the least used ones are evicted [default: no limit]
    #[arg(long, env = "STORAGE_QUOTA", global = true, value_name = "SIZE")]
    pub(crate) storage_quota: Option<String>,
    /// How often garbage is collected; 0 only on request [default: 5m]
    #[arg(long, env = "GC_INTERVAL", global = true, value_name = "TIME")]
    pub(crate) gc_interval: Option<String>,
    /// How long an unused file is left alone before it is condemned [default: 24h]
    #[arg(long, env = "GC_REVIEW_DELAY", global = true, value_name = "TIME")]
    pub(crate) gc_review_delay: Option<String>,
    /// How long a condemned file is kept before it is deleted [default: 24h]
    #[arg(long, env = "GC_DELETE_DELAY", global = true, value_name = "TIME")]
    pub(crate) gc_delete_delay: Option<String>,
    /// The share of all files, in percent, that one run may delete without being confirmed [default: 20]
    #[arg(long, env = "GC_SHARE_LIMIT", global = true, value_name = "PERCENT")]
    pub(crate) gc_share_limit: Option<String>,
    /// How long an upload may rest, and a hosted file stay that nothing needs yet [default: 24h]
    #[arg(long, env = "UPLOAD_EXPIRY", global = true, value_name = "TIME")]
    pub(crate) upload_expiry: Option<String>,
    /// Keep an access log in the database for so many days [default: none is kept]
    #[arg(long, env = "ACCESS_LOG_DAYS", global = true, value_name = "DAYS")]
    pub(crate) access_log_days: Option<String>,
    /// URL under which other replicas reach this one, or `off` [default: this machine's address towards Redis]
    #[arg(long, env = "PEER_URL", global = true, value_name = "URL")]
    pub(crate) peer_url: Option<String>,
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

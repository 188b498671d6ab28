//! The configuration in force, in the form in which it can be set.

use std::fmt;

use super::{Configuration, LogFormat, PeerAddress, Services, Upkeep};

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxies: Vec<_> = self.trusted_proxies.iter().map(ToString::to_string).collect();
        writeln!(f, "LISTEN_ADDR={}", self.listen)?;
        writeln!(f, "DATA_DIR={}", self.data_directory.display())?;
        writeln!(f, "PUBLIC_URL={}", self.public_url.as_deref().unwrap_or_default())?;
        writeln!(f, "ADMIN_TOKEN={}", hidden(self.admin_token.is_some()))?;
        writeln!(f, "SECRET_KEY={}", hidden(self.secret_key.is_some()))?;
        writeln!(f, "TRUSTED_PROXIES={}", proxies.join(","))?;
        writeln!(f, "REGISTRY_HOSTS={}", self.registry_hosts)?;
        writeln!(f, "REGISTRY_NAMESPACES={}", self.registry_namespaces)?;
        writeln!(f, "SHUTDOWN_TIMEOUT={}s", self.shutdown_timeout.as_secs())?;
        writeln!(f, "LOG_FORMAT={}", self.log_format.name())?;
        writeln!(f, "LOG_LEVEL={}", self.log_level)?;
        write_services(f, &self.services)?;
        write_upkeep(f, &self.upkeep)
    }
}

fn write_services(f: &mut fmt::Formatter<'_>, services: &Services) -> fmt::Result {
    if let Some(postgres) = &services.postgres {
        writeln!(f, "DBHOST={}", postgres.host)?;
        writeln!(f, "DBPORT={}", postgres.port)?;
        writeln!(f, "DBUSER={}", postgres.user)?;
        writeln!(f, "DBPASS={}", hidden(!postgres.password.expose().is_empty()))?;
        writeln!(f, "DBNAME={}", postgres.database)?;
    }
    // The URL may carry a password.
    writeln!(f, "REDIS_URL={}", hidden(services.redis.is_some()))?;
    if let Some(s3) = &services.s3 {
        writeln!(f, "MINIO_ENDPOINT={}", s3.endpoint)?;
        writeln!(f, "MINIO_ACCESS_KEY={}", s3.access_key)?;
        writeln!(f, "MINIO_SECRET_KEY={}", hidden(true))?;
        writeln!(f, "MINIO_BUCKET={}", s3.bucket)?;
        writeln!(f, "MINIO_REGION={}", s3.region)?;
    }
    writeln!(f, "WAIT_FOR_SERVICES={}", services.wait)
}

fn write_upkeep(f: &mut fmt::Formatter<'_>, upkeep: &Upkeep) -> fmt::Result {
    let or_empty = |number: Option<String>| number.unwrap_or_default();
    writeln!(f, "DISK_TIER_QUOTA={}", upkeep.tier_quota)?;
    writeln!(f, "STORAGE_QUOTA={}", or_empty(upkeep.storage_quota.map(|quota| quota.to_string())))?;
    writeln!(f, "GC_INTERVAL={}s", upkeep.collector.interval.as_secs())?;
    writeln!(f, "GC_REVIEW_DELAY={}s", upkeep.collector.review_delay.as_secs())?;
    writeln!(f, "GC_DELETE_DELAY={}s", upkeep.collector.delete_delay.as_secs())?;
    writeln!(f, "UPLOAD_EXPIRY={}s", upkeep.upload_expiry.as_secs())?;
    writeln!(f, "GC_SHARE_LIMIT={}", upkeep.collector.share_limit_percent)?;
    writeln!(
        f,
        "ACCESS_LOG_DAYS={}",
        or_empty(upkeep.access_log_days.map(|days| days.to_string()))
    )?;
    match &upkeep.peer {
        PeerAddress::Found => writeln!(f, "PEER_URL="),
        PeerAddress::Off => writeln!(f, "PEER_URL=off"),
        PeerAddress::At(url) => writeln!(f, "PEER_URL={url}"),
    }
}

const fn hidden(is_set: bool) -> &'static str {
    if is_set { "(set)" } else { "" }
}

impl LogFormat {
    const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Pretty => "pretty",
            Self::Auto => "auto",
        }
    }
}

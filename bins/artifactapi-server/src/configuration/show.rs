//! The configuration in force, in the form in which it can be set.

use std::fmt;

use super::{Configuration, LogFormat};

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |is_set: bool| if is_set { "(set)" } else { "" };
        let proxies: Vec<_> = self.trusted_proxies.iter().map(ToString::to_string).collect();
        writeln!(f, "LISTEN_ADDR={}", self.listen)?;
        writeln!(f, "DATA_DIR={}", self.data_directory.display())?;
        writeln!(f, "PUBLIC_URL={}", self.public_url.as_deref().unwrap_or_default())?;
        writeln!(f, "ADMIN_TOKEN={}", hidden(self.admin_token.is_some()))?;
        writeln!(f, "SECRET_KEY={}", hidden(self.secret_key.is_some()))?;
        writeln!(f, "TRUSTED_PROXIES={}", proxies.join(","))?;
        writeln!(f, "SHUTDOWN_TIMEOUT={}s", self.shutdown_timeout.as_secs())?;
        writeln!(f, "LOG_FORMAT={}", self.log_format.name())?;
        writeln!(f, "LOG_LEVEL={}", self.log_level)
    }
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

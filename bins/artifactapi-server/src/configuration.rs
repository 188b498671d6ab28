//! Settings from flags and the environment, judged as a whole: every mistake is reported at once.

mod keys;
mod listen;
mod problems;
mod services;
mod show;
mod upkeep;

use std::path::PathBuf;
use std::time::Duration;

use artifact_core::Secret;
use artifact_http::{HostMap, InvalidHostMap, Network};
use meta_db::EncryptionKey;
use signing::SigningSettings;
use tracing_subscriber::EnvFilter;
use url::Url;

pub(crate) use self::listen::ListenAddress;
pub(crate) use self::problems::Problems;
pub(crate) use self::services::Services;
pub(crate) use self::upkeep::{PeerAddress, Upkeep};
use crate::command_line::Settings;

/// Everything that may be set. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    pub(crate) listen: ListenAddress,
    pub(crate) data_directory: PathBuf,
    pub(crate) public_url: Option<String>,
    pub(crate) admin_token: Option<Secret>,
    pub(crate) secret_key: Option<Secret>,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) registry_hosts: HostMap,
    pub(crate) registry_namespaces: HostMap,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: String,
    pub(crate) keys: SigningSettings,
    pub(crate) services: Services,
    pub(crate) upkeep: Upkeep,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Pretty,
    /// Pretty on a terminal, else JSON.
    Auto,
}

impl Configuration {
    /// Judges `settings` and what `environment` holds besides. An empty value counts as unset,
    /// because compose files write unset variables like that.
    pub(crate) fn load(
        settings: &Settings,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let services = Services::load(&settings.services, &mut problems, &environment);
        let upkeep = Upkeep::load(&settings.upkeep, &mut problems);
        let keys = keys::load(&settings.keys, &mut problems, &environment);
        let mut secret = |name: &str| problems.secret(name, &environment);
        let (admin_token, secret_key) = (secret("ADMIN_TOKEN"), secret("SECRET_KEY"));
        let configuration = Self {
            listen: problems.or_default(
                "LISTEN_ADDR",
                set(settings.listen.as_deref(), ":8000"),
                listen_address,
            ),
            data_directory: set(settings.data_dir.as_deref(), "./data").into(),
            public_url: problems.optional("PUBLIC_URL", settings.public_url.as_deref(), public_url),
            admin_token,
            secret_key: problems.keep("SECRET_KEY", secret_key, secret_key_fits),
            trusted_proxies: problems.or_default(
                "TRUSTED_PROXIES",
                set(settings.trusted_proxies.as_deref(), ""),
                networks,
            ),
            registry_hosts: problems.or_default(
                "REGISTRY_HOSTS",
                set(settings.registry_hosts.as_deref(), ""),
                hosts,
            ),
            registry_namespaces: problems.or_default(
                "REGISTRY_NAMESPACES",
                set(settings.registry_namespaces.as_deref(), ""),
                hosts,
            ),
            shutdown_timeout: problems.or_default(
                "SHUTDOWN_TIMEOUT",
                set(settings.shutdown_timeout.as_deref(), "60s"),
                parse_duration,
            ),
            log_format: problems
                .optional("LOG_FORMAT", settings.log_format.as_deref(), log_format)
                .unwrap_or(LogFormat::Auto),
            log_level: problems
                .optional("LOG_LEVEL", settings.log_level.as_deref(), log_level)
                .unwrap_or_else(|| "info,refinery_core=warn".to_owned()),
            keys,
            services,
            upkeep,
        };
        problems.none_or(configuration)
    }

    /// Where the key is kept that encrypts stored credentials, unless `SECRET_KEY` is set.
    pub(crate) fn secret_key_file(&self) -> PathBuf {
        self.data_directory.join("secret.key")
    }
}

fn set<'a>(value: Option<&'a str>, default: &'a str) -> &'a str {
    value.filter(|value| !value.is_empty()).unwrap_or(default)
}

fn listen_address(text: &str) -> Result<ListenAddress, String> {
    text.parse().map_err(|problem: &str| problem.to_owned())
}

fn public_url(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let is_bare = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !is_web || !is_bare {
        return Err("must be an http or https URL without user, query and fragment".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn networks(text: &str) -> Result<Vec<Network>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|network| !network.is_empty())
        .map(|network| network.parse().map_err(|error| format!("\"{network}\" {error}")))
        .collect()
}

fn hosts(text: &str) -> Result<HostMap, String> {
    text.parse().map_err(|error: InvalidHostMap| error.to_string())
}

fn secret_key_fits(key: &Secret) -> Result<(), String> {
    // The error names the form that is expected and nothing of the key.
    EncryptionKey::from_base64(key.expose()).map(drop).map_err(|error| error.to_string())
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "json" => Ok(LogFormat::Json),
        "pretty" => Ok(LogFormat::Pretty),
        "auto" => Ok(LogFormat::Auto),
        _ => Err(format!("\"{text}\" is not one of json, pretty, auto")),
    }
}

fn log_level(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map_err(|error| format!("is not a filter: {error}"))?;
    Ok(text.to_owned())
}

/// Whole seconds, or a number with `s`, `m` or `h`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..) {
        Some("" | "s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        _ => return Err(format!("\"{text}\" is not a time such as 90s, 5m or 1h")),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = digits.parse::<u64>().ok().filter(|_| is_number);
    seconds
        .and_then(|seconds| seconds.checked_mul(unit))
        .map(Duration::from_secs)
        .ok_or_else(|| format!("\"{text}\" is not a time such as 90s, 5m or 1h"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::command_line::{ServiceSettings, UpkeepSettings};

    fn load(settings: &Settings, environment: &[(&str, &str)]) -> Result<Configuration, Problems> {
        let environment: HashMap<_, _> = environment.iter().copied().collect();
        Configuration::load(settings, |name| environment.get(name).map(ToString::to_string))
    }

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn nothing_set_gives_the_documented_defaults() {
        let defaults = load(&Settings::default(), &[]).unwrap();
        assert_eq!(defaults.listen.to_string(), ":8000");
        assert_eq!(defaults.data_directory, PathBuf::from("./data"));
        assert_eq!(defaults.shutdown_timeout, Duration::from_secs(60));
        assert_eq!(defaults.log_format, LogFormat::Auto);
        assert!(defaults.public_url.is_none() && defaults.admin_token.is_none());
        let empty = Settings { listen: Some(String::new()), ..Settings::default() };
        let unset = load(&empty, &[("ADMIN_TOKEN", ""), ("DBHOST", "")]).unwrap();
        assert_eq!(unset.listen.to_string(), ":8000");
        assert!(unset.admin_token.is_none());
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let settings = Settings {
            listen: Some("host".into()),
            public_url: Some("ftp://x".into()),
            trusted_proxies: Some("10.0.0.0/8, nonsense".into()),
            registry_hosts: Some("hub.example=hub, HUB.example=own".into()),
            registry_namespaces: Some("https://quay.io=quay".into()),
            shutdown_timeout: Some("soon".into()),
            log_format: Some("xml".into()),
            log_level: Some("=loud=".into()),
            ..Settings::default()
        };
        let services = ServiceSettings {
            db_host: Some("db".into()),
            db_port: Some("x".into()),
            db_ssl_mode: Some("maybe".into()),
            minio_endpoint: Some("m".into()),
            minio_secure: Some("perhaps".into()),
            minio_addressing: Some("street".into()),
            ..ServiceSettings::default()
        };
        let upkeep = UpkeepSettings {
            disk_tier_quota: Some("much".into()),
            storage_quota: Some("1.5GiB".into()),
            gc_interval: Some("often".into()),
            gc_share_limit: Some("101".into()),
            access_log_days: Some("0".into()),
            peer_url: Some("here".into()),
            ..UpkeepSettings::default()
        };
        let settings = Settings { services, upkeep, ..settings };
        let environment = [("SECRET_KEY", "hush")];
        let text = load(&settings, &environment).unwrap_err().to_string();
        let names = [
            "DBPORT",
            "DBSSLMODE",
            "MINIO_ACCESS_KEY",
            "MINIO_SECURE",
            "MINIO_ADDRESSING",
            "DISK_TIER_QUOTA",
            "STORAGE_QUOTA",
            "GC_INTERVAL",
            "GC_SHARE_LIMIT",
            "ACCESS_LOG_DAYS",
            "PEER_URL",
            "SECRET_KEY",
            "LISTEN_ADDR",
            "PUBLIC_URL",
            "TRUSTED_PROXIES",
            "REGISTRY_HOSTS",
            "REGISTRY_NAMESPACES",
            "SHUTDOWN_TIMEOUT",
            "LOG_FORMAT",
            "LOG_LEVEL",
        ];
        for name in names {
            assert!(text.contains(&format!("{name}: ")), "{name} is missing in\n{text}");
        }
        assert!(!text.contains("hush"), "{text}");
    }

    #[test]
    fn secrets_are_neither_in_debug_output_nor_shown() {
        let environment = [("ADMIN_TOKEN", "hunter2"), ("SECRET_KEY", KEY)];
        let configuration = load(&Settings::default(), &environment).unwrap();
        for text in [format!("{configuration:?}"), configuration.to_string()] {
            assert!(!text.contains("hunter2") && !text.contains(KEY), "{text}");
        }
    }

    #[test]
    fn a_secret_may_come_from_a_file_but_not_from_two_places() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        std::fs::write(&file, "hunter2\n").unwrap();
        let file = file.to_str().unwrap();
        let read = load(&Settings::default(), &[("ADMIN_TOKEN_FILE", file)]).unwrap();
        assert_eq!(read.admin_token.unwrap().expose(), "hunter2");
        let both = [("ADMIN_TOKEN_FILE", file), ("ADMIN_TOKEN", "x")];
        assert!(load(&Settings::default(), &both).is_err());
        assert!(load(&Settings::default(), &[("ADMIN_TOKEN_FILE", "/does/not/exist")]).is_err());
    }

    #[test]
    fn public_urls_are_bare_web_addresses() {
        for (text, expected) in [
            ("https://a.example", Some("https://a.example")),
            ("http://a.example:8000/artifacts/", Some("http://a.example:8000/artifacts")),
            ("a.example", None),
            ("ftp://a.example", None),
            ("https://u@a.example", None),
            ("https://a.example?x", None),
            ("https://a.example#x", None),
            ("mailto:a@b", None),
        ] {
            assert_eq!(public_url(text).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn durations_are_a_number_with_an_optional_unit() {
        for (text, expected) in [
            ("90", Some(90)),
            ("90s", Some(90)),
            ("5m", Some(300)),
            ("1h", Some(3600)),
            ("0", Some(0)),
            ("", None),
            ("s", None),
            ("-1", None),
            ("+1", None),
            ("1d", None),
            ("1.5s", None),
            ("99999999999999999999", None),
            ("9999999999999999999h", None),
        ] {
            assert_eq!(parse_duration(text).ok(), expected.map(Duration::from_secs), "{text}");
        }
    }
}

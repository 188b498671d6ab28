//! How much is kept, for how long, and how replicas reach each other.

use std::time::Duration;

use artifact_engine::CollectorSettings;
use url::Url;

use super::problems::Problems;
use super::{parse_duration, set};
use crate::command_line::UpkeepSettings;

/// Settings that have a sensible value of their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upkeep {
    /// Bytes that the disk before S3 may hold.
    pub(crate) tier_quota: u64,
    /// Bytes that cached files may occupy in all.
    pub(crate) storage_quota: Option<u64>,
    /// When garbage is collected.
    pub(crate) collector: CollectorSettings,
    /// How long an upload may rest, and a hosted file stay that nothing needs yet.
    pub(crate) upload_expiry: Duration,
    /// How many days the access log is kept; none is no access log.
    pub(crate) access_log_days: Option<u32>,
    /// How other replicas reach this one.
    pub(crate) peer: PeerAddress,
}

/// The address under which other replicas reach this one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum PeerAddress {
    /// The address from which this machine reaches Redis.
    #[default]
    Found,
    /// None: others wait for what this one fetches.
    Off,
    /// This URL.
    At(String),
}

impl Upkeep {
    pub(super) fn load(settings: &UpkeepSettings, problems: &mut Problems) -> Self {
        let defaults = CollectorSettings::default();
        let mut span = |name: &str, text: Option<&String>, default: Duration| {
            problems.optional(name, text.map(String::as_str), parse_duration).unwrap_or(default)
        };
        let collector = CollectorSettings {
            interval: span("GC_INTERVAL", settings.gc_interval.as_ref(), defaults.interval),
            review_delay: span(
                "GC_REVIEW_DELAY",
                settings.gc_review_delay.as_ref(),
                defaults.review_delay,
            ),
            delete_delay: span(
                "GC_DELETE_DELAY",
                settings.gc_delete_delay.as_ref(),
                defaults.delete_delay,
            ),
            ..defaults
        };
        let share_limit_percent = problems
            .optional("GC_SHARE_LIMIT", settings.gc_share_limit.as_deref(), percent)
            .unwrap_or(collector.share_limit_percent);
        Self {
            tier_quota: problems.or_default(
                "DISK_TIER_QUOTA",
                set(settings.disk_tier_quota.as_deref(), "20GiB"),
                parse_size,
            ),
            storage_quota: problems.optional(
                "STORAGE_QUOTA",
                settings.storage_quota.as_deref(),
                parse_size,
            ),
            collector: CollectorSettings { share_limit_percent, ..collector },
            upload_expiry: problems.or_default(
                "UPLOAD_EXPIRY",
                set(settings.upload_expiry.as_deref(), "24h"),
                upload_expiry,
            ),
            access_log_days: problems.optional(
                "ACCESS_LOG_DAYS",
                settings.access_log_days.as_deref(),
                days,
            ),
            peer: problems
                .optional("PEER_URL", settings.peer_url.as_deref(), peer_address)
                .unwrap_or_default(),
        }
    }
}

fn percent(text: &str) -> Result<u8, String> {
    let number = text.trim_end_matches('%').parse::<u8>().ok().filter(|number| *number <= 100);
    number.ok_or_else(|| format!("\"{text}\" is not a percentage"))
}

/// A second at least: less is no time to send a document after its files.
fn upload_expiry(text: &str) -> Result<Duration, String> {
    let span = parse_duration(text)?;
    if span < Duration::from_secs(1) {
        return Err(format!("\"{text}\" is less than a second"));
    }
    Ok(span)
}

fn days(text: &str) -> Result<u32, String> {
    let number = text.parse::<u32>().ok().filter(|days| (1..=36_500).contains(days));
    number.ok_or_else(|| format!("\"{text}\" is not a number of days"))
}

fn peer_address(text: &str) -> Result<PeerAddress, String> {
    if text == "off" {
        return Ok(PeerAddress::Off);
    }
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !matches!(url.scheme(), "http" | "https") || !is_plain {
        return Err("must be an http or https URL without user and query, or off".to_owned());
    }
    Ok(PeerAddress::At(text.trim_end_matches('/').to_owned()))
}

/// Bytes, or a number with `KiB`, `MiB`, `GiB`, `TiB`, or the same with `KB` to `TB` for powers of ten.
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.get(digits.len()..) {
        Some("" | "B") => 1,
        Some("KiB") => 1 << 10,
        Some("MiB") => 1 << 20,
        Some("GiB") => 1 << 30,
        Some("TiB") => 1 << 40,
        Some("KB") => 1000,
        Some("MB") => 1_000_000,
        Some("GB") => 1_000_000_000,
        Some("TB") => 1_000_000_000_000,
        _ => 0,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|_| is_number && unit > 0);
    number
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| format!("\"{text}\" is not a size such as 500MB or 20GiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_either_kind() {
        for (text, expected) in [
            ("0", Some(0)),
            ("123", Some(123)),
            ("20GiB", Some(20 << 30)),
            ("500MB", Some(500_000_000)),
            ("1TiB", Some(1 << 40)),
            ("", None),
            ("GiB", None),
            ("1.5GiB", None),
            ("1gib", None),
            ("-1", None),
            ("99999999TiB", None),
        ] {
            assert_eq!(parse_size(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn an_address_for_replicas_is_a_url_or_off() {
        let at = |text: &str| Some(PeerAddress::At(text.to_owned()));
        for (text, expected) in [
            ("off", Some(PeerAddress::Off)),
            ("http://10.0.0.1:8000/", at("http://10.0.0.1:8000")),
            ("https://a.example", at("https://a.example")),
            ("10.0.0.1:8000", None),
            ("ftp://a", None),
            ("http://me@a", None),
        ] {
            assert_eq!(peer_address(text).ok(), expected, "{text}");
        }
    }
}

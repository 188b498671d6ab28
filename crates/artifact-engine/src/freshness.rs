//! Whether a copy may be served, and for how long: pure decisions about time.
//!
//! The row's `expires_at` is the truth (RFC 9111 in spirit, deviating where an operator
//! configured a cache on purpose: typed files ignore `no-store`, and a stale copy may be
//! served when upstream fails, whatever `must-revalidate` says).

use std::time::Duration;

use artifact_core::ports::OriginState;
use artifact_core::{ArtifactRow, Class, Defaults, Remote, Timestamp};
use http::HeaderMap;
use http::header::{CACHE_CONTROL, EXPIRES};

const GENERIC_FLOOR: Duration = Duration::from_secs(60);
const GENERIC_CEILING: Duration = Duration::from_secs(24 * 3600);

/// The time rules of one remote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetimes {
    immutable_ttl: Duration,
    mutable_ttl: Duration,
    stale_while_revalidate: Duration,
    stale_if_error: Duration,
    strict: bool,
    offline: bool,
}

impl Lifetimes {
    pub(crate) fn of(remote: &Remote, defaults: &Defaults) -> Self {
        let revalidates_always = remote.mutable_ttl.is_zero();
        Self {
            immutable_ttl: remote.immutable_ttl,
            mutable_ttl: remote.mutable_ttl,
            stale_while_revalidate: if remote.strict_freshness || revalidates_always {
                Duration::ZERO
            } else {
                defaults.stale_while_revalidate
            },
            stale_if_error: defaults.stale_if_error,
            strict: remote.strict_freshness,
            offline: remote.offline,
        }
    }

    /// When bytes confirmed `now` stop being fresh; `None` is never. Every span varies by a tenth,
    /// decided by `salt`, so that what was fetched together does not expire together.
    pub(crate) fn expiry(
        &self,
        class: Class,
        now: Timestamp,
        upstream: &HeaderMap,
        salt: u64,
    ) -> Option<Timestamp> {
        let span = match class {
            Class::Immutable if self.immutable_ttl.is_zero() => return None,
            Class::Immutable => self.immutable_ttl,
            Class::Mutable | Class::Generated => self.mutable_ttl,
            Class::Generic => {
                upstream_lifetime(upstream, now).clamp(GENERIC_FLOOR, GENERIC_CEILING)
            }
        };
        Some(now.plus(jittered(span, salt)))
    }

    /// The expiry of a held row under the class that applies today, which an operator may
    /// have changed since the row was written.
    fn expiry_of(&self, row: &ArtifactRow, class: Class) -> Option<Timestamp> {
        if row.class == class {
            return row.expires_at;
        }
        self.expiry(class, row.validated_at, &HeaderMap::new(), 0)
    }
}

/// What to do about a request, as far as time and upstream's health decide it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Plan {
    /// Serve the copy.
    FreshHit,
    /// Serve the copy now, confirm it behind the scenes.
    StaleWhileRevalidate,
    /// Ask upstream first; `fallback` says whether the copy may be served if that fails.
    Revalidate { fallback: bool },
    /// Serve the expired copy without asking; upstream is known to be unavailable.
    StaleIfError,
    /// Nothing usable is held: fetch.
    Miss,
    /// Nothing usable is held and upstream must not be asked for a while.
    CircuitOpen { retry_after: Duration, cool_down: bool },
    /// Nothing is held and the operator took the remote offline.
    Offline,
}

/// Decides from what is held, the time and upstream's health.
pub(crate) fn decide(
    row: Option<&ArtifactRow>,
    class: Class,
    now: Timestamp,
    lifetimes: &Lifetimes,
    origin: OriginState,
) -> Plan {
    let Some(row) = row else {
        return without_copy(lifetimes, origin);
    };
    let Some(expires_at) = lifetimes.expiry_of(row, class) else {
        return Plan::FreshHit;
    };
    if now < expires_at || lifetimes.offline {
        return Plan::FreshHit;
    }
    let stale_for = now.since(expires_at);
    if stale_for < lifetimes.stale_while_revalidate {
        return Plan::StaleWhileRevalidate;
    }
    let fallback = !lifetimes.strict && stale_for < lifetimes.stale_if_error;
    match origin {
        OriginState::Open { .. } | OriginState::CoolDown { .. } if fallback => Plan::StaleIfError,
        OriginState::Open { .. } | OriginState::CoolDown { .. } => without_copy(lifetimes, origin),
        OriginState::Closed | OriginState::HalfOpen => Plan::Revalidate { fallback },
    }
}

fn without_copy(lifetimes: &Lifetimes, origin: OriginState) -> Plan {
    match origin {
        _ if lifetimes.offline => Plan::Offline,
        OriginState::Open { retry_after } => Plan::CircuitOpen { retry_after, cool_down: false },
        OriginState::CoolDown { retry_after } => Plan::CircuitOpen { retry_after, cool_down: true },
        OriginState::Closed | OriginState::HalfOpen => Plan::Miss,
    }
}

/// `span` and up to a tenth more or less.
fn jittered(span: Duration, salt: u64) -> Duration {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let tenth = millis / 10;
    if tenth == 0 {
        return span;
    }
    Duration::from_millis(millis - tenth + salt % (2 * tenth))
}

/// The freshness lifetime that upstream states (RFC 9111, section 4.2.1); zero if none.
fn upstream_lifetime(headers: &HeaderMap, now: Timestamp) -> Duration {
    let directive = |name: &str| {
        headers
            .get_all(CACHE_CONTROL)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|part| part.trim().split_once('='))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .and_then(|(_, seconds)| seconds.trim_matches('"').parse().ok())
            .map(Duration::from_secs)
    };
    let expires = || {
        let date = headers.get(EXPIRES)?.to_str().ok()?;
        Some(Timestamp::from_http_date(date)?.since(now))
    };
    directive("s-maxage").or_else(|| directive("max-age")).or_else(expires).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use artifact_core::{BlobId, Digests, RepoPath, RepositoryId, RowKey, Variant};

    use super::*;
    use crate::policy::tests::remote;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn row(class: Class, expires_at: Option<Timestamp>) -> ArtifactRow {
        ArtifactRow {
            key: RowKey {
                repository: RepositoryId(1),
                path: RepoPath::root(),
                variant: Variant::SOURCE,
            },
            blob: BlobId::from_bytes([0; 32]),
            size: 1,
            class,
            content_type: None,
            upstream_etag: None,
            upstream_last_modified: None,
            upstream_url: None,
            checksums: Digests::new(),
            fetched_at: Timestamp::EPOCH,
            validated_at: Timestamp::EPOCH,
            expires_at,
            generation: 1,
        }
    }

    fn expired_for(seconds: i64) -> ArtifactRow {
        row(Class::Mutable, Some(Timestamp::from_seconds(1_000_000 - seconds)))
    }

    fn lifetimes(change: impl FnOnce(&mut Remote)) -> Lifetimes {
        let mut remote = remote();
        change(&mut remote);
        Lifetimes::of(&remote, &Defaults::default())
    }

    #[test]
    fn every_state_has_its_plan() {
        let normal = lifetimes(|_| {});
        let strict = lifetimes(|remote| remote.strict_freshness = true);
        let offline = lifetimes(|remote| remote.offline = true);
        let open = OriginState::Open { retry_after: Duration::from_secs(7) };
        let circuit_open =
            Plan::CircuitOpen { retry_after: Duration::from_secs(7), cool_down: false };
        let closed = OriginState::Closed;
        let week = 8 * 24 * 3600;
        let table = [
            (None, &normal, closed, Plan::Miss),
            (None, &normal, open, circuit_open),
            (None, &offline, closed, Plan::Offline),
            (Some(row(Class::Immutable, None)), &normal, open, Plan::FreshHit),
            (Some(expired_for(-1)), &normal, closed, Plan::FreshHit),
            (Some(expired_for(10)), &normal, open, Plan::StaleWhileRevalidate),
            (Some(expired_for(10)), &strict, closed, Plan::Revalidate { fallback: false }),
            (Some(expired_for(100)), &normal, closed, Plan::Revalidate { fallback: true }),
            (Some(expired_for(100)), &normal, open, Plan::StaleIfError),
            (Some(expired_for(100)), &strict, open, circuit_open),
            (Some(expired_for(week)), &normal, closed, Plan::Revalidate { fallback: false }),
            (Some(expired_for(week)), &normal, open, circuit_open),
            (Some(expired_for(week)), &offline, open, Plan::FreshHit),
        ];
        for (held, lifetimes, origin, expected) in table {
            let class = held.as_ref().map_or(Class::Mutable, |row| row.class);
            let plan = decide(held.as_ref(), class, NOW, lifetimes, origin);
            assert_eq!(plan, expected, "{held:?} {origin:?}");
        }
    }

    #[test]
    fn an_override_of_the_class_applies_to_rows_that_are_already_held() {
        let lifetimes = lifetimes(|_| {});
        let held = row(Class::Immutable, None);
        let plan = decide(Some(&held), Class::Mutable, NOW, &lifetimes, OriginState::Closed);
        assert_eq!(plan, Plan::Revalidate { fallback: false });
    }

    #[test]
    fn expiry_follows_the_class_and_varies_by_a_tenth() {
        let lifetimes = lifetimes(|_| {});
        let none = HeaderMap::new();
        assert_eq!(lifetimes.expiry(Class::Immutable, NOW, &none, 5), None);
        for salt in [0, 1, 59_999, u64::MAX] {
            let expires_at = lifetimes.expiry(Class::Mutable, NOW, &none, salt).unwrap();
            let span = expires_at.since(NOW).as_secs();
            assert!((270..=330).contains(&span), "{span}");
        }
    }

    #[test]
    fn generic_files_follow_upstream_within_bounds() {
        let lifetimes = lifetimes(|_| {});
        let span = |name, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let expires_at = lifetimes.expiry(Class::Generic, NOW, &headers, 0).unwrap();
            expires_at.since(NOW).as_secs()
        };
        assert_eq!(span(CACHE_CONTROL, "public, max-age=1000"), 900);
        assert_eq!(span(CACHE_CONTROL, "max-age=9, s-maxage=\"2000\""), 1800);
        assert_eq!(span(CACHE_CONTROL, "no-store"), 54);
        assert_eq!(span(CACHE_CONTROL, "max-age=99999999"), 77_760);
        assert_eq!(span(EXPIRES, &NOW.plus(Duration::from_secs(500)).to_http_date()), 450);
        assert_eq!(span(EXPIRES, "0"), 54);
    }
}

//! Tokens that upstreams give for a short time.
//!
//! Invariant: a token is sent to the origin of the `base_url` alone, and what it is bought with to a realm of the
//! same domain alone.

use std::time::Duration;

use artifact_core::ports::UpstreamTarget;
use artifact_core::{RepositoryId, Secret};
use http::HeaderValue;
use quick_cache::sync::Cache;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use crate::challenge::BearerChallenge;

/// Tokens that are kept.
const KEPT: usize = 4096;
/// The largest answer of a realm, in bytes.
pub(crate) const ANSWER_LIMIT: usize = 256 * 1024;
/// How long a token is good for where its realm does not say.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// The longest that a token is kept, whatever its realm says.
const LONGEST_LIFETIME: Duration = Duration::from_secs(3600);

/// What a token is remembered for: requests of one remote below one directory of its upstream, which are
/// about the same thing and need the same scope.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Place {
    remote: RepositoryId,
    revision: i64,
    directory: String,
}

impl Place {
    /// The place of a request. Nothing for a request that leads away from the upstream, or whose remote has a
    /// token of its own.
    pub(crate) fn of(target: &UpstreamTarget, url: &Url) -> Option<Self> {
        let has_own = target.credential.as_ref().is_some_and(|own| own.username.is_empty());
        if has_own || url.origin() != target.base_url.origin() {
            return None;
        }
        // What it is about, then the kind of thing, then its name.
        let mut directory = url.path().rsplitn(3, '/').nth(2).unwrap_or_default().to_owned();
        directory.make_ascii_lowercase();
        Some(Self { remote: target.id, revision: target.revision, directory })
    }
}

/// A token and when it ends.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) authorization: HeaderValue,
    pub(crate) ends_at: Instant,
}

/// The tokens of this process.
#[derive(Debug)]
pub(crate) struct Tokens {
    by_place: Cache<Place, Token>,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        Self { by_place: Cache::new(KEPT) }
    }

    /// A token that is still good.
    pub(crate) fn get(&self, place: &Place) -> Option<Token> {
        self.by_place.get(place).filter(|token| token.ends_at > Instant::now())
    }

    /// The token of `place`, fetched by one of those who need it at the same time; `refused` is one that
    /// upstream does not take any more.
    pub(crate) async fn renew<E>(
        &self,
        place: &Place,
        refused: Option<&Token>,
        fetch: impl Future<Output = Result<Token, E>>,
    ) -> Result<Token, E> {
        let is_usable = |token: &Token| {
            token.ends_at > Instant::now()
                && refused.is_none_or(|refused| refused.authorization != token.authorization)
        };
        self.by_place.remove_if(place, |token| !is_usable(token));
        self.by_place.get_or_insert_async(place, fetch).await
    }
}

/// Whether the realm of a challenge may be asked on behalf of `target`: over a connection as safe as upstream's, at its own
/// host, a host of the same domain, or one that the operator lists.
pub(crate) fn is_trusted(target: &UpstreamTarget, challenge: &BearerChallenge) -> bool {
    let (realm, base) = (&challenge.realm, &target.base_url);
    let is_safe =
        realm.scheme() == "https" || (realm.scheme() == "http" && base.scheme() == "http");
    let (Some(realm_host), Some(base_host)) = (realm.host_str(), base.host_str()) else {
        return false;
    };
    let is_own = realm_host.eq_ignore_ascii_case(base_host);
    let is_listed = target.allowed_hosts.iter().any(|entry| {
        let host = entry.rsplit_once(':').map_or(entry.as_str(), |(host, _)| host);
        host.eq_ignore_ascii_case(realm_host)
    });
    is_safe && (is_own || is_listed || is_of_domain(realm_host, base_host))
}

/// Whether `host` is below the domain that `base` is in, such as `auth.example.com` for
/// `registry.example.com`. A top-level domain is nobody's.
fn is_of_domain(host: &str, base: &str) -> bool {
    let is_name =
        |text: &str| url::Host::parse(text).is_ok_and(|host| matches!(host, url::Host::Domain(_)));
    let Some((_, domain)) = base.split_once('.').filter(|_| is_name(host) && is_name(base)) else {
        return false;
    };
    let (host, domain) = (host.to_ascii_lowercase(), domain.to_ascii_lowercase());
    domain.contains('.') && (host == domain || host.ends_with(&format!(".{domain}")))
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// An answer of a realm that has no token that can be sent.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("the realm sent no token")]
pub(crate) struct NoToken;

/// Reads the answer of a realm that came at `now`. The time of the realm's own clock is not believed.
pub(crate) fn read(answer: &[u8], now: Instant) -> Result<Token, NoToken> {
    let Answer { token, access_token, expires_in } =
        serde_json::from_slice(answer).map_err(|_| NoToken)?;
    let text = token.filter(|token| !token.is_empty()).or(access_token).ok_or(NoToken)?;
    let secret = Secret::new(format!("Bearer {text}"));
    let mut authorization = HeaderValue::try_from(secret.expose()).map_err(|_| NoToken)?;
    authorization.set_sensitive(true);
    let lifetime = expires_in.map_or(DEFAULT_LIFETIME, Duration::from_secs).min(LONGEST_LIFETIME);
    // A request that begins late still has to arrive in time.
    let ends_at = now + lifetime.saturating_sub(lifetime / 10);
    Ok(Token { authorization, ends_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(base_url: &str, allowed_hosts: &[&str]) -> UpstreamTarget {
        UpstreamTarget {
            id: RepositoryId(1),
            revision: 1,
            name: "remote".parse().unwrap(),
            base_url: base_url.parse().unwrap(),
            credential: None,
            allowed_hosts: allowed_hosts.iter().map(|&host| host.to_owned()).collect(),
            ca_certificates: String::new(),
        }
    }

    #[test]
    fn a_realm_is_asked_only_within_the_upstreams_domain_or_where_the_operator_says_so() {
        for (base, realm, expected) in [
            ("https://registry-1.docker.io", "https://auth.docker.io/token", true),
            ("https://quay.io", "https://quay.io/v2/auth", true),
            ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth", true),
            ("https://ghcr.io", "https://evil.io/token", false),
            ("https://ghcr.io", "https://ghcr.io.evil.example/token", false),
            ("https://registry.example.com", "https://evilexample.com/token", false),
            ("https://registry.example.com", "http://auth.example.com/token", false),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", true),
            ("http://127.0.0.1:5000", "http://9.0.0.1/token", false),
            ("https://registry.example.com", "https://login.corp.test/token", true),
            ("https://registry.example.com", "ftp://auth.example.com/token", false),
        ] {
            let challenge =
                BearerChallenge { realm: realm.parse().unwrap(), service: None, scope: None };
            let target = target(base, &["login.corp.test:443"]);
            assert_eq!(is_trusted(&target, &challenge), expected, "{base} {realm}");
        }
    }

    #[test]
    fn a_token_is_read_in_either_spelling_and_ends_before_its_time() {
        let now = Instant::now();
        for (answer, text, seconds) in [
            (
                r#"{"token":"a","expires_in":300,"issued_at":"1999-01-01T00:00:00Z"}"#,
                "Bearer a",
                270,
            ),
            (r#"{"access_token":"b"}"#, "Bearer b", 54),
            (r#"{"token":"","access_token":"c","expires_in":100000}"#, "Bearer c", 3240),
        ] {
            let token = read(answer.as_bytes(), now).unwrap();
            assert_eq!(token.authorization, text);
            assert!(token.authorization.is_sensitive());
            assert_eq!(token.ends_at - now, Duration::from_secs(seconds), "{answer}");
        }
        for answer in ["", "{}", r#"{"token":"a\nb"}"#, "[]"] {
            assert_eq!(read(answer.as_bytes(), now).unwrap_err(), NoToken, "{answer}");
        }
    }

    #[test]
    fn requests_about_the_same_thing_share_a_place() {
        let target = target("https://registry.example/", &[]);
        let place = |url: &str| Place::of(&target, &url.parse().unwrap());
        let tag = place("https://registry.example/v2/library/alpine/manifests/3");
        assert!(tag.is_some());
        assert_eq!(tag, place("https://registry.example/v2/library/alpine/blobs/sha256:ab"));
        assert_eq!(tag, place("https://registry.example/v2/library/alpine/tags/list?n=3"));
        assert_ne!(tag, place("https://registry.example/v2/library/busybox/manifests/3"));
        assert_eq!(place("https://cdn.example/v2/library/alpine/blobs/sha256:ab"), None);
    }
}

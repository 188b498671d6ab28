//! Who may do what: the one place where a token is looked at.
//!
//! Without an administrator's token the server is open. With one, writes and the management API
//! need it; reads of packages, probes and metrics stay anonymous.

use std::fmt;
use std::sync::Arc;

use artifact_core::{Error, ErrorKind, RepositoryKind, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, header};
use ring::digest::{SHA256, digest};
use ring::hmac;
use subtle::ConstantTimeEq;

use crate::action::{Action, PackageRoute};
use crate::call::{Answer, Call, Failure, Serve};

/// The access rules.
#[derive(Clone, Default)]
pub struct Authentication {
    administrator: Option<Arc<[u8]>>,
    replicas: Option<Arc<hmac::Key>>,
}

impl Authentication {
    /// Everything is allowed to everyone.
    pub fn open() -> Self {
        Self::default()
    }

    /// Writes and the management API need `token`, as Bearer or as the password of Basic.
    pub fn with_token(token: &Secret) -> Self {
        Self { administrator: Some(fingerprint(token.expose().as_bytes())), replicas: None }
    }

    /// Other replicas, which share `secret`, read along with downloads; nobody does without one. The
    /// Bearer token is the HMAC-SHA256 of the download's id, in hexadecimal.
    #[must_use]
    pub fn with_replica_secret(self, secret: &Secret) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        Self { replicas: Some(Arc::new(key)), ..self }
    }

    /// Whether everything is allowed to everyone.
    pub fn is_open(&self) -> bool {
        self.administrator.is_none()
    }

    /// Who asks, as far as a token proves it; empty is anybody.
    pub(crate) fn principal(&self, headers: &HeaderMap) -> &'static str {
        let Some(expected) = &self.administrator else { return "" };
        if verify(headers, expected).is_ok() { "administrator" } else { "" }
    }

    fn check(&self, action: Action<'_>, method: &Method, headers: &HeaderMap) -> Result<(), Error> {
        if let Action::PeerFlight(id) = action {
            return self.check_replica(id, headers);
        }
        match &self.administrator {
            Some(expected) if needs_token(action, method) => verify(headers, expected),
            _ => Ok(()),
        }
    }

    fn check_replica(&self, id: &str, headers: &HeaderMap) -> Result<(), Error> {
        let Some(key) = &self.replicas else {
            return Err(Error::new(ErrorKind::NotFound, "there is nothing at this path"));
        };
        let proof = presented(headers).and_then(|text| hex::decode(text).ok()).unwrap_or_default();
        hmac::verify(key, id.as_bytes(), &proof)
            .map_err(|_| Error::new(ErrorKind::Unauthorized, "only replicas read along"))
    }
}

fn verify(headers: &HeaderMap, expected: &[u8]) -> Result<(), Error> {
    let Some(presented) = presented(headers) else {
        return Err(Error::new(ErrorKind::Unauthorized, "an access token is needed"));
    };
    // Hashes are compared, so the time tells nothing about the token nor about its length.
    if bool::from(fingerprint(&presented).ct_eq(expected)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unauthorized, "the access token is not valid"))
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication").field("is_open", &self.is_open()).finish()
    }
}

fn fingerprint(token: &[u8]) -> Arc<[u8]> {
    Arc::from(digest(&SHA256, token).as_ref())
}

fn needs_token(action: Action<'_>, method: &Method) -> bool {
    match action {
        Action::Admin(_) => true,
        Action::Package(route) => stores(route, method),
        // Judged by what replicas share, whatever the administrator's token is.
        Action::PeerFlight(_)
        | Action::Health(_)
        | Action::Metrics
        | Action::ErrorGuide
        | Action::MethodNotAllowed(_)
        | Action::NotFound => false,
    }
}

/// A POST to what is not hosted here stores nothing: it is a query that upstream answers.
fn stores(route: PackageRoute<'_>, method: &Method) -> bool {
    let is_read = *method == Method::GET || *method == Method::HEAD;
    let is_query = *method == Method::POST && route.kind != RepositoryKind::Local;
    !is_read && !is_query
}

/// The token in `Authorization`: Bearer, or the password of Basic whatever its user.
fn presented(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(credentials).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    decoded.get(colon + 1..).map(<[u8]>::to_vec)
}

super::layer! {
    /// Refuses what needs a token and brings none.
    AuthenticateLayer => Authenticate { authentication: Authentication }
}

impl<B: Send, S: Serve<B, Error = Failure>> Serve<B> for Authenticate<S> {
    type Error = Failure;

    async fn serve(&self, call: &mut Call<'_, B>) -> Result<Answer, Failure> {
        self.authentication.check(call.action, call.method(), call.headers())?;
        self.inner.serve(call).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, authorization.parse().unwrap())])
    }

    fn check(authentication: &Authentication, method: &Method, path: &str, sent: &str) -> bool {
        let sent = if sent.is_empty() { HeaderMap::new() } else { headers(sent) };
        authentication.check(Action::parse(method, path), method, &sent).is_ok()
    }

    #[test]
    fn without_a_token_everything_is_open() {
        let open = Authentication::open();
        assert!(check(&open, &Method::DELETE, "/api/v2/remotes/n", ""));
        assert!(check(&open, &Method::PUT, "/api/v1/local/n/x", ""));
    }

    #[test]
    fn with_a_token_reads_stay_anonymous_and_the_rest_needs_it() {
        let closed = Authentication::with_token(&Secret::new("s3cret"));
        let anonymous = [
            (Method::GET, "/api/v1/remote/n/x"),
            (Method::HEAD, "/api/v1/local/n/x"),
            (Method::POST, "/api/v1/remote/n/-/npm/audit"),
            (Method::GET, "/healthz"),
            (Method::GET, "/readyz"),
            (Method::GET, "/metrics"),
            (Method::GET, "/nothing"),
        ];
        for (method, path) in anonymous {
            assert!(check(&closed, &method, path, ""), "{method} {path}");
        }
        let guarded = [
            (Method::PUT, "/api/v1/local/n/x"),
            (Method::POST, "/api/v1/local/n/x"),
            (Method::DELETE, "/api/v1/local/n/x"),
            (Method::GET, "/api/v2/remotes"),
            (Method::GET, "/api/v2/stats"),
            (Method::DELETE, "/api/v2/remotes/n/objects"),
        ];
        for (method, path) in guarded {
            assert!(!check(&closed, &method, path, ""), "{method} {path}");
            assert!(check(&closed, &method, path, "Bearer s3cret"), "{method} {path}");
        }
    }

    #[test]
    fn the_token_is_taken_as_bearer_or_as_a_basic_password() {
        let closed = Authentication::with_token(&Secret::new("s3:cret"));
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let cases = [
            ("Bearer s3:cret".to_owned(), true),
            ("bearer  s3:cret".to_owned(), true),
            (basic("anyone:s3:cret"), true),
            (basic(":s3:cret"), true),
            (basic("s3"), false),
            (basic("anyone:other"), false),
            ("Bearer s3:cre".to_owned(), false),
            ("Bearer ".to_owned(), false),
            ("Basic !!!".to_owned(), false),
            ("Digest s3:cret".to_owned(), false),
        ];
        for (sent, expected) in cases {
            let allowed = check(&closed, &Method::GET, "/api/v2/stats", &sent);
            assert_eq!(allowed, expected, "{sent}");
        }
    }

    #[test]
    fn only_the_right_token_makes_an_administrator() {
        let closed = Authentication::with_token(&Secret::new("s3cret"));
        assert_eq!(closed.principal(&headers("Bearer s3cret")), "administrator");
        assert_eq!(closed.principal(&headers("Bearer other")), "");
        assert_eq!(closed.principal(&HeaderMap::new()), "");
        assert_eq!(Authentication::open().principal(&headers("Bearer s3cret")), "");
    }

    #[test]
    fn replicas_read_along_with_the_proof_of_this_download_only() {
        let path = "/internal/v1/flights/one-7";
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"shared");
        let proof = |id: &str| format!("Bearer {}", hex::encode(hmac::sign(&key, id.as_bytes())));
        let administrator = Authentication::with_token(&Secret::new("s3cret"));
        let both = administrator.clone().with_replica_secret(&Secret::new("shared"));
        let replicas = Authentication::open().with_replica_secret(&Secret::new("shared"));
        for authentication in [&Authentication::open(), &administrator] {
            assert!(!check(authentication, &Method::GET, path, &proof("one-7")));
        }
        for authentication in [&both, &replicas] {
            assert!(check(authentication, &Method::GET, path, &proof("one-7")));
            for wrong in [&*proof("one-8"), "Bearer shared", "Bearer s3cret", "Bearer ", ""] {
                assert!(!check(authentication, &Method::GET, path, wrong), "{wrong}");
            }
        }
        assert!(!check(&both, &Method::GET, "/api/v2/stats", &proof("one-7")));
    }

    #[test]
    fn debug_output_does_not_show_the_token() {
        let closed = Authentication::with_token(&Secret::new("s3cret"));
        assert_eq!(format!("{closed:?}"), "Authentication { is_open: false }");
    }
}

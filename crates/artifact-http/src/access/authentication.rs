//! Finding out who asks, and letting them or not.

use std::fmt;
use std::sync::Arc;

use artifact_core::{Clock, Error, ErrorKind, Permission, Result, Secret, SystemClock, TokenForm};
use artifact_engine::admin::token_hash;
use http::HeaderMap;
use ring::digest::{SHA256, digest};
use ring::hmac;
use subtle::ConstantTimeEq;

use super::decision::{Asked, Decision, Principal, decide, needed};
use super::presented;
use super::ticket::{Ticket, TicketOffice};
use super::verified_tokens::{Verified, VerifiedTokens};
use crate::action::Action;

/// The access rules.
#[derive(Clone, Default)]
pub struct Authentication {
    administrator: Option<Arc<[u8]>>,
    replicas: Option<Arc<hmac::Key>>,
    tickets: Option<Arc<TicketOffice>>,
    tokens: Option<VerifiedTokens>,
}

impl Authentication {
    /// Everything is allowed to everyone.
    pub fn open() -> Self {
        Self::default()
    }

    /// Whatever is more than reading what is public needs a token: as Bearer, or as the password of Basic. `token` is
    /// the administrator's, the others are those of the token store.
    pub fn with_token(token: &Secret) -> Self {
        let administrator = Some(fingerprint(token.expose().as_bytes()));
        Self { administrator, ..Self::default() }
    }

    /// Other replicas, which share `secret`, read along with downloads; nobody does without one. The
    /// Bearer token is the HMAC-SHA256 of the download's id, in hexadecimal.
    #[must_use]
    pub fn with_replica_secret(self, secret: &Secret) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        Self { replicas: Some(Arc::new(key)), ..self }
    }

    /// Tickets are issued at `/token` and accepted, signed with `secret`, which replicas share; nobody gets one
    /// without it.
    #[must_use]
    pub fn with_ticket_secret(self, secret: &Secret) -> Self {
        Self { tickets: Some(Arc::new(TicketOffice::new(secret))), ..self }
    }

    /// The tokens of a token store are accepted.
    #[must_use]
    pub(crate) fn with_tokens(self, tokens: VerifiedTokens) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    /// Whether everything is allowed to everyone.
    pub fn is_open(&self) -> bool {
        self.administrator.is_none()
    }

    /// Whether the administrator's token is presented; a look at it that asks nobody.
    pub(crate) fn is_administrator(&self, headers: &HeaderMap) -> bool {
        self.administrator.is_some()
            && presented(headers).is_some_and(|token| self.matches_administrator(&token))
    }

    /// Lets a request through or says why not. Whoever was identified for that is noted in `principal`.
    pub(crate) async fn admit(
        &self,
        asked: &Asked<'_>,
        headers: &HeaderMap,
        principal: &mut Principal,
    ) -> Result<()> {
        if let Action::PeerFlight(id) = asked.action {
            return self.check_replica(id, headers);
        }
        // What a catalog shows depends on who asks.
        let is_personal =
            matches!(asked.action, Action::Registry(..)) && presented(headers).is_some();
        let is_for_everybody = decide(asked, &Principal::Anonymous) == Decision::Allow;
        if self.is_open() || (is_for_everybody && !is_personal) {
            return Ok(());
        }
        // Apart, so that a request which everybody may make carries none of it along.
        Box::pin(self.admit_identified(asked, headers, principal)).await
    }

    async fn admit_identified(
        &self,
        asked: &Asked<'_>,
        headers: &HeaderMap,
        principal: &mut Principal,
    ) -> Result<()> {
        let Some(token) = presented(headers) else {
            return Err(Error::new(ErrorKind::Unauthorized, "an access token is needed"));
        };
        let (identified, certainty) = self.identify(&token).await?;
        *principal = identified;
        match decide(asked, principal) {
            Decision::Allow if certainty.suffices_for(needed(asked)) => Ok(()),
            Decision::Allow => {
                let text = "access tokens cannot be checked at the moment, only reading goes on";
                Err(Error::new(ErrorKind::Unavailable, text))
            }
            Decision::NeedsToken => Err(Error::new(
                ErrorKind::Unauthorized,
                "this ticket was issued for something else",
            )),
            Decision::Forbidden => {
                Err(Error::new(ErrorKind::Denied, "the access token does not allow this"))
            }
        }
    }

    /// Whose token this is. Fails with [`ErrorKind::Unauthorized`] if it is nobody's.
    async fn identify(&self, token: &[u8]) -> Result<(Principal, Certainty)> {
        if self.matches_administrator(token) {
            return Ok((Principal::Administrator, Certainty::Full));
        }
        if TicketOffice::is_ticket(token) {
            let office = self.tickets.as_ref().ok_or_else(invalid)?;
            let ticket = office.read(token, SystemClock.now()).ok_or_else(invalid)?;
            return Ok((Principal::Ticket(Arc::new(ticket)), Certainty::Full));
        }
        let tokens = self.tokens.as_ref().filter(|_| TokenForm::is_met_by(token));
        match tokens.ok_or_else(invalid)?.verify(token_hash(token)).await? {
            Verified::Valid(token) => Ok((Principal::Token(token), Certainty::Full)),
            Verified::ValidLately(token) => Ok((Principal::Token(token), Certainty::Lately)),
            Verified::Invalid => Err(invalid()),
        }
    }

    /// Whom a ticket is to be issued for: `token` is what they present, if anything. Fails with
    /// [`ErrorKind::NotFound`] where no tickets are issued and with [`ErrorKind::Unauthorized`] if it is worth nothing.
    pub(crate) async fn applicant(&self, token: Option<&[u8]>) -> Result<Principal> {
        if self.tickets.is_none() {
            return Err(Error::new(ErrorKind::NotFound, "no tickets are issued here"));
        }
        match token.filter(|_| !self.is_open()) {
            // Where everything is allowed a ticket says nothing, whoever has it.
            None => Ok(Principal::Anonymous),
            Some(token) => match self.identify(token).await? {
                (principal, Certainty::Full) => Ok(principal),
                // A ticket would be good for writing, too.
                (_, Certainty::Lately) => {
                    let text = "access tokens cannot be checked at the moment";
                    Err(Error::new(ErrorKind::Unavailable, text))
                }
            },
        }
    }

    /// The text of a ticket.
    pub(crate) fn issue(&self, ticket: &Ticket) -> Result<String> {
        let issued = self.tickets.as_ref().and_then(|office| office.issue(ticket));
        issued.ok_or_else(|| Error::new(ErrorKind::Internal, "the ticket could not be written"))
    }

    // Hashes are compared, so the time tells nothing about the token nor about its length.
    fn matches_administrator(&self, token: &[u8]) -> bool {
        let expected = self.administrator.as_deref();
        expected.is_some_and(|expected| bool::from(fingerprint(token).ct_eq(expected)))
    }

    fn check_replica(&self, id: &str, headers: &HeaderMap) -> Result<()> {
        let Some(key) = &self.replicas else {
            return Err(Error::new(ErrorKind::NotFound, "there is nothing at this path"));
        };
        let proof = presented(headers).and_then(|text| hex::decode(text).ok()).unwrap_or_default();
        hmac::verify(key, id.as_bytes(), &proof)
            .map_err(|_| Error::new(ErrorKind::Unauthorized, "only replicas read along"))
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication").field("is_open", &self.is_open()).finish()
    }
}

/// How sure it is that a credential is still worth something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Certainty {
    Full,
    /// It was a short time ago, and nobody can be asked now.
    Lately,
}

impl Certainty {
    fn suffices_for(self, needed: Option<Permission<'_>>) -> bool {
        self == Self::Full
            || matches!(needed, None | Some(Permission::Identify | Permission::Read(_)))
    }
}

fn invalid() -> Error {
    Error::new(ErrorKind::Unauthorized, "the access token is not valid")
}

fn fingerprint(token: &[u8]) -> Arc<[u8]> {
    Arc::from(digest(&SHA256, token).as_ref())
}

#[cfg(test)]
mod tests {
    use artifact_core::Timestamp;
    use artifact_core::ports::{NewToken, TokenId, TokenStore};
    use http::{Method, header};
    use testkit::MemoryMetaStore;

    use super::*;
    use crate::repositories::Privacy;

    fn headers(authorization: &str) -> HeaderMap {
        if authorization.is_empty() {
            return HeaderMap::new();
        }
        HeaderMap::from_iter([(header::AUTHORIZATION, authorization.parse().unwrap())])
    }

    /// The status class of a request to a private repository, or what else the path names, and who it was.
    async fn ask(
        authentication: &Authentication,
        request: &str,
        authorization: &str,
    ) -> (Option<ErrorKind>, String) {
        let (method, path) = request.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let action = Action::parse(&method, path);
        let asked = Asked { action, method: &method, privacy: Privacy::Private };
        let mut principal = Principal::Anonymous;
        let admitted = authentication.admit(&asked, &headers(authorization), &mut principal).await;
        (admitted.err().map(|error| error.kind()), principal.name().to_owned())
    }

    async fn kind(
        authentication: &Authentication,
        request: &str,
        authorization: &str,
    ) -> Option<ErrorKind> {
        ask(authentication, request, authorization).await.0
    }

    fn closed() -> Authentication {
        Authentication::with_token(&Secret::new("s3cret"))
    }

    const READ: &str = "GET /api/v1/remote/n/x";
    const WRITE: &str = "PUT /api/v1/local/n/x";
    const MANAGE: &str = "GET /api/v2/stats";

    /// A store with one token, and its secret.
    async fn store(scopes: &str) -> (Arc<MemoryMetaStore>, String) {
        let meta = Arc::new(MemoryMetaStore::new());
        let secret = TokenForm::secret_of(&[7; TokenForm::BYTES]);
        let new = NewToken {
            id: TokenId::new(),
            name: "ci".parse().unwrap(),
            hash: token_hash(secret.expose().as_bytes()),
            scopes: scopes.parse().unwrap(),
            created_at: Timestamp::EPOCH,
            expires_at: None,
        };
        meta.create_token(&new).await.unwrap();
        (meta, secret.expose().to_owned())
    }

    fn over(meta: &Arc<MemoryMetaStore>) -> Authentication {
        let clock = Arc::new(SystemClock);
        closed().with_tokens(VerifiedTokens::new(Arc::clone(meta) as _, clock, Arc::default()))
    }

    #[tokio::test]
    async fn without_a_token_everything_is_open() {
        for request in [READ, WRITE, MANAGE, "DELETE /api/v2/remotes/n"] {
            assert_eq!(kind(&Authentication::open(), request, "").await, None, "{request}");
        }
    }

    #[tokio::test]
    async fn the_administrator_may_do_everything_and_nobody_else_anything() {
        for request in [READ, WRITE, MANAGE] {
            let (refusal, name) = ask(&closed(), request, "Bearer s3cret").await;
            assert_eq!((refusal, &*name), (None, "administrator"), "{request}");
            for wrong in ["", "Bearer s3cre", "Bearer other", "Basic Og==", "Digest s3cret"] {
                let refusal = kind(&closed(), request, wrong).await;
                assert_eq!(refusal, Some(ErrorKind::Unauthorized), "{request} {wrong}");
            }
        }
    }

    #[tokio::test]
    async fn a_token_of_the_store_does_what_its_scopes_say() {
        let (meta, secret) = store("read:n").await;
        let authentication = over(&meta);
        let bearer = format!("Bearer {secret}");
        assert_eq!(ask(&authentication, READ, &bearer).await, (None, "ci".to_owned()));
        assert_eq!(kind(&authentication, WRITE, &bearer).await, Some(ErrorKind::Denied));
        assert_eq!(kind(&authentication, MANAGE, &bearer).await, Some(ErrorKind::Denied));
        let other = format!("Bearer {}", TokenForm::secret_of(&[8; 32]).expose());
        assert_eq!(kind(&authentication, READ, &other).await, Some(ErrorKind::Unauthorized));
    }

    #[tokio::test]
    async fn what_cannot_be_a_token_is_not_looked_for() {
        let (meta, _) = store("admin").await;
        let before = meta.calls();
        for wrong in ["Bearer x", "Bearer artifactapi_77", "Bearer artifactapi-ticket.a.b"] {
            let refusal = kind(&over(&meta), READ, wrong).await;
            assert_eq!(refusal, Some(ErrorKind::Unauthorized), "{wrong}");
        }
        assert_eq!(kind(&over(&meta), MANAGE, "Bearer s3cret").await, None);
        assert_eq!(meta.calls(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn in_an_outage_reading_goes_on_for_tokens_that_were_valid_lately() {
        let (meta, secret) = store("admin").await;
        let (authentication, bearer) = (over(&meta), format!("Bearer {secret}"));
        assert_eq!(kind(&authentication, READ, &bearer).await, None);
        meta.fail_with(Some(ErrorKind::Unavailable));
        tokio::time::advance(std::time::Duration::from_secs(5)).await;
        assert_eq!(kind(&authentication, READ, &bearer).await, None);
        for request in [WRITE, MANAGE] {
            let refusal = kind(&authentication, request, &bearer).await;
            assert_eq!(refusal, Some(ErrorKind::Unavailable), "{request}");
        }
        let unseen = kind(&over(&meta), READ, &bearer).await;
        assert_eq!(unseen, Some(ErrorKind::Unavailable));
        assert_eq!(kind(&over(&meta), WRITE, "Bearer s3cret").await, None);
    }

    #[tokio::test]
    async fn a_ticket_is_good_on_every_replica_that_shares_the_secret() {
        let here = closed().with_ticket_secret(&Secret::new("shared"));
        let there = closed().with_ticket_secret(&Secret::new("shared"));
        let elsewhere = closed().with_ticket_secret(&Secret::new("other"));
        let expires_at = Timestamp::from_seconds(SystemClock.now().as_seconds() + 60);
        let ticket = Ticket::new("ci", expires_at, vec![("n".parse().unwrap(), false)]);
        let bearer = format!("Bearer {}", here.issue(&ticket).unwrap());
        assert_eq!(ask(&there, READ, &bearer).await, (None, "ci".to_owned()));
        let beyond = ask(&there, WRITE, &bearer).await;
        assert_eq!(beyond, (Some(ErrorKind::Unauthorized), "ci".to_owned()));
        for stranger in [elsewhere, closed()] {
            assert_eq!(kind(&stranger, READ, &bearer).await, Some(ErrorKind::Unauthorized));
        }
    }

    #[tokio::test]
    async fn replicas_read_along_with_the_proof_of_this_download_only() {
        let request = "GET /internal/v1/flights/one-7";
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"shared");
        let proof = |id: &str| format!("Bearer {}", hex::encode(hmac::sign(&key, id.as_bytes())));
        let both = closed().with_replica_secret(&Secret::new("shared"));
        let replicas = Authentication::open().with_replica_secret(&Secret::new("shared"));
        for authentication in [&Authentication::open(), &closed()] {
            let refusal = kind(authentication, request, &proof("one-7")).await;
            assert_eq!(refusal, Some(ErrorKind::NotFound));
        }
        for authentication in [&both, &replicas] {
            assert_eq!(kind(authentication, request, &proof("one-7")).await, None);
            for wrong in [&*proof("one-8"), "Bearer shared", "Bearer s3cret", "Bearer ", ""] {
                let refusal = kind(authentication, request, wrong).await;
                assert_eq!(refusal, Some(ErrorKind::Unauthorized), "{wrong}");
            }
        }
        assert!(kind(&both, MANAGE, &proof("one-7")).await.is_some());
    }

    #[test]
    fn the_administrator_is_known_without_asking() {
        assert!(closed().is_administrator(&headers("Bearer s3cret")));
        assert!(!closed().is_administrator(&headers("Bearer other")));
        assert!(!closed().is_administrator(&HeaderMap::new()));
        assert!(!Authentication::open().is_administrator(&headers("Bearer s3cret")));
    }

    #[test]
    fn debug_output_does_not_show_the_token() {
        let closed = closed().with_ticket_secret(&Secret::new("s3cret"));
        assert_eq!(format!("{closed:?}"), "Authentication { is_open: false }");
    }
}

//! The port itself: one request from the first check to the body on its way.

use std::fmt;
use std::sync::Arc;

use artifact_core::ByteStream;
use artifact_core::ports::{
    Intent, OriginState, OriginWarning, Redirects, Trust, Upstream, UpstreamError, UpstreamReason,
    UpstreamRequest, UpstreamResponse, UpstreamTarget, Warnings,
};
use async_trait::async_trait;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::response::Parts;
use http::{HeaderMap, Method, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyDataStream, BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use url::Url;

use crate::body::{Custody, Guards, guarded, settled};
use crate::challenge::BearerChallenge;
use crate::client::Clients;
use crate::failure::Failure;
use crate::health::{Health, Ticket};
use crate::permits::{Permit, Permits};
use crate::redirect::{self, Hop};
use crate::tokens::{self, Place, Token, Tokens};
use crate::{
    Settings, SetupError, credential, destination, gzip, headers, random, retry, retry_after,
};

const REDIRECTS: usize = 5;

/// The HTTP client of this process. Cheap to share behind an `Arc`; needs a Tokio runtime.
pub struct HttpUpstream {
    settings: Settings,
    clients: Clients,
    permits: Permits,
    health: Health,
    tokens: Tokens,
}

impl fmt::Debug for HttpUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpUpstream").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// An answer whose body nobody has touched yet.
struct Exchange {
    url: Url,
    head: Parts,
    body: Incoming,
    verdict: Verdict,
    permit: Permit,
}

/// What a head says about its origin.
enum Verdict {
    /// It works; the ticket is kept for the body.
    Works(Ticket),
    /// It failed, and that is recorded.
    Failed,
    /// It asked us to wait, which is no failure.
    Waits,
}

impl HttpUpstream {
    /// A client that believes the system's certificate authorities, or those that
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        Ok(Self {
            clients: Clients::new(&settings)?,
            permits: Permits::new(&settings.limits, settings.timeouts.queue),
            health: Health::new(),
            tokens: Tokens::new(),
            settings,
        })
    }

    async fn answer(
        &self,
        wanted: &UpstreamRequest,
        deadline: Instant,
    ) -> Result<UpstreamResponse, Failure> {
        self.health.begin(&wanted.target)?;
        let exchange = self.with_retries(wanted).await?;
        self.hand_out(wanted, exchange, deadline)
    }

    /// Repeats what may be repeated while the budget lasts.
    async fn with_retries(&self, wanted: &UpstreamRequest) -> Result<Exchange, Failure> {
        for attempt in 0..self.settings.limits.retries {
            let outcome = self.follow(wanted).await;
            let may_repeat = is_transient(&outcome) && retry::is_repeatable(&wanted.method);
            if !may_repeat || !self.health.take_retry(&wanted.target) {
                return outcome;
            }
            drop(outcome);
            sleep(retry::pause(attempt, random::fraction())).await;
        }
        self.follow(wanted).await
    }

    /// Asks hop after hop until an answer is no redirect.
    async fn follow(&self, wanted: &UpstreamRequest) -> Result<Exchange, Failure> {
        let has_body = wanted.body.is_some();
        let (url, method) = (wanted.url.clone(), wanted.method.clone());
        let mut hop = Hop { url, method, has_body, token: None };
        for _ in 0..=REDIRECTS {
            let exchange = self.with_token(wanted, &mut hop).await?;
            let is_followed = match wanted.redirects {
                Redirects::All => true,
                Redirects::Moves => exchange.head.status != StatusCode::SEE_OTHER,
            };
            if !is_followed {
                return Ok(exchange);
            }
            let next = redirect::next(&hop, exchange.head.status, &exchange.head.headers)
                .map_err(|bad| Failure::lasting(UpstreamReason::Protocol, bad.to_string()))?;
            match next {
                Some(next) => hop = next,
                None => return Ok(exchange),
            }
        }
        let host = wanted.url.host_str().unwrap_or_default();
        let message = format!("more than {REDIRECTS} redirects, beginning at {host}");
        Err(Failure::lasting(UpstreamReason::Protocol, message))
    }

    /// One hop, shown a token where upstream wants one.
    async fn with_token(
        &self,
        wanted: &UpstreamRequest,
        hop: &mut Hop,
    ) -> Result<Exchange, Failure> {
        let target = &wanted.target;
        let Some(place) = Place::of(target, &hop.url) else {
            return self.exchange(wanted, hop).await;
        };
        let known = self.tokens.get(&place);
        hop.token = known.as_ref().map(|token| token.authorization.clone());
        let exchange = self.exchange(wanted, hop).await?;
        if exchange.head.status != StatusCode::UNAUTHORIZED {
            return Ok(exchange);
        }
        let Some(challenge) = BearerChallenge::find(&exchange.head.headers) else {
            return Ok(exchange);
        };
        if !tokens::is_trusted(target, &challenge) {
            let realm = challenge.realm.host_str().unwrap_or_default();
            let text =
                format!("{realm} is not asked for a token: it is not listed in allowed_hosts");
            return Err(Failure::lasting(UpstreamReason::Refused, text));
        }
        // Gives the connection back before the next one is needed.
        drop(exchange);
        let fetch = self.fetch_token(wanted, &challenge);
        hop.token = match self.tokens.renew(&place, known.as_ref(), fetch).await {
            Ok(token) => Some(token.authorization),
            Err(TokenFailure::Refused) => None,
            Err(TokenFailure::Failed(failure)) => return Err(failure),
        };
        self.exchange(wanted, hop).await
    }

    /// Asks a realm for a token.
    async fn fetch_token(
        &self,
        wanted: &UpstreamRequest,
        challenge: &BearerChallenge,
    ) -> Result<Token, TokenFailure> {
        let target = &wanted.target;
        let url = challenge.url();
        let request =
            UpstreamRequest::get(Arc::clone(target), url.clone(), Trust::Index, Intent::Metadata);
        let token = credential::for_realm(target)
            .map_err(|bad| Failure::lasting(UpstreamReason::Protocol, bad.to_string()))?;
        let hop = Hop { url, method: Method::GET, has_body: false, token };
        let exchange = self.exchange(&request, &hop).await?;
        let host = hop.url.host_str().unwrap_or_default();
        match exchange.head.status {
            StatusCode::OK => {}
            // Said again by the answer to the request itself, without a token.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(TokenFailure::Refused),
            status => {
                let text = format!("{host} gave no token: status {}", status.as_u16());
                return Err(Failure::lasting(UpstreamReason::Protocol, text).into());
            }
        }
        let body = Limited::new(exchange.body, tokens::ANSWER_LIMIT);
        let patience = self.settings.timeouts.body_idle;
        let Ok(Ok(answer)) = timeout(patience, body.collect()).await else {
            let text = format!("{host} sent no whole token");
            return Err(Failure::transient(UpstreamReason::Protocol, text).into());
        };
        let answer = answer.to_bytes();
        let token = tokens::read(&answer, Instant::now());
        Ok(token.map_err(|none| Failure::lasting(UpstreamReason::Protocol, none.to_string()))?)
    }

    /// One request and the head of its answer.
    async fn exchange(&self, wanted: &UpstreamRequest, hop: &Hop) -> Result<Exchange, Failure> {
        let target = &wanted.target;
        let host = hop.url.host_str().unwrap_or_default();
        let allowance = destination::check(target, &hop.url).map_err(|refusal| {
            Failure::lasting(UpstreamReason::Refused, format!("{host} is not asked: {refusal}"))
        })?;
        let request = headers::request(wanted, hop, &self.settings.user_agent)
            .map_err(|bad| Failure::lasting(UpstreamReason::Protocol, bad.to_string()))?;
        let client = self.clients.get(&target.ca_certificates, allowance).map_err(|bad| {
            Failure::lasting(UpstreamReason::Tls, format!("remote {}: {bad}", target.name))
        })?;
        let ticket = self.health.admit(target, &hop.url)?;
        let permit = self.permits.acquire(&authority(&hop.url)).await.map_err(|_| {
            let message = format!("too many requests to {host} are under way");
            Failure::postponed(UpstreamReason::Overloaded, message, self.settings.timeouts.queue)
        })?;
        let patience = self.settings.timeouts.first_byte(wanted.intent);
        let answered = match timeout(patience, client.request(request)).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(failed)) => return Err(blamed(Some(ticket), Failure::of_client(&failed, host))),
            Err(_) => {
                let message = format!("no answer from {host} in time");
                let failure = Failure::lasting(UpstreamReason::Timeout, message);
                return Err(blamed(Some(ticket), failure));
            }
        };
        let (head, body) = answered.into_parts();
        let verdict = self.judge(target, &head, ticket);
        Ok(Exchange { url: hop.url.clone(), head, body, verdict, permit })
    }

    fn judge(&self, target: &UpstreamTarget, head: &Parts, mut ticket: Ticket) -> Verdict {
        let pause = retry_after::cool_down(head.status, &head.headers, self.settings.clock.now());
        if let Some(pause) = pause {
            self.health.cool_down(target, pause);
            return Verdict::Waits;
        }
        if head.status.is_server_error() {
            ticket.fail();
            return Verdict::Failed;
        }
        ticket.head_is_good();
        Verdict::Works(ticket)
    }

    /// The answer as the port promises it.
    fn hand_out(
        &self,
        wanted: &UpstreamRequest,
        exchange: Exchange,
        deadline: Instant,
    ) -> Result<UpstreamResponse, Failure> {
        let Exchange { url, head, body, verdict, permit } = exchange;
        let Parts { status, version, mut headers, .. } = head;
        let ticket = match verdict {
            Verdict::Works(ticket) => Some(ticket),
            Verdict::Failed | Verdict::Waits => None,
        };
        let is_gzip = match coding(wanted, status, &headers) {
            Ok(coding) => coding == Coding::Gzip,
            Err(failure) => return Err(blamed(ticket, failure)),
        };
        let exact = body.size_hint().exact();
        let is_head = wanted.method == Method::HEAD;
        let framing = headers::framing(version, &headers, exact, is_head);
        headers::strip_hop_by_hop(&mut headers);
        if is_gzip {
            headers.remove(CONTENT_ENCODING);
            headers.remove(CONTENT_LENGTH);
        }
        let length = framing.length.filter(|_| !is_gzip);
        let guards = self.guards(deadline, exact);
        let body = stream(body, is_gzip, guards, Custody { ticket, permit });
        Ok(UpstreamResponse { status, headers, url, length, framed: framing.is_proof, body })
    }

    fn guards(&self, deadline: Instant, length: Option<u64>) -> Guards {
        Guards {
            idle: self.settings.timeouts.body_idle,
            rate_window: self.settings.timeouts.rate_window,
            bytes_per_second: self.settings.limits.bytes_per_second,
            deadline,
            length,
        }
    }
}

#[async_trait]
impl Upstream for HttpUpstream {
    async fn send(&self, request: UpstreamRequest) -> Result<UpstreamResponse, UpstreamError> {
        let deadline = Instant::now() + self.settings.timeouts.total(request.intent);
        let answer = Box::pin(self.answer(&request, deadline));
        let answered = timeout_at(deadline, answer).await.unwrap_or_else(|_| {
            let host = request.url.host_str().unwrap_or_default();
            Err(Failure::lasting(UpstreamReason::Timeout, format!("no answer from {host} in time")))
        });
        answered.map_err(|failure| failure.error)
    }

    fn state(&self, target: &UpstreamTarget) -> OriginState {
        self.health.state(target)
    }

    fn warnings(&self) -> Warnings {
        self.health.warnings()
    }

    fn heed(&self, warning: &OriginWarning) {
        self.health.heed(warning);
    }
}

/// Why there is no token.
enum TokenFailure {
    /// The realm refuses this remote.
    Refused,
    /// It could not be asked.
    Failed(Failure),
}

impl From<Failure> for TokenFailure {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn is_transient(outcome: &Result<Exchange, Failure>) -> bool {
    match outcome {
        Err(failure) => failure.is_transient,
        Ok(Exchange { verdict: Verdict::Waits, .. }) => false,
        Ok(exchange) => retry::is_transient(exchange.head.status),
    }
}

/// `failure`, held against the origin unless it was our own decision.
fn blamed(ticket: Option<Ticket>, failure: Failure) -> Failure {
    if let Some(ticket) = ticket.filter(|_| failure.error.reason != UpstreamReason::Refused) {
        ticket.fail();
    }
    failure
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    format!("{host}:{}", url.port_or_known_default().unwrap_or_default())
}

/// How the body is compressed in transit, as far as we asked for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Coding {
    /// Not at all, or as a property of the file itself: the bytes are what they are.
    Opaque,
    Gzip,
}

fn coding(
    wanted: &UpstreamRequest,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Coding, Failure> {
    if !headers::may_compress(wanted) || status == StatusCode::PARTIAL_CONTENT {
        return Ok(Coding::Opaque);
    }
    let named = headers.get(CONTENT_ENCODING).map(|value| value.as_bytes().trim_ascii());
    match named.map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"" | b"identity") => Ok(Coding::Opaque),
        Some(b"gzip" | b"x-gzip") => Ok(Coding::Gzip),
        Some(_) => {
            let message = "the body is compressed in a way that was not asked for";
            Err(Failure::lasting(UpstreamReason::Protocol, message))
        }
    }
}

fn stream(body: Incoming, is_gzip: bool, guards: Guards, custody: Custody) -> ByteStream {
    if body.is_end_stream() {
        return Box::pin(futures_util::stream::empty());
    }
    let wire = guarded(BodyDataStream::new(body), guards);
    if is_gzip { settled(gzip::decoded(Box::pin(wire)), custody) } else { settled(wire, custody) }
}

//! The only place where an error becomes a response.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use admin_types::Problem;
use artifact_core::{Error, ErrorBody, ErrorKind, MountPoint};
use artifact_engine::{CacheResult, Mount};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::access::{Principal, Shortfall, challenge, needed_scope};
use crate::action::{Action, Extent};
use crate::body::Body;
use crate::call::{Answer, Call, Failure, Serve, Verdict};
use crate::origin::OriginSettings;
use crate::repositories::Repositories;
use crate::respond;

/// How long a client may remember that a file is not there.
const ABSENCE: HeaderValue = HeaderValue::from_static("max-age=30");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Seconds after which a part of the server that did not answer may be tried again.
const UNAVAILABLE_FOR: u64 = 5;
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const REMEMBERED: HeaderValue = HeaderValue::from_static("artifactapi; hit; detail=negative");
/// Basic comes first: it is what package clients know.
const CHALLENGES: [HeaderValue; 2] = [
    HeaderValue::from_static("Basic realm=\"artifactapi\", charset=\"UTF-8\""),
    HeaderValue::from_static("Bearer realm=\"artifactapi\""),
];

super::layer! {
    /// Answers failures in the form that the asking client prints.
    RescueLayer => Rescue {
        repositories: Arc<dyn Repositories>,
        origins: Arc<OriginSettings>,
    }
}

impl<B: Send, S: Serve<B, Error = Failure>> Serve<B> for Rescue<S> {
    type Error = Infallible;

    async fn serve(&self, call: &mut Call<'_, B>) -> Result<Answer, Infallible> {
        match self.inner.serve(call).await {
            Ok(answer) => Ok(answer),
            Err(Failure::Error(error)) => Ok(self.rescue(call, &error)),
            Err(Failure::Problem(problem)) => Ok(answer_problem(call, *problem)),
        }
    }
}

impl<S> Rescue<S> {
    fn rescue<B>(&self, call: &Call<'_, B>, error: &Error) -> Answer {
        report(call, error);
        let status = status_for(call.action, error.kind());
        let form = self.form(call, status, error);
        let mut response = respond::bytes(status, form.content_type, form.body);
        let headers = response.headers_mut();
        write_headers(headers, call, error);
        if is_of_registry(call.action) {
            self.write_registry_headers(headers, call, error);
        }
        finish(&mut response, call);
        let repository = call
            .action
            .package()
            .and_then(|route| self.repositories.identify(route.mount, route.repository));
        Answer { response, repository, verdict: verdict_of(error), blob: None }
    }

    /// What clients of a registry look for, above all where they get a ticket.
    fn write_registry_headers<B>(
        &self,
        headers: &mut HeaderMap,
        call: &Call<'_, B>,
        error: &Error,
    ) {
        headers.extend(self.repositories.registry_headers());
        if error.kind() != ErrorKind::Unauthorized {
            return;
        }
        let origin = match call.action.extent() {
            Extent::All => self.origins.origin(call.parts, call.peer),
            Extent::One(_) => self.origins.origin_at_host(call.parts, call.peer).map(Cow::Owned),
        };
        let Ok(origin) = origin else { return };
        let scope = call.action.package().and_then(|route| needed_scope(route, call.method()));
        let shortfall = match call.principal {
            Principal::Ticket(_) => Shortfall::InsufficientScope,
            _ => Shortfall::NoCredential,
        };
        if let Some(challenge) = challenge(&origin, scope.as_deref(), shortfall) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
    }

    fn form<B>(&self, call: &Call<'_, B>, status: StatusCode, error: &Error) -> ErrorBody {
        let (mount, repository, path) = match call.action {
            Action::Registry(..) => (Mount::Registry, "", ""),
            action => match action.package() {
                Some(route) => (route.mount, route.repository, route.path),
                None => return problem_form(call, status, error),
            },
        };
        if accepts_problem(call.headers()) {
            return problem_form(call, status, error);
        }
        let problem = artifact_core::Problem {
            status: status.as_u16(),
            message: error.public(),
            request_id: call.id.as_str(),
            code: error.code(),
            details: error.details(),
            path,
        };
        self.repositories
            .error_body(mount, repository, &problem)
            .unwrap_or_else(|| line_form(&problem))
    }
}

/// Clients of registries slow down when they are told so, and give up on other errors.
fn status_for(action: Action<'_>, kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::UpstreamRateLimited if is_of_registry(action) => StatusCode::TOO_MANY_REQUESTS,
        kind => status_of(kind),
    }
}

fn is_of_registry(action: Action<'_>) -> bool {
    matches!(action, Action::Registry(..))
        || action.package().is_some_and(|route| route.mount.point() == MountPoint::Registry)
}

/// The status of each kind of error.
pub fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Gone => StatusCode::GONE,
        ErrorKind::BadRequest => StatusCode::BAD_REQUEST,
        ErrorKind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        ErrorKind::RangeNotSatisfiable { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::LegalReasons => StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS,
        ErrorKind::Upstream | ErrorKind::UpstreamAuth | ErrorKind::Integrity => {
            StatusCode::BAD_GATEWAY
        }
        ErrorKind::UpstreamTimeout | ErrorKind::Offline => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::UpstreamRateLimited
        | ErrorKind::CircuitOpen
        | ErrorKind::Overloaded
        | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::InsufficientStorage => StatusCode::INSUFFICIENT_STORAGE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The same judgement as the engine's own statistics make.
fn verdict_of(error: &Error) -> Verdict {
    match error.kind() {
        ErrorKind::Denied => Verdict::Denied,
        _ if error.is_remembered() => Verdict::Served(CacheResult::Negative),
        // Absence and a client's own conditions are answers, not failures.
        ErrorKind::NotFound | ErrorKind::Gone => Verdict::Served(CacheResult::Miss),
        ErrorKind::RangeNotSatisfiable { .. }
        | ErrorKind::PreconditionFailed
        | ErrorKind::BadRequest
        | ErrorKind::Unauthorized
        | ErrorKind::MethodNotAllowed => Verdict::Served(CacheResult::None),
        _ => Verdict::Failed,
    }
}

/// When to come back, for the refusals that pass; clients without a hint hammer.
fn default_patience(kind: ErrorKind) -> Option<Duration> {
    match kind {
        ErrorKind::UpstreamRateLimited | ErrorKind::CircuitOpen => Some(Duration::from_secs(30)),
        ErrorKind::Overloaded => Some(Duration::from_secs(1)),
        ErrorKind::Unavailable => Some(Duration::from_secs(UNAVAILABLE_FOR)),
        _ => None,
    }
}

fn write_headers<B>(headers: &mut HeaderMap, call: &Call<'_, B>, error: &Error) {
    // What is not there of a registry may be pushed a moment later, by whoever asked.
    let is_missing_file = error.kind() == ErrorKind::NotFound
        && call.action.package().is_some_and(|route| route.mount.point() == MountPoint::Package);
    let caching = if is_missing_file { ABSENCE } else { NO_STORE };
    headers.insert(header::CACHE_CONTROL, caching);
    if error.is_remembered() {
        headers.insert(CACHE_STATUS, REMEMBERED);
    }
    if let Some(after) = error.retry_after().or_else(|| default_patience(error.kind())) {
        // Rounded up: a client that comes back early is refused again.
        let seconds = after.as_millis().div_ceil(1000).max(1);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    match error.kind() {
        ErrorKind::MethodNotAllowed => {
            let allow = HeaderValue::from_static(call.action.allow(call.method()));
            headers.insert(header::ALLOW, allow);
        }
        ErrorKind::Unauthorized => {
            for challenge in CHALLENGES {
                headers.append(header::WWW_AUTHENTICATE, challenge);
            }
        }
        ErrorKind::RangeNotSatisfiable { size } => {
            if let Ok(range) = HeaderValue::try_from(format!("bytes */{size}")) {
                headers.insert(header::CONTENT_RANGE, range);
            }
        }
        _ => {}
    }
}

/// One line for clients that print what they get.
fn line_form(problem: &artifact_core::Problem<'_>) -> ErrorBody {
    let line = format!("{} (req {})\n", problem.message, problem.request_id);
    ErrorBody { content_type: "text/plain; charset=utf-8", body: line.into() }
}

fn problem_form<B>(call: &Call<'_, B>, status: StatusCode, error: &Error) -> ErrorBody {
    let title = status.canonical_reason().unwrap_or("error").to_ascii_lowercase();
    let anchor = title.replace([' ', '-'], "_");
    let problem = Problem::new(status.as_u16(), &anchor, &title, error.public());
    ErrorBody { content_type: respond::PROBLEM, body: render(call, problem).into() }
}

fn render<B>(call: &Call<'_, B>, mut problem: Problem) -> Vec<u8> {
    problem.instance = Some(call.parts.uri.path().into());
    problem.request_id = Some(call.id.as_str().into());
    serde_json::to_vec(&problem).unwrap_or_default()
}

fn accepts_problem(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT);
    accepted.iter().any(|value| value.to_str().is_ok_and(|value| value.contains(respond::PROBLEM)))
}

/// What the management API says itself; only who asked is added.
fn answer_problem<B>(call: &Call<'_, B>, problem: Problem) -> Answer {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_server_error() {
        tracing::warn!(request_id = %call.id, status = status.as_u16(), error = %problem, "management call failed");
    }
    let patience = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(UNAVAILABLE_FOR);
    let retry_after = problem.retry_after.map_or(patience, |seconds| Some(u64::from(seconds)));
    let mut response = respond::bytes(status, respond::PROBLEM, render(call, problem));
    response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    finish(&mut response, call);
    Answer { response, repository: None, verdict: Verdict::Failed, blob: None }
}

/// HEAD gets the head of what GET would get.
fn finish<B>(response: &mut Response<Body>, call: &Call<'_, B>) {
    if call.is_head() {
        response.body_mut().clear();
    }
}

/// Logs an error once, with everything that led to it. What a client did wrong is the
/// client's news, not the operator's.
fn report<B>(call: &Call<'_, B>, error: &Error) {
    let status = status_of(error.kind());
    let (id, path) = (call.id.as_str(), call.parts.uri.path());
    let kind = tracing::field::debug(error.kind());
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        let causes = causes(error);
        tracing::error!(request_id = id, path, %error, causes, kind, "request failed");
    } else if status.is_server_error() {
        let causes = causes(error);
        tracing::warn!(request_id = id, path, %error, causes, kind, "request failed");
    } else {
        tracing::debug!(request_id = id, path, %error, kind, "request refused");
    }
}

fn causes(error: &Error) -> String {
    let mut text = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let separator = if text.is_empty() { "" } else { ": " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{cause}");
        source = cause.source();
    }
    text
}

/// The error of an action that no handler exists for.
pub(crate) fn refuse(action: Action<'_>) -> Option<Error> {
    match action {
        Action::NotFound => Some(Error::new(ErrorKind::NotFound, "there is nothing at this path")),
        Action::MethodNotAllowed(refused) => {
            let text = format!("only {} may be used here", refused.allow);
            Some(Error::new(ErrorKind::MethodNotAllowed, text))
        }
        Action::Package(_)
        | Action::Registry(..)
        | Action::Admin(_)
        | Action::Health(_)
        | Action::Metrics
        | Action::Token(_)
        | Action::PeerFlight(_)
        | Action::ErrorGuide => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_has_its_status() {
        let cases = [
            (ErrorKind::NotFound, 404),
            (ErrorKind::Gone, 410),
            (ErrorKind::BadRequest, 400),
            (ErrorKind::Unprocessable, 422),
            (ErrorKind::Denied, 403),
            (ErrorKind::Unauthorized, 401),
            (ErrorKind::MethodNotAllowed, 405),
            (ErrorKind::Conflict, 409),
            (ErrorKind::PreconditionFailed, 412),
            (ErrorKind::RangeNotSatisfiable { size: 3 }, 416),
            (ErrorKind::TooLarge, 413),
            (ErrorKind::LegalReasons, 451),
            (ErrorKind::Upstream, 502),
            (ErrorKind::UpstreamAuth, 502),
            (ErrorKind::UpstreamTimeout, 504),
            (ErrorKind::UpstreamRateLimited, 503),
            (ErrorKind::CircuitOpen, 503),
            (ErrorKind::Integrity, 502),
            (ErrorKind::Offline, 504),
            (ErrorKind::Overloaded, 503),
            (ErrorKind::Unavailable, 503),
            (ErrorKind::InsufficientStorage, 507),
            (ErrorKind::Internal, 500),
        ];
        for (kind, status) in cases {
            assert_eq!(status_of(kind).as_u16(), status, "{kind:?}");
        }
    }

    #[test]
    fn every_503_says_when_to_come_back() {
        use ErrorKind::{CircuitOpen, Overloaded, Unavailable, UpstreamRateLimited};
        for kind in [CircuitOpen, Overloaded, Unavailable, UpstreamRateLimited] {
            assert_eq!(status_of(kind), StatusCode::SERVICE_UNAVAILABLE);
            assert!(default_patience(kind).is_some(), "{kind:?}");
        }
    }

    #[test]
    fn the_log_names_the_whole_chain_of_causes() {
        let inner = Error::new(ErrorKind::Unavailable, "second").with_source("third");
        let error = Error::new(ErrorKind::Internal, "first").with_source(inner);
        assert_eq!(causes(&error), "second: third");
    }
}

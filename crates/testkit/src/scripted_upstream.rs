//! The upstream port without sockets, so that tests may pause tokio's time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use artifact_core::ports::{
    Intent, OriginState, OriginWarning, Redirects, Upstream, UpstreamError, UpstreamReason,
    UpstreamRequest, UpstreamResponse, UpstreamTarget,
};
use artifact_core::{ByteStream, Error, RepositoryId};
use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use http::header::{
    ACCEPT, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LOCATION, RANGE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::plan::{BrokenBody, Plan};
use crate::script::{Fault, Framing, Script, ScriptBook};

const REDIRECTS: usize = 5;

/// An upstream that answers from scripts by URL path, whatever the host. Paths without a script
/// answer 404. It never opens a socket and counts every request that would have gone out;
/// breaker and cool-down are only what [`ScriptedUpstream::set_state`] says.
#[derive(Debug, Default)]
pub struct ScriptedUpstream {
    scripts: ScriptBook,
    requests: Mutex<Vec<UpstreamRequest>>,
    states: Mutex<HashMap<RepositoryId, OriginState>>,
    warnings: Warnings,
    heeded: Mutex<Vec<OriginWarning>>,
}

/// Warnings on their way to whoever listens.
#[derive(Debug)]
struct Warnings(broadcast::Sender<OriginWarning>);

impl Default for Warnings {
    fn default() -> Self {
        Self(broadcast::Sender::new(64))
    }
}

impl ScriptedUpstream {
    /// An upstream without scripts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers requests of exactly `path` with `script` from now on.
    pub fn on(&self, path: &str, script: Script) {
        self.scripts.replace(path, script);
    }

    /// Every request so far, in order; a followed redirect counts as a request of its own.
    pub fn requests(&self) -> Vec<UpstreamRequest> {
        lock(&self.requests).clone()
    }

    /// How many requests asked for `path`.
    pub fn count(&self, path: &str) -> usize {
        lock(&self.requests).iter().filter(|request| request.url.path() == path).count()
    }

    /// What [`Upstream::state`] reports for `target`. While it is open or cooling down, requests
    /// of the target fail as they would with a real client, and nothing is counted.
    pub fn set_state(&self, target: RepositoryId, state: OriginState) {
        lock(&self.states).insert(target, state);
    }

    /// Tells whoever listens to [`Upstream::warnings`].
    pub fn warn(&self, warning: OriginWarning) {
        // Fails only when nobody listens.
        let _ = self.warnings.0.send(warning);
    }

    /// Every warning that was taken over from another replica.
    pub fn heeded(&self) -> Vec<OriginWarning> {
        lock(&self.heeded).clone()
    }

    async fn answer(&self, request: &UpstreamRequest) -> Result<Plan, UpstreamError> {
        lock(&self.requests).push(request.clone());
        let script = self.scripts.next(request.url.path());
        let plan = Plan::of(script, &request.method, &wire_headers(request));
        match plan.fault {
            None => {}
            Some(Fault::Broken(reason)) => return Err(failure(reason, None)),
            Some(Fault::Hang) => {
                tokio::time::sleep(first_byte_timeout(request.intent)).await;
                return Err(failure(UpstreamReason::Timeout, None));
            }
        }
        let head = tokio::time::timeout(first_byte_timeout(request.intent), plan.pass_head()).await;
        head.map_err(|_| failure(UpstreamReason::Timeout, None))?;
        Ok(plan)
    }
}

#[async_trait]
impl Upstream for ScriptedUpstream {
    async fn send(&self, mut request: UpstreamRequest) -> Result<UpstreamResponse, UpstreamError> {
        refuse_by_state(self.state(&request.target))?;
        for _ in 0..=REDIRECTS {
            let plan = self.answer(&request).await?;
            match redirect_target(&plan, &request)? {
                Some(next) => request.url = next,
                None => return Ok(response(plan, request.url, request.method == Method::HEAD)),
            }
        }
        Err(failure(UpstreamReason::Protocol, None))
    }

    fn state(&self, target: &UpstreamTarget) -> OriginState {
        lock(&self.states).get(&target.id).copied().unwrap_or(OriginState::Closed)
    }

    fn warnings(&self) -> artifact_core::ports::Warnings {
        Box::pin(stream::unfold(self.warnings.0.subscribe(), |mut receiver| async {
            loop {
                match receiver.recv().await {
                    Ok(warning) => return Some((warning, receiver)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        }))
    }

    fn heed(&self, warning: &OriginWarning) {
        lock(&self.heeded).push(warning.clone());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refuse_by_state(state: OriginState) -> Result<(), UpstreamError> {
    match state {
        OriginState::Closed | OriginState::HalfOpen => Ok(()),
        OriginState::Open { retry_after } => {
            Err(failure(UpstreamReason::CircuitOpen, Some(retry_after)))
        }
        OriginState::CoolDown { retry_after } => {
            Err(failure(UpstreamReason::CoolDown, Some(retry_after)))
        }
    }
}

fn failure(reason: UpstreamReason, retry_after: Option<Duration>) -> UpstreamError {
    UpstreamError { reason, message: format!("scripted failure: {}", reason.name()), retry_after }
}

fn first_byte_timeout(intent: Intent) -> Duration {
    match intent {
        Intent::Metadata => Duration::from_secs(15),
        Intent::Artifact => Duration::from_secs(30),
    }
}

/// The headers that a real client would send and that scripts look at.
fn wire_headers(request: &UpstreamRequest) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: Option<&str>| {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    };
    set(ACCEPT, request.accept);
    set(IF_NONE_MATCH, request.conditions.etag.as_deref());
    set(IF_MODIFIED_SINCE, request.conditions.last_modified.as_deref());
    if let Some((first, validator)) = &request.resume {
        set(RANGE, Some(&format!("bytes={first}-")));
        set(IF_RANGE, Some(validator));
    } else if let Some((first, last)) = request.range {
        let last = last.map(|last| last.to_string()).unwrap_or_default();
        set(RANGE, Some(&format!("bytes={first}-{last}")));
    }
    headers
}

fn redirect_target(
    plan: &Plan,
    request: &UpstreamRequest,
) -> Result<Option<url::Url>, UpstreamError> {
    let is_followed = plan.status.is_redirection()
        && (request.redirects == Redirects::All || plan.status != StatusCode::SEE_OTHER);
    let location = plan.headers.get(LOCATION).filter(|_| is_followed);
    let Some(location) = location.and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    request.url.join(location).map(Some).map_err(|_| failure(UpstreamReason::Protocol, None))
}

fn response(mut plan: Plan, url: url::Url, is_head: bool) -> UpstreamResponse {
    let length = plan.announced();
    let framed = plan.framing != Framing::CloseDelimited;
    if !framed {
        // Nothing in a close-delimited body tells a cut from an end.
        plan.body.set_broken(false);
    } else if !is_head && length.is_some_and(|length| length != plan.body.remaining()) {
        plan.body.set_broken(true);
    }
    UpstreamResponse {
        status: plan.status,
        headers: plan.headers,
        url,
        length,
        framed,
        body: body(plan.body.into_stream()),
    }
}

fn body(
    chunks: impl futures_util::Stream<Item = Result<bytes::Bytes, BrokenBody>> + Send + 'static,
) -> ByteStream {
    Box::pin(
        chunks
            .map(|chunk| chunk.map_err(|_| Error::from(failure(UpstreamReason::Truncated, None)))),
    )
}

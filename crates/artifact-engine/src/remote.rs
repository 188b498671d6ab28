//! Files of a remote: the state machine of a caching proxy.
//!
//! The arms carry the names of the states. What to do is decided by [`freshness::decide`]; this
//! file only carries it out.

use std::sync::Arc;
use std::time::Duration;

use artifact_core::ports::{Intent, Trust, UpstreamTarget};
use artifact_core::{
    Class, Definition, Digests, Error, ErrorKind, FileFact, Origin, Remote, Result, RowKey, Shape,
    Target, Timestamp,
};
use http::Method;

use crate::answer::{self, CacheNote, Streaming};
use crate::call::Call;
use crate::copies;
use crate::documents;
use crate::flight::{Job, Joined, Passenger, Phase, lead};
use crate::freshness::{Lifetimes, Plan, decide};
use crate::keys;
use crate::passthrough;
use crate::reference;
use crate::request::Reply;
use crate::rows::{HotRow, static_headers};
use crate::selection::{Selection, Validators, select};
use crate::shared::Shared;
use crate::snapshot::Mounted;

/// How far ahead of the download a range may begin and still wait for it.
const RANGE_AHEAD: u64 = 8 << 20;
/// Bodies up to this size are sent as one piece.
const SMALL: u64 = 128 * 1024;

/// A target on one remote.
pub(crate) struct Wanted<'a> {
    pub(crate) mounted: &'a Arc<Mounted>,
    pub(crate) remote: &'a Remote,
    pub(crate) target: &'a Target,
    pub(crate) class: Class,
    pub(crate) key: RowKey,
    pub(crate) lifetimes: Lifetimes,
}

impl<'a> Wanted<'a> {
    /// Fails on anything but a remote.
    pub(crate) fn new(mounted: &'a Arc<Mounted>, target: &'a Target) -> Result<Self> {
        let Definition::Remote(remote) = &mounted.repository.definition else {
            return Err(Error::new(ErrorKind::Internal, "this repository is not a remote"));
        };
        Ok(Self {
            mounted,
            remote,
            target,
            class: mounted.rules.class_of(target.path.as_str(), target.class),
            key: RowKey {
                repository: mounted.id(),
                path: target.path.clone(),
                variant: target.source.clone(),
            },
            lifetimes: Lifetimes::of(remote, &mounted.provider.defaults()),
        })
    }

    pub(crate) fn plan(&self, shared: &Shared, held: Option<&HotRow>, now: Timestamp) -> Plan {
        let origin = match &self.mounted.upstream {
            Some(upstream) => shared.parts.upstream.state(upstream),
            None => artifact_core::ports::OriginState::Closed,
        };
        decide(held.map(|hot| &hot.row), self.class, now, &self.lifetimes, origin)
    }
}

/// The note of an answer from a fresh copy.
pub(crate) fn hit(row: &artifact_core::ArtifactRow, now: Timestamp) -> CacheNote {
    let left = |expires_at: Timestamp| (expires_at.as_millis() - now.as_millis()).div_euclid(1000);
    CacheNote::Hit { ttl: row.expires_at.map(left) }
}

/// Serves a file of a remote.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    wanted: &Wanted<'_>,
) -> Result<Reply> {
    if let Some(hot) = shared.rows.hot(&wanted.key) {
        let now = shared.parts.clock.now();
        if wanted.plan(shared, Some(&hot), now) == Plan::FreshHit {
            let note = hit(&hot.row, now);
            let reply = answer::from_row(shared, &call.asking(), &hot, wanted.class, note).await;
            if let Ok(Some(reply)) = reply {
                return Ok(reply);
            }
            if let Err(error) = reply {
                // Conditions that fail are answers; a store that fails may still be passed by.
                if error.kind() != ErrorKind::Unavailable {
                    return Err(error);
                }
            }
        }
    }
    Box::pin(serve_slowly(shared, call, wanted)).await
}

async fn serve_slowly(shared: &Arc<Shared>, call: &Call<'_>, wanted: &Wanted<'_>) -> Result<Reply> {
    let held = match shared.rows.get(&wanted.key).await {
        Ok(None) => copies::adopt(shared, wanted).await,
        Ok(held) => held,
        Err(error) => return without_metadata(shared, call, wanted, error).await,
    };
    let now = shared.parts.clock.now();
    match wanted.plan(shared, held.as_deref(), now) {
        Plan::FreshHit => {
            let Some(held) = held else { return miss(shared, call, wanted).await };
            let note = hit(&held.row, now);
            serve_held(shared, call, wanted, &held, note).await
        }
        Plan::StaleWhileRevalidate => {
            let Some(held) = held else { return miss(shared, call, wanted).await };
            revalidate_behind(shared, wanted, &held);
            let note = CacheNote::Stale { detail: "revalidating" };
            serve_held(shared, call, wanted, &held, note).await
        }
        Plan::StaleIfError => {
            let Some(held) = held else { return miss(shared, call, wanted).await };
            let note = CacheNote::Stale { detail: "upstream-unavailable" };
            serve_held(shared, call, wanted, &held, note).await
        }
        Plan::Revalidate { fallback } => {
            let Some(held) = held else { return miss(shared, call, wanted).await };
            revalidate(shared, call, wanted, held, fallback).await
        }
        Plan::Miss => miss(shared, call, wanted).await,
        Plan::CircuitOpen { retry_after, cool_down } => Err(circuit_open(retry_after, cool_down)),
        Plan::Offline => Err(offline()),
    }
}

pub(crate) fn circuit_open(retry_after: Duration, cool_down: bool) -> Error {
    let (kind, text) = if cool_down {
        (ErrorKind::UpstreamRateLimited, "the upstream registry asked us to slow down")
    } else {
        (
            ErrorKind::CircuitOpen,
            "the upstream registry keeps failing and is not asked at the moment",
        )
    };
    Error::new(kind, text).with_retry_after(retry_after)
}

pub(crate) fn offline() -> Error {
    Error::new(ErrorKind::Offline, "this remote is offline and holds no copy")
}

/// The metadata store is down: what cannot be looked up is passed through, never denied.
async fn without_metadata(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    wanted: &Wanted<'_>,
    error: Error,
) -> Result<Reply> {
    tracing::warn!(%error, path = %wanted.key.path, "metadata unavailable, passing through");
    let job = job(shared, wanted, None).await?;
    passthrough::serve(shared, call, &job, "metadata-unavailable").await
}

/// Serves a copy; bytes that are missing or damaged are fetched again under the same hash, and a store
/// that does not answer is passed by.
async fn serve_held(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    wanted: &Wanted<'_>,
    held: &Arc<HotRow>,
    note: CacheNote,
) -> Result<Reply> {
    match answer::from_row(shared, &call.asking(), held, wanted.class, note).await {
        Ok(Some(reply)) => Ok(reply),
        Ok(None) => heal(shared, call, wanted, held).await,
        Err(error) if error.kind() == ErrorKind::Unavailable && !wanted.remote.offline => {
            tracing::warn!(%error, path = %wanted.key.path, "store unavailable, passing through");
            let mut job = job(shared, wanted, None).await?;
            job.expected.insert(held.row.blob.into());
            passthrough::serve(shared, call, &job, "store-unavailable").await
        }
        Err(error) => Err(error),
    }
}

/// The row is right and its bytes are not: fetch them anew. An immutable file must come back
/// with the same hash.
async fn heal(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    wanted: &Wanted<'_>,
    held: &Arc<HotRow>,
) -> Result<Reply> {
    if wanted.remote.offline {
        return Err(offline());
    }
    let mut job = job(shared, wanted, None).await?;
    if wanted.class == Class::Immutable {
        job.expected.insert(held.row.blob.into());
    }
    job.heal = Some(Arc::clone(held));
    let (passenger, collapsed) = take_off(shared, job);
    Box::pin(ride(shared, call, wanted, passenger, None, collapsed)).await
}

async fn miss(shared: &Arc<Shared>, call: &Call<'_>, wanted: &Wanted<'_>) -> Result<Reply> {
    if let Some(error) = remembered_absence(shared, &wanted.key).await {
        return Err(error);
    }
    // Whoever asks for the head of what has a digest header wants to know the digest, and comes for the rest next.
    let is_fetched_whole = wanted.class == Class::Mutable
        && wanted.mounted.provider.defaults().digest_header.is_some();
    if call.request.method == Method::HEAD && !is_fetched_whole {
        let job = job(shared, wanted, None).await?;
        return passthrough::head(shared, call, &job).await;
    }
    let job = job(shared, wanted, None).await?;
    let url = job.url.clone();
    let (passenger, collapsed) = take_off(shared, job);
    match ride(shared, call, wanted, passenger, None, collapsed).await {
        Err(error) => moved(shared, call, wanted, &url, error).await,
        answered => answered,
    }
}

/// A file that its index links to and that is not there: the link may have expired or moved since the
/// index was read, so the index is read again, once in a while.
async fn moved(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    wanted: &Wanted<'_>,
    url: &url::Url,
    error: Error,
) -> Result<Reply> {
    let Origin::Index { index, .. } = &wanted.target.origin else { return Err(error) };
    let may_have_moved =
        error.is_absent() || matches!(error.kind(), ErrorKind::UpstreamAuth | ErrorKind::Integrity);
    if !may_have_moved || !Box::pin(documents::refresh(shared, wanted.mounted, index)).await {
        return Err(error);
    }
    let job = job(shared, wanted, None).await?;
    if job.url == *url && error.kind() != ErrorKind::Integrity {
        return Err(error);
    }
    forget_failure(shared, &wanted.key).await;
    let (passenger, collapsed) = take_off(shared, job);
    ride(shared, call, wanted, passenger, None, collapsed).await
}

/// Lets the next flight of `key` ask upstream although the last one failed or found nothing a moment
/// ago. A replica that finds the absence remembered when it is its turn believes another replica.
pub(crate) async fn forget_failure(shared: &Shared, key: &RowKey) {
    shared.board.forget_failure(key);
    let forgotten = shared.parts.ttl.remove(&keys::negative(key)).await;
    if let Err(error) = forgotten {
        tracing::debug!(%error, path = %key.path, "an absence is forgotten by itself");
    }
}

/// The absence that upstream told us of a moment ago.
pub(crate) async fn remembered_absence(shared: &Shared, key: &RowKey) -> Option<Error> {
    let bytes = shared.parts.ttl.get(&keys::negative(key)).await.ok().flatten()?;
    let error = if &bytes[..] == b"410" {
        Error::new(ErrorKind::Gone, "the upstream registry has withdrawn it")
    } else {
        Error::new(ErrorKind::NotFound, "the upstream registry does not have it")
    };
    Some(error.remembered())
}

/// Joins the flight of the job's key, leading it in a task of its own if there is none. Says
/// whether somebody else was first.
pub(crate) fn take_off(shared: &Arc<Shared>, job: Job) -> (Passenger, bool) {
    match shared.board.join(&job.key) {
        Joined::Follower(passenger) => (passenger, true),
        Joined::Leader(flight, passenger) => {
            shared.tasks.spawn(lead(Arc::clone(shared), flight, job));
            (passenger, false)
        }
    }
}

fn revalidate_behind(shared: &Arc<Shared>, wanted: &Wanted<'_>, held: &Arc<HotRow>) {
    if shared.board.follow(&wanted.key).is_some() {
        return;
    }
    let (mounted, target, held) =
        (Arc::clone(wanted.mounted), wanted.target.clone(), Arc::clone(held));
    let behind = Arc::clone(shared);
    shared.tasks.spawn(async move {
        let Ok(wanted) = Wanted::new(&mounted, &target) else { return };
        let Ok(job) = job(&behind, &wanted, Some(held)).await else { return };
        let (mut passenger, _) = take_off(&behind, job);
        passenger.finished().await;
    });
}

async fn revalidate(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    wanted: &Wanted<'_>,
    held: Arc<HotRow>,
    fallback: bool,
) -> Result<Reply> {
    let job = job(shared, wanted, Some(Arc::clone(&held))).await?;
    let (mut passenger, collapsed) = take_off(shared, job);
    if !fallback {
        return ride(shared, call, wanted, passenger, Some(&held), collapsed).await;
    }
    let wait = shared.settings.revalidation_wait;
    let detail = match tokio::time::timeout(wait, passenger.started()).await {
        Err(_) => {
            // The flight goes on for the next client.
            shared.tasks.spawn(async move { passenger.finished().await });
            "revalidation-slow"
        }
        Ok(Phase::Failed(error)) if error.is_absent() => return Err(error),
        Ok(Phase::Failed(error)) => failure_detail(&error),
        Ok(_) => return ride(shared, call, wanted, passenger, Some(&held), collapsed).await,
    };
    tracing::info!(remote = wanted.mounted.name(), path = %wanted.key.path, detail, "serving stale");
    serve_held(shared, call, wanted, &held, CacheNote::Stale { detail }).await
}

/// The word for why a stale copy was served.
pub(crate) fn failure_detail(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::UpstreamTimeout => "upstream-timeout",
        ErrorKind::UpstreamRateLimited => "upstream-rate-limited",
        ErrorKind::UpstreamAuth => "upstream-auth",
        ErrorKind::CircuitOpen => "upstream-circuit-open",
        ErrorKind::Integrity => "upstream-integrity",
        ErrorKind::InsufficientStorage => "no-room",
        _ => "upstream-error",
    }
}

/// Answers from a flight.
async fn ride(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    wanted: &Wanted<'_>,
    mut passenger: Passenger,
    held: Option<&Arc<HotRow>>,
    collapsed: bool,
) -> Result<Reply> {
    let phase = passenger.started().await;
    let note = |stored| {
        if held.is_some() {
            CacheNote::Replaced { stored }
        } else {
            CacheNote::Miss { collapsed, stored }
        }
    };
    match phase {
        Phase::Failed(error) => Err(error),
        Phase::Confirmed(row) => {
            let note = if held.is_some() {
                CacheNote::Revalidated
            } else {
                hit(&row.row, row.row.validated_at)
            };
            serve_held(shared, call, wanted, &row, note).await
        }
        Phase::Bypass(reason) => {
            let job = job(shared, wanted, None).await?;
            passthrough::serve(shared, call, &job, reason).await
        }
        Phase::Published(row) => {
            let reply =
                answer::from_row(shared, &call.asking(), &row, wanted.class, note(true)).await?;
            reply.ok_or_else(|| {
                Error::new(ErrorKind::Unavailable, "the store lost a file it just took")
            })
        }
        Phase::Waiting | Phase::Streaming | Phase::Verified(_) | Phase::Unstored(_) => {
            let Some(head) = passenger.head() else {
                return Err(Error::new(ErrorKind::Internal, "the download has no head"));
            };
            let note = note(head.stored && !matches!(phase, Phase::Unstored(_)));
            if call.request.method == Method::HEAD || head.size.is_some_and(|size| size <= SMALL) {
                return stream(shared, call, wanted, passenger, note).await;
            }
            let validators = Validators { etag: None, modified: None, size: head.size };
            let selection = select(call.request.headers, validators)?;
            let reach = passenger.visible().saturating_add(RANGE_AHEAD);
            if matches!(selection, Selection::Part(range) if range.start > reach) {
                // Far ahead of the download: one range past the store, while the flight goes on.
                shared.tasks.spawn(async move { passenger.finished().await });
                let job = job(shared, wanted, None).await?;
                return passthrough::serve(shared, call, &job, "range").await;
            }
            stream(shared, call, wanted, passenger, note).await
        }
    }
}

async fn stream(
    shared: &Shared,
    call: &Call<'_>,
    wanted: &Wanted<'_>,
    mut passenger: Passenger,
    note: CacheNote,
) -> Result<Reply> {
    let Some(head) = passenger.head() else {
        return Err(Error::new(ErrorKind::Internal, "the download has no head"));
    };
    let size = head.size;
    let headers = static_headers(head.content_type.as_deref(), None, None);
    let is_small = size.is_some_and(|size| size <= SMALL);
    if is_small {
        let is_stored = passenger.arrived().await.is_stored();
        let note = if is_stored { note } else { note.unstored() };
        let validated_at = shared.parts.clock.now();
        let body = passenger.into_bytes(SMALL).await?;
        let content =
            answer::InMemory { headers, etag: None, body, class: wanted.class, validated_at };
        return answer::from_memory(shared, &call.asking(), content, note);
    }
    let selection = select(call.request.headers, Validators { etag: None, modified: None, size })?;
    let streaming = Streaming { headers, size, class: wanted.class, selection };
    Ok(streaming.answer(&call.asking(), note, |range| passenger.into_stream(range)))
}

/// Everything a flight needs to know. Resolves where the file is, which may fetch its index.
pub(crate) async fn job(
    shared: &Arc<Shared>,
    wanted: &Wanted<'_>,
    held: Option<Arc<HotRow>>,
) -> Result<Job> {
    let place = locate(shared, wanted).await?;
    Ok(job_at(shared, wanted, held, place))
}

/// Everything a flight to `place` needs to know.
pub(crate) fn job_at(
    shared: &Shared,
    wanted: &Wanted<'_>,
    held: Option<Arc<HotRow>>,
    place: Place,
) -> Job {
    let defaults = wanted.mounted.provider.defaults();
    let is_document = matches!(wanted.target.shape, Shape::Document { .. });
    Job {
        mounted: Arc::clone(wanted.mounted),
        target: wanted.target.clone(),
        key: wanted.key.clone(),
        class: wanted.class,
        lifetimes: wanted.lifetimes,
        url: place.url,
        trust: place.trust,
        intent: if is_document { Intent::Metadata } else { Intent::Artifact },
        // What upstream calls a document decides how it is read; what we call it is the rewrite's.
        content_type: if is_document { None } else { wanted.target.content_type },
        html_allowed: is_document || wanted.target.html_allowed,
        forbidden_means_missing: wanted.remote.forbidden_means_missing,
        expected: place.digests,
        expected_size: place.size,
        limit: if is_document { defaults.document_limit } else { shared.settings.object_limit },
        held,
        heal: None,
        verify_before_serve: is_document || wanted.remote.verify_before_serve,
        believe_absence: wanted.remote.strict_freshness,
        negative_ttl: if is_document {
            defaults.negative_document_ttl
        } else {
            defaults.negative_file_ttl
        },
    }
}

/// Where a file is at upstream and what is known of it there.
pub(crate) struct Place {
    url: url::Url,
    trust: Trust,
    digests: Digests,
    size: Option<u64>,
}

impl Place {
    fn of(url: url::Url, trust: Trust) -> Self {
        Self { url, trust, digests: Digests::new(), size: None }
    }

    /// Where an index says that a file is.
    pub(crate) fn listed(fact: FileFact, upstream: &UpstreamTarget) -> Result<Self> {
        let url = parse_url(&fact.url)?;
        let same_origin = url.origin() == upstream.base_url.origin();
        let trust = if same_origin { Trust::Configured } else { Trust::Index };
        Ok(Self { url, trust, digests: fact.digests, size: fact.size })
    }
}

fn parse_url(url: &str) -> Result<url::Url> {
    url::Url::parse(url).map_err(|error| {
        let text = "the upstream index names an address that is not a URL";
        Error::new(ErrorKind::Upstream, text).with_source(error)
    })
}

async fn locate(shared: &Arc<Shared>, wanted: &Wanted<'_>) -> Result<Place> {
    let Some(upstream) = &wanted.mounted.upstream else {
        return Err(Error::new(ErrorKind::Internal, "this repository has no upstream"));
    };
    let below = |reference: &str| {
        let suffix = wanted.mounted.provider.defaults().base_suffix;
        let url = reference::below(&upstream.base_url, reference, suffix)?;
        Ok(Place::of(url, Trust::Configured))
    };
    let elsewhere = |url: &str| {
        Place::listed(FileFact { url: url.to_owned(), ..FileFact::default() }, upstream)
    };
    match &wanted.target.origin {
        Origin::Upstream(reference) => below(reference),
        Origin::Addressed { reference, digest } => {
            let place = below(reference)?;
            Ok(Place { digests: Digests::from_iter([digest.clone()]), ..place })
        }
        Origin::Elsewhere(url) => elsewhere(url),
        Origin::Relayed { offer, reference, otherwise } => {
            match Box::pin(documents::source(shared, wanted.mounted, offer)).await {
                Ok(_) => below(reference),
                Err(error) if error.is_absent() => elsewhere(otherwise),
                Err(error) => Err(error),
            }
        }
        Origin::Index { index, unlisted } => {
            let path = wanted.target.path.as_str();
            let fact = Box::pin(documents::fact(shared, wanted.mounted, index, path)).await;
            match (fact, unlisted) {
                (Ok(Some(fact)), Some(reference)) if fact.url.is_empty() => {
                    let Place { url, trust, .. } = below(reference)?;
                    Ok(Place { url, trust, digests: fact.digests, size: fact.size })
                }
                (Ok(Some(fact)), _) => Place::listed(fact, upstream),
                (Ok(None), Some(reference)) => below(reference),
                (Err(error), Some(reference)) if error.is_absent() => below(reference),
                (Ok(None), None) => Err(Error::new(
                    ErrorKind::NotFound,
                    "the upstream index does not list this file",
                )),
                (Err(error), _) => Err(error),
            }
        }
    }
}

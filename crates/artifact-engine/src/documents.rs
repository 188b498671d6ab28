//! Index documents: raw from upstream, filtered, rewritten, encoded.
//!
//! The raw document is an ordinary row with an ordinary flight. What clients get is made of it
//! once per change and kept in memory; rules are applied while rewriting, never to what is stored.

use std::sync::Arc;
use std::time::Duration;

use artifact_core::ports::BlobPayload;
use artifact_core::{
    BlobId, Class, DocumentKind, Error, ErrorKind, Excerpt, FileFact, Inspection, Result,
    RewriteContext, Shape, Signer, SourceDocument, Target, Timestamp, Variant, Worded,
};
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::HeaderName;

use crate::answer::{self, CacheNote};
use crate::assembled;
use crate::call::{Call, admit, remote_of};
use crate::companions::{Placed, gather};
use crate::described::warn;
use crate::flight::{Passenger, Phase};
use crate::freshness::Plan;
use crate::hosting;
use crate::keys;
use crate::remote::{
    Wanted, circuit_open, failure_detail, hit, job, offline, remembered_absence, take_off,
};
use crate::renditions::{RenderedSet, SetKey, negotiate};
use crate::request::Reply;
use crate::rows::HotRow;
use crate::shared::Shared;
use crate::snapshot::Mounted;
use crate::substitutes;
use crate::survey;

/// How long a document that was read out of turn is not read out of turn again.
const REFRESH_PAUSE: Duration = Duration::from_secs(30);

/// A raw document that may be served now.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) mounted: Arc<Mounted>,
    pub(crate) target: Arc<Target>,
    pub(crate) blob: BlobId,
    pub(crate) note: CacheNote,
    pub(crate) validated_at: Timestamp,
    /// When these bytes were stored.
    pub(crate) changed_at: Timestamp,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Stored(Arc<HotRow>),
    /// Could not be stored, so it is carried along.
    Carried {
        body: Bytes,
        url: String,
        content_type: Option<String>,
    },
}

/// Serves a document of a remote.
pub(crate) async fn serve(shared: &Arc<Shared>, call: &Call<'_>, target: &Target) -> Result<Reply> {
    let source = source(shared, call.mounted, target).await?;
    if call.mounted.provider.assembly().is_some()
        && survey::of(shared, &source).await?.leads_elsewhere
    {
        return assembled::serve(shared, call, target, target, vec![source]).await;
    }
    serve_sources(shared, call, target, vec![source]).await
}

/// Serves what `sources` are together, in order of precedence.
pub(crate) async fn serve_sources(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    target: &Target,
    sources: Vec<Source>,
) -> Result<Reply> {
    let Some(note) = sources.first().map(|source| source.note) else {
        return Err(Error::new(ErrorKind::NotFound, "no member has this document"));
    };
    let rendered = rendered(shared, call.mounted, target, sources, call.is_secure()).await?;
    for placed in &rendered.sources {
        if let Content::Stored(hot) = &placed.source.content {
            shared.accesses.note(&hot.row.key);
        }
    }
    let validated = rendered.sources.iter().map(|placed| placed.source.validated_at).min();
    let validated_at = validated.unwrap_or_else(|| shared.parts.clock.now());
    let class = Class::Mutable;
    let Rendered { key, set, .. } = &rendered;
    if let Some(Worded { headers, body, .. }) = excerpt(call, target, &rendered)? {
        let content = answer::InMemory { headers, etag: None, body, class, validated_at };
        return answer::from_memory(shared, &call.asking(), content, note);
    }
    let encoding = negotiate(call.request.headers);
    let base_url = call.base_url();
    let variant = wanted_variant(target)?;
    let encoded = shared.renditions.encoded(key, set, variant, encoding, &base_url).await?;
    let mut headers = encoded.headers.clone();
    if let Some(name) = call.mounted.provider.header_of(kind_of(target))
        && let Some(value) = set.header(&base_url)
    {
        headers.insert(HeaderName::from_static(name), value);
    }
    let (etag, body) = (Some(encoded.etag.as_str()), encoded.body.clone());
    let content = answer::InMemory { headers, etag, body, class, validated_at };
    answer::from_memory(shared, &call.asking(), content, note)
}

/// The part of a document that the request asks for; `None` for the whole.
fn excerpt(call: &Call<'_>, target: &Target, rendered: &Rendered) -> Result<Option<Worded>> {
    let Some(whole) = rendered.set.text(wanted_variant(target)?) else { return Ok(None) };
    let (request, mount) = (&call.package_request(), &*call.mount_path());
    let excerpt = Excerpt { kind: kind_of(target), whole, request, mount };
    let Some(mut worded) = call.mounted.provider.excerpt(&excerpt)? else { return Ok(None) };
    let is_stale = |placed: &Placed| matches!(placed.source.note, CacheNote::Stale { .. });
    if rendered.sources.iter().any(is_stale) {
        warn(call.mounted, &mut worded.headers);
    }
    Ok(Some(worded))
}

/// What the index `index` of `mounted` says of the file at `path`.
pub(crate) async fn fact(
    shared: &Arc<Shared>,
    mounted: &Arc<Mounted>,
    index: &Target,
    path: &str,
) -> Result<Option<FileFact>> {
    let source = source(shared, mounted, index).await?;
    let rendered = rendered(shared, mounted, index, vec![source.clone()], false).await?;
    let fact = rendered.set.facts.find(path);
    if fact.is_some() || mounted.provider.assembly().is_none() {
        return Ok(fact);
    }
    Ok(survey::of(shared, &source).await?.find(path))
}

/// Asks upstream for a document out of turn, at most every half a minute. Says whether it was asked
/// and answered.
pub(crate) async fn refresh(shared: &Arc<Shared>, mounted: &Arc<Mounted>, target: &Target) -> bool {
    let Ok(wanted) = Wanted::new(mounted, target) else { return false };
    let mark = keys::refreshed(&wanted.key);
    if wanted.remote.offline || !matches!(shared.parts.ttl.get(&mark).await, Ok(None)) {
        return false;
    }
    let _ = shared.parts.ttl.set(&mark, Bytes::from_static(b"1"), REFRESH_PAUSE).await;
    let Ok(held) = shared.rows.get(&wanted.key).await else { return false };
    let Ok(job) = job(shared, &wanted, held).await else { return false };
    let (mut passenger, _) = take_off(shared, job);
    matches!(passenger.finished().await, Phase::Published(_) | Phase::Confirmed(_))
}

/// One parse and what it was made of.
pub(crate) struct Rendered {
    pub(crate) key: SetKey,
    pub(crate) set: Arc<RenderedSet>,
    /// The documents that [`FileFact::document`] counts.
    pub(crate) sources: Vec<Placed>,
}

/// The parse of `sources` and their companions with the rendition that `target` wants of the
/// repository `addressed`.
pub(crate) async fn rendered(
    shared: &Arc<Shared>,
    addressed: &Arc<Mounted>,
    target: &Target,
    sources: Vec<Source>,
    secure: bool,
) -> Result<Rendered> {
    let variant = wanted_variant(target)?;
    let sources = Box::pin(gather(shared, sources)).await?;
    let key = SetKey {
        repository: addressed.id(),
        sources: sources
            .iter()
            .map(|placed| (placed.source.mounted.id(), placed.source.blob))
            .collect(),
        path: target.path.clone(),
        rules: sources.iter().fold(0, |all: u64, placed| {
            all.rotate_left(7) ^ placed.source.mounted.rules.fingerprint()
        }),
        secure,
        extra: None,
    };
    if let Some(set) = shared.renditions.hot(&key, variant) {
        return Ok(Rendered { key, set, sources });
    }
    let mut loaded = Vec::with_capacity(sources.len());
    for placed in &sources {
        loaded.push(load(shared, placed).await?);
    }
    let input_bytes = loaded.iter().map(|loaded| loaded.body.len() as u64).sum();
    let work = Work {
        addressed: Arc::clone(addressed),
        target: target.clone(),
        variant: variant.clone(),
        secure,
        signer: shared.parts.signer.clone(),
        loaded,
    };
    let set =
        shared.renditions.set(key.clone(), variant, input_bytes, move || work.rewrite()).await?;
    Ok(Rendered { key, set, sources })
}

/// Reads one document and says what belongs to it.
pub(crate) async fn inspect(shared: &Arc<Shared>, source: &Source) -> Result<Inspection> {
    let loaded = load(shared, &Placed { position: 0, source: source.clone() }).await?;
    let input_bytes = loaded.body.len() as u64;
    let work = move || loaded.mounted.provider.inspect(&loaded.document());
    Ok(shared.renditions.blocking(input_bytes, work).await??)
}

fn wanted_variant(target: &Target) -> Result<&Variant> {
    match &target.shape {
        Shape::Document { variant, .. } => Ok(variant),
        Shape::File | Shape::Assembled { .. } => {
            Err(Error::new(ErrorKind::Internal, "a file was asked for as a document"))
        }
    }
}

fn kind_of(target: &Target) -> DocumentKind {
    match &target.shape {
        Shape::Document { kind, .. } => *kind,
        Shape::File | Shape::Assembled { .. } => DocumentKind(""),
    }
}

/// A raw document in memory.
pub(crate) struct Loaded {
    pub(crate) mounted: Arc<Mounted>,
    pub(crate) target: Arc<Target>,
    pub(crate) position: usize,
    pub(crate) changed_at: Timestamp,
    pub(crate) body: Bytes,
    pub(crate) url: Option<String>,
    pub(crate) content_type: Option<String>,
}

impl Loaded {
    pub(crate) fn document(&self) -> SourceDocument<'_> {
        SourceDocument {
            kind: kind_of(&self.target),
            path: &self.target.path,
            source: &self.target.source,
            member: self.mounted.name(),
            remote: remote_of(&self.mounted),
            position: self.position,
            url: self.url.as_deref(),
            content_type: self.content_type.as_deref(),
            body: &self.body,
        }
    }
}

/// One parse, ready to run on another thread.
struct Work {
    addressed: Arc<Mounted>,
    target: Target,
    variant: Variant,
    secure: bool,
    signer: Option<Arc<dyn Signer>>,
    loaded: Vec<Loaded>,
}

impl Work {
    fn rewrite(&self) -> Result<artifact_core::Rewritten> {
        let documents: Vec<_> = self.loaded.iter().map(Loaded::document).collect();
        let members: Vec<_> = self.loaded.iter().map(|loaded| &loaded.mounted).collect();
        // A file that one member refuses may come from another; the file itself is judged again when it is asked for.
        let admits = |path: &str| members.iter().any(|member| member.denial(path).is_none());
        let changed_at = self.loaded.iter().map(|loaded| loaded.changed_at).max();
        let context = RewriteContext {
            wanted: &self.variant,
            admits: &admits,
            secure: self.secure,
            kind: self.addressed.kind(),
            path: &self.target.path,
            changed_at: changed_at.unwrap_or(Timestamp::from_millis(0)),
            signer: self.signer.as_deref(),
        };
        Ok(self.addressed.provider.rewrite(&documents, &context)?)
    }
}

pub(crate) async fn load(shared: &Arc<Shared>, placed: &Placed) -> Result<Loaded> {
    let Placed { position, source } = placed;
    let loaded = |body: Bytes, url, content_type| Loaded {
        mounted: Arc::clone(&source.mounted),
        target: Arc::clone(&source.target),
        position: *position,
        changed_at: source.changed_at,
        body,
        url,
        content_type,
    };
    let hot = match &source.content {
        Content::Carried { body, url, content_type } => {
            return Ok(loaded(body.clone(), Some(url.clone()), content_type.clone()));
        }
        Content::Stored(hot) => hot,
    };
    let (url, content_type) = (hot.row.upstream_url.clone(), hot.row.content_type.clone());
    if let Some(body) = read_blob(shared, hot).await? {
        return Ok(loaded(body, url, content_type));
    }
    // The row is right and its bytes are lost: fetch them anew.
    let wanted = Wanted::new(&source.mounted, &source.target)?;
    let mut job = job(shared, &wanted, None).await?;
    job.heal = Some(Arc::clone(hot));
    let (passenger, _) = take_off(shared, job);
    let body = passenger.into_bytes(wanted.mounted.provider.defaults().document_limit).await?;
    Ok(loaded(body, url, content_type))
}

async fn read_blob(shared: &Shared, hot: &HotRow) -> Result<Option<Bytes>> {
    let Some(blob) = shared.parts.blobs.open(hot.row.blob, None).await? else { return Ok(None) };
    if blob.size != hot.row.size {
        return Ok(None);
    }
    match blob.payload {
        BlobPayload::Bytes(bytes) => Ok(Some(bytes)),
        BlobPayload::Stream(stream) => {
            let size = usize::try_from(blob.size).unwrap_or_default();
            let body = stream
                .try_fold(Vec::with_capacity(size), |mut body, chunk| async move {
                    body.extend_from_slice(&chunk);
                    Ok(body)
                })
                .await?;
            Ok(Some(body.into()))
        }
    }
}

/// The document of a hosted repository, made of what it holds now.
pub(crate) async fn hosted(
    shared: &Arc<Shared>,
    mounted: &Arc<Mounted>,
    target: &Target,
) -> Result<Source> {
    let body = hosting::document(shared, mounted, target).await?;
    made(shared, mounted, target, body, CacheNote::Hit { ttl: None })
}

/// A document that no upstream sent.
pub(crate) fn made(
    shared: &Shared,
    mounted: &Arc<Mounted>,
    target: &Target,
    body: Bytes,
    note: CacheNote,
) -> Result<Source> {
    let mut hasher = shared.parts.spool.hasher(&[]);
    hasher.update(&body);
    let blob = hasher
        .digests()
        .blob_id()
        .ok_or_else(|| Error::new(ErrorKind::Internal, "the spool computed no SHA-256"))?;
    let now = shared.parts.clock.now();
    Ok(Source {
        mounted: Arc::clone(mounted),
        target: Arc::new(target.clone()),
        blob,
        note,
        validated_at: now,
        changed_at: now,
        content: Content::Carried { body, url: String::new(), content_type: None },
    })
}

/// The raw document of a remote in the state in which it may be served now, or what takes its place.
pub(crate) async fn source(
    shared: &Arc<Shared>,
    mounted: &Arc<Mounted>,
    target: &Target,
) -> Result<Source> {
    match itself(shared, mounted, target).await {
        Err(error) if substitutes::is_absence(mounted, &error) => {
            substitutes::instead(shared, mounted, target, error).await
        }
        found => found,
    }
}

/// The raw document of a remote.
async fn itself(shared: &Arc<Shared>, mounted: &Arc<Mounted>, target: &Target) -> Result<Source> {
    admit(mounted, target)?;
    let wanted = Wanted::new(mounted, target)?;
    if let Some(hot) = shared.rows.hot(&wanted.key) {
        let now = shared.parts.clock.now();
        if wanted.plan(shared, Some(&hot), now) == Plan::FreshHit {
            let note = hit(&hot.row, now);
            return Ok(stored(&wanted, hot, note));
        }
    }
    Box::pin(source_slowly(shared, &wanted)).await
}

fn stored(wanted: &Wanted<'_>, hot: Arc<HotRow>, note: CacheNote) -> Source {
    Source {
        mounted: Arc::clone(wanted.mounted),
        target: Arc::new(wanted.target.clone()),
        changed_at: hot.row.fetched_at,
        blob: hot.row.blob,
        note,
        validated_at: hot.row.validated_at,
        content: Content::Stored(hot),
    }
}

async fn source_slowly(shared: &Arc<Shared>, wanted: &Wanted<'_>) -> Result<Source> {
    let held = match shared.rows.get(&wanted.key).await {
        Ok(held) => held,
        Err(error) => {
            tracing::warn!(%error, path = %wanted.key.path, "metadata unavailable, asking upstream");
            None
        }
    };
    let now = shared.parts.clock.now();
    match (wanted.plan(shared, held.as_deref(), now), held) {
        (Plan::FreshHit, Some(held)) => {
            let note = hit(&held.row, now);
            Ok(stored(wanted, held, note))
        }
        (Plan::StaleWhileRevalidate, Some(held)) => {
            revalidate_behind(shared, wanted, &held).await;
            Ok(stored(wanted, held, CacheNote::Stale { detail: "revalidating" }))
        }
        (Plan::StaleIfError, Some(held)) => {
            Ok(stored(wanted, held, CacheNote::Stale { detail: "upstream-unavailable" }))
        }
        (Plan::Revalidate { fallback }, Some(held)) => {
            revalidate(shared, wanted, held, fallback).await
        }
        (Plan::CircuitOpen { retry_after, cool_down }, _) => {
            Err(circuit_open(retry_after, cool_down))
        }
        (Plan::Offline, _) => Err(offline()),
        (_, _) => fetch(shared, wanted).await,
    }
}

async fn fetch(shared: &Arc<Shared>, wanted: &Wanted<'_>) -> Result<Source> {
    if let Some(error) = remembered_absence(shared, &wanted.key).await {
        return Err(error);
    }
    let job = job(shared, wanted, None).await?;
    let (mut passenger, collapsed) = take_off(shared, job);
    let phase = passenger.arrived().await;
    landed(shared, wanted, passenger, phase, CacheNote::Miss { collapsed, stored: true }).await
}

async fn revalidate_behind(shared: &Arc<Shared>, wanted: &Wanted<'_>, held: &Arc<HotRow>) {
    if let Ok(job) = job(shared, wanted, Some(Arc::clone(held))).await {
        let (mut passenger, _) = take_off(shared, job);
        shared.tasks.spawn(async move { passenger.finished().await });
    }
}

async fn revalidate(
    shared: &Arc<Shared>,
    wanted: &Wanted<'_>,
    held: Arc<HotRow>,
    fallback: bool,
) -> Result<Source> {
    let job = job(shared, wanted, Some(Arc::clone(&held))).await?;
    let (mut passenger, _) = take_off(shared, job);
    let replaced = CacheNote::Replaced { stored: true };
    if !fallback {
        let phase = passenger.arrived().await;
        return landed(shared, wanted, passenger, phase, replaced).await;
    }
    let wait = shared.settings.revalidation_wait;
    let detail = match tokio::time::timeout(wait, passenger.arrived()).await {
        Err(_) => {
            shared.tasks.spawn(async move { passenger.finished().await });
            "revalidation-slow"
        }
        Ok(Phase::Failed(error)) if error.is_absent() => return Err(error),
        Ok(Phase::Failed(error)) => failure_detail(&error),
        Ok(phase) => return landed(shared, wanted, passenger, phase, replaced).await,
    };
    tracing::info!(remote = wanted.mounted.name(), path = %wanted.key.path, detail, "serving stale");
    Ok(stored(wanted, held, CacheNote::Stale { detail }))
}

/// The source that a flight brought.
async fn landed(
    shared: &Shared,
    wanted: &Wanted<'_>,
    passenger: Passenger,
    phase: Phase,
    note: CacheNote,
) -> Result<Source> {
    match phase {
        Phase::Published(row) => Ok(stored(wanted, row, note)),
        Phase::Confirmed(row) => Ok(stored(wanted, row, CacheNote::Revalidated)),
        Phase::Failed(error) => Err(error),
        Phase::Verified(blob) | Phase::Unstored(blob) => {
            // What is still being stored is no less verified.
            let note = match phase {
                Phase::Verified(_) => note.unstored(),
                _ => CacheNote::Bypass { detail: "not-storable" },
            };
            let Some(head) = passenger.head() else {
                return Err(Error::new(ErrorKind::Internal, "the download has no head"));
            };
            let (url, content_type) = (head.url.clone(), head.content_type.clone());
            let limit = wanted.mounted.provider.defaults().document_limit;
            let body = passenger.into_bytes(limit).await?;
            Ok(Source {
                mounted: Arc::clone(wanted.mounted),
                target: Arc::new(wanted.target.clone()),
                blob,
                note,
                validated_at: shared.parts.clock.now(),
                changed_at: shared.parts.clock.now(),
                content: Content::Carried { body, url, content_type },
            })
        }
        Phase::Bypass(_) | Phase::Waiting | Phase::Streaming => Err(Error::new(
            ErrorKind::InsufficientStorage,
            "there is no room to take in the document",
        )),
    }
}

//! Index documents: raw from upstream, filtered, rewritten, encoded.
//!
//! The raw document is an ordinary row with an ordinary flight. What clients get is made of it
//! once per change and kept in memory; rules are applied while rewriting, never to what is stored.

use std::sync::Arc;
use std::time::Duration;

use artifact_core::ports::BlobPayload;
use artifact_core::{
    BlobId, Class, DocumentKind, Error, ErrorKind, FileFact, RepoPath, Result, RewriteContext,
    Shape, SourceDocument, Target, Timestamp, Variant,
};
use bytes::Bytes;
use futures_util::TryStreamExt;

use crate::answer::{self, CacheNote};
use crate::call::{Call, admit};
use crate::flight::{Passenger, Phase};
use crate::freshness::Plan;
use crate::keys;
use crate::remote::{
    Wanted, circuit_open, failure_detail, hit, job, offline, remembered_absence, take_off,
};
use crate::renditions::{RenderedSet, SetKey, negotiate};
use crate::request::Reply;
use crate::rows::HotRow;
use crate::shared::Shared;
use crate::snapshot::Mounted;

/// How long a document that was read out of turn is not read out of turn again.
const REFRESH_PAUSE: Duration = Duration::from_secs(30);

/// A raw document that may be served now.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) mounted: Arc<Mounted>,
    pub(crate) blob: BlobId,
    pub(crate) note: CacheNote,
    pub(crate) validated_at: Timestamp,
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
    serve_sources(shared, call, target, &[source]).await
}

/// Serves what `sources` are together, in order of precedence.
pub(crate) async fn serve_sources(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    target: &Target,
    sources: &[Source],
) -> Result<Reply> {
    let Some(first) = sources.first() else {
        return Err(Error::new(ErrorKind::NotFound, "no member has this document"));
    };
    let variant = wanted_variant(target)?;
    let (key, set) = rendered(shared, target, sources, call.is_secure()).await?;
    let encoding = negotiate(call.request.headers);
    let base_url = call.base_url();
    let encoded = shared.renditions.encoded(&key, &set, variant, encoding, &base_url).await?;
    for source in sources {
        if let Content::Stored(hot) = &source.content {
            shared.accesses.note(&hot.row.key);
        }
    }
    let content = answer::InMemory {
        headers: encoded.headers.clone(),
        etag: Some(&encoded.etag),
        body: encoded.body.clone(),
        class: Class::Mutable,
        validated_at: sources
            .iter()
            .map(|source| source.validated_at)
            .min()
            .unwrap_or(first.validated_at),
    };
    answer::from_memory(shared, &call.asking(), content, first.note)
}

/// What the index `index` of `mounted` says of the file at `path`.
pub(crate) async fn fact(
    shared: &Arc<Shared>,
    mounted: &Arc<Mounted>,
    index: &Target,
    path: &str,
) -> Result<Option<FileFact>> {
    let source = source(shared, mounted, index).await?;
    let (_, set) = rendered(shared, index, &[source], false).await?;
    Ok(set.facts.files.get(path).cloned())
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

/// The parse of `sources` with the rendition that `target` wants.
pub(crate) async fn rendered(
    shared: &Arc<Shared>,
    target: &Target,
    sources: &[Source],
    secure: bool,
) -> Result<(SetKey, Arc<RenderedSet>)> {
    let variant = wanted_variant(target)?;
    let key = SetKey {
        sources: sources.iter().map(|source| source.blob).collect(),
        path: target.path.clone(),
        rules: sources
            .iter()
            .fold(0, |all, source| all.rotate_left(7) ^ source.mounted.rules.fingerprint()),
        secure,
        extra: None,
    };
    if let Some(set) = shared.renditions.hot(&key, variant) {
        return Ok((key, set));
    }
    let mut loaded = Vec::with_capacity(sources.len());
    for source in sources {
        loaded.push(load(shared, source, target).await?);
    }
    let work = Work { target: target.clone(), variant: variant.clone(), secure, loaded };
    let input_bytes = work.loaded.iter().map(|loaded| loaded.body.len() as u64).sum();
    let set =
        shared.renditions.set(key.clone(), variant, input_bytes, move || work.rewrite()).await?;
    Ok((key, set))
}

fn wanted_variant(target: &Target) -> Result<&Variant> {
    match &target.shape {
        Shape::Document { variant, .. } => Ok(variant),
        Shape::File => Err(Error::new(ErrorKind::Internal, "a file was asked for as a document")),
    }
}

/// A raw document in memory.
struct Loaded {
    mounted: Arc<Mounted>,
    body: Bytes,
    url: Option<String>,
    content_type: Option<String>,
}

/// One parse, ready to run on another thread.
struct Work {
    target: Target,
    variant: Variant,
    secure: bool,
    loaded: Vec<Loaded>,
}

impl Work {
    fn rewrite(&self) -> Result<artifact_core::Rewritten> {
        let Some(first) = self.loaded.first() else {
            return Err(Error::new(ErrorKind::Internal, "there is nothing to rewrite"));
        };
        let documents: Vec<_> =
            self.loaded.iter().map(|loaded| self.document(loaded, self.kind())).collect();
        let rules: Vec<_> = self.loaded.iter().map(|loaded| &loaded.mounted.rules).collect();
        // A file that one member refuses may come from another; the file itself is judged again when it is asked for.
        let admits = |path: &str| rules.iter().any(|rules| rules.denial(path).is_none());
        let context =
            RewriteContext { wanted: &self.variant, admits: &admits, secure: self.secure };
        Ok(first.mounted.provider.rewrite(&documents, &context)?)
    }

    fn kind(&self) -> DocumentKind {
        match &self.target.shape {
            Shape::Document { kind, .. } => *kind,
            Shape::File => DocumentKind(""),
        }
    }

    fn document<'a>(&'a self, loaded: &'a Loaded, kind: DocumentKind) -> SourceDocument<'a> {
        let path: &RepoPath = &self.target.path;
        SourceDocument {
            kind,
            path,
            url: loaded.url.as_deref(),
            content_type: loaded.content_type.as_deref(),
            body: &loaded.body,
        }
    }
}

async fn load(shared: &Arc<Shared>, source: &Source, target: &Target) -> Result<Loaded> {
    let mounted = Arc::clone(&source.mounted);
    let hot = match &source.content {
        Content::Carried { body, url, content_type } => {
            let (url, content_type) = (Some(url.clone()), content_type.clone());
            return Ok(Loaded { mounted, body: body.clone(), url, content_type });
        }
        Content::Stored(hot) => hot,
    };
    let (url, content_type) = (hot.row.upstream_url.clone(), hot.row.content_type.clone());
    if let Some(body) = read_blob(shared, hot).await? {
        return Ok(Loaded { mounted, body, url, content_type });
    }
    // The row is right and its bytes are lost: fetch them anew.
    let wanted = Wanted::new(&source.mounted, target)?;
    let mut job = job(shared, &wanted, None).await?;
    job.heal = Some(Arc::clone(hot));
    let (passenger, _) = take_off(shared, job);
    let body = passenger.into_bytes(wanted.mounted.provider.defaults().document_limit).await?;
    Ok(Loaded { mounted, body, url, content_type })
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

/// The raw document of a remote in the state in which it may be served now.
pub(crate) async fn source(
    shared: &Arc<Shared>,
    mounted: &Arc<Mounted>,
    target: &Target,
) -> Result<Source> {
    admit(mounted, target)?;
    let wanted = Wanted::new(mounted, target)?;
    if let Some(hot) = shared.rows.hot(&wanted.key) {
        let now = shared.parts.clock.now();
        if wanted.plan(shared, Some(&hot), now) == Plan::FreshHit {
            let note = hit(&hot.row, now);
            return Ok(stored(mounted, hot, note));
        }
    }
    Box::pin(source_slowly(shared, &wanted)).await
}

fn stored(mounted: &Arc<Mounted>, hot: Arc<HotRow>, note: CacheNote) -> Source {
    Source {
        mounted: Arc::clone(mounted),
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
    let mounted = wanted.mounted;
    match (wanted.plan(shared, held.as_deref(), now), held) {
        (Plan::FreshHit, Some(held)) => {
            let note = hit(&held.row, now);
            Ok(stored(mounted, held, note))
        }
        (Plan::StaleWhileRevalidate, Some(held)) => {
            revalidate_behind(shared, wanted, &held).await;
            Ok(stored(mounted, held, CacheNote::Stale { detail: "revalidating" }))
        }
        (Plan::StaleIfError, Some(held)) => {
            Ok(stored(mounted, held, CacheNote::Stale { detail: "upstream-unavailable" }))
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
    let phase = passenger.finished().await;
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
        let phase = passenger.finished().await;
        return landed(shared, wanted, passenger, phase, replaced).await;
    }
    let wait = shared.settings.revalidation_wait;
    let detail = match tokio::time::timeout(wait, passenger.finished()).await {
        Err(_) => {
            shared.tasks.spawn(async move { passenger.finished().await });
            "revalidation-slow"
        }
        Ok(Phase::Failed(error)) if error.is_absent() => return Err(error),
        Ok(Phase::Failed(error)) => failure_detail(&error),
        Ok(phase) => return landed(shared, wanted, passenger, phase, replaced).await,
    };
    tracing::info!(remote = wanted.mounted.name(), path = %wanted.key.path, detail, "serving stale");
    Ok(stored(wanted.mounted, held, CacheNote::Stale { detail }))
}

/// The source that a finished flight brought.
async fn landed(
    shared: &Shared,
    wanted: &Wanted<'_>,
    passenger: Passenger,
    phase: Phase,
    note: CacheNote,
) -> Result<Source> {
    match phase {
        Phase::Published(row) => Ok(stored(wanted.mounted, row, note)),
        Phase::Confirmed(row) => Ok(stored(wanted.mounted, row, CacheNote::Revalidated)),
        Phase::Failed(error) => Err(error),
        Phase::Unstored(blob) => {
            let Some(head) = passenger.head() else {
                return Err(Error::new(ErrorKind::Internal, "the download has no head"));
            };
            let (url, content_type) = (head.url.clone(), head.content_type.clone());
            let limit = wanted.mounted.provider.defaults().document_limit;
            let body = passenger.into_bytes(limit).await?;
            Ok(Source {
                mounted: Arc::clone(wanted.mounted),
                blob,
                note: CacheNote::Bypass { detail: "not-storable" },
                validated_at: shared.parts.clock.now(),
                content: Content::Carried { body, url, content_type },
            })
        }
        Phase::Bypass(_) | Phase::Waiting | Phase::Streaming | Phase::Verified => Err(Error::new(
            ErrorKind::InsufficientStorage,
            "there is no room to take in the document",
        )),
    }
}

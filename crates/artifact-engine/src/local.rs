//! Local repositories: the real thing.
//!
//! Invariant: success is reported only when the bytes are durable and the row is committed.

use std::sync::Arc;

use artifact_core::ports::{Durability, Precondition, Published, RowQuery, Selector, SpoolWriter};
use artifact_core::{
    Algorithm, ArtifactRow, BlobId, Class, Definition, Digest, Digests, Entry, Error, ErrorKind,
    Hosting, RepoPath, RequestBody, Result, RowKey, Target, Timestamp, Variant,
};
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{ACCEPT, ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::answer::{self, CacheNote, InMemory};
use crate::call::Call;
use crate::crash_point::crash_point;
use crate::request::Reply;
use crate::rows::{HotRow, static_headers};
use crate::selection::matches_strongly;
use crate::shared::Shared;
use crate::snapshot::Mounted;
use crate::storing::{self, NewBlob};
use crate::verdict::text;

/// Entries on one page of a listing.
const LISTING_PAGE: usize = 1000;
/// Entries that a listing shows at most.
const LISTING_LIMIT: usize = 50_000;
/// Digests kept of every hosted file, so that checksum files are answered from the row.
const KEPT: [Algorithm; 4] = Algorithm::ALL;

fn key(mounted: &Mounted, path: &RepoPath) -> RowKey {
    RowKey { repository: mounted.id(), path: path.clone(), variant: Variant::SOURCE }
}

fn hosting(mounted: &Mounted) -> Result<&dyn Hosting> {
    mounted.provider.hosting().ok_or_else(|| {
        let text = format!("packages of type {} cannot be hosted", mounted.repository.package_type);
        Error::new(ErrorKind::MethodNotAllowed, text)
    })
}

fn absent() -> Error {
    Error::new(ErrorKind::NotFound, "there is no file under this path")
}

/// Serves a hosted file, the checksum of one, or the listing of a directory.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    mounted: &Arc<Mounted>,
    target: &Target,
) -> Result<Reply> {
    if target.path.is_directory() {
        return listing(shared, call, mounted, &target.path).await;
    }
    let key = key(mounted, &target.path);
    let note = CacheNote::Hit { ttl: None };
    if let Some(hot) = shared.rows.get(&key).await? {
        let mut reply = answer::from_row(shared, &call.asking(), &hot, Class::Mutable, note)
            .await?
            .ok_or_else(|| {
                Error::new(ErrorKind::Unavailable, "the bytes of this file are missing")
            })?;
        insert_checksums(&mut reply.headers, &hot.row);
        return Ok(reply);
    }
    if mounted.provider.hosting().is_none() {
        return Err(absent());
    }
    checksum(shared, call, mounted, &target.path).await
}

fn insert_checksums(headers: &mut HeaderMap, row: &ArtifactRow) {
    for digest in row.checksums.iter() {
        let name = match digest.algorithm() {
            Algorithm::Md5 => "x-checksum-md5",
            Algorithm::Sha1 => "x-checksum-sha1",
            Algorithm::Sha256 => "x-checksum-sha256",
            Algorithm::Sha512 => "x-checksum-sha512",
        };
        if let Ok(value) = HeaderValue::from_str(&digest.to_hex()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// Answers `a.tar.gz.sha256` from the row of `a.tar.gz`.
async fn checksum(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    mounted: &Arc<Mounted>,
    path: &RepoPath,
) -> Result<Reply> {
    let (of, algorithm) = hosting(mounted)?.checksum_of(path).ok_or_else(absent)?;
    let hot = shared.rows.get(&key(mounted, &of)).await?.ok_or_else(absent)?;
    let digest = hot.row.checksums.get(algorithm).ok_or_else(absent)?;
    let body = Bytes::from(digest.to_hex() + "\n");
    let content = InMemory {
        headers: static_headers(Some("text/plain"), None, None),
        etag: None,
        body,
        class: Class::Generated,
        validated_at: hot.row.validated_at,
    };
    answer::from_memory(shared, &call.asking(), content, CacheNote::Hit { ttl: None })
}

async fn listing(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    mounted: &Arc<Mounted>,
    directory: &RepoPath,
) -> Result<Reply> {
    let entries = entries(shared, mounted, directory).await?;
    if entries.is_empty() && !directory.is_root() {
        return Err(Error::new(ErrorKind::NotFound, "there is no directory under this path"));
    }
    let renditions = hosting(mounted)?.listing(directory, &entries);
    let wants_json =
        text(call.request.headers, &ACCEPT).is_some_and(|accept| accept.contains("json"));
    let wanted = if wants_json { "json" } else { "html" };
    let rendition = renditions
        .iter()
        .find(|rendition| rendition.variant.as_str() == wanted)
        .or(renditions.first())
        .ok_or_else(absent)?;
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(rendition.content_type));
    headers.insert(http::header::VARY, HeaderValue::from_static("accept"));
    let content = InMemory {
        headers,
        etag: None,
        body: rendition.body.fill(&call.base_url()),
        class: Class::Generated,
        validated_at: shared.parts.clock.now(),
    };
    answer::from_memory(shared, &call.asking(), content, CacheNote::Hit { ttl: None })
}

async fn entries(shared: &Shared, mounted: &Mounted, directory: &RepoPath) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut after = None;
    let name_of = |path: &str| path.strip_prefix(directory.as_str()).unwrap_or(path).to_owned();
    while entries.len() < LISTING_LIMIT {
        let query = RowQuery {
            repository: mounted.id(),
            prefix: directory.as_str().to_owned(),
            delimiter: Some('/'),
            after,
            state: None,
            limit: LISTING_PAGE,
            summed: 0,
        };
        let page = shared.parts.meta.list(&query).await?;
        entries.extend(page.prefixes.iter().map(|prefix| Entry {
            name: name_of(&prefix.prefix),
            size: None,
            modified_at: None,
        }));
        entries.extend(page.rows.iter().map(|listed| Entry {
            name: name_of(listed.row.key.path.as_str()),
            size: Some(listed.row.size),
            modified_at: Some(listed.row.fetched_at),
        }));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(entries)
}

/// Takes an upload in: judged by its head, spooled, verified, made durable, committed.
pub(crate) async fn upload(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    body: Option<RequestBody>,
) -> Result<Reply> {
    let mounted = call.mounted;
    let Definition::Local(local) = &mounted.repository.definition else {
        return Err(Error::new(ErrorKind::MethodNotAllowed, "uploads go to local repositories"));
    };
    let plan = hosting(mounted)?.admit(&call.package_request())?;
    let key = key(mounted, &plan.path);
    let held = shared.rows.get(&key).await?;
    check_conditions(call.request.headers, held.as_deref())?;
    let body = body.ok_or_else(|| Error::new(ErrorKind::BadRequest, "the upload has no body"))?;
    if body.length.is_some_and(|length| length > shared.settings.object_limit) {
        return Err(Error::new(ErrorKind::TooLarge, "the file is larger than this server accepts"));
    }
    let (spool, size) = receive(shared, body).await?;
    crash_point!("before-hash-check");
    let checksums = spool.digests();
    check_digests(&plan.expected, &checksums)?;
    let blob = checksums
        .blob_id()
        .ok_or_else(|| Error::new(ErrorKind::Internal, "the spool computed no SHA-256"))?;
    check_overwrite(local.allow_overwrite, held.as_deref(), blob)?;
    let row = hosted_row(key, blob, size, plan.content_type, checksums, shared.parts.clock.now());
    let blob = NewBlob { id: blob, source: spool.path(), size, durability: Durability::Strict };
    let commit = commit(shared, row, held.as_deref(), local.allow_overwrite);
    let stored = storing::store(shared, blob, commit).await?;
    let status = if held.is_none() { StatusCode::CREATED } else { StatusCode::OK };
    let mut headers = HeaderMap::new();
    insert_checksums(&mut headers, &stored.row);
    if let Ok(etag) = HeaderValue::from_str(&stored.etag) {
        headers.insert(ETAG, etag);
    }
    Ok(answer::plain(&call.asking(), status, headers))
}

fn check_conditions(headers: &HeaderMap, held: Option<&HotRow>) -> Result<()> {
    let failed = || {
        Err(Error::new(ErrorKind::PreconditionFailed, "the stored file is not the one expected"))
    };
    let names_held = |list: &str| held.is_some_and(|held| matches_strongly(list, &held.etag));
    let changed = text(headers, &IF_MATCH).is_some_and(|list| !names_held(list));
    if changed || text(headers, &IF_NONE_MATCH).is_some_and(names_held) {
        return failed();
    }
    Ok(())
}

async fn receive(shared: &Shared, mut body: RequestBody) -> Result<(Box<dyn SpoolWriter>, u64)> {
    let mut spool = shared.parts.spool.create(body.length, &KEPT).await?;
    crash_point!("after-head");
    let mut size: u64 = 0;
    while let Some(chunk) = body.stream.next().await.transpose()? {
        size += chunk.len() as u64;
        if size > shared.settings.object_limit {
            return Err(Error::new(
                ErrorKind::TooLarge,
                "the file is larger than this server accepts",
            ));
        }
        spool.append(chunk).await?;
        crash_point!("mid-body");
    }
    if body.length.is_some_and(|length| length != size) {
        return Err(Error::new(
            ErrorKind::BadRequest,
            "the body is shorter than its announced length",
        ));
    }
    Ok((spool, size))
}

fn check_digests(expected: &Digests, actual: &Digests) -> Result<()> {
    match expected.contradiction(actual) {
        None => Ok(()),
        Some(wrong) => {
            let found = actual.get(wrong.algorithm()).map(Digest::to_hex).unwrap_or_default();
            let name = wrong.algorithm().name();
            let text =
                format!("the {name} of the body is {found}, not {} as stated", wrong.to_hex());
            Err(Error::new(ErrorKind::Unprocessable, text))
        }
    }
}

fn check_overwrite(allowed: bool, held: Option<&HotRow>, blob: BlobId) -> Result<()> {
    match held {
        Some(held) if !allowed && held.row.blob != blob => Err(Error::new(
            ErrorKind::Conflict,
            "another file is stored under this path and may not be replaced",
        )),
        _ => Ok(()),
    }
}

fn hosted_row(
    key: RowKey,
    blob: BlobId,
    size: u64,
    content_type: Option<String>,
    checksums: Digests,
    now: Timestamp,
) -> ArtifactRow {
    ArtifactRow {
        key,
        blob,
        size,
        class: Class::Generic,
        content_type,
        upstream_etag: None,
        upstream_last_modified: None,
        upstream_url: None,
        checksums,
        fetched_at: now,
        validated_at: now,
        expires_at: None,
        generation: 0,
    }
}

/// Commits a row against the one that the conditions were checked on. When another upload
/// came in between, the same bytes agree and other bytes conflict; when a deletion did, it
/// conflicts.
async fn commit(
    shared: &Shared,
    row: ArtifactRow,
    held: Option<&HotRow>,
    allow_overwrite: bool,
) -> Result<Arc<HotRow>> {
    if held.is_some_and(|held| held.row.blob == row.blob) {
        // The same bytes again change nothing, not even the date; but the store may have lost them,
        // or the file was deleted since it was looked up: then nothing may be acknowledged.
        shared.parts.meta.mark_found(&[row.blob]).await?;
        let current = shared.parts.meta.row(&row.key).await?;
        if let Some(current) = current.filter(|current| current.blob == row.blob) {
            return Ok(shared.rows.keep(current));
        }
    }
    let precondition =
        held.map_or(Precondition::Absent, |held| Precondition::Unchanged(held.row.generation));
    match shared.parts.meta.publish(row.clone(), precondition).await? {
        Published::Stored(stored) => Ok(shared.rows.keep(stored)),
        Published::Conflict(Some(current)) if current.blob == row.blob => {
            Ok(shared.rows.keep(current))
        }
        Published::Conflict(current) => {
            let text = if allow_overwrite || current.is_none() {
                "another request changed this file at the same time"
            } else {
                "another file is stored under this path and may not be replaced"
            };
            match current {
                Some(current) => drop(shared.rows.keep(current)),
                None => shared.rows.forget(&row.key),
            }
            Err(Error::new(ErrorKind::Conflict, text))
        }
    }
}

/// Deletes a hosted file.
pub(crate) async fn delete(shared: &Arc<Shared>, call: &Call<'_>) -> Result<Reply> {
    let key = key(call.mounted, call.path);
    let held = shared.rows.get(&key).await?.ok_or_else(absent)?;
    check_conditions(call.request.headers, Some(&held))?;
    let precondition = Precondition::Unchanged(held.row.generation);
    let removed = shared.parts.meta.remove(&key, precondition).await?;
    shared.rows.forget_selected(key.repository, &Selector::Path(key.path.clone()));
    match removed {
        Published::Stored(_) => {
            Ok(answer::plain(&call.asking(), StatusCode::NO_CONTENT, HeaderMap::new()))
        }
        Published::Conflict(None) => Err(absent()),
        Published::Conflict(Some(_)) => Err(Error::new(
            ErrorKind::Conflict,
            "another upload changed this file at the same time",
        )),
    }
}

//! Leading a flight: fetch, spool, verify, store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use artifact_core::ports::{
    Conditions, Intent, SpoolWriter, UpstreamRequest, UpstreamResponse, Validation,
};
use artifact_core::{
    Algorithm, ByteStream, Class, Digest, Error, ErrorKind, Origin, Result, Shape,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, Method, StatusCode};

use super::pages;
use super::room::{self, Needed};
use super::turn::{Turn, Turns};
use super::{Flight, FlightHead, Job, Phase};
use crate::acceptance::{self, Received};
use crate::crash_point::crash_point;
use crate::documents;
use crate::keys;
use crate::publish::{self, Fetched};
use crate::shared::Shared;
use crate::verdict::{self, Verdict};

/// How much of a body is held back until it is verified.
const HELD_BACK: u64 = 64 * 1024;
const RESTARTS: u32 = 2;
const RESUMES: u32 = 2;
/// How long nobody may be on board before an unprofitable flight is given up.
const GRACE: Duration = Duration::from_secs(5);
const VANISHED_FOR: Duration = Duration::from_secs(300);
const VANISHED_MEMORY: Duration = Duration::from_secs(24 * 3600);

/// Carries a flight out and takes it off the board. Never cancelled by a client.
pub(crate) async fn lead(shared: Arc<Shared>, flight: Arc<Flight>, job: Job) {
    let _landing = Landing { shared: &shared, flight: &flight };
    let phase = fly(&shared, &flight, &job).await;
    let shared_failure = match &phase {
        Phase::Failed(error) => {
            tracing::debug!(remote = job.mounted.name(), path = %job.key.path, ?error, "fetch failed");
            let is_underway = matches!(flight.phase(), Phase::Streaming);
            if is_underway && error.kind() == ErrorKind::Integrity {
                doubt_the_index(&shared, &job);
            }
            failure_memory(error)
        }
        _ => Duration::ZERO,
    };
    flight.remember_until(tokio::time::Instant::now() + shared_failure);
    flight.enter(phase);
    if !shared_failure.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(shared_failure) => {}
            () = shared.stop.cancelled() => {}
        }
    }
}

/// Takes a flight off the board when dropped, so that nobody waits for a leader that panicked.
struct Landing<'a> {
    shared: &'a Shared,
    flight: &'a Arc<Flight>,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        if !self.flight.phase().is_final() {
            let error = Error::new(ErrorKind::Internal, "the download ended unexpectedly");
            self.flight.enter(Phase::Failed(error));
        }
        self.shared.board.land(self.flight);
    }
}

/// Bytes that contradict the index may be newer than it: it is read again, for the next client. Who
/// has not seen a byte yet does that itself.
fn doubt_the_index(shared: &Arc<Shared>, job: &Job) {
    let Origin::Index { index, .. } = &job.target.origin else { return };
    let (behind, mounted, index) = (Arc::clone(shared), Arc::clone(&job.mounted), index.clone());
    let key = job.key.clone();
    shared.tasks.spawn(async move {
        if documents::refresh(&behind, &mounted, &index).await {
            behind.board.forget_failure(&key);
        }
    });
}

/// How long a failure answers for those who come next.
fn failure_memory(error: &Error) -> Duration {
    match error.kind() {
        // Remembered as an absence, or the row was removed.
        ErrorKind::NotFound | ErrorKind::Gone => Duration::ZERO,
        ErrorKind::Integrity => Duration::from_secs(30),
        _ => Duration::from_secs(2),
    }
}

async fn fly(shared: &Arc<Shared>, flight: &Arc<Flight>, job: &Job) -> Phase {
    // Another flight may have landed between the caller's look-up and its boarding.
    if let Some(newer) = shared.rows.hot(&job.key).filter(|row| job.is_satisfied_by(row)) {
        return Phase::Confirmed(newer);
    }
    let mut turns = Turns::new(shared, flight, job);
    let phase = take_turns(&mut turns, shared, flight, job).await;
    turns.end().await;
    phase
}

async fn take_turns(
    turns: &mut Turns<'_>,
    shared: &Arc<Shared>,
    flight: &Arc<Flight>,
    job: &Job,
) -> Phase {
    let mut restarts = 0;
    loop {
        let attempted = match turns.next().await {
            Turn::Landed(row) => return Phase::Confirmed(row),
            Turn::Absent(error) => return Phase::Failed(error),
            Turn::Follow(response) => follow(turns, shared, flight, job, *response).await,
            Turn::Fetch => attempt(shared, flight, job).await,
        };
        let fault = match attempted {
            Ok(phase) => return phase,
            Err(fault) => fault,
        };
        match fault {
            // Nobody has seen a byte yet, so a second attempt cannot mix two versions.
            Fault::Transfer(_) if flight.head.get().is_none() && restarts < RESTARTS => {
                restarts += 1;
            }
            // Documents do not pass through: they are made anew of what was fetched.
            Fault::Storage(error) if job.intent == Intent::Metadata => {
                if flight.lacks_disk() {
                    return Phase::Failed(error);
                }
                flight.note_lack_of_disk();
            }
            Fault::Storage(error) if flight.head.get().is_none() => {
                tracing::warn!(%error, path = %job.key.path, "no room to spool, passing through");
                return Phase::Bypass("no-room");
            }
            Fault::Transfer(error) | Fault::Storage(error) | Fault::Final(error) => {
                return Phase::Failed(absence(shared, job, error).await);
            }
        }
    }
}

/// How an attempt failed.
enum Fault {
    /// Upstream gave an answer, or none, that another attempt would not change: the upstream
    /// client has already retried what can be retried.
    Final(Error),
    /// The body broke off.
    Transfer(Error),
    /// Our spool has no room for a file.
    Storage(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl Fault {
    fn in_body(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Upstream | ErrorKind::UpstreamTimeout => Self::Transfer(error),
            ErrorKind::InsufficientStorage => Self::Storage(error),
            _ => Self::Final(error),
        }
    }
}

/// Remembers an absence. A document that we hold must be missing twice, five minutes apart,
/// before upstream is believed.
async fn absence(shared: &Shared, job: &Job, error: Error) -> Error {
    if !error.is_absent() {
        return error;
    }
    let Some(held) = &job.held else {
        let kind: &'static [u8] = if error.kind() == ErrorKind::Gone { b"410" } else { b"404" };
        let key = keys::negative(&job.key);
        hint(shared.parts.ttl.set(&key, Bytes::from_static(kind), job.negative_ttl).await);
        return error;
    };
    if !job.believe_absence && !is_gone_for_good(shared, job).await {
        return Error::new(
            ErrorKind::Upstream,
            "the upstream registry denies a document that it had",
        );
    }
    if let Err(failure) = publish::withdraw(shared, held).await {
        tracing::warn!(%failure, path = %job.key.path, "withdrawn document could not be removed");
    }
    error
}

async fn is_gone_for_good(shared: &Shared, job: &Job) -> bool {
    let now = shared.parts.clock.now();
    let key = keys::vanished(&job.key);
    let first = shared.parts.ttl.get(&key).await.ok().flatten();
    let first = first.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok());
    if let Some(first) = first {
        return now.since(artifact_core::Timestamp::from_millis(first)) >= VANISHED_FOR;
    }
    let mark = Bytes::from(now.as_millis().to_string());
    hint(shared.parts.ttl.set(&key, mark, VANISHED_MEMORY).await);
    false
}

/// A lost hint costs work, never a wrong answer.
fn hint(result: Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "hint lost");
    }
}

async fn attempt(shared: &Arc<Shared>, flight: &Arc<Flight>, job: &Job) -> Result<Phase, Fault> {
    let request = job
        .request()
        .ok_or_else(|| Error::new(ErrorKind::Internal, "this repository has no upstream"))?;
    if let Some(confirmed) = confirm_by_head(shared, job, &request).await? {
        return Ok(confirmed);
    }
    let response = shared.parts.upstream.send(request).await.map_err(Error::from)?;
    let response = pages::united(shared, job, body_from_header(job, response));
    match verdict::judge(&response, job.asked()) {
        Verdict::Refused(error) => Err(error.into()),
        Verdict::Confirmed => Ok(confirm(shared, job, &response.headers).await?),
        Verdict::Body => transfer(shared, flight, job, response, None).await,
    }
}

/// Asks for the digest alone where upstream names it in a header: registries count a GET as a download. `None`
/// if upstream has something else, or does not say.
async fn confirm_by_head(
    shared: &Shared,
    job: &Job,
    request: &UpstreamRequest,
) -> Result<Option<Phase>, Fault> {
    let Some(name) = job.mounted.provider.defaults().digest_header else { return Ok(None) };
    let may_be_named = job.class == Class::Mutable && job.target.shape == Shape::File;
    let Some(held) = job.held.as_ref().filter(|_| may_be_named) else { return Ok(None) };
    let head = UpstreamRequest {
        method: Method::HEAD,
        conditions: Conditions::default(),
        ..request.clone()
    };
    let response = shared.parts.upstream.send(head).await.map_err(Error::from)?;
    match response.status {
        StatusCode::OK => {}
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => return Ok(None),
        _ => {
            return match verdict::judge(&response, job.asked()) {
                Verdict::Refused(error) => Err(error.into()),
                Verdict::Confirmed | Verdict::Body => Ok(None),
            };
        }
    }
    let named = verdict::digest_named_in(&response.headers, name);
    let is_held = |digest: &Digest| {
        held.row.checksums.get(digest.algorithm()) == Some(digest)
            || Digest::from(held.row.blob) == *digest
    };
    if named.as_ref().is_some_and(is_held) {
        return Ok(Some(confirm(shared, job, &response.headers).await?));
    }
    Ok(None)
}

/// The answer with the value of a header as its body, where the type's protocol answers in one.
fn body_from_header(job: &Job, mut response: UpstreamResponse) -> UpstreamResponse {
    let Shape::Document { kind, .. } = &job.target.shape else { return response };
    let Some(name) = job.mounted.provider.header_of(*kind) else { return response };
    let Some(value) = response.headers.remove(name).filter(|_| response.status.is_success()) else {
        return response;
    };
    let body = Bytes::copy_from_slice(value.as_bytes());
    response.headers.remove(CONTENT_TYPE);
    response.status = StatusCode::OK;
    response.length = Some(body.len() as u64);
    response.framed = true;
    response.body = Box::pin(stream::iter([Ok(body)]));
    response
}

/// Reads along with the replica that fetches it. What it stores is what is stored; if
/// it fails to, the bytes are stored from here.
async fn follow(
    turns: &Turns<'_>,
    shared: &Arc<Shared>,
    flight: &Arc<Flight>,
    job: &Job,
    response: UpstreamResponse,
) -> Result<Phase, Fault> {
    match verdict::judge(&response, job.asked()) {
        Verdict::Body => {}
        Verdict::Refused(error) => return Err(Fault::Transfer(error)),
        Verdict::Confirmed => {
            let text = "another replica sent no body";
            return Err(Fault::Transfer(Error::new(ErrorKind::Upstream, text)));
        }
    }
    transfer(shared, flight, job, response, Some(turns)).await
}

async fn confirm(shared: &Shared, job: &Job, headers: &HeaderMap) -> Result<Phase> {
    let Some(held) = &job.held else {
        return Err(Error::new(ErrorKind::Upstream, "the upstream registry confirmed nothing"));
    };
    let now = shared.parts.clock.now();
    let validation = Validation {
        validated_at: now,
        expires_at: job.lifetimes.expiry(job.class, now, headers, salt(held.row.blob.as_bytes())),
        upstream_etag: verdict::text(headers, &ETAG).map(ToOwned::to_owned),
        upstream_last_modified: verdict::text(headers, &LAST_MODIFIED).map(ToOwned::to_owned),
    };
    Ok(Phase::Confirmed(publish::confirm(shared, held, validation).await))
}

/// A number out of a hash, for jitter.
pub(crate) fn salt(hash: &[u8; 32]) -> u64 {
    hash.first_chunk::<8>().copied().map_or(0, u64::from_le_bytes)
}

async fn transfer(
    shared: &Arc<Shared>,
    flight: &Arc<Flight>,
    job: &Job,
    response: UpstreamResponse,
    followed: Option<&Turns<'_>>,
) -> Result<Phase, Fault> {
    if response.length.is_some_and(|length| length > job.limit) {
        return too_large(job);
    }
    check_size(job, response.length)?;
    let mut expected = job.expected.clone();
    if expected.is_empty() {
        expected = verdict::stated_digests(&response.headers);
        let named = job.mounted.provider.defaults().digest_header;
        if let Some(digest) =
            named.and_then(|name| verdict::digest_named_in(&response.headers, name))
        {
            expected.insert(digest);
        }
    }
    let algorithms: Vec<Algorithm> = expected.iter().map(Digest::algorithm).collect();
    let needed = Needed { length: response.length, algorithms: &algorithms };
    let place = room::find(shared, flight, job, needed).await.map_err(Fault::in_body)?;
    let storable = place.is_file && (response.framed || !expected.is_empty());
    let spool = place.writer;
    crash_point!("after-head");
    let mut body =
        Body { shared, flight, job, spool, length: response.length, written: AtomicU64::new(0) };
    let head = FlightHead {
        size: response.length,
        content_type: content_type(job, &response.headers),
        url: without_query(&response.url),
        headers: response.headers.clone(),
        framed: response.framed,
        stored: storable,
        reader: body.spool.reader(),
    };
    body.receive(&response.headers, head, response.body).await.map_err(Fault::in_body)?;
    crash_point!("before-hash-check");
    let digests = body.spool.digests();
    if let Some(wrong) = expected.contradiction(&digests) {
        tracing::error!(
            event = "integrity", remote = job.mounted.name(), path = %job.key.path, expected = %wrong,
            "upstream sent other bytes than its index promised"
        );
        return Err(Fault::Final(Error::new(
            ErrorKind::Integrity,
            format!(
                "the upstream registry sent bytes that do not match their {} digest",
                wrong.algorithm().name()
            ),
        )));
    }
    check_size(job, Some(body.written()))?;
    if job.intent == Intent::Metadata {
        let received = body.received(&digests).await?;
        acceptance::accept(shared, job, received).await?;
    }
    let verified = Verified { headers: &response.headers, digests, storable };
    Ok(body.land(verified, followed).await?)
}

/// Refuses a body that is not as long as its index says.
fn check_size(job: &Job, length: Option<u64>) -> Result<()> {
    match (job.expected_size, length) {
        (Some(expected), Some(length)) if length != expected => {
            tracing::error!(
                event = "integrity", remote = job.mounted.name(), path = %job.key.path, expected, length,
                "upstream sent another number of bytes than its index promised"
            );
            let text = "the upstream registry sent a file of another size than its index says";
            Err(Error::new(ErrorKind::Integrity, text))
        }
        _ => Ok(()),
    }
}

fn too_large(job: &Job) -> Result<Phase, Fault> {
    if job.intent == Intent::Artifact {
        return Ok(Phase::Bypass("too-large"));
    }
    Err(Fault::Final(Error::new(
        ErrorKind::Upstream,
        "the upstream document is larger than the limit",
    )))
}

fn content_type(job: &Job, headers: &HeaderMap) -> Option<String> {
    job.content_type.or_else(|| verdict::text(headers, &CONTENT_TYPE)).map(ToOwned::to_owned)
}

fn without_query(url: &url::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// A body on its way from upstream into the spool.
struct Body<'a> {
    shared: &'a Arc<Shared>,
    flight: &'a Arc<Flight>,
    job: &'a Job,
    spool: Box<dyn SpoolWriter>,
    length: Option<u64>,
    written: AtomicU64,
}

/// What is known of a body that turned out right.
struct Verified<'a> {
    headers: &'a HeaderMap,
    digests: artifact_core::Digests,
    storable: bool,
}

impl Body<'_> {
    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// The whole document, read back.
    async fn received(&self, digests: &artifact_core::Digests) -> Result<Received> {
        let blob = digests
            .blob_id()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the spool computed no SHA-256"))?;
        let size = usize::try_from(self.written()).unwrap_or(usize::MAX);
        let reader = self.spool.reader();
        let mut body = Vec::with_capacity(size);
        while body.len() < size {
            let chunk = reader.read_at(body.len() as u64, size - body.len()).await?;
            if chunk.is_empty() {
                let text = "the spool file is shorter than what was written";
                return Err(Error::new(ErrorKind::Internal, text));
            }
            body.extend_from_slice(&chunk);
        }
        let head = self.flight.head.get();
        Ok(Received {
            blob,
            body: body.into(),
            url: head.map(|head| head.url.clone()),
            content_type: head.and_then(|head| head.content_type.clone()),
        })
    }

    /// Receives until the length is complete, resuming a broken transfer where that is sound.
    async fn receive(
        &mut self,
        headers: &HeaderMap,
        head: FlightHead,
        mut stream: ByteStream,
    ) -> Result<()> {
        let validator = verdict::resume_validator(headers).filter(|_| self.job.is_resumable());
        let mut head = Some(head);
        let mut resumes = 0;
        loop {
            let error = match self.drain(&mut head, &mut stream).await {
                Ok(()) => return self.check_length(&mut head),
                Err(error) => error,
            };
            let Some(validator) = validator
                .as_ref()
                .filter(|_| resumes < RESUMES && error.kind() != ErrorKind::Internal)
            else {
                return Err(error);
            };
            resumes += 1;
            stream = self.resume(validator, error).await?;
        }
    }

    async fn drain(
        &mut self,
        head: &mut Option<FlightHead>,
        stream: &mut ByteStream,
    ) -> Result<()> {
        let flight = Arc::clone(self.flight);
        loop {
            let chunk = tokio::select! {
                biased;
                chunk = stream.next() => chunk,
                () = given_up(&flight, &self.written, self.length) => {
                    return Err(Error::new(ErrorKind::Internal, "nobody waits for this download"));
                }
            };
            let Some(chunk) = chunk.transpose()? else { return Ok(()) };
            self.take(head, chunk).await?;
        }
    }

    async fn take(&mut self, head: &mut Option<FlightHead>, chunk: Bytes) -> Result<()> {
        let received = chunk.len() as u64;
        let written = self.written() + received;
        let limit = self.length.unwrap_or(self.job.limit);
        if written > limit {
            return Err(Error::new(
                ErrorKind::Upstream,
                "the upstream body is longer than it may be",
            ));
        }
        self.spool.append(chunk).await?;
        crash_point!("mid-body");
        self.written.store(written, Ordering::Relaxed);
        self.job.mounted.counters.fetched(received);
        if !self.job.verify_before_serve {
            let visible = visible_bytes(written, self.length);
            self.show(head, visible);
        }
        Ok(())
    }

    /// Lets readers see `visible` bytes; the head goes out with the first of them.
    fn show(&self, head: &mut Option<FlightHead>, visible: u64) {
        if visible == 0 {
            return;
        }
        self.flight.reveal(visible);
        if let Some(head) = head.take() {
            // Set once: a second flight head would mix two answers.
            let _ = self.flight.head.set(head);
            self.flight.enter(Phase::Streaming);
        }
    }

    fn check_length(&self, head: &mut Option<FlightHead>) -> Result<()> {
        let written = self.written();
        if self.length.is_some_and(|length| length != written) {
            return Err(Error::new(ErrorKind::Upstream, "the upstream body is incomplete"));
        }
        if let Some(head) = head.take() {
            let _ = self.flight.head.set(FlightHead { size: Some(written), ..head });
        }
        Ok(())
    }

    async fn resume(&self, validator: &str, error: Error) -> Result<ByteStream> {
        let Some(mut request) = self.job.request() else { return Err(error) };
        let written = self.written();
        request.conditions = artifact_core::ports::Conditions::default();
        request.compressed = false;
        request.resume = Some((written, validator.to_owned()));
        let response = self.shared.parts.upstream.send(request).await?;
        let range = verdict::text(&response.headers, &CONTENT_RANGE);
        if response.status != StatusCode::PARTIAL_CONTENT || !continues(range, written, self.length)
        {
            return Err(error);
        }
        Ok(response.body)
    }

    /// Shows the verified rest and stores the file: after the replica that was followed, if one was.
    async fn land(self, verified: Verified<'_>, followed: Option<&Turns<'_>>) -> Result<Phase> {
        let Verified { headers, digests, storable } = verified;
        let written = self.written();
        let blob = digests
            .blob_id()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the spool computed no SHA-256"))?;
        self.flight.reveal(written);
        self.flight.enter(Phase::Verified(blob));
        if !storable {
            return Ok(Phase::Unstored(blob));
        }
        if let Some(turns) = followed {
            turns.landed().await;
        }
        let head = self.flight.head.get();
        let fetched = Fetched {
            job: self.job,
            blob,
            size: written,
            digests,
            content_type: head.and_then(|head| head.content_type.clone()),
            url: head.map(|head| head.url.clone()),
            headers,
        };
        match publish::publish(self.shared, fetched, self.spool.path()).await {
            Ok(row) => Ok(Phase::Published(row)),
            Err(error) => {
                // The clients have their bytes; a failed publish costs a refetch.
                tracing::error!(%error, path = %self.job.key.path, "fetched file could not be stored");
                Ok(Phase::Unstored(blob))
            }
        }
    }
}

/// How many of `written` bytes may be seen before the whole is verified.
fn visible_bytes(written: u64, length: Option<u64>) -> u64 {
    match length {
        Some(length) if length <= HELD_BACK => 0,
        Some(length) => written.min(length - HELD_BACK.min(length / 10)),
        None => written.saturating_sub(HELD_BACK),
    }
}

/// Whether a 206 continues exactly where we stopped, in a file of the same length.
fn continues(content_range: Option<&str>, written: u64, length: Option<u64>) -> bool {
    let parse = || {
        let (range, total) = content_range?.strip_prefix("bytes ")?.split_once('/')?;
        let (start, _) = range.split_once('-')?;
        Some((start.parse::<u64>().ok()?, total.parse::<u64>().ok()))
    };
    parse().is_some_and(|(start, total)| {
        start == written && length.is_none_or(|length| total == Some(length))
    })
}

/// Resolves when nobody waits for the body and finishing it would not pay.
async fn given_up(flight: &Flight, written: &AtomicU64, length: Option<u64>) {
    loop {
        if !flight.is_abandoned() {
            flight.abandoned.notified().await;
            continue;
        }
        let before = is_worth_finishing(written.load(Ordering::Relaxed), length);
        tokio::time::sleep(GRACE).await;
        let after = is_worth_finishing(written.load(Ordering::Relaxed), length);
        if flight.is_abandoned() && !before && !after {
            return;
        }
    }
}

fn is_worth_finishing(written: u64, length: Option<u64>) -> bool {
    const NEARLY_THERE: u64 = 64 << 20;
    const CHEAP: u64 = 256 << 20;
    match length {
        Some(length) => written >= length / 2 || length.saturating_sub(written) <= NEARLY_THERE,
        None => written <= CHEAP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_held_back_until_it_is_verified() {
        for (written, length, visible) in [
            (1000, Some(1000), 0),
            (65_536, Some(65_536), 0),
            (50_000, Some(100_000), 50_000),
            (100_000, Some(100_000), 90_000),
            (10 << 20, Some(10 << 20), (10 << 20) - 65_536),
            (60_000, None, 0),
            (100_000, None, 34_464),
        ] {
            assert_eq!(visible_bytes(written, length), visible, "{written} of {length:?}");
        }
    }

    #[test]
    fn a_resumed_body_must_continue_exactly() {
        assert!(continues(Some("bytes 10-99/100"), 10, Some(100)));
        assert!(continues(Some("bytes 10-99/*"), 10, None));
        for (range, length) in [
            (Some("bytes 11-99/100"), Some(100)),
            (Some("bytes 10-99/101"), Some(100)),
            (Some("bytes 10-99/*"), Some(100)),
            (Some("10-99/100"), Some(100)),
            (None, Some(100)),
        ] {
            assert!(!continues(range, 10, length), "{range:?}");
        }
    }

    #[test]
    fn only_profitable_downloads_go_on_without_a_client() {
        assert!(is_worth_finishing(0, Some(64 << 20)));
        assert!(!is_worth_finishing(0, Some(1 << 30)));
        assert!(is_worth_finishing(1 << 29, Some(1 << 30)));
        assert!(is_worth_finishing(256 << 20, None));
        assert!(!is_worth_finishing((256 << 20) + 1, None));
    }
}

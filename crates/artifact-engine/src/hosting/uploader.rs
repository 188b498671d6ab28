//! Writing to an upload.
//!
//! Whoever writes holds a claim on the upload, in the metadata store, that ends by itself. It does so in a task of
//! its own, which a client that goes away does not cancel: what arrived is made durable, so that the client can go
//! on from there, and a file whose bytes are complete is published although nobody waits for the answer.
//!
//! Invariant: an upload is told to be as long as its durable bytes, never longer.

use std::sync::Arc;
use std::time::Duration;

use artifact_core::ports::{
    Claimed, Precondition, PublishedSet, RowSet, StagedBytes, StagingWriter, Upload, UploadId,
    UploadProgress,
};
use artifact_core::{
    Algorithm, ArtifactRow, BlobId, Class, Continuation, Digest, Digests, Error, ErrorKind, Fault,
    PartRange, Publishing, RepoPath, RequestBody, Result, UploadReference,
};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::Instant;

use super::key;
use crate::crash_point::crash_point;
use crate::shared::Shared;
use crate::snapshot::Mounted;
use crate::storing;

/// How long a claim lasts without progress. A replica that dies keeps an upload from others for so long.
const CLAIM: Duration = Duration::from_secs(20);
/// How often progress is made durable while bytes arrive, and the claim is prolonged.
const FLUSH: Duration = Duration::from_secs(5);
/// How long a request waits for another one that writes to the same upload.
const PATIENCE: Duration = Duration::from_secs(25);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(100);

/// An upload that this request alone writes to.
pub(super) struct Claim {
    pub(super) upload: Upload,
    owner: String,
}

/// What a request finds when its turn has come.
pub(super) enum Step {
    /// It writes.
    Claimed(Claim),
    /// Another one has finished the upload.
    Finished(Upload),
}

/// What became of the bytes of a request.
pub(super) enum Written {
    /// They are durable: so many now.
    Part(u64),
    /// They belong elsewhere than behind the bytes that are there.
    Nothing(u64),
    /// They were the last ones of this file.
    File(Digest),
}

/// A writer with what it has written to.
struct Session {
    claim: Claim,
    writer: Box<dyn StagingWriter>,
}

/// Writes to uploads of one repository.
#[derive(Clone)]
pub(super) struct Uploader {
    pub(super) shared: Arc<Shared>,
    pub(super) mounted: Arc<Mounted>,
}

impl Uploader {
    /// Takes the bytes of a request in, and closes the upload if they are the last ones.
    pub(super) async fn write(
        &self,
        continuation: &Continuation,
        body: Option<RequestBody>,
    ) -> Result<Written> {
        self.known(&continuation.upload).await?;
        if let Some(range) = continuation.range {
            self.check_length(range, body.as_ref())?;
        }
        let (uploader, continuation) = (self.clone(), continuation.clone());
        let task = self
            .shared
            .tasks
            .spawn(async move { uploader.write_uncancelled(&continuation, body).await });
        task.await.map_err(|error| {
            Error::new(ErrorKind::Internal, "the upload was given up").with_source(error)
        })?
    }

    async fn write_uncancelled(
        &self,
        continuation: &Continuation,
        body: Option<RequestBody>,
    ) -> Result<Written> {
        let claim = match self.claim(&continuation.upload).await? {
            Step::Claimed(claim) => claim,
            Step::Finished(upload) => return self.finished_before(continuation, &upload),
        };
        let (id, owner) = (claim.upload.id, claim.owner.clone());
        let written = self.write_claimed(claim, continuation, body).await;
        if !matches!(written, Ok(Written::File(_))) {
            self.release(id, &owner).await;
        }
        written
    }

    async fn write_claimed(
        &self,
        claim: Claim,
        continuation: &Continuation,
        body: Option<RequestBody>,
    ) -> Result<Written> {
        let size = claim.upload.size;
        if continuation.range.is_some_and(|range| range.first != size) {
            return Ok(Written::Nothing(size));
        }
        let staging = &self.shared.parts.staging;
        let writer = staging.write(claim.upload.id, &claim.upload.state, &[]).await;
        let writer = writer.map_err(|error| self.lost_bytes(error))?;
        let mut session = Session { claim, writer };
        let staged = self.take_in(&mut session, continuation.range, body).await?;
        match &continuation.closing {
            None => Ok(Written::Part(staged.size)),
            Some(digest) => self.close(session, &staged, digest).await,
        }
    }

    /// The answer to a closing request came too late or was lost: it is given again.
    fn finished_before(&self, continuation: &Continuation, upload: &Upload) -> Result<Written> {
        match &continuation.closing {
            Some(digest) if upload.finished_as.as_deref() == Some(&*digest.to_string()) => {
                Ok(Written::File(digest.clone()))
            }
            _ => Err(self.unknown()),
        }
    }

    fn check_length(&self, range: PartRange, body: Option<&RequestBody>) -> Result<()> {
        match body.and_then(|body| body.length) {
            Some(length) if length != range.length => {
                let text = "the length of the body is not that of its range";
                Err(self.fault(ErrorKind::BadRequest, Fault::Size, text))
            }
            _ => Ok(()),
        }
    }

    /// Writes the body behind what is there, and records what is durable, also when it breaks off.
    async fn take_in(
        &self,
        session: &mut Session,
        range: Option<PartRange>,
        body: Option<RequestBody>,
    ) -> Result<StagedBytes> {
        let received = match body {
            Some(body) => self.receive(session, range, body).await,
            None => Ok(()),
        };
        // What does not fill its range was not meant: the upload stays as it was recorded last.
        if range.is_some() {
            received?;
            return self.flush(session).await;
        }
        let staged = self.flush(session).await?;
        received?;
        Ok(staged)
    }

    async fn receive(
        &self,
        session: &mut Session,
        range: Option<PartRange>,
        mut body: RequestBody,
    ) -> Result<()> {
        let mut received: u64 = 0;
        let begun_at = session.claim.upload.size;
        let mut flushed_at = Instant::now();
        loop {
            let chunk = match tokio::time::timeout(FLUSH, body.stream.next()).await {
                Ok(None) => break,
                Ok(Some(chunk)) => chunk?,
                // Nothing came for a while: the claim is prolonged all the same.
                Err(_) => Bytes::new(),
            };
            received += chunk.len() as u64;
            if range.is_some_and(|range| received > range.length) {
                let text = "the body is longer than its range";
                return Err(self.fault(ErrorKind::BadRequest, Fault::Size, text));
            }
            if begun_at.saturating_add(received) > self.shared.settings.object_limit {
                let text = "the file is larger than this server accepts";
                return Err(Error::new(ErrorKind::TooLarge, text));
            }
            if !chunk.is_empty() {
                session.writer.append(chunk).await?;
                crash_point!("mid-body");
            }
            // A part with a range counts as a whole, so only the claim is prolonged meanwhile.
            if flushed_at.elapsed() >= FLUSH {
                match range {
                    None => drop(self.flush(session).await?),
                    Some(_) => self.prolong(&session.claim).await?,
                }
                flushed_at = Instant::now();
            }
        }
        if range.is_some_and(|range| received != range.length) {
            let text = "the body is shorter than its range";
            return Err(self.fault(ErrorKind::BadRequest, Fault::Size, text));
        }
        if body.length.is_some_and(|length| length != received) {
            let text = "the body is shorter than its announced length";
            return Err(Error::new(ErrorKind::BadRequest, text));
        }
        Ok(())
    }

    /// Makes durable what was written, and records it.
    async fn flush(&self, session: &mut Session) -> Result<StagedBytes> {
        let staged = session.writer.flush().await?;
        session.claim.upload.size = staged.size;
        session.claim.upload.state.clone_from(&staged.state);
        self.prolong(&session.claim).await?;
        Ok(staged)
    }

    async fn prolong(&self, claim: &Claim) -> Result<()> {
        let Claim { upload, owner } = claim;
        let now = self.shared.parts.clock.now();
        let progress = UploadProgress {
            size: upload.size,
            state: upload.state.clone(),
            now,
            claimed_until: now.plus(CLAIM),
        };
        if self.shared.parts.meta.advance_upload(upload.id, owner, &progress).await? {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Conflict, "another request went on with this upload meanwhile"))
    }

    /// The outcome of `work`, during which nobody else goes on with the upload or gives it up.
    async fn claimed<T>(&self, claim: &Claim, work: impl Future<Output = Result<T>>) -> Result<T> {
        repeating(FLUSH, || self.prolong(claim), work).await
    }

    /// Compares the digest and makes the upload a file.
    async fn close(
        &self,
        session: Session,
        staged: &StagedBytes,
        digest: &Digest,
    ) -> Result<Written> {
        let Session { claim, writer } = session;
        let mut digests = writer.digests();
        drop(writer);
        if digests.get(digest.algorithm()).is_none() {
            let computing = self.computed(&claim.upload, staged, digest.algorithm());
            digests.insert(self.claimed(&claim, computing).await?);
        }
        crash_point!("before-hash-check");
        if digests.get(digest.algorithm()) != Some(digest) {
            self.forget(claim.upload.id).await?;
            let found = digests.get(digest.algorithm()).map(Digest::to_string).unwrap_or_default();
            let text = format!("the uploaded bytes are {found}, not {digest}");
            return Err(self.fault(ErrorKind::BadRequest, Fault::Digest, text));
        }
        self.keep(&claim, staged, digest, digests).await?;
        Ok(Written::File(digest.clone()))
    }

    /// A digest that was not expected when the bytes came: they are read again.
    async fn computed(
        &self,
        upload: &Upload,
        staged: &StagedBytes,
        algorithm: Algorithm,
    ) -> Result<Digest> {
        let mut hasher = self.shared.parts.spool.hasher(&[algorithm]);
        let mut bytes = self.shared.parts.staging.read(upload.id, &staged.state).await?;
        while let Some(chunk) = bytes.next().await.transpose()? {
            hasher.update(&chunk);
        }
        let digests = hasher.digests();
        digests
            .get(algorithm)
            .cloned()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the spool computed no such digest"))
    }

    async fn keep(
        &self,
        claim: &Claim,
        staged: &StagedBytes,
        digest: &Digest,
        digests: Digests,
    ) -> Result<()> {
        let (parts, upload) = (&self.shared.parts, &claim.upload);
        let blob = digests
            .blob_id()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the store computed no SHA-256"))?;
        let pin = storing::pin(&self.shared, blob).await?;
        let kept = async {
            self.claimed(claim, parts.staging.keep(upload.id, &staged.state, blob)).await?;
            crash_point!("after-bytes-before-database");
            let path = self.rules()?.file_path(&upload.name, digest);
            self.show(self.file_row(&path, blob, staged.size, digests)).await
        }
        .await;
        pin.release(&self.shared);
        kept?;
        // Only the memory of it: the file is there, whatever comes of this.
        let finished_as = digest.to_string();
        let now = parts.clock.now();
        if let Err(error) =
            parts.meta.finish_upload(upload.id, &claim.owner, &finished_as, now).await
        {
            tracing::warn!(%error, upload = %upload.id, "a complete upload was not marked as such");
        }
        Ok(())
    }

    fn file_row(
        &self,
        path: &RepoPath,
        blob: BlobId,
        size: u64,
        checksums: Digests,
    ) -> ArtifactRow {
        let now = self.shared.parts.clock.now();
        ArtifactRow {
            key: key(&self.mounted, path),
            blob,
            size,
            class: Class::Immutable,
            content_type: None,
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

    /// Makes a file visible, and promises that it stays for a while.
    async fn show(&self, row: ArtifactRow) -> Result<()> {
        let set = RowSet {
            promised_at: Some(row.fetched_at),
            rows: vec![(row, Precondition::Any)],
            ..RowSet::default()
        };
        match self.shared.parts.meta.publish_set(set).await? {
            PublishedSet::Stored(rows) => {
                for row in rows {
                    self.shared.rows.keep(row);
                }
                Ok(())
            }
            PublishedSet::Missing(_) | PublishedSet::Conflict { .. } => {
                Err(Error::new(ErrorKind::Internal, "a file without conditions was refused"))
            }
        }
    }

    /// The upload, if it belongs here.
    pub(super) async fn known(&self, reference: &UploadReference) -> Result<Upload> {
        let upload = self.shared.parts.meta.upload(reference.id).await?;
        upload
            .filter(|upload| {
                upload.repository == self.mounted.id() && upload.name == reference.name
            })
            .ok_or_else(|| self.unknown())
    }

    pub(super) fn unknown(&self) -> Error {
        let text = "there is no such upload, or it is over";
        self.fault(ErrorKind::NotFound, Fault::UnknownUpload, text)
    }

    /// What was staged is gone: nobody can go on with that upload.
    fn lost_bytes(&self, error: Error) -> Error {
        if error.is_absent() { self.unknown().with_source(error) } else { error }
    }

    /// Waits for its turn to write to an upload.
    pub(super) async fn claim(&self, reference: &UploadReference) -> Result<Step> {
        let owner = storing::owner(&self.shared.settings.replica);
        let began = Instant::now();
        loop {
            let now = self.shared.parts.clock.now();
            let until = now.plus(CLAIM);
            match self.shared.parts.meta.claim_upload(reference.id, &owner, now, until).await? {
                Claimed::Upload(upload) => return Ok(Step::Claimed(Claim { upload, owner })),
                Claimed::Finished(upload) => return Ok(Step::Finished(upload)),
                Claimed::Absent => return Err(self.unknown()),
                Claimed::Busy if began.elapsed() < PATIENCE => tokio::time::sleep(LOOK).await,
                Claimed::Busy => {
                    let text = "another request is writing to this upload";
                    return Err(Error::new(ErrorKind::Overloaded, text));
                }
            }
        }
    }

    async fn release(&self, id: UploadId, owner: &str) {
        if let Err(error) = self.shared.parts.meta.release_upload(id, owner).await {
            tracing::debug!(%error, upload = %id, "a claim stays until it ends by itself");
        }
    }

    /// Removes an upload and its bytes.
    pub(super) async fn forget(&self, id: UploadId) -> Result<()> {
        let parts = &self.shared.parts;
        let state = parts.meta.upload(id).await?.map(|upload| upload.state).unwrap_or_default();
        parts.staging.discard(id, &state).await?;
        parts.meta.remove_upload(id).await?;
        Ok(())
    }

    fn rules(&self) -> Result<&dyn Publishing> {
        self.mounted.provider.publishing().ok_or_else(|| {
            Error::new(ErrorKind::Internal, "this repository takes no uploads of this kind")
        })
    }

    fn fault(&self, kind: ErrorKind, fault: Fault, text: impl Into<String>) -> Error {
        let error = Error::new(kind, text.into());
        match self.mounted.provider.publishing() {
            Some(rules) => error.with_code(rules.code(fault)),
            None => error,
        }
    }
}

/// The outcome of `work`, during which `step` is taken again and again; its failure ends the work.
async fn repeating<T, S: Future<Output = Result<()>>>(
    every: Duration,
    step: impl Fn() -> S,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            outcome = &mut work => return outcome,
            () = tokio::time::sleep(every) => step().await?,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    async fn work_of(length: Duration) -> Result<&'static str> {
        tokio::time::sleep(length).await;
        Ok("done")
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_is_prolonged_while_a_long_work_goes_on() {
        for (length, expected) in [(1, 0), (12, 2), (61, 12)] {
            let count = Cell::new(0);
            let step = || {
                count.set(count.get() + 1);
                std::future::ready(Ok(()))
            };
            let work = work_of(Duration::from_secs(length));
            assert_eq!(repeating(FLUSH, step, work).await.ok(), Some("done"));
            assert_eq!(count.get(), expected, "{length} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_work_ends_when_the_claim_is_lost() {
        let began = Instant::now();
        let lost = || std::future::ready(Err(Error::new(ErrorKind::Conflict, "lost")));
        let outcome = repeating(FLUSH, lost, work_of(CLAIM)).await;
        assert!(outcome.is_err_and(|error| error.kind() == ErrorKind::Conflict));
        assert_eq!(began.elapsed(), FLUSH);
    }
}

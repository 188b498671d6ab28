//! The writing end: bytes are hashed and gathered, full parts are sent while the next one is
//! gathered, and what is left at a flush becomes the tail.

use std::collections::BTreeMap;
use std::sync::Arc;

use artifact_core::ports::{StagedBytes, StagingWriter, UploadId};
use artifact_core::{Digests, Error, ErrorKind, Result};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::{JoinError, JoinSet};

use super::super::bucket::Bucket;
use super::super::failure::S3Failure;
use super::super::keys;
use super::super::put::Payload;
use super::failed;
use super::located::Located;
use super::multipart::{Opened, Opening};
use super::schedule::part_length;
use crate::StoreError;
use crate::staging::{Belt, Chunks, Multipart, Objects, Place, Progress, ResumableHasher};

/// So many bytes of one upload may be on their way to the server, or one part.
const IN_FLIGHT: u64 = 32 << 20;

/// From where a writer goes on.
pub(super) struct Beginning {
    pub(super) bucket: Arc<Bucket>,
    pub(super) id: UploadId,
    pub(super) hasher: ResumableHasher,
    pub(super) located: Located,
    /// The bytes that are in no part.
    pub(super) tail: Bytes,
}

/// The writing end of an upload. Dropping it ends the requests under way.
#[derive(Debug)]
pub(super) struct Writer {
    bucket: Arc<Bucket>,
    id: UploadId,
    belt: Belt<ResumableHasher>,
    /// How many bytes were appended, ever.
    size: u64,
    /// What is in no part yet.
    gathered: Chunks,
    multipart: Arc<Opening>,
    /// How many parts were cut.
    cut: usize,
    /// The tags of those that have arrived.
    tags: BTreeMap<usize, String>,
    sending: JoinSet<Result<Sent, S3Failure>>,
    in_flight: u64,
    tails: Tails,
    is_failed: bool,
}

/// What has arrived at the server.
#[derive(Debug)]
enum Sent {
    Part { number: usize, tag: String, length: u64 },
    Tail(Tail),
}

/// An object with the bytes behind the parts.
#[derive(Clone, Debug)]
struct Tail {
    name: String,
    /// How long the upload is with it.
    end: u64,
}

/// The tails that exist. A crash may lead back to the state that was given last, so that its tail
/// must outlive the next one.
#[derive(Debug, Default)]
struct Tails {
    newest: Option<Tail>,
    given: Option<String>,
    others: Vec<String>,
}

impl Tails {
    /// Notes a tail that has arrived. Of two that are sent at once the older may be the later.
    fn push(&mut self, tail: Tail) {
        if self.newest.as_ref().is_some_and(|newest| newest.end > tail.end) {
            self.others.push(tail.name);
            return;
        }
        let before = self.newest.replace(tail);
        self.others.extend(before.map(|tail| tail.name));
    }

    /// The tail of an upload of `size` bytes, if it exists.
    fn at(&self, size: u64) -> Option<&Tail> {
        self.newest.as_ref().filter(|tail| tail.end == size)
    }

    /// Those that neither the state given last nor one that names `current` needs.
    fn take_superseded(&mut self, current: Option<&str>) -> Vec<String> {
        if self.newest.as_ref().is_some_and(|tail| Some(tail.name.as_str()) != current) {
            self.others.extend(self.newest.take().map(|tail| tail.name));
        }
        let (needed, superseded) = std::mem::take(&mut self.others)
            .into_iter()
            .partition(|name| Some(name) == self.given.as_ref());
        self.others = needed;
        superseded
    }
}

impl Writer {
    pub(super) fn new(beginning: Beginning) -> Self {
        let Beginning { bucket, id, hasher, located, tail } = beginning;
        let Located { size, objects, .. } = located;
        let Objects { multipart, tail: tail_name } = objects;
        let mut gathered = Chunks::default();
        gathered.push(tail);
        let (opened, parts) = match multipart {
            Some(Multipart { id, marker, parts }) => (Some(Opened { id, marker }), parts),
            None => (None, Vec::new()),
        };
        let tails = Tails {
            newest: tail_name.clone().map(|name| Tail { name, end: size }),
            given: tail_name,
            others: Vec::new(),
        };
        Self {
            multipart: Arc::new(Opening::new(Arc::clone(&bucket), id, opened)),
            bucket,
            id,
            belt: Belt::new(hasher),
            size,
            gathered,
            cut: parts.len(),
            tags: (1..).zip(parts).collect(),
            sending: JoinSet::new(),
            in_flight: 0,
            tails,
            is_failed: false,
        }
    }

    /// The length of the next part if all its bytes are there.
    fn due(&self) -> Result<Option<usize>, StoreError> {
        let gathered = self.gathered.length();
        if gathered == 0 {
            return Ok(None);
        }
        let length = part_length(self.cut + 1).ok_or(StoreError::StagingTooLarge)?;
        let length = usize::try_from(length).map_err(|_| StoreError::StagingTooLarge)?;
        Ok((gathered >= length).then_some(length))
    }

    fn send_part(&mut self, length: usize) {
        self.cut += 1;
        let number = self.cut;
        let payload = Payload::new(self.gathered.split(length));
        let length = payload.size;
        self.in_flight += length;
        let multipart = Arc::clone(&self.multipart);
        self.sending.spawn(async move {
            let tag = multipart.send(number, &payload).await?;
            Ok(Sent::Part { number, tag, length })
        });
    }

    fn send_tail(&mut self) {
        let payload = Payload::new(self.gathered.snapshot());
        let tail = Tail { name: keys::fresh_name(), end: self.size };
        let (bucket, key) = (Arc::clone(&self.bucket), keys::tail(self.id, &tail.name));
        self.sending.spawn(async move {
            bucket.put_chunks(&key, payload).await?;
            Ok(Sent::Tail(tail))
        });
    }

    /// Waits until `length` more bytes may be on their way.
    async fn make_room(&mut self, length: usize) -> Result<()> {
        while self.in_flight > 0 && self.in_flight + length as u64 > IN_FLIGHT {
            let Some(sent) = self.sending.join_next().await else { break };
            self.note(sent)?;
        }
        Ok(())
    }

    async fn arrived(&mut self) -> Result<()> {
        while let Some(sent) = self.sending.join_next().await {
            self.note(sent)?;
        }
        Ok(())
    }

    fn note(&mut self, sent: Result<Result<Sent, S3Failure>, JoinError>) -> Result<()> {
        match sent {
            Ok(Ok(Sent::Part { number, tag, length })) => {
                self.in_flight = self.in_flight.saturating_sub(length);
                self.tags.insert(number, tag);
                Ok(())
            }
            Ok(Ok(Sent::Tail(tail))) => {
                self.tails.push(tail);
                Ok(())
            }
            Ok(Err(failure)) => {
                self.is_failed = true;
                Err(failed(&self.bucket, self.id, "write to", failure))
            }
            Err(error) => {
                self.is_failed = true;
                let text = "a storage task broke off";
                Err(Error::new(ErrorKind::Internal, text).with_source(error))
            }
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.is_failed { Err(StoreError::StagingFailed) } else { Ok(()) }
    }

    /// Where everything is, once it has arrived.
    fn objects(&self) -> Objects {
        let multipart = self.multipart.opened().map(|opened| Multipart {
            id: opened.id.clone(),
            marker: opened.marker.clone(),
            parts: self.tags.values().cloned().collect(),
        });
        let tail = match self.gathered.length() {
            0 => None,
            _ => self.tails.at(self.size).map(|tail| tail.name.clone()),
        };
        Objects { multipart, tail }
    }

    async fn remove_superseded(&mut self, current: Option<&str>) {
        for name in self.tails.take_superseded(current) {
            // Who clears the upload finds what cannot be removed now.
            let _ = self.bucket.delete(&keys::tail(self.id, &name)).await;
        }
    }
}

#[async_trait]
impl StagingWriter for Writer {
    async fn append(&mut self, chunk: Bytes) -> Result<()> {
        self.check()?;
        // First what cannot be given up half-way.
        self.size += chunk.len() as u64;
        self.gathered.push(chunk.clone());
        self.belt.push(chunk).await?;
        while let Some(length) = self.due()? {
            self.make_room(length).await?;
            self.send_part(length);
        }
        while let Some(sent) = self.sending.try_join_next() {
            self.note(sent)?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<StagedBytes> {
        self.check()?;
        // Left by an append that was given up.
        while let Some(length) = self.due()? {
            self.make_room(length).await?;
            self.send_part(length);
        }
        if self.gathered.length() > 0 && self.tails.at(self.size).is_none() {
            self.send_tail();
        }
        let digests = self.belt.arrived(|hasher| Ok(hasher.saved())).await?;
        self.arrived().await?;
        let objects = self.objects();
        let tail = objects.tail.clone();
        self.remove_superseded(tail.as_deref()).await;
        let size = self.size;
        let state = Progress { size, digests, place: Place::Objects(objects) }.written()?;
        self.tails.given = tail;
        Ok(StagedBytes { size, state })
    }

    fn digests(&self) -> Digests {
        self.belt.digests()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(name: &str, end: u64) -> Tail {
        Tail { name: name.to_owned(), end }
    }

    #[test]
    fn a_tail_goes_when_no_state_that_may_be_in_use_names_it() {
        let mut tails =
            Tails { newest: Some(tail("a", 1)), given: Some("a".into()), others: vec![] };
        assert!(tails.take_superseded(Some("a")).is_empty());
        tails.push(tail("b", 2));
        assert!(tails.take_superseded(Some("b")).is_empty(), "a may be gone back to");
        tails.given = Some("b".into());
        tails.push(tail("c", 3));
        assert_eq!(tails.take_superseded(Some("c")), ["a"]);
        tails.given = Some("c".into());
        assert_eq!(tails.take_superseded(None), ["b"]);
        tails.given = None;
        assert_eq!(tails.take_superseded(None), ["c"]);
    }

    #[test]
    fn a_flush_that_was_given_up_does_not_cost_the_state_before_it() {
        let mut tails =
            Tails { newest: Some(tail("a", 1)), given: Some("a".into()), others: vec![] };
        tails.push(tail("lost", 2));
        tails.push(tail("b", 3));
        tails.push(tail("late", 2));
        assert_eq!(tails.take_superseded(Some("b")), ["lost", "late"]);
        assert_eq!(tails.at(3).map(|tail| tail.name.as_str()), Some("b"));
    }
}

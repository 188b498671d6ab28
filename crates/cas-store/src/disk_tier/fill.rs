//! Writing a blob down while it passes by.
//!
//! A client is slowed down to the pace of the disk, but never waits for one that hangs: then the
//! blob is not written down.

use std::fs::File;
use std::future::Future;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use artifact_core::{ByteStream, Result};
use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Sleep, sleep};

use super::claims::Claim;
use super::disk::Disk;
use super::index::Promise;
use crate::error::IoContext;
use crate::tasks::Tasks;
use crate::temporary::Temporary;
use crate::{MultiHasher, StoreError};

/// Worth a hop to the blocking pool.
const BATCH: usize = 256 * 1024;
/// More is not kept in memory for a slow disk.
const MOST_WAITING: usize = 4 << 20;
/// How long a client waits for the disk to take something.
const PATIENCE: Duration = Duration::from_secs(1);

/// A file on its way into the tier.
#[derive(Debug)]
struct Sink {
    file: File,
    name: Temporary,
    hasher: MultiHasher,
    length: u64,
    promise: Promise,
}

impl Sink {
    /// `None` if there is no room.
    fn create(disk: &Disk, size: u64) -> Result<Option<Self>, StoreError> {
        let Some(promise) = disk.make_room(size)? else { return Ok(None) };
        let (file, name) = Temporary::create(&disk.incoming())?;
        Ok(Some(Self { file, name, hasher: MultiHasher::new(&[]), length: 0, promise }))
    }

    fn write(&mut self, chunks: &[Bytes]) -> Result<(), StoreError> {
        for chunk in chunks {
            self.file.write_all_at(chunk, self.length).during("write", self.name.path())?;
            self.hasher.update(chunk);
            self.length += chunk.len() as u64;
        }
        Ok(())
    }

    /// Makes it a file of the tier if it is what its name will say.
    fn finish(self, disk: &Disk, size: u64, claim: &Claim) -> Result<(), StoreError> {
        if self.length != size || self.hasher.finish().blob_id() != Some(claim.id()) {
            tracing::warn!(blob = claim.id().to_hex(), "the store below gave other bytes");
            return Ok(());
        }
        disk.admit(&self.name, size, claim, self.promise)
    }
}

/// What a fill needs to know.
#[derive(Debug)]
pub(super) struct Fill {
    pub(super) disk: Arc<Disk>,
    pub(super) tasks: Arc<Tasks>,
    pub(super) claim: Claim,
    pub(super) size: u64,
}

impl Fill {
    /// Writes down `bytes`, which are the whole blob, in the background.
    pub(super) fn take_all(self, bytes: Bytes) {
        let tasks = Arc::clone(&self.tasks);
        tasks.start(Filling::new(self).finish(vec![bytes]));
    }

    /// `stream`, which is the whole blob, written down while it is read.
    pub(super) fn follow(self, stream: ByteStream) -> ByteStream {
        Box::pin(Following { stream, filling: Some(Filling::new(self)) })
    }
}

/// `None` if there is no room.
type Written = Result<Result<Option<Sink>, StoreError>, JoinError>;
type Writing = JoinHandle<Result<Option<Sink>, StoreError>>;

/// Where the bytes written so far are.
#[derive(Debug)]
enum Place {
    Nowhere,
    Here(Box<Sink>),
    BeingWritten(Writing),
}

#[derive(Debug)]
struct Filling {
    fill: Fill,
    place: Place,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    received: u64,
    /// Runs while a client waits for the disk.
    patience: Option<Pin<Box<Sleep>>>,
}

/// Whether a fill goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    GoesOn,
    IsOver,
}

impl Filling {
    fn new(fill: Fill) -> Self {
        Self {
            fill,
            place: Place::Nowhere,
            waiting: Vec::new(),
            waiting_bytes: 0,
            received: 0,
            patience: None,
        }
    }

    fn is_whole(&self) -> bool {
        self.received >= self.fill.size
    }

    /// Takes in the next bytes and starts a write if one is due and none is running.
    fn take_in(&mut self, chunk: &Bytes) -> Fate {
        self.received += chunk.len() as u64;
        self.waiting_bytes += chunk.len();
        self.waiting.push(chunk.clone());
        if let Place::BeingWritten(writing) = &mut self.place
            && let Some(written) = writing.now_or_never()
            && self.take_back(written) == Fate::IsOver
        {
            return Fate::IsOver;
        }
        if self.waiting_bytes >= BATCH && !matches!(self.place, Place::BeingWritten(_)) {
            self.write();
        }
        Fate::GoesOn
    }

    fn take_back(&mut self, written: Written) -> Fate {
        self.patience = None;
        match sink_of(written) {
            Some(sink) => {
                self.place = Place::Here(Box::new(sink));
                Fate::GoesOn
            }
            None => Fate::IsOver,
        }
    }

    fn write(&mut self) {
        let place = std::mem::replace(&mut self.place, Place::Nowhere);
        let chunks = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let writing = write(Arc::clone(&self.fill.disk), place, self.fill.size, chunks);
        self.place = Place::BeingWritten(writing);
    }

    /// Ready when there is room for more.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Fate> {
        let Place::BeingWritten(writing) = &mut self.place else {
            return Poll::Ready(Fate::GoesOn);
        };
        if self.waiting_bytes <= MOST_WAITING {
            return Poll::Ready(Fate::GoesOn);
        }
        if let Poll::Ready(written) = writing.poll_unpin(context) {
            let fate = self.take_back(written);
            if fate == Fate::GoesOn {
                self.write();
            }
            return Poll::Ready(fate);
        }
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        patience.as_mut().poll(context).map(|()| Fate::IsOver)
    }

    async fn finish(self, rest: Vec<Bytes>) {
        let Self { fill: Fill { disk, claim, size, .. }, place, .. } = self;
        let place = match place {
            Place::BeingWritten(writing) => match sink_of(writing.await) {
                Some(sink) => Place::Here(Box::new(sink)),
                None => return,
            },
            place => place,
        };
        let Some(sink) = sink_of(write(Arc::clone(&disk), place, size, rest).await) else { return };
        let finished = tokio::task::spawn_blocking(move || sink.finish(&disk, size, &claim)).await;
        if let Ok(Err(error)) = finished {
            left_out(&error);
        }
    }
}

fn write(disk: Arc<Disk>, place: Place, size: u64, chunks: Vec<Bytes>) -> Writing {
    tokio::task::spawn_blocking(move || {
        let sink = match place {
            Place::Here(sink) => Some(*sink),
            _ => Sink::create(&disk, size)?,
        };
        let Some(mut sink) = sink else { return Ok(None) };
        sink.write(&chunks)?;
        Ok(Some(sink))
    })
}

fn sink_of(written: Written) -> Option<Sink> {
    match written {
        Ok(Ok(sink)) => sink,
        Ok(Err(error)) => {
            left_out(&error);
            None
        }
        Err(_) => None,
    }
}

/// Notes that the tier is left out because of trouble with the disk.
pub(super) fn left_out(error: &StoreError) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, "the disk tier is left out");
}

struct Following {
    stream: ByteStream,
    filling: Option<Filling>,
}

impl Following {
    /// Writes down what has just come. The last bytes are enough: the end itself may never be
    /// asked for.
    fn write_down(&mut self, item: Option<&Result<Bytes>>) {
        let Some(mut filling) = self.filling.take() else { return };
        let Some(Ok(chunk)) = item else { return };
        if filling.take_in(chunk) == Fate::IsOver {
            return;
        }
        if filling.is_whole() {
            let tasks = Arc::clone(&filling.fill.tasks);
            let rest = std::mem::take(&mut filling.waiting);
            tasks.start(filling.finish(rest));
        } else {
            self.filling = Some(filling);
        }
    }
}

impl Stream for Following {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(filling) = &mut self.filling
            && ready!(filling.poll_room(context)) == Fate::IsOver
        {
            self.filling = None;
        }
        let item = ready!(self.stream.poll_next_unpin(context));
        self.write_down(item.as_ref());
        Poll::Ready(item)
    }
}

//! A blob store that tells what happens to it and can be held up.

use std::path::Path;
use std::sync::{Arc, Mutex};

use artifact_core::ports::{BlobListing, BlobRead, BlobStore, ByteRange, Durability};
use artifact_core::{BlobId, Result};
use async_trait::async_trait;
use tokio::sync::watch;

use crate::hold::PATIENCE;

/// What lets nobody through while it is closed.
#[derive(Debug, Default)]
pub(crate) struct Door {
    is_closed: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Door {
    pub(crate) fn close(&self) {
        self.is_closed.send_replace(true);
    }

    pub(crate) fn open(&self) {
        self.is_closed.send_replace(false);
    }

    /// Resolves once somebody waits.
    pub(crate) async fn knocked(&self) {
        let mut waiting = self.waiting.subscribe();
        let knocked = tokio::time::timeout(PATIENCE, waiting.wait_for(|count| *count > 0)).await;
        assert!(knocked.is_ok(), "nobody came to the door");
    }

    async fn pass(&self) {
        if *self.is_closed.borrow() {
            self.waiting.send_modify(|count| *count += 1);
            let _ = self.is_closed.subscribe().wait_for(|is_closed| !is_closed).await;
        }
    }
}

/// Something that began or ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    PutBegan(BlobId),
    PutEnded(BlobId),
    DeletionBegan(BlobId),
    DeletionEnded(BlobId),
}

/// A real store behind doors.
#[derive(Debug)]
pub(crate) struct Watched(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn BlobStore>,
    journal: Mutex<Vec<Event>>,
    reading: Door,
    deleting: Door,
}

impl Watched {
    pub(crate) fn new(store: Arc<dyn BlobStore>) -> Self {
        let (reading, deleting) = (Door::default(), Door::default());
        Self(Arc::new(Inner { store, journal: Mutex::default(), reading, deleting }))
    }

    /// What happened so far.
    pub(crate) fn journal(&self) -> Vec<Event> {
        self.0.journal.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, event: Event) -> usize {
        self.journal().iter().filter(|happened| **happened == event).count()
    }

    /// Readers go through it.
    pub(crate) fn reading(&self) -> &Door {
        &self.0.reading
    }

    /// Deletions go through it.
    pub(crate) fn deleting(&self) -> &Door {
        &self.0.deleting
    }

    /// Asserts that nobody stored the bytes of a blob while somebody deleted them.
    pub(crate) fn assert_no_overlap(&self, id: BlobId) {
        let (mut puts, mut deletions) = (0, 0);
        for event in self.journal() {
            match event {
                Event::PutBegan(of) if of == id => puts += 1,
                Event::PutEnded(of) if of == id => puts -= 1,
                Event::DeletionBegan(of) if of == id => deletions += 1,
                Event::DeletionEnded(of) if of == id => deletions -= 1,
                _ => {}
            }
            assert!(puts == 0 || deletions == 0, "stored while it was deleted");
        }
    }
}

impl Inner {
    fn note(&self, event: Event) {
        self.journal.lock().unwrap().push(event);
    }
}

#[async_trait]
impl BlobStore for Watched {
    async fn open(&self, id: BlobId, range: Option<ByteRange>) -> Result<Option<BlobRead>> {
        self.0.reading.pass().await;
        self.0.store.open(id, range).await
    }

    async fn stat(&self, id: BlobId) -> Result<Option<u64>> {
        self.0.store.stat(id).await
    }

    async fn put_file(
        &self,
        id: BlobId,
        source: &Path,
        size: u64,
        durability: Durability,
    ) -> Result<()> {
        self.0.note(Event::PutBegan(id));
        let stored = self.0.store.put_file(id, source, size, durability).await;
        self.0.note(Event::PutEnded(id));
        stored
    }

    /// Goes on when nobody waits for it any more, as a request that is on its way does.
    async fn delete(&self, id: BlobId) -> Result<bool> {
        let inner = Arc::clone(&self.0);
        let deletion = tokio::spawn(async move {
            inner.deleting.pass().await;
            inner.note(Event::DeletionBegan(id));
            let deleted = inner.store.delete(id).await;
            inner.note(Event::DeletionEnded(id));
            deleted
        });
        deletion.await.unwrap()
    }

    async fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobListing>> {
        self.0.store.list(after, limit).await
    }

    async fn epoch(&self) -> Result<u64> {
        self.0.store.epoch().await
    }

    async fn set_epoch(&self, epoch: u64) -> Result<()> {
        self.0.store.set_epoch(epoch).await
    }

    async fn check(&self) -> Result<()> {
        self.0.store.check().await
    }
}

//! The tier in memory: what it holds, what it must not hold, and when it asks below.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use artifact_core::ports::{BlobListing, BlobPayload, BlobRead, BlobStore, ByteRange, Durability};
use artifact_core::{BlobId, ErrorKind, Result};
use async_trait::async_trait;
use bytes::Bytes;
use cas_store::{MemoryStore, MemoryTier, TierLimits};
use testkit::contract::blob_store::{Workbench, bytes_of, id_of, sample};
use tokio::sync::Notify;

const LIMITS: TierLimits = TierLimits { total: 1 << 20, blob: 10_000 };

/// How the store below hands out a blob.
#[derive(Clone, Copy, Debug)]
enum Form {
    Whole,
    Stream,
    ShortStream,
}

/// A store that counts how often it is asked, and can hold an answer back.
#[derive(Debug)]
struct Counting {
    blobs: MemoryStore,
    form: Form,
    opened: AtomicUsize,
    /// Told that a blob was opened, and what its answer waits for.
    held: Option<(Notify, Notify)>,
}

impl Counting {
    fn new(form: Form) -> Self {
        Self { blobs: MemoryStore::new(), form, opened: AtomicUsize::new(0), held: None }
    }

    async fn shaped(&self, read: BlobRead, range: Option<ByteRange>) -> BlobRead {
        let size = read.size;
        let bytes = bytes_of(read).await;
        let payload = match self.form {
            Form::Whole => BlobPayload::Bytes(cut(&bytes, range)),
            Form::Stream => BlobPayload::Stream(stream_of(&cut(&bytes, range))),
            Form::ShortStream => BlobPayload::Stream(stream_of(&bytes.slice(1..))),
        };
        BlobRead { size, payload }
    }
}

fn stream_of(bytes: &Bytes) -> artifact_core::ByteStream {
    let chunks: Vec<_> = bytes.chunks(100).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    Box::pin(futures_util::stream::iter(chunks))
}

fn cut(bytes: &Bytes, range: Option<ByteRange>) -> Bytes {
    let Some(range) = range else { return bytes.clone() };
    bytes.slice(usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap())
}

#[async_trait]
impl BlobStore for Counting {
    async fn open(&self, id: BlobId, range: Option<ByteRange>) -> Result<Option<BlobRead>> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let Some(read) = self.blobs.open(id, None).await? else { return Ok(None) };
        if let Some((reached, go_on)) = &self.held {
            reached.notify_one();
            go_on.notified().await;
        }
        Ok(Some(self.shaped(read, range).await))
    }

    async fn stat(&self, _: BlobId) -> Result<Option<u64>> {
        Ok(None)
    }

    async fn put_file(
        &self,
        id: BlobId,
        source: &Path,
        size: u64,
        durability: Durability,
    ) -> Result<()> {
        self.blobs.put_file(id, source, size, durability).await
    }

    async fn delete(&self, id: BlobId) -> Result<bool> {
        self.blobs.delete(id).await
    }

    async fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobListing>> {
        self.blobs.list(after, limit).await
    }

    async fn epoch(&self) -> Result<u64> {
        self.blobs.epoch().await
    }

    async fn set_epoch(&self, epoch: u64) -> Result<()> {
        self.blobs.set_epoch(epoch).await
    }

    async fn check(&self) -> Result<()> {
        self.blobs.check().await
    }
}

type Tier = MemoryTier<Counting>;

fn tier(form: Form) -> (Workbench, Tier) {
    (Workbench::new(), MemoryTier::new(Counting::new(form), LIMITS))
}

async fn read(tier: &Tier, id: BlobId, range: Option<ByteRange>) -> Option<Bytes> {
    Some(bytes_of(tier.open(id, range).await.unwrap()?).await)
}

fn opened(tier: &Tier) -> usize {
    tier.inner().opened.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_small_blob_is_read_below_once_in_whatever_form_it_comes() {
    for form in [Form::Whole, Form::Stream] {
        let (bench, tier) = tier(form);
        let bytes = sample(10_000);
        let id = bench.put(&tier, &bytes).await;
        for _ in 0..3 {
            assert_eq!(read(&tier, id, None).await.unwrap(), bytes);
            let range = ByteRange { start: 5, end: 9 };
            assert_eq!(read(&tier, id, Some(range)).await.unwrap(), bytes.slice(5..9));
        }
        assert_eq!(tier.stat(id).await.unwrap(), Some(10_000), "from memory: below it is None");
        assert_eq!(opened(&tier), 1, "{form:?}");
    }
}

#[tokio::test]
async fn a_hit_shares_the_bytes_instead_of_copying_them() {
    let (bench, tier) = tier(Form::Whole);
    let id = bench.put(&tier, &sample(1000)).await;
    let first = read(&tier, id, None).await.unwrap();
    let second = read(&tier, id, Some(ByteRange { start: 10, end: 20 })).await.unwrap();
    assert_eq!(first[10..].as_ptr(), second.as_ptr());
}

#[tokio::test]
async fn a_large_blob_passes_through() {
    let (bench, tier) = tier(Form::Whole);
    let id = bench.put(&tier, &sample(10_001)).await;
    for _ in 0..2 {
        let read = tier.open(id, None).await.unwrap().unwrap();
        assert!(matches!(read.payload, BlobPayload::Bytes(_)));
    }
    assert_eq!(opened(&tier), 2);
    assert_eq!(tier.held_bytes(), 0);
}

#[tokio::test]
async fn a_part_of_a_stream_is_not_taken_for_the_whole() {
    let (bench, tier) = tier(Form::Stream);
    let bytes = sample(1000);
    let id = bench.put(&tier, &bytes).await;
    let range = ByteRange { start: 100, end: 200 };
    assert_eq!(read(&tier, id, Some(range)).await.unwrap(), bytes.slice(100..200));
    assert_eq!(tier.held_bytes(), 0);
    assert_eq!(read(&tier, id, None).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_blob_that_is_too_short_is_an_error_and_not_held() {
    let (bench, tier) = tier(Form::ShortStream);
    let id = bench.put(&tier, &sample(1000)).await;
    let error = tier.open(id, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(tier.held_bytes(), 0);
}

#[tokio::test]
async fn memory_is_bounded() {
    let (bench, tier) = tier(Form::Whole);
    for number in 0..300_u16 {
        let mut bytes = sample(8_000).to_vec();
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        let id = bench.put(&tier, &bytes).await;
        read(&tier, id, None).await.unwrap();
        assert!(tier.held_bytes() <= LIMITS.total, "after {number}");
    }
    assert!(tier.held_bytes() > LIMITS.total / 2, "{}", tier.held_bytes());
}

#[tokio::test]
async fn a_scan_does_not_push_out_hot_blobs() {
    let (bench, tier) = tier(Form::Whole);
    let mut hot = Vec::new();
    for number in 0..20_u8 {
        hot.push(bench.put(&tier, &[number; 5_000]).await);
    }
    for id in hot.iter().cycle().take(100) {
        read(&tier, *id, None).await.unwrap();
    }
    for number in 0..1_000_u16 {
        let mut bytes = sample(5_000).to_vec();
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        let id = bench.put(&tier, &bytes).await;
        read(&tier, id, None).await.unwrap();
    }
    let before = opened(&tier);
    for id in &hot {
        read(&tier, *id, None).await.unwrap();
    }
    assert_eq!(opened(&tier), before, "all answered from memory");
}

#[tokio::test]
async fn a_read_that_overlaps_a_delete_does_not_bring_the_blob_back() {
    let bench = Workbench::new();
    let mut below = Counting::new(Form::Whole);
    below.held = Some((Notify::new(), Notify::new()));
    let tier = MemoryTier::new(below, LIMITS);
    let id = bench.put(&tier, b"bytes").await;
    let (reached, go_on) = tier.inner().held.as_ref().unwrap();

    let delete = async {
        reached.notified().await;
        assert!(tier.delete(id).await.unwrap());
        go_on.notify_one();
    };
    let (bytes, ()) = tokio::join!(read(&tier, id, None), delete);
    assert_eq!(bytes.unwrap(), "bytes", "it was there when the read began");
    assert!(read(&tier, id, None).await.is_none());
    assert_eq!(tier.held_bytes(), 0);
}

#[tokio::test]
async fn a_blob_is_not_held_before_it_is_read() {
    let (bench, tier) = tier(Form::Whole);
    let id = bench.put(&tier, b"bytes").await;
    assert_eq!(tier.held_bytes(), 0);
    assert_eq!(id, id_of(b"bytes"));
    assert_eq!(read(&tier, id, None).await.unwrap(), "bytes");
    assert!(tier.held_bytes() > 0);
}

//! The tier on a local disk: what it takes in, what it must not take in, and what it does when
//! something below or beside it fails.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use artifact_core::ports::{
    BlobListing, BlobPayload, BlobRead, BlobStore, ByteRange, Durability, Spool,
};
use artifact_core::{BlobId, Error, ErrorKind, Result};
use async_trait::async_trait;
use bytes::Bytes;
use cas_store::{DiskTier, FileSpool, MemoryStore, Quota, StoreError};
use testkit::contract::blob_store::{Workbench, bytes_of, id_of, sample};
use tokio::sync::Notify;

const QUOTA: Quota = Quota { bytes: 64 << 20, reserve: 0 };
const LARGE: usize = 5 << 20;

/// A store that counts how often it is asked, streams what is long, fails when told to, and can
/// hold an answer back.
#[derive(Debug, Default)]
struct Below {
    blobs: MemoryStore,
    opened: AtomicUsize,
    is_down: AtomicBool,
    /// Told that a blob was opened, and what its answer waits for.
    held: Option<(Notify, Notify)>,
}

impl Below {
    fn ask(&self) -> Result<()> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "it is down"));
        }
        Ok(())
    }
}

fn streamed(bytes: &Bytes) -> BlobPayload {
    let chunks: Vec<_> =
        bytes.chunks(100_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    BlobPayload::Stream(Box::pin(futures_util::stream::iter(chunks)))
}

#[async_trait]
impl BlobStore for Below {
    async fn open(&self, id: BlobId, range: Option<ByteRange>) -> Result<Option<BlobRead>> {
        self.ask()?;
        self.opened.fetch_add(1, Ordering::SeqCst);
        let Some(read) = self.blobs.open(id, range).await? else { return Ok(None) };
        if let Some((reached, go_on)) = &self.held {
            reached.notify_one();
            go_on.notified().await;
        }
        let size = read.size;
        let bytes = bytes_of(read).await;
        let payload =
            if bytes.len() > 100_000 { streamed(&bytes) } else { BlobPayload::Bytes(bytes) };
        Ok(Some(BlobRead { size, payload }))
    }

    async fn stat(&self, id: BlobId) -> Result<Option<u64>> {
        self.ask()?;
        self.blobs.stat(id).await
    }

    async fn put_file(
        &self,
        id: BlobId,
        source: &Path,
        size: u64,
        durability: Durability,
    ) -> Result<()> {
        self.ask()?;
        self.blobs.put_file(id, source, size, durability).await
    }

    async fn delete(&self, id: BlobId) -> Result<bool> {
        self.ask()?;
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
        self.ask()
    }
}

type Tier = DiskTier<Below>;

fn tier_of(bench: &Workbench, bytes: u64) -> Tier {
    let quota = Quota { bytes, reserve: 0 };
    DiskTier::open(Below::default(), &bench.store_directory(), quota).unwrap()
}

fn tier() -> (Workbench, Tier) {
    let bench = Workbench::new();
    let tier = tier_of(&bench, QUOTA.bytes);
    (bench, tier)
}

async fn read(tier: &Tier, id: BlobId) -> Option<Bytes> {
    let bytes = bytes_of(tier.open(id, None).await.unwrap()?).await;
    tier.settle().await;
    Some(bytes)
}

fn opened(tier: &Tier) -> usize {
    tier.inner().opened.load(Ordering::SeqCst)
}

fn file_of(bench: &Workbench, id: BlobId) -> PathBuf {
    let hex = id.to_hex();
    bench.store_directory().join("tier").join(&hex[0..2]).join(&hex[2..4]).join(&hex)
}

/// Blobs that are alike but for their number.
fn numbered(number: u32, length: usize) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend_from_slice(&sample(length - 4));
    bytes
}

/// Bytes of all files of the tier.
fn on_disk(directory: &Path) -> u64 {
    let size = |entry: fs::DirEntry| {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() { on_disk(&entry.path()) } else { metadata.len() }
    };
    fs::read_dir(directory).unwrap().map(|entry| size(entry.unwrap())).sum()
}

#[tokio::test]
async fn a_put_is_a_hit_and_lies_under_its_hash() {
    let (bench, tier) = tier();
    for length in [0, 5, 300_000] {
        let bytes = sample(length);
        let id = bench.put(&tier, &bytes).await;
        assert_eq!(read(&tier, id).await.unwrap(), bytes);
        assert_eq!(fs::read(file_of(&bench, id)).unwrap(), bytes);
        assert_eq!(tier.inner().stat(id).await.unwrap(), Some(length as u64), "and is below");
    }
    assert_eq!(opened(&tier), 0);
}

#[tokio::test]
async fn a_small_blob_is_taken_in_by_its_first_read_in_whatever_form_it_comes() {
    let (bench, tier) = tier();
    for length in [0, 5, 99_999, 300_000, 4 << 20] {
        let bytes = sample(length);
        let id = bench.put(tier.inner(), &bytes).await;
        let before = opened(&tier);
        for _ in 0..3 {
            assert!(read(&tier, id).await.unwrap() == bytes, "{length}");
        }
        assert_eq!(opened(&tier) - before, 1, "{length}");
    }
}

#[tokio::test]
async fn a_large_blob_is_taken_in_by_its_second_read() {
    let (bench, tier) = tier();
    let bytes = sample(LARGE);
    let id = bench.put(tier.inner(), &bytes).await;
    for (count, expected) in [(1, false), (2, true), (2, true)] {
        assert!(read(&tier, id).await.unwrap() == bytes);
        assert_eq!(opened(&tier), count);
        assert_eq!(file_of(&bench, id).exists(), expected);
    }
}

#[tokio::test]
async fn a_part_of_a_blob_is_not_taken_for_the_whole() {
    let (bench, tier) = tier();
    let id = bench.put(tier.inner(), &sample(1000)).await;
    let range = ByteRange { start: 0, end: 1000 };
    for _ in 0..3 {
        tier.open(id, Some(range)).await.unwrap().unwrap();
    }
    tier.settle().await;
    assert_eq!(tier.held_bytes(), 0);
}

#[tokio::test]
async fn a_read_that_is_given_up_leaves_nothing() {
    let (bench, tier) = tier();
    let bytes = sample(4 << 20);
    let id = bench.put(tier.inner(), &bytes).await;
    let opening = tier.open(id, None).await.unwrap().unwrap();
    let BlobPayload::Stream(mut stream) = opening.payload else { panic!("long") };
    for _ in 0..10 {
        futures_util::StreamExt::next(&mut stream).await.unwrap().unwrap();
    }
    drop(stream);
    assert!(read(&tier, id).await.unwrap() == bytes, "the claim was given back");
    assert_eq!(opened(&tier), 2);
    assert!(file_of(&bench, id).exists());
}

#[tokio::test]
async fn bytes_that_are_not_what_their_name_says_are_not_taken_in() {
    let (bench, tier) = tier();
    for length in [5, 300_000_usize] {
        let id = id_of(&length.to_be_bytes());
        bench.put_as(tier.inner(), id, &sample(length)).await;
        assert_eq!(read(&tier, id).await.unwrap(), sample(length), "nothing is judged here");
        assert!(!file_of(&bench, id).exists());
    }
    assert_eq!(tier.held_bytes(), 0);
}

#[tokio::test]
async fn a_put_that_fails_below_is_not_here_either() {
    let (bench, tier) = tier();
    tier.inner().is_down.store(true, Ordering::SeqCst);
    let source = bench.source("source", b"bytes");
    let id = id_of(b"bytes");
    tier.put_file(id, &source, 5, Durability::Cache).await.unwrap_err();
    assert!(source.exists());
    tier.inner().is_down.store(false, Ordering::SeqCst);
    assert!(tier.open(id, None).await.unwrap().is_none());
    assert_eq!(tier.stat(id).await.unwrap(), None);
    assert_eq!(tier.held_bytes(), 0);
    assert_eq!(fs::read_dir(bench.store_directory().join("incoming")).unwrap().count(), 0);
}

#[tokio::test]
async fn hits_go_on_while_the_store_below_is_down() {
    let (bench, tier) = tier();
    let id = bench.put(&tier, b"bytes").await;
    tier.inner().is_down.store(true, Ordering::SeqCst);
    assert_eq!(read(&tier, id).await.unwrap(), "bytes");
    assert_eq!(tier.stat(id).await.unwrap(), Some(5));
    let error = tier.open(id_of(b"other"), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(tier.check().await.is_err(), "the check is of the store below");
}

#[tokio::test]
async fn a_read_that_overlaps_a_delete_does_not_bring_the_blob_back() {
    for length in [5, 300_000] {
        let bench = Workbench::new();
        let below = Below { held: Some((Notify::new(), Notify::new())), ..Below::default() };
        let tier = DiskTier::open(below, &bench.store_directory(), QUOTA).unwrap();
        let bytes = sample(length);
        let id = bench.put(tier.inner(), &bytes).await;
        let (reached, go_on) = tier.inner().held.as_ref().unwrap();

        let delete = async {
            reached.notified().await;
            assert!(tier.delete(id).await.unwrap());
            go_on.notify_one();
        };
        let (found, ()) = tokio::join!(read(&tier, id), delete);
        assert_eq!(found.unwrap(), bytes, "it was there when the read began");
        assert!(!file_of(&bench, id).exists());
        assert!(read(&tier, id).await.is_none());
    }
}

#[tokio::test]
async fn a_file_that_lost_its_end_is_fetched_again() {
    let (bench, tier) = tier();
    let bytes = sample(300_000);
    let id = bench.put(&tier, &bytes).await;
    fs::write(file_of(&bench, id), &bytes[..1000]).unwrap();
    assert_eq!(read(&tier, id).await.unwrap(), bytes);
    assert_eq!(opened(&tier), 1);
    assert_eq!(fs::read(file_of(&bench, id)).unwrap(), bytes);
}

#[tokio::test]
async fn a_file_that_vanished_is_fetched_again() {
    let (bench, tier) = tier();
    let id = bench.put(&tier, b"bytes").await;
    fs::remove_file(file_of(&bench, id)).unwrap();
    assert_eq!(read(&tier, id).await.unwrap(), "bytes");
    assert_eq!(opened(&tier), 1);
}

#[tokio::test]
async fn a_file_that_decayed_is_found_in_a_thousand_hits() {
    let (bench, tier) = tier();
    let bytes = sample(1000);
    let id = bench.put(&tier, &bytes).await;
    fs::write(file_of(&bench, id), numbered(7, 1000)).unwrap();
    for _ in 0..1000 {
        tier.open(id, None).await.unwrap().unwrap();
    }
    tier.settle().await;
    assert_eq!(read(&tier, id).await.unwrap(), bytes);
    assert_eq!(opened(&tier), 1);
}

#[tokio::test]
async fn a_scan_does_not_push_out_hot_blobs() {
    let bench = Workbench::new();
    let tier = tier_of(&bench, 2 << 20);
    let mut hot = Vec::new();
    for number in 0..20 {
        hot.push(bench.put(&tier, &numbered(number, 10_000)).await);
    }
    for id in hot.iter().cycle().take(60) {
        read(&tier, *id).await.unwrap();
    }
    for number in 1_000..1_600 {
        let id = bench.put(tier.inner(), &numbered(number, 10_000)).await;
        read(&tier, id).await.unwrap();
    }
    let before = opened(&tier);
    for id in &hot {
        read(&tier, *id).await.unwrap();
    }
    assert_eq!(opened(&tier), before, "all answered from the disk");
}

#[tokio::test]
async fn the_quota_is_kept_on_the_disk_as_well() {
    let bench = Workbench::new();
    let tier = tier_of(&bench, 1 << 20);
    for number in 0..300 {
        let bytes = numbered(number, 9_000);
        if number % 2 == 0 {
            bench.put(&tier, &bytes).await;
        } else {
            let id = bench.put(tier.inner(), &bytes).await;
            read(&tier, id).await.unwrap();
        }
        assert!(tier.held_bytes() <= 1 << 20, "after {number}");
    }
    let found = on_disk(&bench.store_directory().join("tier"));
    assert!(found <= tier.held_bytes() && found > (1 << 20) / 2, "{found}");
}

#[tokio::test]
async fn a_blob_that_would_push_out_too_many_passes_by() {
    let bench = Workbench::new();
    let tier = tier_of(&bench, 1 << 20);
    let bytes = sample(300_000);
    let id = bench.put(&tier, &bytes).await;
    assert!(read(&tier, id).await.unwrap() == bytes);
    assert_eq!(tier.held_bytes(), 0);
}

#[tokio::test]
async fn an_opened_blob_survives_its_eviction() {
    let bench = Workbench::new();
    let tier = tier_of(&bench, 4 << 20);
    let bytes = sample(1_000_000);
    let id = bench.put(&tier, &bytes).await;
    let opening = tier.open(id, None).await.unwrap().unwrap();
    for number in 0..20 {
        bench.put(&tier, &numbered(number, 900_000)).await;
    }
    tier.delete(id).await.unwrap();
    assert!(!file_of(&bench, id).exists());
    assert!(bytes_of(opening).await == bytes);
}

#[tokio::test]
async fn what_an_earlier_process_left_is_found() {
    let bench = Workbench::new();
    let tier = tier_of(&bench, QUOTA.bytes);
    let bytes = sample(300_000);
    let id = bench.put(&tier, &bytes).await;
    let foreign = file_of(&bench, id).with_file_name("notes.txt");
    fs::write(&foreign, "x").unwrap();
    tier.settle().await;
    drop(tier);

    let tier = tier_of(&bench, QUOTA.bytes);
    assert_eq!(tier.stat(id).await.unwrap(), Some(300_000), "found at once by its name");
    assert!(read(&tier, id).await.unwrap() == bytes);
    assert_eq!(opened(&tier), 0);
    assert!(tier.held_bytes() >= 300_000);
    tier.settle().await;
    drop(tier);

    let tier = tier_of(&bench, 1 << 20);
    tier.settle().await;
    assert!(tier.held_bytes() <= 1 << 20, "counted in the background");
    assert!(foreign.exists());
}

#[tokio::test]
async fn a_smaller_quota_is_kept_after_a_restart() {
    let bench = Workbench::new();
    let tier = tier_of(&bench, QUOTA.bytes);
    for number in 0..50 {
        bench.put(&tier, &numbered(number, 100_000)).await;
    }
    tier.settle().await;
    drop(tier);
    let tier = tier_of(&bench, 2 << 20);
    tier.settle().await;
    assert!(on_disk(&bench.store_directory().join("tier")) <= 2 << 20);
    assert!(tier.held_bytes() > 1 << 20);
}

#[tokio::test]
async fn a_second_opening_is_refused() {
    let (bench, tier) = tier();
    let second = DiskTier::open(Below::default(), &bench.store_directory(), QUOTA);
    assert!(matches!(second.unwrap_err(), StoreError::Locked { .. }));
    drop(tier);
}

#[tokio::test]
async fn trouble_with_the_disk_fails_no_request() {
    let (bench, tier) = tier();
    let held = bench.put(&tier, b"held").await;
    let root = bench.store_directory();
    for directory in ["incoming", "tier"] {
        fs::rename(root.join(directory), root.join("gone")).unwrap();
        fs::write(root.join(directory), "a file in its place").unwrap();
        let bytes = numbered(7, 300_000);
        let id = bench.put(&tier, &bytes).await;
        assert!(read(&tier, id).await.unwrap() == bytes);
        assert!(read(&tier, id).await.unwrap() == bytes);
        assert_eq!(read(&tier, held).await.unwrap(), "held");
        assert!(tier.delete(id).await.unwrap());
        fs::remove_file(root.join(directory)).unwrap();
        fs::rename(root.join("gone"), root.join(directory)).unwrap();
    }
}

#[tokio::test]
async fn a_source_on_another_file_system_is_stored_below_only() {
    let (bench, tier) = tier();
    let other = tempfile::tempdir_in("/dev/shm").unwrap();
    let source = other.path().join("source");
    fs::write(&source, b"bytes").unwrap();
    let id = id_of(b"bytes");
    tier.put_file(id, &source, 5, Durability::Cache).await.unwrap();
    assert!(!source.exists());
    assert!(!file_of(&bench, id).exists());
    assert_eq!(read(&tier, id).await.unwrap(), "bytes");
}

#[tokio::test]
async fn a_published_spool_file_becomes_a_hit_and_no_longer_counts_as_spool() {
    let (bench, tier) = tier();
    let spool = FileSpool::open(tier.spool_directory(), QUOTA).unwrap();
    let mut writer = spool.create(Some(5), &[]).await.unwrap();
    writer.append(Bytes::from_static(b"bytes")).await.unwrap();
    let id = writer.digests().blob_id().unwrap();
    tier.put_file(id, writer.path(), 5, Durability::Strict).await.unwrap();
    let reader = writer.reader();
    drop(writer);
    assert_eq!(spool.used_bytes(), 0);
    assert_eq!(reader.read_at(0, 10).await.unwrap(), "bytes");
    assert!(file_of(&bench, id).exists());
    assert_eq!(read(&tier, id).await.unwrap(), "bytes");
    assert_eq!(opened(&tier), 0);
}

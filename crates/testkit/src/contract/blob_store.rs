//! Contract of `BlobStore` and `Spool`.
//!
//! A backend stamps a suite with a factory that makes it in an empty directory:
//!
//! ```text
//! async fn make(directory: PathBuf) -> FileStore { … }
//! mod file_store {
//!     testkit::blob_store_contract!(super::make);
//! }
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "the clauses are the bodies of tests: a panic is their verdict"
)]

use std::fs;
use std::path::{Path, PathBuf};

use artifact_core::ports::{
    BlobPayload, BlobRead, BlobStore, ByteRange, Durability, Spool, SpoolReader, SpoolWriter,
};
use artifact_core::{Algorithm, BlobId, ErrorKind};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use ring::digest::{SHA256, digest};
use tempfile::TempDir;

/// The quota of the spool that `spool_contract!` asks its factory for.
pub const SPOOL_QUOTA: u64 = 4 << 20;

/// Stamps one test per clause of the `BlobStore` contract. The argument names an
/// `async fn(PathBuf) -> impl BlobStore`; behind `if_there`, one that returns an `Option`, with
/// `None` where the store needs a server that is not installed.
#[macro_export]
macro_rules! blob_store_contract {
    ($make:path) => {
        $crate::blob_store_contract!(@suite $make; Some);
    };
    (if_there $make:path) => {
        $crate::blob_store_contract!(@suite $make; std::convert::identity);
    };
    (@suite $make:path; $found:path) => {
        $crate::blob_store_contract! {
            @clauses $make; $found;
            an_absent_blob_is_none,
            a_stored_blob_is_given_back_whole,
            an_empty_blob_is_a_blob,
            a_range_is_cut_and_clamped_and_the_size_stays_whole,
            a_put_consumes_its_source,
            a_put_is_idempotent,
            a_damaged_blob_is_replaced,
            a_source_of_another_size_is_refused,
            a_missing_source_is_a_failure_and_not_an_absence,
            concurrent_puts_of_one_blob_all_succeed,
            a_delete_removes_the_blob_once,
            a_deleted_blob_can_be_put_again,
            some_blobs_are_deleted_in_order_and_one_at_least,
            a_list_is_in_order_and_pages,
            a_list_starts_behind_an_id_that_is_not_stored,
            a_list_tells_size_and_age,
            an_epoch_is_kept_beside_the_blobs,
            a_check_passes_and_leaves_nothing,
        }
    };
    (@clauses $make:path; $found:path; $($clause:ident),+ $(,)?) => { $(
        #[tokio::test]
        async fn $clause() {
            let bench = $crate::contract::blob_store::Workbench::new();
            let Some(store) = $found($make(bench.store_directory()).await) else { return };
            $crate::contract::blob_store::$clause(&store, &bench).await;
        }
    )+ };
}

/// Stamps one test per clause of the `Spool` contract. The argument names an
/// `async fn(PathBuf, u64) -> impl Spool`, whose second argument is the quota in bytes.
#[macro_export]
macro_rules! spool_contract {
    ($make:path) => {
        $crate::spool_contract! {
            @clauses $make;
            every_byte_is_visible_when_append_returns,
            a_read_is_short_only_at_the_end,
            a_read_beyond_the_end_is_empty,
            readers_are_independent,
            readers_survive_the_drop_of_the_writer,
            the_name_goes_with_the_writer,
            the_path_holds_every_appended_byte,
            digests_cover_every_appended_byte,
            digests_can_be_asked_for_on_the_way,
            used_bytes_grow_and_are_given_back,
            a_promise_beyond_the_quota_is_refused,
            growth_beyond_the_quota_is_refused,
            a_dropped_file_makes_room,
        }
    };
    (@clauses $make:path; $($clause:ident),+ $(,)?) => { $(
        #[tokio::test]
        async fn $clause() {
            let bench = $crate::contract::blob_store::Workbench::new();
            let quota = $crate::contract::blob_store::SPOOL_QUOTA;
            let spool = $make(bench.store_directory(), quota).await;
            $crate::contract::blob_store::$clause(&spool).await;
        }
    )+ };
}

/// A directory for one test: the store's own part, and files on their way into it.
#[derive(Debug)]
pub struct Workbench(TempDir);

impl Workbench {
    /// An empty one; gone when dropped.
    #[expect(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// Where the store under test lives. Not made yet.
    pub fn store_directory(&self) -> PathBuf {
        self.0.path().join("store")
    }

    /// A finished file that holds `bytes`.
    pub fn source(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Puts `bytes` under their own id.
    pub async fn put(&self, store: &dyn BlobStore, bytes: &[u8]) -> BlobId {
        let id = id_of(bytes);
        self.put_as(store, id, bytes).await;
        id
    }

    /// Puts `bytes` under any id, which is how a test makes damage.
    pub async fn put_as(&self, store: &dyn BlobStore, id: BlobId, bytes: &[u8]) {
        let source = self.source(&format!("source-{id}"), bytes);
        store.put_file(id, &source, bytes.len() as u64, Durability::Cache).await.unwrap();
    }
}

/// The id of the blob that consists of `bytes`.
pub fn id_of(bytes: &[u8]) -> BlobId {
    BlobId::from_bytes(digest(&SHA256, bytes).as_ref().try_into().unwrap())
}

/// `length` bytes in which no two neighbouring windows are alike.
pub fn sample(length: usize) -> Bytes {
    (0..=250_u8).cycle().zip((0..=240_u8).cycle()).map(|(a, b)| a ^ b).take(length).collect()
}

/// The bytes of an opened blob.
pub async fn bytes_of(read: BlobRead) -> Bytes {
    match read.payload {
        BlobPayload::Bytes(bytes) => bytes,
        BlobPayload::Stream(stream) => stream.try_collect::<BytesMut>().await.unwrap().freeze(),
    }
}

async fn whole(store: &dyn BlobStore, id: BlobId) -> Option<Bytes> {
    let read = store.open(id, None).await.unwrap()?;
    let size = read.size;
    let bytes = bytes_of(read).await;
    assert_eq!(bytes.len() as u64, size);
    Some(bytes)
}

fn narrow(length: u64) -> usize {
    usize::try_from(length).unwrap()
}

/// A blob that was never put is absent from every question.
pub async fn an_absent_blob_is_none(store: &dyn BlobStore, _: &Workbench) {
    let id = id_of(b"never stored");
    assert!(store.open(id, None).await.unwrap().is_none());
    assert!(store.open(id, Some(ByteRange { start: 0, end: 1 })).await.unwrap().is_none());
    assert_eq!(store.stat(id).await.unwrap(), None);
    assert!(!store.delete(id).await.unwrap());
    assert_eq!(store.list(None, 10).await.unwrap(), []);
}

/// Small and large blobs come back, however often they are read.
pub async fn a_stored_blob_is_given_back_whole(store: &dyn BlobStore, bench: &Workbench) {
    for length in [1, 4096, 300_000, 1_500_000] {
        let bytes = sample(length);
        let id = bench.put(store, &bytes).await;
        assert_eq!(store.stat(id).await.unwrap(), Some(length as u64));
        for _ in 0..3 {
            assert!(whole(store, id).await.unwrap() == bytes, "{length} bytes");
        }
        assert_eq!(store.stat(id).await.unwrap(), Some(length as u64));
    }
}

/// No bytes are bytes, too.
pub async fn an_empty_blob_is_a_blob(store: &dyn BlobStore, bench: &Workbench) {
    let id = bench.put(store, b"").await;
    assert_eq!(store.stat(id).await.unwrap(), Some(0));
    assert_eq!(whole(store, id).await.unwrap(), Bytes::new());
}

/// Read cold and warm, a range is what it says.
pub async fn a_range_is_cut_and_clamped_and_the_size_stays_whole(
    store: &dyn BlobStore,
    bench: &Workbench,
) {
    let bytes = sample(1000);
    let id = bench.put(store, &bytes).await;
    for (start, end) in [(0, 1), (10, 20), (999, 1000), (990, 5000), (0, 1000), (0, u64::MAX)] {
        let range = Some(ByteRange { start, end });
        let read = store.open(id, range).await.unwrap().unwrap();
        assert_eq!(read.size, 1000);
        let expected = bytes.slice(narrow(start)..narrow(end.min(1000)));
        assert_eq!(bytes_of(read).await, expected, "{start}..{end}");
    }
}

/// On success the file is the store's, whether the blob was new or not.
pub async fn a_put_consumes_its_source(store: &dyn BlobStore, bench: &Workbench) {
    let id = id_of(b"bytes");
    for durability in [Durability::Cache, Durability::Strict] {
        let source = bench.source("source", b"bytes");
        store.put_file(id, &source, 5, durability).await.unwrap();
        assert!(!source.exists(), "{durability:?}");
    }
}

/// The same bytes twice are one blob, in every mix of durabilities.
pub async fn a_put_is_idempotent(store: &dyn BlobStore, bench: &Workbench) {
    let id = id_of(b"bytes");
    for durability in [Durability::Cache, Durability::Strict, Durability::Strict, Durability::Cache]
    {
        let source = bench.source("source", b"bytes");
        store.put_file(id, &source, 5, durability).await.unwrap();
        assert_eq!(whole(store, id).await.unwrap(), "bytes");
    }
    assert_eq!(store.list(None, 10).await.unwrap().len(), 1);
}

/// A stored blob of the wrong size cannot be what its name says, read before or not.
pub async fn a_damaged_blob_is_replaced(store: &dyn BlobStore, bench: &Workbench) {
    for (damage, durability) in [("by", Durability::Cache), ("bytes, more", Durability::Strict)] {
        let id = id_of(b"bytes");
        bench.put_as(store, id, damage.as_bytes()).await;
        assert_eq!(whole(store, id).await.unwrap(), damage);

        let source = bench.source("source", b"bytes");
        store.put_file(id, &source, 5, durability).await.unwrap();
        assert_eq!(whole(store, id).await.unwrap(), "bytes");
        assert_eq!(store.stat(id).await.unwrap(), Some(5));
        assert!(!source.exists());
    }
}

/// A file that lost its end, such as one whose last write failed, never becomes a blob.
pub async fn a_source_of_another_size_is_refused(store: &dyn BlobStore, bench: &Workbench) {
    let id = id_of(b"bytes");
    let source = bench.source("source", b"byte");
    assert!(store.put_file(id, &source, 5, Durability::Strict).await.is_err());
    assert!(whole(store, id).await.is_none());
}

/// "Not found" about a source must never be read as "not found" about the blob.
pub async fn a_missing_source_is_a_failure_and_not_an_absence(
    store: &dyn BlobStore,
    bench: &Workbench,
) {
    let source = bench.store_directory().with_file_name("nowhere");
    let outcome = store.put_file(id_of(b"bytes"), &source, 5, Durability::Cache).await;
    assert!(!outcome.unwrap_err().is_absent());
}

/// Nobody loses the race, and every source is consumed.
pub async fn concurrent_puts_of_one_blob_all_succeed(store: &dyn BlobStore, bench: &Workbench) {
    let bytes = sample(100_000);
    let id = id_of(&bytes);
    let sources: Vec<_> = (0..8).map(|n| bench.source(&format!("{n}"), &bytes)).collect();
    let put = |source| store.put_file(id, source, 100_000, Durability::Cache);
    for outcome in join_all(sources.iter().map(|source| put(source.as_path()))).await {
        outcome.unwrap();
    }
    assert!(whole(store, id).await.unwrap() == bytes);
    assert!(sources.iter().all(|source| !source.exists()));
}

/// The second delete says that there was nothing; a blob that was read is forgotten, too.
pub async fn a_delete_removes_the_blob_once(store: &dyn BlobStore, bench: &Workbench) {
    let id = bench.put(store, b"bytes").await;
    let other = bench.put(store, b"other bytes").await;
    assert_eq!(whole(store, id).await.unwrap(), "bytes");
    assert!(store.delete(id).await.unwrap());
    assert!(!store.delete(id).await.unwrap());
    assert!(whole(store, id).await.is_none());
    assert_eq!(store.stat(id).await.unwrap(), None);
    assert_eq!(whole(store, other).await.unwrap(), "other bytes");
}

/// Deletion leaves nothing that would be in the way.
pub async fn a_deleted_blob_can_be_put_again(store: &dyn BlobStore, bench: &Workbench) {
    let id = bench.put(store, b"bytes").await;
    store.delete(id).await.unwrap();
    bench.put(store, b"bytes").await;
    assert_eq!(whole(store, id).await.unwrap(), "bytes");
}

/// Calls for what is left end; absent blobs count, too. Nothing else is deleted, and what was read is forgotten.
pub async fn some_blobs_are_deleted_in_order_and_one_at_least(
    store: &dyn BlobStore,
    bench: &Workbench,
) {
    let (first, absent) = (bench.put(store, b"first").await, bench.put(store, b"absent").await);
    let (last, kept) = (bench.put(store, b"last").await, bench.put(store, b"kept").await);
    assert!(whole(store, first).await.is_some());
    store.delete(absent).await.unwrap();
    assert!(store.delete_some(&[]).await.is_empty());
    let ids = [first, absent, last];
    let mut left = ids.as_slice();
    let mut deleted = Vec::new();
    while !left.is_empty() {
        let outcomes = store.delete_some(left).await;
        assert!((1..=left.len()).contains(&outcomes.len()), "{} of {}", outcomes.len(), left.len());
        left = left.split_at(outcomes.len()).1;
        deleted.extend(outcomes.into_iter().map(Result::unwrap));
    }
    assert_eq!(deleted, [true, false, true]);
    for id in ids {
        assert!(whole(store, id).await.is_none());
    }
    assert_eq!(whole(store, kept).await.unwrap(), "kept");
}

/// Pages of any size, laid end to end, are all blobs in order of id.
pub async fn a_list_is_in_order_and_pages(store: &dyn BlobStore, bench: &Workbench) {
    let mut expected = Vec::new();
    for number in 0..25 {
        expected.push(bench.put(store, format!("blob {number}").as_bytes()).await);
    }
    expected.sort_unstable();
    for limit in [1, 7, 25, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.list(after, limit).await.unwrap();
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            found.extend(page.iter().map(|listing| listing.id));
        }
        assert_eq!(found, expected, "pages of {limit}");
    }
    assert_eq!(store.list(None, 0).await.unwrap(), []);
}

/// The place to go on from may have been deleted meanwhile. The ids share leading bytes, because
/// backends spread blobs over directories by them.
pub async fn a_list_starts_behind_an_id_that_is_not_stored(
    store: &dyn BlobStore,
    bench: &Workbench,
) {
    let id = |head: [u8; 3]| {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(head).for_each(|(byte, value)| *byte = value);
        BlobId::from_bytes(bytes)
    };
    let stored = [[0, 0, 1], [5, 0, 0], [5, 5, 1], [5, 5, 9], [5, 6, 0], [255, 255, 255]].map(id);
    for blob in stored {
        bench.put_as(store, blob, b"x").await;
    }
    let table = [
        ([0, 0, 0], 6),
        ([0, 0, 2], 5),
        ([5, 4, 255], 4),
        ([5, 5, 1], 3),
        ([5, 5, 5], 3),
        ([5, 255, 0], 1),
        ([255, 255, 255], 0),
    ];
    for (after, count) in table {
        let found: Vec<_> =
            store.list(Some(id(after)), 10).await.unwrap().iter().map(|l| l.id).collect();
        let expected: Vec<_> = stored.into_iter().skip(stored.len() - count).collect();
        assert_eq!(found, expected, "after {after:?}");
    }
}

/// What garbage collection decides by.
pub async fn a_list_tells_size_and_age(store: &dyn BlobStore, bench: &Workbench) {
    let id = bench.put(store, b"bytes").await;
    let listed = store.list(None, 10).await.unwrap();
    let [listing] = listed.as_slice() else { panic!("one blob, not {listed:?}") };
    assert_eq!((listing.id, listing.size), (id, 5));
    let year_2020 = 1_577_836_800;
    assert!(listing.stored_at.as_seconds() > year_2020, "{:?}", listing.stored_at);
}

/// Zero until one is set, then the last one, and never taken for a blob.
pub async fn an_epoch_is_kept_beside_the_blobs(store: &dyn BlobStore, bench: &Workbench) {
    assert_eq!(store.epoch().await.unwrap(), 0);
    for epoch in [1, u64::MAX, 41, 42] {
        store.set_epoch(epoch).await.unwrap();
        assert_eq!(store.epoch().await.unwrap(), epoch);
    }
    assert_eq!(store.list(None, 10).await.unwrap(), []);
    let id = bench.put(store, b"bytes").await;
    store.delete(id).await.unwrap();
    assert_eq!(store.epoch().await.unwrap(), 42);
}

/// The probe is not a blob and does not disturb any.
pub async fn a_check_passes_and_leaves_nothing(store: &dyn BlobStore, bench: &Workbench) {
    store.check().await.unwrap();
    assert_eq!(store.list(None, 10).await.unwrap(), []);
    let id = bench.put(store, b"bytes").await;
    store.check().await.unwrap();
    assert_eq!(whole(store, id).await.unwrap(), "bytes");
}

async fn writer_of(spool: &dyn Spool, chunks: &[&[u8]]) -> Box<dyn SpoolWriter> {
    let mut writer = spool.create(None, &[]).await.unwrap();
    for chunk in chunks {
        writer.append(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    writer
}

async fn read_all(reader: &dyn SpoolReader, step: usize) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let bytes = reader.read_at(all.len() as u64, step).await.unwrap();
        if bytes.is_empty() {
            return all;
        }
        all.extend_from_slice(&bytes);
    }
}

/// No byte waits for a later append, whatever the sizes of the chunks.
pub async fn every_byte_is_visible_when_append_returns(spool: &dyn Spool) {
    let mut writer = spool.create(None, &[]).await.unwrap();
    let reader = writer.reader();
    let mut rest = sample(600_000);
    let expected = rest.clone();
    let mut end = 0;
    for length in [1, 0, 99_900, 40_000, 1, 16_384, 300_000, 2, 70_000] {
        writer.append(rest.split_to(length)).await.unwrap();
        end += length;
        let found = reader.read_at(0, 1_000_000).await.unwrap();
        assert!(found == expected.slice(..end), "{end} bytes from the start");
        let last = reader.read_at(end as u64 - 1, 10).await.unwrap();
        assert_eq!(last, expected.slice(end - 1..end), "the last byte of {end}");
    }
}

/// Fewer bytes than asked for mean the end, never an inner border.
pub async fn a_read_is_short_only_at_the_end(spool: &dyn Spool) {
    let bytes = sample(300_000);
    let chunks: Vec<&[u8]> = bytes.chunks(9_999).collect();
    let writer = writer_of(spool, &chunks).await;
    let reader = writer.reader();
    for (offset, length) in [(0, 300_000), (9_990, 20), (100, 250_000), (1, 299_999)] {
        let found = reader.read_at(offset as u64, length).await.unwrap();
        assert!(found == bytes.slice(offset..offset + length), "{length} bytes from {offset}");
    }
    assert_eq!(reader.read_at(299_990, 100).await.unwrap(), bytes.slice(299_990..));
}

/// Waiting for more is the caller's business.
pub async fn a_read_beyond_the_end_is_empty(spool: &dyn Spool) {
    let writer = writer_of(spool, &[b"bytes"]).await;
    let reader = writer.reader();
    for offset in [5, 6, 1_000_000, u64::MAX] {
        assert!(reader.read_at(offset, 10).await.unwrap().is_empty(), "{offset}");
    }
    assert!(reader.read_at(0, 0).await.unwrap().is_empty());
}

/// Readers have no common position.
pub async fn readers_are_independent(spool: &dyn Spool) {
    let bytes = sample(200_000);
    let writer = writer_of(spool, &[&bytes]).await;
    let (one, two) = (writer.reader(), writer.reader());
    let (fast, slow) = (read_all(&*one, 100_000), read_all(&*two, 7_777));
    assert!(fast.await == bytes);
    assert!(slow.await == bytes);
}

/// A client that is still being served does not notice that its file is gone.
pub async fn readers_survive_the_drop_of_the_writer(spool: &dyn Spool) {
    for length in [10, 500_000] {
        let bytes = sample(length);
        let writer = writer_of(spool, &[&bytes]).await;
        let reader = writer.reader();
        drop(writer);
        assert!(read_all(&*reader, 65_536).await == bytes, "{length} bytes");
    }
}

/// What is given up leaves no file behind.
pub async fn the_name_goes_with_the_writer(spool: &dyn Spool) {
    let writer = writer_of(spool, &[b"bytes"]).await;
    let path = writer.path().to_owned();
    assert!(path.exists());
    let reader = writer.reader();
    drop(writer);
    assert!(!path.exists());
    drop(reader);
}

/// A store can take the file as soon as it knows the path.
pub async fn the_path_holds_every_appended_byte(spool: &dyn Spool) {
    for length in [0, 10, 200_000, 1_000_000] {
        let bytes = sample(length);
        let chunks: Vec<&[u8]> = bytes.chunks(30_000).collect();
        let writer = writer_of(spool, &chunks).await;
        assert!(file_at(writer.path()) == bytes, "{length} bytes");
        assert!(read_all(&*writer.reader(), 65_536).await == bytes, "{length} bytes");
    }
}

fn file_at(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

/// SHA-256 always, others when asked for, and of nothing as well.
pub async fn digests_cover_every_appended_byte(spool: &dyn Spool) {
    for length in [0, 10, 131_072, 700_001] {
        let bytes = sample(length);
        let mut writer = spool.create(Some(length as u64), &[Algorithm::Sha512]).await.unwrap();
        for chunk in bytes.chunks(50_000) {
            writer.append(Bytes::copy_from_slice(chunk)).await.unwrap();
        }
        let digests = writer.digests();
        assert_eq!(digests.blob_id(), Some(id_of(&bytes)), "{length} bytes");
        let sha512 = digest(&ring::digest::SHA512, &bytes);
        assert_eq!(digests.get(Algorithm::Sha512).unwrap().as_bytes(), sha512.as_ref());
        assert_eq!(digests.get(Algorithm::Md5), None);
    }
}

/// Asking does not end the hashing, nor does giving the path away.
pub async fn digests_can_be_asked_for_on_the_way(spool: &dyn Spool) {
    let mut writer = spool.create(None, &[]).await.unwrap();
    assert_eq!(writer.digests().blob_id(), Some(id_of(b"")));
    writer.append(Bytes::from_static(b"one")).await.unwrap();
    assert_eq!(writer.digests().blob_id(), Some(id_of(b"one")));
    assert!(writer.path().exists());
    writer.append(Bytes::from_static(b"two")).await.unwrap();
    assert_eq!(writer.digests().blob_id(), Some(id_of(b"onetwo")));
    assert_eq!(writer.digests().blob_id(), Some(id_of(b"onetwo")));
}

/// Files count with what they hold, as long as anybody can read them.
pub async fn used_bytes_grow_and_are_given_back(spool: &dyn Spool) {
    assert_eq!(spool.used_bytes(), 0);
    let one = writer_of(spool, &[&sample(1000), &sample(500)]).await;
    assert_eq!(spool.used_bytes(), 1500);
    let two = writer_of(spool, &[&sample(200_000)]).await;
    assert_eq!(spool.used_bytes(), 201_500);
    drop(one);
    assert_eq!(spool.used_bytes(), 200_000);
    let reader = two.reader();
    drop(two);
    assert_eq!(spool.used_bytes(), 200_000, "unlinked, but still on the disk");
    drop(reader);
    assert_eq!(spool.used_bytes(), 0);
}

/// Refused before a byte is fetched.
pub async fn a_promise_beyond_the_quota_is_refused(spool: &dyn Spool) {
    let error = spool.create(Some(SPOOL_QUOTA + 1), &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InsufficientStorage);
    let held = spool.create(Some(SPOOL_QUOTA), &[]).await.unwrap();
    let error = spool.create(Some(1), &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InsufficientStorage);
    drop(held);
    assert_eq!(spool.used_bytes(), 0);
}

/// A length that was not announced does not get around the quota.
pub async fn growth_beyond_the_quota_is_refused(spool: &dyn Spool) {
    for expected in [None, Some(10)] {
        let mut writer = spool.create(expected, &[]).await.unwrap();
        writer.append(sample(narrow(SPOOL_QUOTA))).await.unwrap();
        let error = writer.append(Bytes::from_static(b"x")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InsufficientStorage);
    }
}

/// The quota is of what there is, not of what there was.
pub async fn a_dropped_file_makes_room(spool: &dyn Spool) {
    for _ in 0..3 {
        let mut writer = spool.create(Some(SPOOL_QUOTA), &[]).await.unwrap();
        writer.append(sample(100_000)).await.unwrap();
    }
    assert_eq!(spool.used_bytes(), 0);
}

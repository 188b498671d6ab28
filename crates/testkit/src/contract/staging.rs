//! Contract of `Staging`.
//!
//! A backend stamps the suite with a factory that makes its surroundings in an empty directory; these open the
//! store as often as the clauses want, each time as another replica would:
//!
//! ```text
//! struct Files(PathBuf);
//! impl StagingBackend for Files {
//!     type Store = FileStore;
//!     fn open(&self) -> FileStore { … }
//! }
//! async fn files(directory: PathBuf) -> Files { … }
//! mod files {
//!     testkit::staging_contract!(super::files);
//! }
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "the clauses are the bodies of tests: a panic is their verdict"
)]

use std::sync::LazyLock;

use artifact_core::ports::{BlobStore, ByteRange, StagedBytes, Staging, StagingWriter, UploadId};
use artifact_core::{Algorithm, BlobId, Clock, ErrorKind, SystemClock};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, TryStreamExt};
use ring::digest::{SHA512, digest};

use super::blob_store::{self, Workbench, bytes_of, id_of};

mod kept;
pub use self::kept::*;

/// Long enough for several parts of every backend that has parts.
const LARGE: usize = 20 << 20;

/// The first `length` bytes of a sample that is made once: these are many.
fn sample(length: usize) -> Bytes {
    static SAMPLE: LazyLock<Bytes> = LazyLock::new(|| blob_store::sample(LARGE));
    SAMPLE.slice(..length)
}

/// Where stores live that know of the same uploads.
pub trait StagingBackend {
    /// The store under test.
    type Store: Staging + BlobStore;

    /// The store as another replica opens it. The one before is gone by then.
    fn open(&self) -> Self::Store;
}

/// Stamps one test per clause of the `Staging` contract. The argument names an
/// `async fn(PathBuf) -> impl StagingBackend`; behind `if_there`, one that returns an `Option`,
/// with `None` where the store needs a server that is not installed.
#[macro_export]
macro_rules! staging_contract {
    ($make:path) => {
        $crate::staging_contract!(@suite $make; Some);
    };
    (if_there $make:path) => {
        $crate::staging_contract!(@suite $make; std::convert::identity);
    };
    (@suite $make:path; $found:path) => {
        $crate::staging_contract! {
            @clauses $make; $found;
            what_is_flushed_continues_on_another_replica,
            what_is_behind_the_state_is_cut_off,
            what_was_not_flushed_is_lost,
            an_older_state_continues_until_the_one_after_the_next,
            digests_are_right_wherever_the_upload_is_interrupted,
            digests_can_be_asked_for_without_a_flush,
            other_algorithms_are_computed_when_asked_for,
            a_kept_upload_is_a_blob_with_ranges,
            a_large_upload_of_odd_chunks_is_kept_whole,
            a_large_upload_is_continued_by_many_replicas,
            an_upload_is_kept_twice,
            two_uploads_of_the_same_bytes_are_both_kept,
            two_uploads_of_the_same_bytes_are_kept_at_once,
            kept_uploads_are_listed_among_other_blobs_and_deleted_like_them,
            a_file_of_the_same_bytes_changes_nothing,
            a_discard_after_the_keep_takes_nothing_from_the_blob,
            a_blob_of_another_size_is_replaced,
            an_empty_upload_is_a_blob,
            an_upload_that_was_never_written_to_is_empty,
            staged_bytes_can_be_read_and_then_kept,
            a_discarded_upload_is_gone,
            a_discard_needs_no_state,
            a_damaged_state_is_an_error_and_changes_nothing,
            staged_uploads_are_listed_in_pages,
            a_state_is_short,
            a_writer_that_is_left_in_the_middle_loses_and_doubles_nothing,
        }
    };
    (@clauses $make:path; $found:path; $($clause:ident),+ $(,)?) => { $(
        #[tokio::test]
        async fn $clause() {
            let bench = $crate::contract::blob_store::Workbench::new();
            let Some(backend) = $found($make(bench.store_directory()).await) else { return };
            $crate::contract::staging::$clause(&backend, &bench).await;
        }
    )+ };
}

async fn writer(store: &impl Staging, id: UploadId, state: &str) -> Box<dyn StagingWriter> {
    store.write(id, state, &[]).await.unwrap()
}

async fn append(writer: &mut dyn StagingWriter, bytes: &[u8]) {
    writer.append(Bytes::copy_from_slice(bytes)).await.unwrap();
}

/// Appends `bytes` where `state` stands, with a store of its own.
async fn appended(
    backend: &impl StagingBackend,
    id: UploadId,
    state: &str,
    bytes: &[u8],
) -> StagedBytes {
    let store = backend.open();
    let mut writer = writer(&store, id, state).await;
    append(&mut *writer, bytes).await;
    writer.flush().await.unwrap()
}

async fn whole(store: &impl BlobStore, id: BlobId) -> Option<Bytes> {
    let read = store.open(id, None).await.unwrap()?;
    let size = read.size;
    let bytes = bytes_of(read).await;
    assert_eq!(bytes.len() as u64, size);
    Some(bytes)
}

async fn staged(store: &impl Staging) -> Vec<UploadId> {
    store.staged(None, 100).await.unwrap().into_iter().map(|(id, _)| id).collect()
}

/// Numbers below `limit` that differ from run to run, and what they began with.
fn numbers(limit: usize) -> (u64, impl FnMut() -> usize) {
    let seed = UploadId::random().as_uuid().as_u64_pair().0 | 1;
    let mut next = seed;
    let number = move || {
        next ^= next << 13;
        next ^= next >> 7;
        next ^= next << 17;
        usize::try_from(next % limit as u64).unwrap()
    };
    (seed, number)
}

/// Every replica goes on from what the one before made durable.
pub async fn what_is_flushed_continues_on_another_replica(
    backend: &impl StagingBackend,
    _: &Workbench,
) {
    let id = UploadId::random();
    let mut state = String::new();
    for (piece, size) in [("one ", 4), ("two ", 8), ("", 8), ("three", 13)] {
        let flushed = appended(backend, id, &state, piece.as_bytes()).await;
        assert_eq!(flushed.size, size, "{piece}");
        state = flushed.state;
    }
    let store = backend.open();
    let expected = id_of(b"one two three");
    assert_eq!(writer(&store, id, &state).await.digests().blob_id(), Some(expected));
    store.keep(id, &state, expected).await.unwrap();
    assert_eq!(whole(&store, expected).await.unwrap(), "one two three");
}

/// A replica that died after its flush and before that was recorded is as if it had never been.
pub async fn what_is_behind_the_state_is_cut_off(backend: &impl StagingBackend, _: &Workbench) {
    for length in [10, 100_000, 9 << 20] {
        let id = UploadId::random();
        let first = appended(backend, id, "", b"first").await;
        appended(backend, id, &first.state, &sample(length)).await;
        let second = appended(backend, id, &first.state, b" second").await;
        assert_eq!(second.size, 12);
        let store = backend.open();
        let expected = id_of(b"first second");
        store.keep(id, &second.state, expected).await.unwrap();
        assert_eq!(whole(&store, expected).await.unwrap(), "first second", "{length}");
        store.delete(expected).await.unwrap();
        assert_eq!(staged(&store).await, [], "{length}");
    }
}

/// Only a flush makes bytes durable.
pub async fn what_was_not_flushed_is_lost(backend: &impl StagingBackend, _: &Workbench) {
    for length in [10, 1_000_000] {
        let id = UploadId::random();
        let store = backend.open();
        let mut lost = writer(&store, id, "").await;
        append(&mut *lost, b"kept").await;
        let flushed = lost.flush().await.unwrap();
        append(&mut *lost, &sample(length)).await;
        drop(lost);
        drop(store);
        let store = backend.open();
        store.keep(id, &flushed.state, id_of(b"kept")).await.unwrap();
        assert_eq!(whole(&store, id_of(b"kept")).await.unwrap(), "kept", "{length}");
    }
}

/// The state given last may not have been recorded when the replica dies.
pub async fn an_older_state_continues_until_the_one_after_the_next(
    backend: &impl StagingBackend,
    _: &Workbench,
) {
    let id = UploadId::random();
    let store = backend.open();
    let mut first = writer(&store, id, "").await;
    append(&mut *first, b"a").await;
    first.flush().await.unwrap();
    append(&mut *first, b"b").await;
    let recorded = first.flush().await.unwrap();
    append(&mut *first, b"c").await;
    first.flush().await.unwrap();
    drop(first);
    drop(store);
    let continued = appended(backend, id, &recorded.state, b"d").await;
    let store = backend.open();
    store.keep(id, &continued.state, id_of(b"abd")).await.unwrap();
    assert_eq!(whole(&store, id_of(b"abd")).await.unwrap(), "abd");
}

/// Wherever connections break, the digests are those of the whole.
pub async fn digests_are_right_wherever_the_upload_is_interrupted(
    backend: &impl StagingBackend,
    _: &Workbench,
) {
    let bytes = sample(700_000);
    let (seed, mut number) = numbers(200_000);
    let id = UploadId::random();
    let (mut state, mut end) = (String::new(), 0);
    while end < bytes.len() {
        let store = backend.open();
        let mut writer = store.write(id, &state, &[Algorithm::Sha512]).await.unwrap();
        for _ in 0..3 {
            let next = (end + number()).min(bytes.len());
            writer.append(bytes.slice(end..next)).await.unwrap();
            end = next;
        }
        assert_eq!(writer.digests().blob_id(), Some(id_of(&bytes.slice(..end))), "seed {seed}");
        let flushed = writer.flush().await.unwrap();
        assert_eq!(flushed.size, end as u64, "seed {seed}");
        let sha512 = writer.digests().get(Algorithm::Sha512).unwrap().as_bytes().to_vec();
        assert_eq!(sha512, digest(&SHA512, &bytes.slice(..end)).as_ref(), "seed {seed}");
        state = flushed.state;
    }
    let store = backend.open();
    store.keep(id, &state, id_of(&bytes)).await.unwrap();
    assert!(whole(&store, id_of(&bytes)).await.unwrap() == bytes, "seed {seed}");
}

/// Asking ends nothing, and nothing has to be durable for it.
pub async fn digests_can_be_asked_for_without_a_flush(
    backend: &impl StagingBackend,
    _: &Workbench,
) {
    let store = backend.open();
    let mut writer = writer(&store, UploadId::random(), "").await;
    assert_eq!(writer.digests().blob_id(), Some(id_of(b"")));
    let bytes = sample(1_700_000);
    let mut end = 0;
    for length in [1, 0, 5000, 600_000, 3, 1_000_000] {
        writer.append(bytes.slice(end..end + length)).await.unwrap();
        end += length;
        assert_eq!(writer.digests().blob_id(), Some(id_of(&bytes.slice(..end))), "{end} bytes");
    }
}

/// What was asked for at the beginning counts, and nothing later.
pub async fn other_algorithms_are_computed_when_asked_for(
    backend: &impl StagingBackend,
    _: &Workbench,
) {
    let id = UploadId::random();
    let store = backend.open();
    let mut writer = store.write(id, "", &Algorithm::ALL).await.unwrap();
    append(&mut *writer, b"abc").await;
    let state = writer.flush().await.unwrap().state;
    drop(writer);
    let writer = store.write(id, &state, &[]).await.unwrap();
    let digests = writer.digests();
    let hex = |algorithm| digests.get(algorithm).unwrap().to_hex();
    assert_eq!(hex(Algorithm::Md5), "900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(hex(Algorithm::Sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_eq!(digests.blob_id(), Some(id_of(b"abc")));
    assert_eq!(
        digests.get(Algorithm::Sha512).unwrap().as_bytes(),
        digest(&SHA512, b"abc").as_ref()
    );
    drop(writer);
    let plain = store.write(UploadId::random(), "", &[]).await.unwrap();
    assert_eq!(plain.digests().iter().count(), 1);
}

/// It is read as any other blob is, and listed, and as old as its name.
pub async fn a_kept_upload_is_a_blob_with_ranges(backend: &impl StagingBackend, _: &Workbench) {
    let bytes = sample(600_000);
    let (id, blob) = (UploadId::random(), id_of(&bytes));
    let state = appended(backend, id, "", &bytes).await.state;
    let store = backend.open();
    let before = SystemClock.now();
    store.keep(id, &state, blob).await.unwrap();
    assert_eq!(store.stat(blob).await.unwrap(), Some(600_000));
    for (start, end) in [(0_usize, 1_usize), (10, 400_000), (599_999, 600_000)] {
        let range = ByteRange { start: start as u64, end: end as u64 };
        let read = store.open(blob, Some(range)).await.unwrap().unwrap();
        assert_eq!(read.size, 600_000);
        assert!(bytes_of(read).await == bytes.slice(start..end), "{start}..{end}");
    }
    let listed = store.list(None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|listing| listing.id).collect::<Vec<_>>(), [blob]);
    // Stores tell whole seconds.
    let stored_at = listed.first().unwrap().stored_at.as_seconds();
    assert!((before.as_seconds() - 1..=SystemClock.now().as_seconds() + 1).contains(&stored_at));
    assert_eq!(staged(&store).await, []);
}

/// Parts, their borders and the rest behind them are seen by nobody.
pub async fn a_large_upload_of_odd_chunks_is_kept_whole(
    backend: &impl StagingBackend,
    _: &Workbench,
) {
    let bytes = sample(LARGE);
    let (seed, mut number) = numbers(300_000);
    let (id, blob) = (UploadId::random(), id_of(&bytes));
    let store = backend.open();
    let mut writer = writer(&store, id, "").await;
    let mut rest = bytes.clone();
    while !rest.is_empty() {
        let chunk = rest.split_to((number() + 1).min(rest.len()));
        writer.append(chunk).await.unwrap();
    }
    assert_eq!(writer.digests().blob_id(), Some(blob), "seed {seed}");
    let flushed = writer.flush().await.unwrap();
    assert_eq!(flushed.size, LARGE as u64);
    drop(writer);
    store.keep(id, &flushed.state, blob).await.unwrap();
    assert!(whole(&store, blob).await.unwrap() == bytes, "seed {seed}");
    assert_eq!(staged(&store).await, []);
}

/// Interruptions before, at and behind the borders of parts.
pub async fn a_large_upload_is_continued_by_many_replicas(
    backend: &impl StagingBackend,
    _: &Workbench,
) {
    const MIB: usize = 1 << 20;
    let bytes = sample(LARGE);
    let (id, blob) = (UploadId::random(), id_of(&bytes));
    let mut state = String::new();
    let mut begin = 0;
    for end in [3 * MIB, 8 * MIB, 8 * MIB + 1, 15 * MIB, 17 * MIB, LARGE] {
        let flushed = appended(backend, id, &state, &bytes.slice(begin..end)).await;
        assert_eq!(flushed.size, end as u64);
        (state, begin) = (flushed.state, end);
    }
    let store = backend.open();
    assert_eq!(writer(&store, id, &state).await.digests().blob_id(), Some(blob));
    store.keep(id, &state, blob).await.unwrap();
    assert!(whole(&store, blob).await.unwrap() == bytes);
    assert_eq!(staged(&store).await, []);
}

/// The answer to the first may have been lost.
pub async fn an_upload_is_kept_twice(backend: &impl StagingBackend, _: &Workbench) {
    for length in [0, 10, 9 << 20] {
        let bytes = sample(length);
        let (id, blob) = (UploadId::random(), id_of(&bytes));
        let state = appended(backend, id, "", &bytes).await.state;
        for _ in 0..2 {
            let store = backend.open();
            store.keep(id, &state, blob).await.unwrap();
            assert!(whole(&store, blob).await.unwrap() == bytes, "{length} bytes");
        }
        let store = backend.open();
        assert_eq!(staged(&store).await, [], "{length} bytes");
        store.delete(blob).await.unwrap();
        if length > 0 {
            let error = store.keep(id, &state, blob).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{length} bytes");
        }
    }
}

/// No bytes are bytes, too, and can be flushed and continued.
pub async fn an_empty_upload_is_a_blob(backend: &impl StagingBackend, _: &Workbench) {
    let (id, blob) = (UploadId::random(), id_of(b""));
    let flushed = appended(backend, id, "", b"").await;
    assert_eq!(flushed.size, 0);
    let again = appended(backend, id, &flushed.state, b"").await;
    let store = backend.open();
    assert_eq!(writer(&store, id, &again.state).await.digests().blob_id(), Some(blob));
    assert!(read(&store, id, &again.state).await.is_empty());
    store.keep(id, &again.state, blob).await.unwrap();
    assert_eq!(whole(&store, blob).await.unwrap(), "");
    assert_eq!(staged(&store).await, []);
}

/// The empty state is a state.
pub async fn an_upload_that_was_never_written_to_is_empty(
    backend: &impl StagingBackend,
    _: &Workbench,
) {
    let (id, blob) = (UploadId::random(), id_of(b""));
    let store = backend.open();
    assert!(read(&store, id, "").await.is_empty());
    store.keep(id, "", blob).await.unwrap();
    assert_eq!(whole(&store, blob).await.unwrap(), "");
    assert_eq!(staged(&store).await, []);
}

async fn read(store: &impl Staging, id: UploadId, state: &str) -> BytesMut {
    store.read(id, state).await.unwrap().try_collect().await.unwrap()
}

/// For a digest that nobody had asked for before the last byte.
pub async fn staged_bytes_can_be_read_and_then_kept(backend: &impl StagingBackend, _: &Workbench) {
    for length in [1, 300_000, 17 << 20] {
        let bytes = sample(length);
        let (id, blob) = (UploadId::random(), id_of(&bytes));
        let flushed = appended(backend, id, "", &bytes).await;
        let store = backend.open();
        for _ in 0..2 {
            assert!(read(&store, id, &flushed.state).await == bytes, "{length} bytes");
        }
        store.keep(id, &flushed.state, blob).await.unwrap();
        assert!(whole(&store, blob).await.unwrap() == bytes, "{length} bytes");
        let error = store.read(id, &flushed.state).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{length} bytes");
    }
}

/// Nothing of it can be read, kept or continued.
pub async fn a_discarded_upload_is_gone(backend: &impl StagingBackend, _: &Workbench) {
    for length in [10, 9 << 20] {
        let bytes = sample(length);
        let id = UploadId::random();
        let state = appended(backend, id, "", &bytes).await.state;
        let store = backend.open();
        assert_eq!(staged(&store).await, [id]);
        store.discard(id, &state).await.unwrap();
        assert_eq!(staged(&store).await, []);
        store.discard(id, &state).await.unwrap();
        let gone = |kind| assert_eq!(kind, ErrorKind::NotFound, "{length} bytes");
        gone(store.write(id, &state, &[]).await.err().unwrap().kind());
        gone(store.read(id, &state).await.err().unwrap().kind());
        gone(store.keep(id, &state, id_of(&bytes)).await.unwrap_err().kind());
        assert_eq!(store.stat(id_of(&bytes)).await.unwrap(), None);
        drop(store);
        let anew = appended(backend, id, "", b"anew").await;
        assert_eq!(anew.size, 4);
        backend.open().discard(id, &anew.state).await.unwrap();
    }
}

/// Whatever a database has lost, the bytes can be removed.
pub async fn a_discard_needs_no_state(backend: &impl StagingBackend, _: &Workbench) {
    let store = backend.open();
    store.discard(UploadId::random(), "").await.unwrap();
    drop(store);
    for wrong in ["", "nonsense", "1.0000000000000000.{}"] {
        let id = UploadId::random();
        let first = appended(backend, id, "", &sample(9 << 20)).await;
        appended(backend, id, &first.state, b"more").await;
        // Begun anew by somebody who did not know the state.
        appended(backend, id, "", &sample(9 << 20)).await;
        let store = backend.open();
        store.discard(id, wrong).await.unwrap();
        assert_eq!(staged(&store).await, [], "{wrong}");
        let error = store.write(id, &first.state, &[]).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

/// No letter of it can change what becomes of the upload.
pub async fn a_damaged_state_is_an_error_and_changes_nothing(
    backend: &impl StagingBackend,
    _: &Workbench,
) {
    let id = UploadId::random();
    let state = appended(backend, id, "", b"bytes").await.state;
    let store = backend.open();
    let mut damaged = vec!["nonsense".to_owned(), "1.".to_owned(), format!("{state} ")];
    for position in 0..state.len() {
        let mut letters = state.clone().into_bytes();
        letters.iter_mut().skip(position).take(1).for_each(|letter| *letter ^= 1);
        damaged.extend(String::from_utf8(letters));
    }
    for text in damaged {
        assert!(store.write(id, &text, &[]).await.is_err(), "{text}");
        assert!(store.read(id, &text).await.is_err(), "{text}");
        assert!(store.keep(id, &text, id_of(b"bytes")).await.is_err(), "{text}");
    }
    assert_eq!(store.stat(id_of(b"bytes")).await.unwrap(), None);
    store.keep(id, &state, id_of(b"bytes")).await.unwrap();
    assert_eq!(whole(&store, id_of(b"bytes")).await.unwrap(), "bytes");
}

/// Pages of any size, laid end to end, are all uploads in order of id.
pub async fn staged_uploads_are_listed_in_pages(backend: &impl StagingBackend, _: &Workbench) {
    let mut expected: Vec<_> = (0..7).map(|_| UploadId::random()).collect();
    let before = SystemClock.now().as_seconds();
    for id in &expected {
        let first = appended(backend, *id, "", b"one").await;
        appended(backend, *id, &first.state, b"two").await;
    }
    expected.sort_unstable();
    let store = backend.open();
    for limit in [1, 3, 7, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.staged(after, limit).await.unwrap();
            assert!(page.len() <= limit);
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (id, changed_at) in page {
                let now = SystemClock.now().as_seconds();
                assert!((before - 1..=now + 1).contains(&changed_at.as_seconds()));
                found.push(id);
            }
        }
        assert_eq!(found, expected, "pages of {limit}");
    }
    assert_eq!(store.staged(None, 0).await.unwrap(), []);
}

/// It is kept in a row.
pub async fn a_state_is_short(backend: &impl StagingBackend, _: &Workbench) {
    let store = backend.open();
    let mut writer = store.write(UploadId::random(), "", &Algorithm::ALL).await.unwrap();
    append(&mut *writer, &sample(9 << 20)).await;
    let state = writer.flush().await.unwrap().state;
    assert!(state.len() < 2000, "{state}");
}

/// A client that goes away ends the call that it waits for, not the upload.
pub async fn a_writer_that_is_left_in_the_middle_loses_and_doubles_nothing(
    backend: &impl StagingBackend,
    _: &Workbench,
) {
    let bytes = sample(LARGE);
    let (id, blob) = (UploadId::random(), id_of(&bytes));
    let store = backend.open();
    let mut writer = writer(&store, id, "").await;
    for chunk in bytes.chunks(700_000) {
        // Polled once, then given up.
        let _ = writer.append(Bytes::copy_from_slice(chunk)).now_or_never();
        let _ = writer.flush().now_or_never();
    }
    let flushed = writer.flush().await.unwrap();
    assert_eq!(flushed.size, LARGE as u64);
    assert_eq!(writer.digests().blob_id(), Some(blob));
    drop(writer);
    store.keep(id, &flushed.state, blob).await.unwrap();
    assert!(whole(&store, blob).await.unwrap() == bytes);
    assert_eq!(staged(&store).await, []);
}

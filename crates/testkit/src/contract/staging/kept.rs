//! What a kept upload is to those who know of blobs only, however its bytes came to be where they are.

use artifact_core::BlobId;
use artifact_core::ports::{BlobStore, Durability, Staging, UploadId};
use bytes::Bytes;
use futures_util::future::try_join;

use super::{StagingBackend, Workbench, appended, id_of, sample, staged, whole};

/// Short uploads and those in parts may be kept in different ways.
const LENGTHS: [usize; 2] = [300_000, 9 << 20];

/// An upload of the first `length` bytes of a sample, kept.
async fn kept(backend: &impl StagingBackend, length: usize) -> (BlobId, Bytes) {
    let (id, bytes) = (UploadId::random(), sample(length));
    let state = appended(backend, id, "", &bytes).await.state;
    backend.open().keep(id, &state, id_of(&bytes)).await.unwrap();
    (id_of(&bytes), bytes)
}

async fn listed(store: &impl BlobStore) -> Vec<(BlobId, u64)> {
    let listed = store.list(None, 100).await.unwrap();
    listed.into_iter().map(|listing| (listing.id, listing.size)).collect()
}

/// Two clients push the same layer, one after the other.
pub async fn two_uploads_of_the_same_bytes_are_both_kept(
    backend: &impl StagingBackend,
    _: &Workbench,
) {
    for length in LENGTHS {
        for _ in 0..2 {
            let (blob, bytes) = kept(backend, length).await;
            let store = backend.open();
            assert!(whole(&store, blob).await.unwrap() == bytes, "{length} bytes");
            assert_eq!(staged(&store).await, []);
        }
    }
    assert_eq!(backend.open().list(None, 10).await.unwrap().len(), LENGTHS.len());
}

/// Whoever is quicker, both clients are told that it is here, and it is.
pub async fn two_uploads_of_the_same_bytes_are_kept_at_once(
    backend: &impl StagingBackend,
    _: &Workbench,
) {
    for length in LENGTHS {
        let bytes = sample(length);
        let (one, two, blob) = (UploadId::random(), UploadId::random(), id_of(&bytes));
        let state_of_one = appended(backend, one, "", &bytes).await.state;
        let state_of_two = appended(backend, two, "", &bytes).await.state;
        let store = backend.open();
        let keeping = (store.keep(one, &state_of_one, blob), store.keep(two, &state_of_two, blob));
        try_join(keeping.0, keeping.1).await.unwrap();
        assert!(whole(&store, blob).await.unwrap() == bytes, "{length} bytes");
        assert_eq!(listed(&store).await, [(blob, length as u64)]);
        assert_eq!(staged(&store).await, []);
        assert!(store.delete(blob).await.unwrap());
        assert_eq!(whole(&store, blob).await, None, "{length} bytes");
    }
}

/// Nobody can tell which of them was uploaded.
pub async fn kept_uploads_are_listed_among_other_blobs_and_deleted_like_them(
    backend: &impl StagingBackend,
    bench: &Workbench,
) {
    let mut expected = Vec::new();
    for length in [9 << 20, 10 << 20, 300_000, 11 << 20] {
        expected.push((kept(backend, length).await.0, length as u64));
    }
    let store = backend.open();
    for length in 1..=6 {
        expected.push((bench.put(&store, &sample(length)).await, length as u64));
    }
    expected.sort_unstable();
    for limit in [1, 2, 3, 10, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.list(after, limit).await.unwrap();
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            found.extend(page.iter().map(|listing| (listing.id, listing.size)));
        }
        assert_eq!(found, expected, "pages of {limit}");
    }
    while let Some((blob, size)) = expected.pop() {
        assert_eq!(store.stat(blob).await.unwrap(), Some(size));
        assert!(store.delete(blob).await.unwrap());
        assert!(!store.delete(blob).await.unwrap());
        assert_eq!(store.stat(blob).await.unwrap(), None);
        assert_eq!(whole(&store, blob).await, None);
        assert_eq!(listed(&store).await, expected);
    }
}

/// What was uploaded is fetched from an upstream as well, or the other way round.
pub async fn a_file_of_the_same_bytes_changes_nothing(
    backend: &impl StagingBackend,
    bench: &Workbench,
) {
    for length in LENGTHS {
        let bytes = sample(length);
        let blob = id_of(&bytes);
        for is_file_first in [true, false] {
            if is_file_first {
                bench.put(&backend.open(), &bytes).await;
            }
            kept(backend, length).await;
            let store = backend.open();
            let source = bench.source("source", &bytes);
            store.put_file(blob, &source, length as u64, Durability::Strict).await.unwrap();
            assert!(!source.exists());
            assert!(whole(&store, blob).await.unwrap() == bytes, "{length} bytes");
            assert_eq!(listed(&store).await, [(blob, length as u64)]);
            assert!(store.delete(blob).await.unwrap());
            assert_eq!(whole(&store, blob).await, None);
            assert_eq!(listed(&store).await, []);
        }
    }
}

/// The record of an upload may be older than the blob that it became.
pub async fn a_discard_after_the_keep_takes_nothing_from_the_blob(
    backend: &impl StagingBackend,
    _: &Workbench,
) {
    for length in LENGTHS {
        let (id, bytes) = (UploadId::random(), sample(length));
        let state = appended(backend, id, "", &bytes).await.state;
        let store = backend.open();
        store.keep(id, &state, id_of(&bytes)).await.unwrap();
        store.discard(id, &state).await.unwrap();
        assert!(whole(&store, id_of(&bytes)).await.unwrap() == bytes, "{length} bytes");
    }
}

/// What lies under a blob's name with another size is damage.
pub async fn a_blob_of_another_size_is_replaced(backend: &impl StagingBackend, bench: &Workbench) {
    for length in [5, 9 << 20] {
        for damage in ["by", "bytes, more"] {
            let (id, bytes) = (UploadId::random(), sample(length));
            let blob = id_of(&bytes);
            bench.put_as(&backend.open(), blob, damage.as_bytes()).await;
            let state = appended(backend, id, "", &bytes).await.state;
            let store = backend.open();
            store.keep(id, &state, blob).await.unwrap();
            assert!(whole(&store, blob).await.unwrap() == bytes, "{length} {damage}");
            assert_eq!(listed(&store).await, [(blob, length as u64)]);
            store.delete(blob).await.unwrap();
        }
    }
}

//! Blobs whose bytes are lost.

use artifact_core::ports::{LostFile, LostFiles, MetaStore, Precondition, Validation};
use artifact_core::{BlobId, RepositoryId};

use super::garbage::at_once;
use super::{NOW, at, blob, create, key, path, publish, put, remote, row};

async fn create_remote(store: &dyn MetaStore, name: &str) -> RepositoryId {
    put(store, remote(name)).await.id
}

fn file(repository: &str, text: &str) -> LostFile {
    LostFile { repository: repository.parse().unwrap(), path: path(text) }
}

async fn marked(store: &dyn MetaStore) -> Vec<BlobId> {
    let live = store.live_blobs(None, 1000).await.unwrap();
    live.into_iter().filter(|blob| blob.is_lost).map(|blob| blob.id).collect()
}

/// Page by page, each of them once.
pub async fn live_blobs_are_told_in_order_of_id(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let names = ["v", "w", "x", "y", "z"];
    for name in names {
        publish(store, row(repository, name)).await;
    }
    store.remove(&key(repository, "z"), Precondition::Any).await.unwrap();
    assert_eq!(store.review(at_once()).await.unwrap().condemned, 1);
    let mut expected: Vec<_> = names[..4].iter().map(|name| blob(name)).collect();
    expected.sort_unstable();
    let mut told = Vec::new();
    loop {
        let page = store.live_blobs(told.last().copied(), 3).await.unwrap();
        assert!(page.iter().all(|blob| blob.size == 10 && !blob.is_lost));
        let Some(last) = page.last() else { break };
        assert!(page.len() == 3 || last.id == expected[3]);
        told.extend(page.iter().map(|blob| blob.id));
    }
    assert_eq!(told, expected);
}

/// Every file counts, whichever of them share a blob.
pub async fn lost_files_are_counted_and_hosted_ones_listed(store: &dyn MetaStore) {
    let (hosted, other) = (create(store, "b").await, create(store, "a").await);
    let cached = create_remote(store, "c").await;
    for name in ["x", "y", "z"] {
        publish(store, row(hosted, name)).await;
    }
    publish(store, row(cached, "x")).await;
    publish(store, row(other, "y")).await;
    assert_eq!(store.lost_files(9).await.unwrap(), LostFiles::default());
    let ids = [blob("x"), blob("y"), blob("of nobody")];
    store.mark_lost(&ids, at(1)).await.unwrap();
    store.mark_lost(&ids, at(2)).await.unwrap();
    let listed = vec![file("a", "y"), file("b", "x"), file("b", "y")];
    let lost = LostFiles { cached: 1, hosted: 3, listed };
    assert_eq!(store.lost_files(9).await.unwrap(), lost);
    let listed = lost.listed[..2].to_vec();
    assert_eq!(store.lost_files(2).await.unwrap(), LostFiles { listed, ..lost });
}

/// The same bytes under the same path are a publish like any other.
pub async fn a_mark_goes_when_a_row_is_published_with_the_blob(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    for name in ["x", "y", "z"] {
        publish(store, row(repository, name)).await;
    }
    let ids = [blob("x"), blob("y"), blob("z")];
    store.mark_lost(&ids, at(1)).await.unwrap();
    publish(store, row(repository, "x")).await;
    let copied = artifact_core::ArtifactRow { blob: blob("y"), ..row(repository, "copy") };
    publish(store, copied).await;
    assert_eq!(marked(store).await, [blob("z")]);
}

/// Upstream's word is no proof of bytes.
pub async fn a_mark_stays_when_a_row_is_confirmed(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let published = publish(store, row(repository, "x")).await;
    store.mark_lost(&[blob("x")], at(1)).await.unwrap();
    let validation = Validation {
        validated_at: at(5),
        expires_at: None,
        upstream_etag: None,
        upstream_last_modified: None,
    };
    store.validate(&published.key, published.generation, validation).await.unwrap().unwrap();
    assert_eq!(marked(store).await, [blob("x")]);
}

/// Who looked before the bytes came has nothing to say of them.
pub async fn a_row_published_after_the_look_is_not_marked(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "x")).await;
    store.mark_lost(&[blob("x")], NOW).await.unwrap();
    assert_eq!(marked(store).await, []);
}

/// Marks are taken away one by one.
pub async fn bytes_that_are_there_again_are_lost_no_more(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "x")).await;
    publish(store, row(repository, "y")).await;
    store.mark_lost(&[blob("x"), blob("y")], at(1)).await.unwrap();
    store.mark_found(&[blob("x"), blob("of nobody")]).await.unwrap();
    assert_eq!(marked(store).await, [blob("y")]);
}

/// A lost blob that nothing needs is garbage like any other.
pub async fn a_lost_blob_without_references_is_collected(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish(store, row(repository, "x")).await;
    store.mark_lost(&[blob("x")], at(1)).await.unwrap();
    store.remove(&key(repository, "x"), Precondition::Any).await.unwrap();
    assert_eq!(store.lost_files(9).await.unwrap(), LostFiles::default());
    assert_eq!(store.review(at_once()).await.unwrap().condemned, 1);
    let bytes = super::bytes::Bytes::default();
    assert_eq!(store.reclaim(at_once(), &bytes).await.unwrap().blobs, 1);
    publish(store, row(repository, "x")).await;
    assert_eq!(marked(store).await, []);
}

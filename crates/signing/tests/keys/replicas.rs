//! Who makes keys, and what replicas have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use artifact_core::ports::{KeyStore, StoredKey};
use artifact_core::{ErrorKind, KeyKind, Result, RsaHash, Signer as _};
use async_trait::async_trait;
use testkit::MemoryMetaStore;

use crate::support::{NOW, blocking, replica, store_with_keys};

/// Counts the keys that were made.
#[derive(Debug, Default)]
struct Counting {
    store: MemoryMetaStore,
    kept: AtomicUsize,
}

#[async_trait]
impl KeyStore for Counting {
    async fn signing_key(&self, kind: KeyKind) -> Result<Option<StoredKey>> {
        self.store.signing_key(kind).await
    }

    async fn keep_signing_key(&self, kind: KeyKind, new: StoredKey) -> Result<StoredKey> {
        self.kept.fetch_add(1, Ordering::SeqCst);
        self.store.keep_signing_key(kind, new).await
    }
}

#[tokio::test]
async fn a_process_makes_one_key_however_many_need_it_at_once() {
    let store = Arc::new(Counting::default());
    let keyring = replica(&store);
    let signing = (0..4).map(|_| {
        let keyring = Arc::clone(&keyring);
        tokio::task::spawn_blocking(move || keyring.sign_rsa(RsaHash::Sha256, b"data").unwrap())
    });
    let mut signatures = Vec::new();
    for task in signing.collect::<Vec<_>>() {
        signatures.push(task.await.unwrap());
    }
    signatures.dedup();
    assert_eq!((signatures.len(), store.kept.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn replicas_of_one_store_sign_the_same_bytes() {
    let store = store_with_keys().await;
    let (one, other) = (replica(&store), replica(&store));
    blocking(move || {
        assert_eq!(one.public_keys().unwrap(), other.public_keys().unwrap());
        for hash in [RsaHash::Sha1, RsaHash::Sha256] {
            let signature = one.sign_rsa(hash, b"data").unwrap();
            assert_eq!(signature, other.sign_rsa(hash, b"data").unwrap());
            assert_eq!(signature, one.sign_rsa(hash, b"data").unwrap());
        }
        for data in [&b"data"[..], b""] {
            let signature = one.sign_openpgp(data, NOW).unwrap();
            assert_eq!(signature, other.sign_openpgp(data, NOW).unwrap());
            let armored = one.sign_openpgp_armored(data, NOW).unwrap();
            assert_eq!(armored, other.sign_openpgp_armored(data, NOW).unwrap());
            assert!(armored.starts_with(b"-----BEGIN PGP SIGNATURE-----\n"));
        }
    })
    .await;
}

#[tokio::test]
async fn without_the_store_nothing_is_signed_until_it_is_back() {
    let store = store_with_keys().await;
    let keyring = replica(&store);
    store.fail_with(Some(ErrorKind::Unavailable));
    assert_eq!(keyring.ready().await.unwrap_err().kind(), ErrorKind::Unavailable);
    store.fail_with(None);
    keyring.ready().await.unwrap();
    store.fail_with(Some(ErrorKind::Unavailable));
    let signed = blocking(move || keyring.sign_rsa(RsaHash::Sha1, b"data")).await;
    assert!(signed.is_ok(), "a loaded key needs no store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_loaded_on_a_runtime_of_many_threads_too() {
    let keyring = replica(&store_with_keys().await);
    keyring.ready().await.unwrap();
}

#[test]
fn a_runtime_that_is_gone_is_an_error_and_no_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let keyring = runtime.block_on(async { replica(&Arc::new(MemoryMetaStore::new())) });
    drop(runtime);
    let error = keyring.sign_rsa(RsaHash::Sha1, b"data").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_stored_key_whose_halves_differ_is_refused() {
    let good = store_with_keys().await;
    let bad = Arc::new(MemoryMetaStore::new());
    for kind in [KeyKind::OpenPgp, KeyKind::Rsa] {
        let key = good.signing_key(kind).await.unwrap().unwrap();
        let other = StoredKey { public: "other".into(), ..key };
        bad.keep_signing_key(kind, other).await.unwrap();
    }
    let keyring = replica(&bad);
    blocking(move || {
        assert!(keyring.sign_rsa(RsaHash::Sha1, b"data").is_err());
        assert!(keyring.sign_openpgp(b"data", NOW).is_err());
    })
    .await;
}

#[tokio::test]
async fn debug_output_shows_no_key() {
    let keyring = replica(&store_with_keys().await);
    keyring.ready().await.unwrap();
    let text = format!("{keyring:?}");
    assert!(!text.contains("PRIVATE") && text.len() < 20_000, "{text}");
}

//! Signing keys.

use artifact_core::ports::{MetaStore, StoredKey};
use artifact_core::{KeyKind, Secret};
use futures_util::future::join_all;

use super::at;

fn new_key(seed: i64) -> StoredKey {
    StoredKey {
        public: format!("public {seed} \u{fc}\n").into(),
        secret: Secret::new(format!("-----BEGIN-----\nsecret {seed} \u{fc}\n").repeat(200)),
        created_at: at(seed),
    }
}

/// Absence is no failure.
pub async fn a_new_store_has_no_signing_keys(store: &dyn MetaStore) {
    for kind in [KeyKind::OpenPgp, KeyKind::Rsa] {
        assert_eq!(store.signing_key(kind).await.unwrap(), None);
    }
}

/// Both halves and the moment, each kind for itself.
pub async fn a_kept_signing_key_is_given_back_whole(store: &dyn MetaStore) {
    for (kind, seed) in [(KeyKind::OpenPgp, 1), (KeyKind::Rsa, 2)] {
        assert_eq!(store.keep_signing_key(kind, new_key(seed)).await.unwrap(), new_key(seed));
    }
    for (kind, seed) in [(KeyKind::OpenPgp, 1), (KeyKind::Rsa, 2)] {
        assert_eq!(store.signing_key(kind).await.unwrap(), Some(new_key(seed)));
    }
}

/// Who comes second gets what the first one stored.
pub async fn a_signing_key_is_never_replaced(store: &dyn MetaStore) {
    store.keep_signing_key(KeyKind::Rsa, new_key(1)).await.unwrap();
    assert_eq!(store.keep_signing_key(KeyKind::Rsa, new_key(2)).await.unwrap(), new_key(1));
    assert_eq!(store.signing_key(KeyKind::Rsa).await.unwrap(), Some(new_key(1)));
    assert_eq!(store.signing_key(KeyKind::OpenPgp).await.unwrap(), None);
}

/// Replicas that start together agree.
pub async fn of_many_signing_keys_kept_at_once_all_get_the_same(store: &dyn MetaStore) {
    let keeping = (0..8).map(|seed| store.keep_signing_key(KeyKind::OpenPgp, new_key(seed)));
    let kept: Vec<_> = join_all(keeping).await.into_iter().map(Result::unwrap).collect();
    assert!((0..8).any(|seed| kept[0] == new_key(seed)));
    assert!(kept.iter().all(|key| key == &kept[0]));
    assert_eq!(store.signing_key(KeyKind::OpenPgp).await.unwrap().as_ref(), kept.first());
}

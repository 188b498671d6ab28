//! Keyrings for tests.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use artifact_core::ports::KeyStore;
use artifact_core::{Clock, Secret, Timestamp};
use signing::{Keyring, OpenPgpFile, SigningError, SigningSettings};
use testkit::MemoryMetaStore;
use tokio::runtime::Handle;

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// A clock that stands still.
#[derive(Debug)]
pub(crate) struct Standing(pub(crate) Timestamp);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A replica that has no key files.
pub(crate) fn replica(store: &Arc<impl KeyStore + 'static>) -> Arc<Keyring> {
    let store = Arc::clone(store) as Arc<dyn KeyStore>;
    let clock = Arc::new(Standing(NOW));
    let settings = SigningSettings::default();
    Arc::new(Keyring::new(&settings, store, clock, Handle::current()).unwrap())
}

/// A store that has keys already, the same for all tests of this process: making them takes seconds.
pub(crate) async fn store_with_keys() -> Arc<MemoryMetaStore> {
    static STORE: OnceLock<Arc<MemoryMetaStore>> = OnceLock::new();
    let seed = Arc::clone(STORE.get_or_init(|| Arc::new(MemoryMetaStore::new())));
    replica(&seed).ready().await.unwrap();
    copy(&seed).await
}

/// Another store with the same keys, if there are any.
async fn copy(seed: &MemoryMetaStore) -> Arc<MemoryMetaStore> {
    let store = MemoryMetaStore::new();
    for kind in [artifact_core::KeyKind::OpenPgp, artifact_core::KeyKind::Rsa] {
        let key = seed.signing_key(kind).await.unwrap().unwrap();
        store.keep_signing_key(kind, key).await.unwrap();
    }
    Arc::new(store)
}

/// A keyring whose keys come from files, at this moment.
pub(crate) fn imported(
    settings: &SigningSettings,
    now: Timestamp,
) -> Result<Keyring, SigningError> {
    let store = Arc::new(MemoryMetaStore::new());
    Keyring::new(settings, store, Arc::new(Standing(now)), Handle::current())
}

/// The OpenPGP key of this file.
pub(crate) fn openpgp(path: PathBuf, passphrase: Option<&str>) -> SigningSettings {
    let passphrase = passphrase.map(Secret::new);
    SigningSettings { openpgp: Some(OpenPgpFile { path, passphrase }), rsa: None }
}

/// The RSA key of this file.
pub(crate) fn rsa(path: PathBuf) -> SigningSettings {
    SigningSettings { openpgp: None, rsa: Some(path) }
}

/// Signs where it is allowed to: on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

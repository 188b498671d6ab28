//! The keys in use, and how those who sign come by them.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use artifact_core::ports::KeyStore;
use artifact_core::{Clock, Error, ErrorKind, PublicKeys, Result, RsaHash, Signer, Timestamp};
use bytes::Bytes;
use tokio::runtime::Handle;

use crate::SigningError;
use crate::key::Key;
use crate::openpgp::OpenPgpKey;
use crate::rsa_key::RsaKey;
use crate::settings::{self, OpenPgpFile, SigningSettings};
use crate::slot::Slot;

/// What the store may take for an answer. It has limits of its own, which are shorter.
const PATIENCE: Duration = Duration::from_secs(30);

/// The keys of this installation.
///
/// Whoever signs does so on a thread that may block, and the store is asynchronous: it is asked by
/// a task on the runtime, for whose answer the thread waits. So the runtime must not itself be what
/// is blocked; if it is, signing fails after half a minute instead of never coming back.
pub struct Keyring {
    openpgp: Slot<OpenPgpKey>,
    rsa: Slot<RsaKey>,
    store: Arc<dyn KeyStore>,
    clock: Arc<dyn Clock>,
    runtime: Handle,
}

impl Keyring {
    /// A keyring with the keys of `settings`, which are read and tried out here, and otherwise
    /// with those of `store`, which are loaded or made when they are first needed. Blocks on files.
    pub fn new(
        settings: &SigningSettings,
        store: Arc<dyn KeyStore>,
        clock: Arc<dyn Clock>,
        runtime: Handle,
    ) -> Result<Self, SigningError> {
        let openpgp = settings.openpgp.as_ref().map(|file| import_openpgp(file, clock.now()));
        let rsa = settings.rsa.as_ref().map(|path| {
            RsaKey::from_pem(settings::read(path)?.expose())
                .map_err(|reason| reason.about(settings::name(path)))
        });
        Ok(Self {
            openpgp: openpgp.transpose()?.map_or_else(Slot::empty, Slot::holding),
            rsa: rsa.transpose()?.map_or_else(Slot::empty, Slot::holding),
            store,
            clock,
            runtime,
        })
    }

    /// Loads or makes the keys now, so that nobody has to wait for them later. Failing is no harm:
    /// whoever needs a key tries again.
    pub async fn ready(self: &Arc<Self>) -> Result<()> {
        let keyring = Arc::clone(self);
        let loading = self.runtime.spawn_blocking(move || keyring.public_keys().map(|_| ()));
        loading.await.map_err(|error| {
            Error::new(ErrorKind::Internal, "the signing keys could not be loaded")
                .with_source(error)
        })?
    }

    fn openpgp(&self) -> Result<&OpenPgpKey, SigningError> {
        self.openpgp.get_or_load(|| self.load())
    }

    fn rsa(&self) -> Result<&RsaKey, SigningError> {
        self.rsa.get_or_load(|| self.load())
    }

    fn load<K: Key>(&self) -> Result<K, SigningError> {
        let store = Arc::clone(&self.store);
        let stored = match self.wait(async move { store.signing_key(K::KIND).await })? {
            Some(stored) => stored,
            None => self.make::<K>()?,
        };
        let name = format!("the {} key of the metadata store", K::KIND.name());
        K::open(&stored).map_err(|reason| reason.about(name))
    }

    /// Another replica may do the same at this moment; what the store has then counts for both.
    fn make<K: Key>(&self) -> Result<artifact_core::ports::StoredKey, SigningError> {
        let new = K::generate(self.clock.now()).map_err(SigningError::Generate)?;
        let store = Arc::clone(&self.store);
        let kept = self.wait(async move { store.keep_signing_key(K::KIND, new).await })?;
        tracing::info!(kind = K::KIND.name(), "the installation has a signing key");
        Ok(kept)
    }

    fn wait<T: Send + 'static>(
        &self,
        asking: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T, SigningError> {
        let (sender, receiver) = sync_channel(1);
        let task = self.runtime.spawn(async move {
            // Nobody listens only after the time is up.
            let _ = sender.send(asking.await);
        });
        let answer = receiver.recv_timeout(PATIENCE).map_err(|_| {
            task.abort();
            SigningError::Unanswered
        })?;
        answer.map_err(SigningError::Store)
    }
}

fn import_openpgp(file: &OpenPgpFile, now: Timestamp) -> Result<OpenPgpKey, SigningError> {
    let text = settings::read(&file.path)?;
    OpenPgpKey::import(text.expose(), file.passphrase.as_ref(), now)
        .map_err(|reason| reason.about(settings::name(&file.path)))
}

impl Signer for Keyring {
    fn sign_openpgp(&self, data: &[u8], moment: Timestamp) -> Result<Bytes> {
        Ok(self.openpgp()?.sign(data, moment)?)
    }

    fn sign_openpgp_armored(&self, data: &[u8], moment: Timestamp) -> Result<Bytes> {
        Ok(self.openpgp()?.sign_armored(data, moment)?)
    }

    fn sign_rsa(&self, hash: RsaHash, data: &[u8]) -> Result<Bytes> {
        Ok(self.rsa()?.sign(hash, data)?)
    }

    fn public_keys(&self) -> Result<PublicKeys> {
        let (openpgp, rsa) = (self.openpgp()?, self.rsa()?);
        Ok(PublicKeys {
            openpgp_armored: openpgp.certificate().clone(),
            openpgp_key_id: openpgp.key_id().to_owned(),
            rsa_pem: rsa.public_pem().clone(),
            rsa_file_name: rsa.file_name().to_owned(),
        })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("store", &self.store).finish_non_exhaustive()
    }
}

//! Encryption of credentials at rest.
//!
//! A sealed text is `version (1) | key id (8) | nonce (12) | ciphertext and tag`, bound to the
//! name of its repository so that it cannot be moved to another one.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use artifact_core::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretBox};

const KEY_LENGTH: usize = 32;
const VERSION: u8 = 1;
const KEY_ID_LENGTH: usize = 8;
const NONCE_START: usize = 1 + KEY_ID_LENGTH;
const TEXT_START: usize = NONCE_START + NONCE_LEN;

/// Why there is no encryption key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is not the Base64 of 32 bytes.
    #[error("an encryption key is the base64 of 32 bytes")]
    Malformed,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
    /// The file cannot be read or written.
    #[error("the encryption key file {path} cannot be used")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The key that credentials are encrypted with. `Debug` prints nothing of it.
pub struct EncryptionKey(SecretBox<[u8; KEY_LENGTH]>);

impl EncryptionKey {
    /// The key of these bytes.
    pub fn from_bytes(bytes: [u8; KEY_LENGTH]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// The key of this Base64 text; white space around it is ignored.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        let bytes = STANDARD.decode(text.trim()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| KeyError::Malformed)?;
        let bytes = bytes.as_slice().try_into().map_err(|_| KeyError::Malformed)?;
        Ok(Self::from_bytes(bytes))
    }

    /// The key in the file at `path`. If there is none, makes one and returns only after it
    /// is durable, readable by its owner alone: what it encrypts would be lost with it.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: path.to_owned(), source };
        match std::fs::read_to_string(path) {
            Ok(text) => return Self::from_base64(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| KeyError::Random)?;
        let text = Zeroizing::new(STANDARD.encode(bytes.as_slice()) + "\n");
        write_durably(path, text.as_bytes()).map_err(failed)?;
        // Read back: another process may have been first, and its key is the one that counts.
        Self::from_base64(&std::fs::read_to_string(path).map_err(failed)?)
    }

    /// A secret for another `purpose` that everybody who has this key can derive, in hexadecimal.
    pub fn derive(&self, purpose: &str) -> Secret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose_secret());
        let tag = hmac::sign(&key, purpose.as_bytes());
        let text =
            tag.as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        Secret::new(text)
    }

    /// Encrypts `text` for `repository`.
    pub(crate) fn seal(&self, repository: &str, text: &str) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = Vec::with_capacity(TEXT_START + text.len() + AES_256_GCM.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.id());
        sealed.extend_from_slice(&nonce);
        let mut buffer = Zeroizing::new(text.as_bytes().to_vec());
        let tag = self
            .cipher()?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(repository),
                buffer.as_mut_slice(),
            )
            .ok()?;
        sealed.extend_from_slice(&buffer);
        sealed.extend_from_slice(tag.as_ref());
        Some(sealed)
    }

    /// Decrypts what [`seal`](Self::seal) made with this key for `repository`.
    pub(crate) fn open(&self, repository: &str, sealed: &[u8]) -> Option<Zeroizing<String>> {
        let (head, text) = sealed.split_at_checked(TEXT_START)?;
        let (mark, nonce) = head.split_at_checked(NONCE_START)?;
        if mark.split_first()? != (&VERSION, self.id().as_slice()) {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut buffer = Zeroizing::new(text.to_vec());
        let text = self.cipher()?.open_in_place(nonce, Aad::from(repository), &mut buffer).ok()?;
        Some(Zeroizing::new(std::str::from_utf8(text).ok()?.to_owned()))
    }

    /// Names the key without giving it away, so that a key can be compared with the one in use.
    pub(crate) fn fingerprint(&self) -> [u8; KEY_ID_LENGTH] {
        self.id()
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, self.0.expose_secret()).ok().map(LessSafeKey::new)
    }

    /// Names the key without giving it away.
    fn id(&self) -> [u8; KEY_ID_LENGTH] {
        let mut labelled = Zeroizing::new(b"artifactapi credential key\0".to_vec());
        labelled.extend_from_slice(self.0.expose_secret());
        let mut id = [0; KEY_ID_LENGTH];
        for (to, from) in id.iter_mut().zip(digest(&SHA256, &labelled).as_ref()) {
            *to = *from;
        }
        id
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionKey(…)")
    }
}

/// Writes a file that only its owner may read, unless there is one already.
fn write_durably(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // A temporary file is created with mode 0600 and keeps it.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => File::open(directory)?.sync_all(),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_sealed_text_opens_only_with_its_key_and_for_its_repository() {
        let key = EncryptionKey::from_bytes([7; KEY_LENGTH]);
        let sealed = key.seal("npm", "hunter2").unwrap();
        assert_eq!(key.open("npm", &sealed).as_deref().map(String::as_str), Some("hunter2"));
        assert!(key.open("pypi", &sealed).is_none());
        assert!(EncryptionKey::from_bytes([8; KEY_LENGTH]).open("npm", &sealed).is_none());
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let key = EncryptionKey::from_bytes([7; KEY_LENGTH]);
        let sealed = key.seal("npm", "hunter2").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open("npm", &changed).is_none(), "byte {at}");
            assert!(key.open("npm", &sealed[..at]).is_none(), "{at} bytes");
        }
    }

    #[test]
    fn the_same_text_is_never_sealed_to_the_same_bytes() {
        let key = EncryptionKey::from_bytes([7; KEY_LENGTH]);
        let sealed = key.seal("npm", "hunter2").unwrap();
        assert_ne!(sealed, key.seal("npm", "hunter2").unwrap());
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
    }

    #[test]
    fn a_key_is_the_base64_of_32_bytes() {
        let text = STANDARD.encode([7; KEY_LENGTH]);
        assert!(EncryptionKey::from_base64(&format!(" {text}\n")).is_ok());
        for bad in ["", "AAAA", "not base64", &STANDARD.encode([7; 33])] {
            assert!(matches!(EncryptionKey::from_base64(bad), Err(KeyError::Malformed)), "{bad}");
        }
    }

    #[test]
    fn a_created_key_is_private_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let sealed = EncryptionKey::load_or_create(&path).unwrap().seal("npm", "text").unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = EncryptionKey::load_or_create(&path).unwrap();
        assert!(again.open("npm", &sealed).is_some());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_key_file_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(&path, "damaged").unwrap();
        assert!(matches!(EncryptionKey::load_or_create(&path), Err(KeyError::Malformed)));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "damaged");
    }

    #[test]
    fn debug_output_shows_nothing_of_the_key() {
        let key = EncryptionKey::from_bytes([7; KEY_LENGTH]);
        assert_eq!(format!("{key:?}"), "EncryptionKey(…)");
    }
}

//! The bare RSA key.

use artifact_core::ports::StoredKey;
use artifact_core::{KeyKind, RsaHash, Secret, Timestamp};
use bytes::Bytes;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use rsa::rand_core::OsRng;
use rsa::sha2::{Digest as _, Sha256};
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};
use sha1::Sha1;

use crate::SigningError;
use crate::error::Source;
use crate::key::{Key, Reason};

/// What clients accept and the library below can verify.
const BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
const NEW_BITS: usize = 4096;

/// An RSA key pair that has proved that it can sign.
pub(crate) struct RsaKey {
    secret: RsaPrivateKey,
    public_pem: Bytes,
    file_name: String,
}

impl RsaKey {
    /// The key in a text in PEM: PKCS#8 or PKCS#1, not encrypted.
    pub(crate) fn from_pem(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        if text.contains("ENCRYPTED") {
            return Err(Reason::new("it has a passphrase, which is not supported for RSA keys"));
        }
        let read = RsaPrivateKey::from_pkcs8_pem(text)
            .or_else(|_| RsaPrivateKey::from_pkcs1_pem(text))
            .map_err(|_| Reason::new("it is not an RSA private key in PEM"))?;
        Self::new(read)
    }

    fn new(secret: RsaPrivateKey) -> Result<Self, Reason> {
        let bits = secret.n().bits();
        if !BITS.contains(&bits) {
            return Err(Reason::new(format!("it has {bits} bits, supported are 2048 to 4096")));
        }
        secret.validate().map_err(|_| Reason::new("its numbers do not make an RSA key"))?;
        let public = secret.to_public_key();
        let written = |_| Reason::new("its public half cannot be written");
        let der = public.to_public_key_der().map_err(written)?;
        let digits: String = hex::encode(Sha256::digest(der.as_bytes())).chars().take(8).collect();
        let key = Self {
            public_pem: public
                .to_public_key_pem(LineEnding::LF)
                .map_err(|_| Reason::new("its public half cannot be written"))?
                .into(),
            file_name: format!("artifactapi-{digits}.rsa.pub"),
            secret,
        };
        key.prove(&public)?;
        Ok(key)
    }

    /// Signs and verifies, both hashes.
    fn prove(&self, public: &RsaPublicKey) -> Result<(), Reason> {
        const PROBE: &[u8] = b"probe";
        for hash in [RsaHash::Sha1, RsaHash::Sha256] {
            let signature = self.sign(hash, PROBE).map_err(|_| Reason::new("it cannot sign"))?;
            let (padding, digest) = prepared(hash, PROBE);
            public
                .verify(padding, &digest, &signature)
                .map_err(|_| Reason::new("what it signs cannot be verified"))?;
        }
        Ok(())
    }

    /// A signature (PKCS#1 v1.5). Blinded, so that its duration says nothing of the key; the
    /// result is the same all the same.
    pub(crate) fn sign(&self, hash: RsaHash, data: &[u8]) -> Result<Bytes, SigningError> {
        let (padding, digest) = prepared(hash, data);
        let signature = self.secret.sign_with_rng(&mut OsRng, padding, &digest);
        signature.map(Bytes::from).map_err(|error| SigningError::Sign(error.into()))
    }

    /// The public half in PEM.
    pub(crate) fn public_pem(&self) -> &Bytes {
        &self.public_pem
    }

    /// The name under which clients install the public half.
    pub(crate) fn file_name(&self) -> &str {
        &self.file_name
    }

    fn make(bits: usize, now: Timestamp) -> Result<StoredKey, Source> {
        let secret = RsaPrivateKey::new(&mut OsRng, bits)?;
        Ok(StoredKey {
            public: secret.to_public_key().to_public_key_pem(LineEnding::LF)?.into(),
            secret: Secret::new(secret.to_pkcs8_pem(LineEnding::LF)?.as_str()),
            created_at: now,
        })
    }
}

impl Key for RsaKey {
    const KIND: KeyKind = KeyKind::Rsa;

    fn generate(now: Timestamp) -> Result<StoredKey, Source> {
        Self::make(NEW_BITS, now)
    }

    fn open(stored: &StoredKey) -> Result<Self, Reason> {
        let key = Self::from_pem(stored.secret.expose())?;
        if key.public_pem != stored.public {
            return Err(Reason::new("its halves do not belong together"));
        }
        Ok(key)
    }
}

fn prepared(hash: RsaHash, data: &[u8]) -> (Pkcs1v15Sign, Vec<u8>) {
    match hash {
        RsaHash::Sha1 => (Pkcs1v15Sign::new::<Sha1>(), Sha1::digest(data).to_vec()),
        RsaHash::Sha256 => (Pkcs1v15Sign::new::<Sha256>(), Sha256::digest(data).to_vec()),
    }
}

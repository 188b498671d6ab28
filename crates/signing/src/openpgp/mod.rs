//! The OpenPGP key.

mod generate;
mod import;

use artifact_core::ports::StoredKey;
use artifact_core::{KeyKind, Secret, Timestamp};
use bytes::Bytes;
use pgp::composed::{ArmorOptions, Deserializable as _, DetachedSignature, SignedSecretKey};
use pgp::packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{KeyDetails as _, Password, SigningKey};

use crate::SigningError;
use crate::error::Source;
use crate::key::{Key, Reason};

/// An OpenPGP key that has proved that it can sign.
pub(crate) struct OpenPgpKey {
    secret: SignedSecretKey,
    signing: Which,
    /// No signature may be older than the key that made it, or it is void.
    earliest: pgp::types::Timestamp,
    certificate: Bytes,
    key_id: String,
}

/// Which key of a certificate signs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Which {
    Primary,
    Subkey(usize),
}

impl OpenPgpKey {
    /// The key in an ASCII-armoured text of the operator.
    pub(crate) fn import(
        text: &str,
        passphrase: Option<&Secret>,
        now: Timestamp,
    ) -> Result<Self, Reason> {
        let mut secret = read(text)?;
        let (signing, earliest) = import::choose(&mut secret, passphrase, timestamp(now))?;
        Self::new(secret, signing, earliest)
    }

    fn new(
        secret: SignedSecretKey,
        signing: Which,
        earliest: pgp::types::Timestamp,
    ) -> Result<Self, Reason> {
        let certificate = secret
            .to_public_key()
            .to_armored_bytes(armor())
            .map_err(|_| Reason::new("its certificate cannot be written"))?;
        let key_id = secret.legacy_key_id().to_string().to_uppercase();
        let key = Self { secret, signing, earliest, certificate: certificate.into(), key_id };
        key.prove()?;
        Ok(key)
    }

    /// Signs twice and verifies: replicas must not differ.
    fn prove(&self) -> Result<(), Reason> {
        const PROBE: &[u8] = b"probe";
        let sign = || self.detached(PROBE, self.earliest);
        let cannot_sign = |_| Reason::new("it cannot sign; is its passphrase right?");
        let (signature, again) = (sign().map_err(cannot_sign)?, sign().map_err(cannot_sign)?);
        let verified = match self.signing {
            Which::Primary => signature.verify(self.secret.primary_key.public_key(), PROBE),
            Which::Subkey(index) => match self.secret.secret_subkeys.get(index) {
                Some(subkey) => signature.verify(subkey.key.public_key(), PROBE),
                None => return Err(Reason::new("its signing subkey is missing")),
            },
        };
        verified.map_err(|_| Reason::new("what it signs cannot be verified"))?;
        if signature != again {
            return Err(Reason::new("it signs the same differently each time"));
        }
        Ok(())
    }

    /// A binary detached signature, dated `moment`, but not before the key was made.
    pub(crate) fn sign(&self, data: &[u8], moment: Timestamp) -> Result<Bytes, SigningError> {
        let signed = self.detached(data, timestamp(moment)).and_then(|made| made.to_bytes());
        signed.map(Bytes::from).map_err(|error| SigningError::Sign(error.into()))
    }

    /// The same, ASCII-armoured.
    pub(crate) fn sign_armored(
        &self,
        data: &[u8],
        moment: Timestamp,
    ) -> Result<Bytes, SigningError> {
        let signed = self.detached(data, timestamp(moment));
        let armored = signed.and_then(|made| made.to_armored_bytes(armor()));
        armored.map(Bytes::from).map_err(|error| SigningError::Sign(error.into()))
    }

    /// The certificate, ASCII-armoured.
    pub(crate) fn certificate(&self) -> &Bytes {
        &self.certificate
    }

    /// The id of the certificate.
    pub(crate) fn key_id(&self) -> &str {
        &self.key_id
    }

    fn detached(
        &self,
        data: &[u8],
        moment: pgp::types::Timestamp,
    ) -> pgp::errors::Result<DetachedSignature> {
        let moment = moment.max(self.earliest);
        match self.signing {
            Which::Primary => sign_with(&self.secret.primary_key, data, moment),
            Which::Subkey(index) => match self.secret.secret_subkeys.get(index) {
                Some(subkey) => sign_with(&subkey.key, data, moment),
                None => Err(pgp::errors::Error::MissingKey),
            },
        }
    }
}

/// Nothing in it is random: no salt and no notation.
fn sign_with(
    key: &impl SigningKey,
    data: &[u8],
    moment: pgp::types::Timestamp,
) -> pgp::errors::Result<DetachedSignature> {
    let mut config = SignatureConfig::v4(SignatureType::Binary, key.algorithm(), key.hash_alg());
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::SignatureCreationTime(moment))?,
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
    ];
    config.unhashed_subpackets =
        vec![Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))?];
    Ok(DetachedSignature::new(config.sign(key, &Password::empty(), data)?))
}

impl Key for OpenPgpKey {
    const KIND: KeyKind = KeyKind::OpenPgp;

    fn generate(now: Timestamp) -> Result<StoredKey, Source> {
        generate::generate(generate::BITS, now)
    }

    fn open(stored: &StoredKey) -> Result<Self, Reason> {
        let secret = read(stored.secret.expose())?;
        let earliest = secret.primary_key.created_at();
        let key = Self::new(secret, Which::Primary, earliest)?;
        if key.certificate != stored.public {
            return Err(Reason::new("its halves do not belong together"));
        }
        Ok(key)
    }
}

fn read(text: &str) -> Result<SignedSecretKey, Reason> {
    if text.contains("BEGIN PGP PUBLIC KEY BLOCK") {
        return Err(Reason::new("it is only a public key, the secret key has to be exported"));
    }
    let (secret, _) = SignedSecretKey::from_string(text)
        .map_err(|_| Reason::new("it is not an ASCII-armoured OpenPGP secret key"))?;
    Ok(secret)
}

/// With a checksum: rpm insists on it.
fn armor() -> ArmorOptions<'static> {
    ArmorOptions { headers: None, include_checksum: true }
}

/// A moment in whole seconds; saturates.
fn timestamp(moment: Timestamp) -> pgp::types::Timestamp {
    let seconds = moment.as_seconds().clamp(0, i64::from(u32::MAX));
    pgp::types::Timestamp::from_secs(u32::try_from(seconds).unwrap_or(u32::MAX))
}

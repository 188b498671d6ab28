//! Making a key: what the oldest clients understand, and nothing that runs out.

use std::time::Duration;

use artifact_core::ports::StoredKey;
use artifact_core::{Secret, Timestamp};
use pgp::composed::{KeyType, SignedKeyDetails, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{
    KeyFlags, PubKeyInner, PublicKey, SecretKey, Signature, SignatureConfig, SignatureType,
    Subpacket, SubpacketData, UserId,
};
use pgp::types::{KeyDetails as _, KeyVersion, PacketHeaderVersion, Password, Tag};
use rsa::rand_core::OsRng;

use super::{armor, timestamp};
use crate::error::Source;

pub(super) const BITS: u32 = 4096;

const USER: &str = "ArtifactAPI package signing key";

/// How far back a key is dated: clients whose clocks are slow refuse keys of the future.
const CLOCKS_DIFFER: Duration = Duration::from_secs(3600);

/// An RSA key of version 4 that certifies and signs, without subkeys and without an end.
pub(super) fn generate(bits: u32, now: Timestamp) -> Result<StoredKey, Source> {
    let back = i64::try_from(CLOCKS_DIFFER.as_millis()).unwrap_or(i64::MAX);
    let created_at = Timestamp::from_millis(now.as_millis().saturating_sub(back));
    let secret = make(bits, timestamp(created_at))?;
    Ok(StoredKey {
        public: secret.to_public_key().to_armored_bytes(armor())?.into(),
        secret: Secret::new(secret.to_armored_string(armor())?),
        created_at: now,
    })
}

fn make(bits: u32, created: pgp::types::Timestamp) -> pgp::errors::Result<SignedSecretKey> {
    let (public, secret) = KeyType::Rsa(bits).generate(OsRng)?;
    let inner = PubKeyInner::new(KeyVersion::V4, PublicKeyAlgorithm::RSA, created, None, public)?;
    let public = PublicKey::from_inner(inner)?;
    let key = SecretKey::new(public, secret)?;
    let user = UserId::from_str(PacketHeaderVersion::default(), USER)?;
    let certification = certify(&key, &user, created)?;
    let details =
        SignedKeyDetails::new(vec![], vec![], vec![user.into_signed(certification)], vec![]);
    Ok(SignedSecretKey::new(key, details, vec![], vec![]))
}

/// The key says what it is called and what it is for, as of the moment it was made.
fn certify(
    key: &SecretKey,
    user: &UserId,
    created: pgp::types::Timestamp,
) -> pgp::errors::Result<Signature> {
    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    flags.set_sign(true);
    let mut config =
        SignatureConfig::v4(SignatureType::CertPositive, key.algorithm(), HashAlgorithm::Sha256);
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::SignatureCreationTime(created))?,
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
        Subpacket::regular(SubpacketData::KeyFlags(flags))?,
        Subpacket::regular(SubpacketData::IsPrimary(true))?,
    ];
    config.unhashed_subpackets =
        vec![Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))?];
    config.sign_certification(key, key.public_key(), &Password::empty(), Tag::UserId, user)
}

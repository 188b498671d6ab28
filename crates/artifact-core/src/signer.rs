//! The keys with which this installation signs what it makes: one OpenPGP key and one RSA key,
//! the same on every replica.

use std::fmt;

use bytes::Bytes;

use crate::{Result, Timestamp};

/// Signs on behalf of the installation. Synchronous and costly (milliseconds), so it is called on
/// threads that may block. Deterministic: the same input gives the same signature on every replica.
pub trait Signer: fmt::Debug + Send + Sync {
    /// A binary detached OpenPGP signature (type 0x00, version 4) over `data`, dated `moment`.
    fn sign_openpgp(&self, data: &[u8], moment: Timestamp) -> Result<Bytes>;

    /// The same, ASCII-armoured.
    fn sign_openpgp_armored(&self, data: &[u8], moment: Timestamp) -> Result<Bytes>;

    /// An RSA signature (PKCS#1 v1.5) over `data`.
    fn sign_rsa(&self, hash: RsaHash, data: &[u8]) -> Result<Bytes>;

    /// The public halves.
    fn public_keys(&self) -> Result<PublicKeys>;
}

/// The kinds of key.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum KeyKind {
    /// An OpenPGP certificate, for repositories of RPM packages and the like.
    OpenPgp,
    /// A bare RSA key, for Alpine's indexes.
    Rsa,
}

impl KeyKind {
    /// The lower-case name, as in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenPgp => "openpgp",
            Self::Rsa => "rsa",
        }
    }
}

/// The hash under an RSA signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RsaHash {
    /// SHA-1, for clients that know nothing newer.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// The public halves of the installation's keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicKeys {
    /// The OpenPGP certificate, ASCII-armoured.
    pub openpgp_armored: Bytes,
    /// Its key id: 16 upper-case hexadecimal digits.
    pub openpgp_key_id: String,
    /// The RSA key as a PEM `SubjectPublicKeyInfo`.
    pub rsa_pem: Bytes,
    /// The name under which clients install the RSA key: `artifactapi-{8 digits}.rsa.pub`, where the
    /// digits are the beginning of the SHA-256 of its DER form.
    pub rsa_file_name: String,
}

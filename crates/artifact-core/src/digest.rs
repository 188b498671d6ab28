//! Digests as words: the identity of a blob, and what formats say about their files.
//!
//! Computing digests is I/O work and lives with the stores.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// A text that is no digest of the algorithm it claims.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a valid digest")]
pub struct InvalidDigest;

/// The identity of a blob: the SHA-256 of its bytes.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BlobId([u8; 32]);

impl BlobId {
    /// The id of the blob whose SHA-256 is `bytes`.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw SHA-256.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hexadecimal digits.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

impl FromStr for BlobId {
    type Err = InvalidDigest;

    /// Reads 64 hexadecimal digits of either case.
    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidDigest)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

/// A digest algorithm that some format publishes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// MD5: weak, still the only one on old indexes.
    Md5,
    /// SHA-1: weak, npm's `shasum`.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512: npm's `integrity`.
    Sha512,
}

impl Algorithm {
    /// Every algorithm, weakest first.
    pub const ALL: [Self; 4] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512];

    /// The lower-case name, such as `sha256`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The length of a digest in bytes.
    pub const fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl FromStr for Algorithm {
    type Err = InvalidDigest;

    fn from_str(name: &str) -> Result<Self, InvalidDigest> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name).ok_or(InvalidDigest)
    }
}

/// One digest with its algorithm.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: Box<[u8]>,
}

impl Digest {
    /// A digest from raw bytes of the algorithm's length.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, InvalidDigest> {
        if bytes.len() != algorithm.length() {
            return Err(InvalidDigest);
        }
        Ok(Self { algorithm, bytes: bytes.into() })
    }

    /// A digest from hexadecimal text of either case.
    pub fn from_hex(algorithm: Algorithm, text: &str) -> Result<Self, InvalidDigest> {
        Self::from_bytes(algorithm, &hex::decode(text.trim()).map_err(|_| InvalidDigest)?)
    }

    /// A digest from padded standard Base64.
    pub fn from_base64(algorithm: Algorithm, text: &str) -> Result<Self, InvalidDigest> {
        Self::from_bytes(algorithm, &STANDARD.decode(text.trim()).map_err(|_| InvalidDigest)?)
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Lower-case hexadecimal text.
    pub fn to_hex(&self) -> String {
        hex::encode(&self.bytes)
    }
}

impl From<BlobId> for Digest {
    fn from(id: BlobId) -> Self {
        Self { algorithm: Algorithm::Sha256, bytes: id.as_bytes().as_slice().into() }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// What is known about one file's digests: at most one per algorithm.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Digests(Vec<Digest>);

impl Digests {
    /// No digest known.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds `digest`, replacing an earlier one of the same algorithm.
    pub fn insert(&mut self, digest: Digest) {
        self.0.retain(|known| known.algorithm != digest.algorithm);
        self.0.push(digest);
    }

    /// The digest of `algorithm`, if known.
    pub fn get(&self, algorithm: Algorithm) -> Option<&Digest> {
        self.0.iter().find(|digest| digest.algorithm == algorithm)
    }

    /// All known digests.
    pub fn iter(&self) -> impl Iterator<Item = &Digest> {
        self.0.iter()
    }

    /// The SHA-256 as a blob id, if known.
    pub fn blob_id(&self) -> Option<BlobId> {
        let bytes = self.get(Algorithm::Sha256)?.as_bytes().try_into().ok()?;
        Some(BlobId::from_bytes(bytes))
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first digest of `self` that `actual` contradicts. Algorithms that `actual`
    /// lacks are not judged: compute every algorithm that is expected.
    pub fn contradiction<'a>(&'a self, actual: &Self) -> Option<&'a Digest> {
        self.0
            .iter()
            .find(|expected| actual.get(expected.algorithm).is_some_and(|found| found != *expected))
    }
}

impl FromIterator<Digest> for Digests {
    fn from_iter<I: IntoIterator<Item = Digest>>(digests: I) -> Self {
        let mut all = Self::new();
        for digest in digests {
            all.insert(digest);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_blob_id_reads_and_writes_hexadecimal() {
        let id: BlobId = EMPTY_SHA256.parse().unwrap();
        assert_eq!(id.to_string(), EMPTY_SHA256);
        assert_eq!("abc".parse::<BlobId>(), Err(InvalidDigest));
        assert_eq!("zz".repeat(32).parse::<BlobId>(), Err(InvalidDigest));
    }

    #[test]
    fn a_digest_of_the_wrong_length_is_refused() {
        assert!(Digest::from_hex(Algorithm::Sha1, EMPTY_SHA256).is_err());
        assert!(Digest::from_base64(Algorithm::Md5, "1B2M2Y8AsgTpgAmY7PhCfg==").is_ok());
    }

    #[test]
    fn a_contradiction_needs_the_same_algorithm() {
        let expected: Digests =
            [Digest::from_hex(Algorithm::Sha256, EMPTY_SHA256).unwrap()].into_iter().collect();
        let md5 = Digest::from_base64(Algorithm::Md5, "1B2M2Y8AsgTpgAmY7PhCfg==").unwrap();
        let other = Digest::from_hex(Algorithm::Sha256, &"0".repeat(64)).unwrap();
        assert_eq!(expected.contradiction(&[md5].into_iter().collect()), None);
        assert!(expected.contradiction(&[other].into_iter().collect()).is_some());
    }
}

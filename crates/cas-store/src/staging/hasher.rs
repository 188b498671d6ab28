//! Digests whose computation another replica can go on with. The library that computes those of
//! other files is as fast, but keeps how far it got to itself.

use std::collections::BTreeMap;
use std::fmt;

use artifact_core::{Algorithm, Digest, Digests};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use md5::Md5;
use sha1::Sha1;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest as _, Sha256, Sha512};

use super::Sink;
use crate::StoreError;

/// Hashes a stream with SHA-256 and any further algorithms, and can be written down on the way.
#[derive(Clone)]
pub(crate) struct ResumableHasher(Vec<Running>);

#[derive(Clone)]
enum Running {
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
}

impl ResumableHasher {
    /// A hasher for SHA-256, which is always computed, and the additional `algorithms`.
    pub(crate) fn new(algorithms: &[Algorithm]) -> Self {
        let wanted = |algorithm: &Algorithm| {
            *algorithm == Algorithm::Sha256 || algorithms.contains(algorithm)
        };
        Self(Algorithm::ALL.into_iter().filter(wanted).map(Running::new).collect())
    }

    /// The hasher that [`saved`](Self::saved) tells of.
    pub(crate) fn resumed(saved: &BTreeMap<Algorithm, String>) -> Result<Self, StoreError> {
        if !saved.contains_key(&Algorithm::Sha256) {
            return Err(unusable());
        }
        let resume = |(algorithm, text): (&Algorithm, &String)| Running::resumed(*algorithm, text);
        saved.iter().map(resume).collect::<Option<_>>().map(Self).ok_or_else(unusable)
    }

    /// How far every algorithm got.
    pub(crate) fn saved(&self) -> BTreeMap<Algorithm, String> {
        self.0.iter().map(|running| (running.algorithm(), running.saved())).collect()
    }

    /// Takes in the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        // Block by block: the second algorithm then finds the bytes in the processor's cache.
        for block in bytes.chunks(16 * 1024) {
            self.0.iter_mut().for_each(|running| running.update(block));
        }
    }

    /// The digests of everything taken in.
    pub(crate) fn finish(self) -> Digests {
        // A digest always has the length of its own algorithm, so nothing is dropped here.
        self.0.into_iter().filter_map(Running::finish).collect()
    }
}

impl Sink for ResumableHasher {
    fn take(&mut self, chunks: &[Bytes]) -> Result<(), StoreError> {
        for chunk in chunks {
            self.update(chunk);
        }
        Ok(())
    }

    fn hasher(&self) -> &ResumableHasher {
        self
    }
}

fn unusable() -> StoreError {
    StoreError::StagingState { problem: "its digests cannot be continued" }
}

impl Running {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Md5 => Self::Md5(Md5::new()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    fn resumed(algorithm: Algorithm, text: &str) -> Option<Self> {
        Some(match algorithm {
            Algorithm::Md5 => Self::Md5(read(text)?),
            Algorithm::Sha1 => Self::Sha1(read(text)?),
            Algorithm::Sha256 => Self::Sha256(read(text)?),
            Algorithm::Sha512 => Self::Sha512(read(text)?),
        })
    }

    fn saved(&self) -> String {
        match self {
            Self::Md5(running) => written(running),
            Self::Sha1(running) => written(running),
            Self::Sha256(running) => written(running),
            Self::Sha512(running) => written(running),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(running) => running.update(bytes),
            Self::Sha1(running) => running.update(bytes),
            Self::Sha256(running) => running.update(bytes),
            Self::Sha512(running) => running.update(bytes),
        }
    }

    fn finish(self) -> Option<Digest> {
        let algorithm = self.algorithm();
        let digest = |bytes: &[u8]| Digest::from_bytes(algorithm, bytes).ok();
        match self {
            Self::Md5(running) => digest(&running.finalize()),
            Self::Sha1(running) => digest(&running.finalize()),
            Self::Sha256(running) => digest(&running.finalize()),
            Self::Sha512(running) => digest(&running.finalize()),
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Md5(_) => Algorithm::Md5,
            Self::Sha1(_) => Algorithm::Sha1,
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
        }
    }
}

fn written<H: SerializableState>(running: &H) -> String {
    STANDARD_NO_PAD.encode(running.serialize())
}

fn read<H: SerializableState>(text: &str) -> Option<H> {
    let bytes = STANDARD_NO_PAD.decode(text).ok()?;
    let state = SerializedState::<H>::try_from(bytes.as_slice()).ok()?;
    H::deserialize(&state).ok()
}

impl fmt::Debug for ResumableHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(Running::algorithm)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MultiHasher;

    fn sample(length: usize) -> Vec<u8> {
        (0..=250).cycle().take(length).collect()
    }

    #[test]
    fn wherever_it_is_written_down_it_goes_on_to_the_same_digests() {
        let bytes = sample(1000);
        let mut expected = MultiHasher::new(&Algorithm::ALL);
        expected.update(&bytes);
        let expected = expected.finish();
        for cut in [0, 1, 55, 63, 64, 65, 127, 128, 129, 640, 999, 1000] {
            let mut first = ResumableHasher::new(&Algorithm::ALL);
            first.update(&bytes[..cut]);
            let mut second = ResumableHasher::resumed(&first.saved()).unwrap();
            second.update(&bytes[cut..]);
            assert_eq!(second.finish(), expected, "{cut}");
        }
    }

    #[test]
    fn only_what_was_asked_for_is_computed_and_sha256_unasked() {
        let hasher = ResumableHasher::new(&[Algorithm::Sha512]);
        let algorithms: Vec<_> = hasher.saved().into_keys().collect();
        assert_eq!(algorithms, [Algorithm::Sha256, Algorithm::Sha512]);
        assert_eq!(ResumableHasher::new(&[]).finish(), MultiHasher::new(&[]).finish());
    }

    #[test]
    fn what_cannot_be_continued_is_refused() {
        let good = ResumableHasher::new(&[Algorithm::Sha512]).saved();
        assert!(ResumableHasher::resumed(&good).is_ok());
        let sha256 = &good[&Algorithm::Sha256];
        let texts = [
            String::new(),
            "not base64!".to_owned(),
            sha256[..sha256.len() - 4].to_owned(),
            format!("{sha256}AAAA"),
            good[&Algorithm::Sha512].clone(),
            // The last byte says how many bytes wait in the buffer.
            STANDARD_NO_PAD.encode([0xff; 104]),
        ];
        for text in texts {
            let mut saved = good.clone();
            saved.insert(Algorithm::Sha256, text.clone());
            assert!(ResumableHasher::resumed(&saved).is_err(), "{text}");
        }
        let mut without = good;
        without.remove(&Algorithm::Sha256);
        assert!(ResumableHasher::resumed(&without).is_err());
    }
}

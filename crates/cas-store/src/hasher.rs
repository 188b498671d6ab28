//! Computing several digests in one pass.

use std::fmt;

use artifact_core::ports::Hasher;
use artifact_core::{Algorithm, Digest, Digests};
use md5::{Digest as _, Md5};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};

/// Hashes a stream with SHA-256 and any further algorithms, each byte touched once.
///
/// A clone goes on from the same point, so `hasher.clone().finish()` tells the digests so far.
#[derive(Clone)]
pub struct MultiHasher(Vec<Running>);

#[derive(Clone)]
enum Running {
    Md5(Md5),
    Ring(Algorithm, Context),
}

impl MultiHasher {
    /// A hasher for SHA-256, which is always computed, and the additional `algorithms`.
    pub fn new(algorithms: &[Algorithm]) -> Self {
        let wanted = |algorithm: &Algorithm| {
            *algorithm == Algorithm::Sha256 || algorithms.contains(algorithm)
        };
        Self(Algorithm::ALL.into_iter().filter(wanted).map(Running::new).collect())
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        // Block by block: the second algorithm then finds the bytes in the processor's cache.
        for block in bytes.chunks(16 * 1024) {
            self.0.iter_mut().for_each(|running| running.update(block));
        }
    }

    /// The digests of everything taken in.
    pub fn finish(self) -> Digests {
        // A digest always has the length of its own algorithm, so nothing is dropped here.
        self.0.into_iter().filter_map(Running::finish).collect()
    }
}

impl Hasher for MultiHasher {
    fn update(&mut self, bytes: &[u8]) {
        Self::update(self, bytes);
    }

    fn digests(&self) -> Digests {
        self.clone().finish()
    }
}

impl Running {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Md5 => Self::Md5(Md5::new()),
            Algorithm::Sha1 => Self::Ring(algorithm, Context::new(&SHA1_FOR_LEGACY_USE_ONLY)),
            Algorithm::Sha256 => Self::Ring(algorithm, Context::new(&SHA256)),
            Algorithm::Sha512 => Self::Ring(algorithm, Context::new(&SHA512)),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(context) => context.update(bytes),
            Self::Ring(_, context) => context.update(bytes),
        }
    }

    fn finish(self) -> Option<Digest> {
        match self {
            Self::Md5(context) => Digest::from_bytes(Algorithm::Md5, &context.finalize()).ok(),
            Self::Ring(algorithm, context) => {
                Digest::from_bytes(algorithm, context.finish().as_ref()).ok()
            }
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Md5(_) => Algorithm::Md5,
            Self::Ring(algorithm, _) => *algorithm,
        }
    }
}

impl fmt::Debug for MultiHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(Running::algorithm)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: [(Algorithm, &str); 4] = [
        (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
        (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            Algorithm::Sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
    ];

    #[test]
    fn every_algorithm_gives_its_published_test_vector() {
        let mut hasher = MultiHasher::new(&Algorithm::ALL);
        hasher.update(b"a");
        hasher.update(b"");
        hasher.update(b"bc");
        let digests = hasher.finish();
        for (algorithm, expected) in ABC {
            assert_eq!(digests.get(algorithm).unwrap().to_hex(), expected, "{algorithm:?}");
        }
    }

    #[test]
    fn sha256_is_computed_unasked_and_once() {
        let digests = MultiHasher::new(&[]).finish();
        assert!(digests.blob_id().is_some());
        assert_eq!(digests.iter().count(), 1);
        let repeated = [Algorithm::Sha256, Algorithm::Sha256, Algorithm::Md5, Algorithm::Md5];
        assert_eq!(MultiHasher::new(&repeated).finish().iter().count(), 2);
    }

    #[test]
    fn long_input_does_not_depend_on_how_it_is_cut() {
        let bytes: Vec<u8> = (0..=250).cycle().take(100_000).collect();
        let mut whole = MultiHasher::new(&Algorithm::ALL);
        whole.update(&bytes);
        let mut pieces = MultiHasher::new(&Algorithm::ALL);
        bytes.chunks(777).for_each(|piece| pieces.update(piece));
        assert_eq!(whole.finish(), pieces.finish());
    }

    #[test]
    fn a_clone_tells_the_digests_so_far() {
        let mut hasher = MultiHasher::new(&[]);
        let empty = hasher.clone().finish();
        hasher.update(b"abc");
        assert_ne!(hasher.finish(), empty);
    }
}

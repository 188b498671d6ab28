//! Jitter. Not for secrets.

use std::hash::{BuildHasher, RandomState};

/// A fraction in `[0, 1)`, different with every call.
pub(crate) fn fraction() -> f64 {
    let bits = RandomState::new().hash_one(0_u8);
    f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_stay_in_range_and_differ() {
        let fractions: Vec<_> = (0..100).map(|_| fraction()).collect();
        assert!(fractions.iter().all(|fraction| (0.0..1.0).contains(fraction)));
        assert!(fractions.windows(2).any(|pair| pair[0].to_bits() != pair[1].to_bits()));
    }
}

//! How an upload of unknown length is cut into parts: small ones first, so that little has to be
//! held in memory, then larger ones, so that the list of them stays short. Which part is how long
//! depends on its number alone, so that the list need not say it.

const MIB: u64 = 1 << 20;

/// Parts up to a number, and their length.
const STEPS: [(usize, u64); 3] = [(32, SHORTEST_IN_PARTS), (640, 16 * MIB), (MOST_PARTS, 64 * MIB)];

/// What is shorter has no parts.
pub(in crate::s3) const SHORTEST_IN_PARTS: u64 = 8 * MIB;

/// As many as the list has room for; about 100 GiB.
pub(super) const MOST_PARTS: usize = 2000;

/// The length of part `number`, counted from 1; `None` if there is no such part.
pub(super) fn part_length(number: usize) -> Option<u64> {
    STEPS.iter().find(|(last, _)| number <= *last).map(|(_, length)| *length)
}

/// The length of the first `count` parts together.
pub(super) fn length_of(count: usize) -> u64 {
    let mut before = 0;
    let mut sum = 0;
    for (last, length) in STEPS {
        let here = count.min(last).saturating_sub(before);
        sum += here as u64 * length;
        before = last;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_end_to_end_and_are_long_enough_for_every_server() {
        let mut sum = 0;
        for number in 1..=MOST_PARTS {
            let length = part_length(number).unwrap();
            assert!((5 * MIB..=64 * MIB).contains(&length), "{number}");
            sum += length;
            assert_eq!(length_of(number), sum, "{number}");
        }
        assert_eq!(length_of(0), 0);
        assert_eq!(part_length(MOST_PARTS + 1), None);
    }

    #[test]
    fn ten_gibibytes_are_few_parts() {
        assert!(length_of(672) > 10 << 30);
        assert!(length_of(MOST_PARTS) > 90 << 30);
    }
}

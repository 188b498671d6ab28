//! Whether an upload may be claimed.

use artifact_core::Timestamp;

/// Whether nobody's claim but `owner`'s own is in force at `now`.
pub(crate) fn is_free(
    claimed_by: Option<&str>,
    claimed_until: Option<i64>,
    owner: &str,
    now: Timestamp,
) -> bool {
    claimed_by.is_none_or(|holder| holder == owner)
        || claimed_until.is_none_or(|until| until <= now.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_of_somebody_else_is_in_force_until_it_ends() {
        for (claimed_by, claimed_until, expected) in [
            (None, None, true),
            (Some("a"), Some(1001), true),
            (Some("b"), Some(1001), false),
            (Some("b"), Some(1000), true),
        ] {
            let now = Timestamp::from_millis(1000);
            assert_eq!(is_free(claimed_by, claimed_until, "a", now), expected, "{claimed_by:?}");
        }
    }
}

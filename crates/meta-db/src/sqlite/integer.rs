//! Unsigned counts in a database that only has signed integers.

/// `count` as SQL stores it; saturates.
pub(crate) fn to_sql(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A stored count; a negative one reads as zero.
pub(crate) fn from_sql(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

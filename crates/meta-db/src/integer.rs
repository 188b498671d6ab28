//! Counts and moments in a database that only has signed integers.

use std::time::Duration;

use artifact_core::Timestamp;

/// `count` as SQL stores it; saturates.
pub(crate) fn to_sql(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A stored count; a negative one reads as zero.
pub(crate) fn from_sql(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

/// How many there are.
pub(crate) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// How many rows a statement may return.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The moment `span` before `moment`, in milliseconds; saturates.
pub(crate) fn millis_before(moment: Timestamp, span: Duration) -> i64 {
    moment.as_millis().saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}

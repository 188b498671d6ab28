//! Spans of time that statistics are counted in.

use std::time::Duration;

use artifact_core::Timestamp;

/// A stretch of time, in milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Span {
    pub(crate) ends_at: i64,
    pub(crate) width: i64,
}

impl Span {
    pub(crate) fn holding(at: Timestamp, width: Duration) -> Self {
        let width = i64::try_from(width.as_millis()).unwrap_or(i64::MAX).max(1);
        let offset = at.as_millis().rem_euclid(width);
        Self { ends_at: at.as_millis().saturating_sub(offset).saturating_add(width), width }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_holds_its_moment() {
        for (at, width, ends_at) in [(0, 60, 60), (59, 60, 60), (60, 60, 120), (-1, 60, 0)] {
            let at = Timestamp::from_millis(at);
            let span = Span::holding(at, Duration::from_millis(width));
            assert_eq!(span.ends_at, ends_at, "{at:?}");
        }
        assert_eq!(Span::holding(Timestamp::EPOCH, Duration::ZERO).width, 1);
    }
}

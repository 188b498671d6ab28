//! Where the bytes of an upload belong.
//!
//! `Content-Range` is here `first-last`, without a unit and without a total, other than everywhere else in HTTP. Both
//! are accepted all the same.

use crate::ErrorCode;

/// Bytes of an upload: at least one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UploadRange {
    first: u64,
    length: u64,
}

impl UploadRange {
    /// Reads the value of a `Content-Range`. `None` if it is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text
            .strip_prefix("bytes")
            .map_or(text, |rest| rest.strip_prefix([' ', '=']).unwrap_or(text).trim_start());
        let range = match text.split_once('/') {
            Some((range, total)) if total == "*" || number(total).is_some() => range,
            Some(_) => return None,
            None => text,
        };
        let (first, last) = range.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let length = last.checked_sub(first)?.checked_add(1)?;
        Some(Self { first, length })
    }

    /// The offset of the first byte.
    pub const fn first(self) -> u64 {
        self.first
    }

    /// How many bytes.
    pub const fn length(self) -> u64 {
        self.length
    }
}

/// Only digits: other than the parser of the standard library, without a sign.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Where the bytes of a request belong, as its head says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claim {
    /// Behind what is there.
    Behind,
    /// Here.
    At(UploadRange),
    /// The head says something that is no place: no upload can take the bytes.
    Nowhere,
}

/// What becomes of the bytes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// They are appended.
    Append {
        /// How many have to come; `None`: as many as there are.
        length: Option<u64>,
    },
    /// They belong elsewhere (416). Nothing is changed and the upload stays open.
    OutOfRange,
}

impl Claim {
    /// Reads the head of a request: its `Content-Range` values and its `Content-Length`. Fails with
    /// [`ErrorCode::SizeInvalid`] if the two disagree.
    pub fn read<'h>(
        mut content_ranges: impl Iterator<Item = &'h str>,
        content_length: Option<u64>,
    ) -> Result<Self, ErrorCode> {
        let Some(text) = content_ranges.next() else { return Ok(Self::Behind) };
        if content_ranges.next().is_some() {
            return Ok(Self::Nowhere);
        }
        let Some(range) = UploadRange::parse(text) else { return Ok(Self::Nowhere) };
        match content_length {
            Some(length) if length != range.length() => Err(ErrorCode::SizeInvalid),
            _ => Ok(Self::At(range)),
        }
    }

    /// What becomes of the bytes in an upload that holds `offset` durable ones.
    pub fn decide(self, offset: u64) -> Decision {
        match self {
            Self::Behind => Decision::Append { length: None },
            Self::At(range) if range.first() == offset => {
                Decision::Append { length: Some(range.length()) }
            }
            Self::At(_) | Self::Nowhere => Decision::OutOfRange,
        }
    }
}

/// The value of `Range` that tells how many bytes of an upload are durable. Nothing cannot be written as an
/// inclusive range; `0-0` stands for it too, by the habit of registries.
pub fn durable_range(size: u64) -> String {
    format!("0-{}", size.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_range_is_read_leniently_and_wholly() {
        for (text, first, length) in [
            ("0-0", 0, 1),
            ("0-9", 0, 10),
            ("10-19", 10, 10),
            ("bytes 10-19", 10, 10),
            ("bytes=10-19", 10, 10),
            ("10-19/20", 10, 10),
            ("bytes 10-19/*", 10, 10),
            (" 5-5 ", 5, 1),
        ] {
            let range = UploadRange::parse(text).unwrap();
            assert_eq!((range.first(), range.length()), (first, length), "{text}");
        }
        for text in [
            "",
            "-",
            "0-",
            "-5",
            "5",
            "0-garbage",
            "0-9x",
            "x0-9",
            "9-0",
            "+0-9",
            "0-+9",
            "0 - 9",
            "0-9,10-19",
            "0-9/x",
            "0-9/",
            "bytes",
            "bytes */9",
            "items 0-9",
            "0-18446744073709551615",
            "0-99999999999999999999",
        ] {
            assert_eq!(UploadRange::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_state_machine_of_an_upload_holds() {
        const OFFSET: u64 = 10;
        let out_of_range = Ok(Decision::OutOfRange);
        let append = |length| Ok(Decision::Append { length });
        for (ranges, length, expected) in [
            // One streamed request, whole or in chunks of unknown number.
            ([].as_slice(), None, append(None)),
            (&[], Some(0), append(None)),
            (&[], Some(7), append(None)),
            // The next bytes.
            (&["10-19"], Some(10), append(Some(10))),
            (&["10-19"], None, append(Some(10))),
            // A replay, a gap, an overlap.
            (&["0-9"], Some(10), out_of_range),
            (&["11-20"], Some(10), out_of_range),
            (&["9-18"], Some(10), out_of_range),
            // Malformed, in every length.
            (&["20-10"], Some(10), out_of_range),
            (&["10-"], Some(10), out_of_range),
            (&["10-19", "10-19"], Some(10), out_of_range),
            // Head and body disagree.
            (&["10-19"], Some(9), Err(ErrorCode::SizeInvalid)),
            (&["0-9"], Some(0), Err(ErrorCode::SizeInvalid)),
        ] {
            let claim = Claim::read(ranges.iter().copied(), length);
            let decision = claim.map(|claim| claim.decide(OFFSET));
            assert_eq!(decision, expected, "{ranges:?} {length:?}");
        }
    }

    #[test]
    fn the_durable_range_is_inclusive() {
        for (size, range) in [(0, "0-0"), (1, "0-0"), (2, "0-1"), (200_266, "0-200265")] {
            assert_eq!(durable_range(size), range);
        }
    }

    proptest! {
        #[test]
        fn reading_never_fails_otherwise_and_appends_only_at_the_end(
            text in "(bytes[ =])?[0-9x]{0,3}-?[0-9]{0,3}(/[0-9*]{0,2})?",
            length in proptest::option::of(0..200u64),
            offset in 0..200u64,
        ) {
            match Claim::read(std::iter::once(text.as_str()), length) {
                Ok(claim) => if let Decision::Append { length: appended } = claim.decide(offset) {
                    let range = UploadRange::parse(&text).unwrap();
                    prop_assert_eq!(range.first(), offset);
                    prop_assert_eq!(appended, Some(range.length()));
                    prop_assert!(length.is_none_or(|length| length == range.length()));
                },
                Err(code) => prop_assert_eq!(code, ErrorCode::SizeInvalid),
            }
        }

        #[test]
        fn a_written_range_is_read_again(first in 0..u64::MAX / 2, length in 1..u64::MAX / 2) {
            let range = UploadRange::parse(&format!("{first}-{}", first + length - 1)).unwrap();
            prop_assert_eq!((range.first(), range.length()), (first, length));
        }
    }
}

//! Semantic versions with forgiveness.

use std::cmp::Ordering;

use super::{are_identifiers, is_digits, is_pre_release};

/// A version that may begin with `v`, may have fewer than three numbers and may have leading zeros
/// in them: what Helm takes for one. Ordered by precedence; build metadata does not count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LenientVersion<'t> {
    numbers: [u64; 3],
    pre_release: &'t str,
}

impl<'t> LenientVersion<'t> {
    /// Reads a version; `None` if it is none.
    pub fn parse(text: &'t str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, build) = split_once(text, '+');
        let (core, pre_release) = split_once(text, '-');
        if build.is_some_and(|build| !are_identifiers(build))
            || pre_release.is_some_and(|pre_release| !is_pre_release(pre_release))
        {
            return None;
        }
        Some(Self { numbers: numbers(core)?, pre_release: pre_release.unwrap_or_default() })
    }

    /// Whether this is a release and not something before one.
    pub fn is_release(&self) -> bool {
        self.pre_release.is_empty()
    }
}

fn split_once(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn numbers(core: &str) -> Option<[u64; 3]> {
    let mut numbers = [0; 3];
    let mut slots = numbers.iter_mut();
    for part in core.split('.') {
        *slots.next()? = part.parse().ok().filter(|_| is_digits(part))?;
    }
    Some(numbers)
}

impl Ord for LenientVersion<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| self.is_release().cmp(&other.is_release()))
            .then_with(|| {
                let parts = self.pre_release.split('.').map(Identifier::of);
                parts.cmp(other.pre_release.split('.').map(Identifier::of))
            })
    }
}

impl PartialOrd for LenientVersion<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A part of a pre-release. Numbers precede texts; one that is too large counts as a text.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Identifier<'t> {
    Number(u64),
    Text(&'t str),
}

impl<'t> Identifier<'t> {
    fn of(part: &'t str) -> Self {
        match part.parse() {
            Ok(number) => Self::Number(number),
            Err(_) => Self::Text(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_are_read_as_helm_reads_them() {
        for text in [
            "1.2.3",
            "v1.2.3",
            "1.2",
            "v1",
            "01.2.3",
            "1.2-a",
            "1-a+b",
            "1.2.3-1",
            "1.2.3+01",
            "1.2.3--",
            "1.2.3-a.b-c",
            "1.0+a-b",
            "1.2.3-99999999999999999999",
        ] {
            assert!(LenientVersion::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "v",
            "V1",
            "vv1",
            "1.2.3.4",
            "1..2",
            ".1",
            "1.",
            "1.2.3-",
            "1.2.3+",
            "1.2.3-01",
            "1.2.3-a_b",
            "1.2.3-a..b",
            "1.2.3+a+b",
            " 1.2",
            "1.2 ",
            "1.2\n",
            "+1",
            "-1",
            "1.-2",
            "x.1",
            "latest",
            "99999999999999999999.1.1",
            "1.+2.3",
        ] {
            assert_eq!(LenientVersion::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn versions_are_ordered_by_precedence() {
        let ascending = [
            "0.9.9",
            "1.0.0-1",
            "1.0.0-9",
            "1.0.0-10",
            "1.0.0-10.1",
            "1.0.0--",
            "1.0.0-99999999999999999999",
            "1.0.0-9a",
            "1.0.0-A",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "v1",
            "1.0.1",
            "1.2",
            "1.10",
            "2",
        ];
        for (at, one) in ascending.iter().enumerate() {
            for (other_at, other) in ascending.iter().enumerate() {
                let order = LenientVersion::parse(one).cmp(&LenientVersion::parse(other));
                assert_eq!(order, at.cmp(&other_at), "{one} {other}");
            }
        }
        let parsed = LenientVersion::parse("1.0.0+a");
        assert_eq!(parsed, LenientVersion::parse("v1+b"));
        assert!(parsed.is_some_and(|version| version.is_release()));
    }

    proptest! {
        #[test]
        fn every_text_is_a_version_or_none_and_order_is_total(
            texts in prop::collection::vec("v?[0-9]{1,2}(\\.[0-9]{1,2}){0,3}(-[a-c0-2.-]{0,5})?(\\+[a-z.]{0,3})?", 3),
        ) {
            let versions: Vec<_> = texts.iter().filter_map(|text| LenientVersion::parse(text)).collect();
            if let [a, b, c] = versions.as_slice() {
                prop_assert_eq!(a.cmp(b), b.cmp(a).reverse());
                prop_assert_eq!(a == b, a.cmp(b).is_eq());
                prop_assert!(!(a <= b && b <= c) || a <= c);
            }
        }
    }
}

//! Versions of Go modules.

use std::cmp::Ordering;

use super::{has_leading_zero, is_digits, is_pre_release};

const INCOMPATIBLE: &str = "+incompatible";
/// The length of the time in a pseudo-version.
const TIME: usize = 14;

/// A canonical version of a Go module: `vX.Y.Z`, perhaps with a pre-release, perhaps with
/// `+incompatible`, and nothing else. Ordered as Go orders them; numbers may have any length.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GoVersion<'t> {
    numbers: [&'t str; 3],
    pre_release: &'t str,
    is_incompatible: bool,
}

impl<'t> GoVersion<'t> {
    /// Reads a canonical version; `None` if it is none.
    pub fn parse(text: &'t str) -> Option<Self> {
        let text = text.strip_prefix('v')?;
        let (text, is_incompatible) = match text.strip_suffix(INCOMPATIBLE) {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (core, pre_release) = text.split_once('-').unwrap_or((text, ""));
        let has_hyphen = core.len() < text.len();
        if has_hyphen && !is_pre_release(pre_release) {
            return None;
        }
        let mut parts = core.split('.');
        let numbers = [parts.next()?, parts.next()?, parts.next()?];
        let are_sound = numbers.iter().all(|part| is_digits(part) && !has_leading_zero(part));
        (are_sound && parts.next().is_none()).then_some(Self {
            numbers,
            pre_release,
            is_incompatible,
        })
    }

    /// Whether this is a release and not something before one.
    pub fn is_release(&self) -> bool {
        self.pre_release.is_empty()
    }

    /// The time in a pseudo-version, `yyyymmddhhmmss`: a commit without a tag, which Go writes as
    /// a pre-release of the next possible version. `None` for every other version.
    pub fn pseudo_time(&self) -> Option<&'t str> {
        let (before, revision) = self.pre_release.rsplit_once('-')?;
        if revision.is_empty() || !revision.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let (lead, time) = before.split_at_checked(before.len().checked_sub(TIME)?)?;
        let follows_a_tag = lead == "0." || lead.ends_with(".0.");
        let follows_none = lead.is_empty() && self.numbers[1] == "0" && self.numbers[2] == "0";
        (is_digits(time) && (follows_a_tag || follows_none)).then_some(time)
    }
}

impl Ord for GoVersion<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = self.numbers.map(Identifier::Number);
        numbers
            .cmp(&other.numbers.map(Identifier::Number))
            .then_with(|| self.is_release().cmp(&other.is_release()))
            .then_with(|| {
                let parts = self.pre_release.split('.').map(Identifier::of);
                parts.cmp(other.pre_release.split('.').map(Identifier::of))
            })
            .then_with(|| self.is_incompatible.cmp(&other.is_incompatible))
    }
}

impl PartialOrd for GoVersion<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Digits without leading zeros, or any other text. Numbers precede texts.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Identifier<'t> {
    Number(&'t str),
    Text(&'t str),
}

impl<'t> Identifier<'t> {
    fn of(part: &'t str) -> Self {
        if is_digits(part) { Self::Number(part) } else { Self::Text(part) }
    }
}

impl Ord for Identifier<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => {
                one.len().cmp(&other.len()).then_with(|| one.cmp(other))
            }
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
        }
    }
}

impl PartialOrd for Identifier<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_canonical_versions_are_read() {
        for text in [
            "v0.0.0",
            "v1.2.3",
            "v1.2.3-rc.1",
            "v1.2.3-RC1",
            "v2.0.0+incompatible",
            "v2.0.0-rc.1+incompatible",
            "v0.0.0-20200101000000-abcdef123456",
            "v1.2.3--",
            "v99999999999999999999.0.0",
        ] {
            assert!(GoVersion::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "v",
            "v1",
            "v1.2",
            "1.2.3",
            "V1.2.3",
            "v1.2.3.4",
            "v01.2.3",
            "v1.02.3",
            "v1.2.03",
            "v1.2.3-",
            "v1.2.3-01",
            "v1.2.3-a..b",
            "v1.2.3+meta",
            "v1.2.3+incompatible+incompatible",
            "v1.2.3-a_b",
            "v1.2.3-a/b",
            "master",
            "vendor",
            "v1.2.x",
            "v1.2.3 ",
            "v-1.2.3",
        ] {
            assert_eq!(GoVersion::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn versions_are_ordered_as_go_orders_them() {
        let ascending = [
            "v0.0.0-20200101000000-abcdef123456",
            "v0.9.0",
            "v1.0.0-1",
            "v1.0.0-2",
            "v1.0.0-10",
            "v1.0.0-99999999999999999999",
            "v1.0.0-alpha",
            "v1.0.0-alpha.1",
            "v1.0.0-alpha.beta",
            "v1.0.0",
            "v1.0.1-0.20200101000000-abcdef123456",
            "v1.2.0",
            "v1.10.0",
            "v2.0.0",
            "v2.0.0+incompatible",
            "v99999999999999999999.0.0",
        ];
        for (at, one) in ascending.iter().enumerate() {
            for (other_at, other) in ascending.iter().enumerate() {
                let order = GoVersion::parse(one).cmp(&GoVersion::parse(other));
                assert_eq!(order, at.cmp(&other_at), "{one} {other}");
            }
        }
    }

    #[test]
    fn a_pseudo_version_tells_its_time() {
        for (text, time) in [
            ("v0.0.0-20200102030405-abcdef123456", Some("20200102030405")),
            ("v2.0.0-20200102030405-abcdef123456+incompatible", Some("20200102030405")),
            ("v1.2.4-0.20200102030405-abcdef123456", Some("20200102030405")),
            ("v1.2.4-rc.1.0.20200102030405-abcdef123456", Some("20200102030405")),
            ("v1.2.3", None),
            ("v1.2.3-rc.1", None),
            ("v1.2.4-20200102030405-abcdef123456", None),
            ("v1.2.4-1.20200102030405-abcdef123456", None),
            ("v0.0.0-2020010203040-abcdef123456", None),
            ("v0.0.0-20200102030405", None),
            ("v0.0.0-20200102030405-", None),
            ("v0.0.0-x-y", None),
        ] {
            let version = GoVersion::parse(text).unwrap();
            assert_eq!(version.pseudo_time(), time, "{text}");
        }
    }

    proptest! {
        #[test]
        fn order_is_total_and_agrees_with_equality(
            texts in prop::collection::vec("v[0-9]{1,2}\\.[0-9]\\.[0-9](-[a-c0-2.-]{1,5})?(\\+incompatible)?", 3),
        ) {
            let versions: Vec<_> = texts.iter().filter_map(|text| GoVersion::parse(text)).collect();
            if let [a, b, c] = versions.as_slice() {
                prop_assert_eq!(a.cmp(b), b.cmp(a).reverse());
                prop_assert_eq!(a == b, a.cmp(b).is_eq());
                prop_assert!(!(a <= b && b <= c) || a <= c);
            }
        }
    }
}

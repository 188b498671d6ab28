//! Which of several releases comes first.

use std::cmp::Reverse;

use semver::Version;

use super::read::Entry;
use crate::query::Query;

/// The order of a united list of releases, each with the newest or most first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    Version,
    ReleaseDate,
    Downloads,
}

impl Order {
    /// The order that a query asks for.
    pub(super) fn of(query: &Query) -> Self {
        match query.get("sort_by") {
            Some("release_date") => Self::ReleaseDate,
            Some("downloads") => Self::Downloads,
            _ => Self::Version,
        }
    }

    /// The place of a release in this order.
    pub(super) fn key(self, release: &Entry<'_>) -> impl Ord + use<> {
        let first = match self {
            Self::Version => None,
            Self::ReleaseDate => release.created_at.map(artifact_core::Timestamp::as_millis),
            Self::Downloads => i64::try_from(release.downloads).ok(),
        };
        let text = version_text(release);
        Reverse((first, Version::parse(text).ok(), text.to_owned()))
    }
}

/// How well a release stands for its module: the higher the better.
pub(super) fn merit(release: &Entry<'_>) -> impl Ord + use<> {
    let version = Version::parse(version_text(release)).ok();
    let is_stable = version.as_ref().is_some_and(|version| version.pre.is_empty());
    (!release.is_deleted, is_stable, version)
}

/// What tells releases of a list apart; `None` for what cannot be told apart.
pub(super) fn identity(entry: &Entry<'_>) -> Option<String> {
    let name = entry.slug.as_deref().or(entry.path.as_deref()).or(entry.version.as_deref())?;
    Some(name.to_ascii_lowercase())
}

fn version_text<'e>(release: &'e Entry<'_>) -> &'e str {
    let of_slug = || release.slug.as_deref()?.splitn(3, '-').nth(2);
    release.version.as_deref().or_else(of_slug).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(version: &str) -> Entry<'_> {
        Entry { version: Some(version.into()), ..Entry::default() }
    }

    #[test]
    fn versions_are_ordered_by_their_meaning() {
        let mut all = ["1.9.0", "1.10.0", "x", "1.10.0-rc1", "2.0.0-rc1", "0.1.0"].map(release);
        all.sort_by_cached_key(|release| Order::Version.key(release));
        let sorted = all.map(|release| release.version.unwrap().into_owned());
        assert_eq!(sorted, ["2.0.0-rc1", "1.10.0", "1.10.0-rc1", "1.9.0", "0.1.0", "x"]);
    }

    #[test]
    fn the_best_is_the_newest_that_is_stable_and_there() {
        let deleted = Entry { is_deleted: true, ..release("3.0.0") };
        let best = |all: Vec<Entry<'static>>| {
            all.into_iter().max_by_key(merit).and_then(|release| release.version).unwrap()
        };
        assert_eq!(best(vec![release("1.0.0"), release("2.0.0-rc1"), deleted]), "1.0.0");
        assert_eq!(best(vec![release("2.0.0-rc1"), release("2.0.0-rc2")]), "2.0.0-rc2");
    }
}

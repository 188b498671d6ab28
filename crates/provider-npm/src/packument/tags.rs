//! Tags: every one that is shown points at a version that is shown.

use std::borrow::Cow;
use std::collections::HashSet;

use semver::Version;

use super::read::Tag;
use super::select::Selection;

const LATEST: &str = "latest";

/// The tags that are shown.
#[derive(Debug, Default)]
pub(super) struct Tags<'p> {
    /// Names and versions, in order.
    pub(super) list: Vec<(Cow<'p, str>, Cow<'p, str>)>,
    /// Whether they differ from those of the base.
    pub(super) is_changed: bool,
}

impl<'p> Tags<'p> {
    /// For every tag the first document that has it decides.
    pub(super) fn of(selection: &Selection<'p, '_>) -> Self {
        let mut tags = Self { list: Vec::new(), is_changed: selection.is_merged() };
        let mut seen = HashSet::new();
        for tag in selection.sources.iter().flat_map(|source| &source.packument.tags) {
            if !seen.insert(tag.name.as_ref()) {
                // Written twice in one document, clients would take the second.
                tags.is_changed = true;
                continue;
            }
            let version = target(tag, selection);
            tags.is_changed |= version.as_deref() != Some(&*tag.version);
            if let Some(version) = version {
                tags.list.push((Cow::Borrowed(&tag.name), version));
            }
        }
        tags
    }

    /// The version that a tag points at.
    pub(super) fn version(&self, name: &str) -> Option<&str> {
        self.list.iter().find(|(tag, _)| tag == name).map(|(_, version)| version.as_ref())
    }
}

/// Where a tag points: where it did, if that is shown. Only `latest` is moved, because pnpm fails
/// without it; moving another would make a promise that nobody gave.
fn target<'p>(tag: &'p Tag<'_>, selection: &Selection<'p, '_>) -> Option<Cow<'p, str>> {
    let shows_nothing = selection.shown.is_empty();
    if shows_nothing || selection.by_label.contains_key(tag.version.as_ref()) {
        return Some(Cow::Borrowed(&tag.version));
    }
    if tag.name != LATEST {
        return None;
    }
    highest_below(&tag.version, selection).map(Cow::Borrowed)
}

/// The highest stable version that is shown and not above `original`: by precedence and not
/// by date, because a back-port can be the newest. If the original is a pre-release, one may stand in.
fn highest_below<'p>(original: &str, selection: &Selection<'p, '_>) -> Option<&'p str> {
    let original = Version::parse(original).ok()?;
    let below = || {
        selection.shown.iter().filter_map(|shown| {
            let label = shown.version.label.as_ref();
            let version = Version::parse(label).ok().filter(|version| *version <= original)?;
            Some((version, label))
        })
    };
    let stable = below().filter(|(version, _)| version.pre.is_empty()).max();
    let any = || below().filter(|_| !original.pre.is_empty()).max();
    stable.or_else(any).map(|(_, label)| label)
}

//! Which versions are shown, and whose.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use artifact_core::{DocumentError, RepositoryKind, RewriteContext, SourceDocument, Timestamp};
use formats::version::LenientVersion;
use url::Url;

use super::Unreadable;
use super::link::{self, Link};
use super::moment::is_rfc3339;
use super::read::{Index, Version};

/// What a selection has to respect.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) admits: &'a (dyn Fn(&str) -> bool + Send + Sync),
    /// Whether links lead through members.
    pub(super) is_virtual: bool,
}

impl<'a> Rules<'a> {
    pub(super) fn of(context: &RewriteContext<'a>) -> Self {
        let is_virtual = context.kind == RepositoryKind::Virtual;
        Self { admits: context.admits, is_virtual }
    }
}

/// An index and where it comes from.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) index: &'a Index<'a>,
    pub(super) member: &'a str,
    url: Option<Url>,
}

impl<'a> Source<'a> {
    pub(super) fn of(document: &SourceDocument<'a>, index: &'a Index<'a>) -> Self {
        let url = document.url.and_then(|url| Url::parse(url).ok());
        Self { index, member: document.member, url }
    }
}

/// What is shown of all sources.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    pub(super) sources: &'a [Source<'a>],
    pub(super) is_virtual: bool,
    /// Versions by the name of their chart, newest first.
    pub(super) charts: BTreeMap<&'a str, Vec<Shown<'a>>>,
    /// Every key once.
    pub(super) public_keys: Vec<&'a str>,
    /// When the newest of the sources was made, as it says itself.
    pub(super) generated: Option<&'a str>,
}

/// A version that is shown.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    /// The position of the source that has it.
    pub(super) source: usize,
    pub(super) version: &'a Version<'a>,
    /// At least one.
    pub(super) links: Vec<Link>,
}

impl<'a> Selection<'a> {
    /// Chooses: of equal versions the first is shown, of links those that lead somewhere and that
    /// the policy admits.
    pub(super) fn of(sources: &'a [Source<'a>], rules: Rules<'_>) -> Result<Self, DocumentError> {
        let mut charts: BTreeMap<&str, Vec<Shown<'_>>> = BTreeMap::new();
        let mut known = HashSet::new();
        let mut denied = false;
        for (position, source) in sources.iter().enumerate() {
            for chart in &source.index.charts {
                for version in &chart.versions {
                    if known.contains(&(&*chart.name, &*version.number)) {
                        continue;
                    }
                    let (links, refused) = links(source, (&chart.name, version), rules);
                    denied |= refused;
                    if links.is_empty() {
                        continue;
                    }
                    known.insert((&*chart.name, &*version.number));
                    let shown = Shown { source: position, version, links };
                    charts.entry(&chart.name).or_default().push(shown);
                }
            }
        }
        if charts.is_empty() && sources.iter().any(|source| source.index.listed > 0) {
            let useless = Unreadable::Useless.into();
            return Err(if denied { DocumentError::AllDenied } else { useless });
        }
        for versions in charts.values_mut() {
            versions
                .sort_by_cached_key(|shown| Reverse(LenientVersion::parse(&shown.version.number)));
        }
        Ok(Self {
            sources,
            is_virtual: rules.is_virtual,
            charts,
            public_keys: public_keys(sources),
            generated: generated(sources),
        })
    }
}

/// The links of a version that may be shown, and whether a policy refused one.
fn links(
    source: &Source<'_>,
    (name, version): (&str, &Version<'_>),
    rules: Rules<'_>,
) -> (Vec<Link>, bool) {
    let mut links: Vec<Link> = Vec::with_capacity(version.urls.len());
    let mut refused = false;
    for written in &version.urls {
        let Some(link) = link::place(written, source.url.as_ref(), (name, &version.number)) else {
            continue;
        };
        if let Link::File(file) = &link {
            let same_path =
                |other: &Link| matches!(other, Link::File(other) if other.path == file.path);
            if links.iter().any(same_path) {
                continue;
            }
            if !(rules.admits)(file.path.as_str()) {
                refused = true;
                continue;
            }
        }
        links.push(link);
    }
    (links, refused)
}

fn public_keys<'a>(sources: &'a [Source<'a>]) -> Vec<&'a str> {
    let mut known = HashSet::new();
    let keys = sources.iter().flat_map(|source| &source.index.public_keys);
    keys.map(|key| &**key).filter(|key| known.insert(*key)).collect()
}

fn generated<'a>(sources: &'a [Source<'a>]) -> Option<&'a str> {
    let moments = sources.iter().filter_map(|source| source.index.generated.as_deref());
    moments.filter(|moment| is_rfc3339(moment)).reduce(|one, other| {
        let is_newer = Timestamp::from_rfc3339(other) > Timestamp::from_rfc3339(one);
        if is_newer { other } else { one }
    })
}

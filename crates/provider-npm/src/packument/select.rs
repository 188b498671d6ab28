//! Which versions are shown, and from which document.

use std::collections::HashMap;

use artifact_core::{DocumentError, RepoPath, SourceDocument};
use url::Url;

use super::Unreadable;
use super::manifest::Version;
use super::read::{Packument, once};
use super::tags::Tags;
use super::times::Times;
use crate::name::{PackageName, is_label, is_tarball_file};

/// Whether a policy admits a file path.
pub(super) type Admits<'a> = &'a (dyn Fn(&str) -> bool + Send + Sync);

/// The versions that are shown, and what follows from it for the rest of the document.
#[derive(Debug)]
pub(super) struct Selection<'p, 't> {
    pub(super) name: PackageName<'p>,
    /// The documents that list versions, or the first if none does. The first is the
    /// base: what is not merged comes from it.
    pub(super) sources: Vec<Source<'p, 't>>,
    /// The versions that are shown, in the order of their documents.
    pub(super) shown: Vec<Shown<'p, 't>>,
    pub(super) by_label: HashMap<&'p str, usize>,
    pub(super) hidden: HashMap<&'p str, Hidden>,
    pub(super) tags: Tags<'p>,
    /// What `time` becomes; `None` leaves it as it is.
    pub(super) times: Option<Times<'t>>,
}

/// A document that takes part.
#[derive(Debug)]
pub(super) struct Source<'p, 't> {
    /// Its place among the documents that were given.
    pub(super) index: usize,
    pub(super) packument: &'p Packument<'t>,
    url: Option<Url>,
}

/// A version that is shown.
#[derive(Debug)]
pub(super) struct Shown<'p, 't> {
    /// Whose it is, as an index of [`Selection::sources`].
    pub(super) source: usize,
    pub(super) version: &'p Version<'t>,
    /// The canonical path of its tarball.
    pub(super) path: String,
    /// Upstream's URL of its tarball.
    pub(super) url: Option<Url>,
}

/// Why a version is not shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hidden {
    /// A policy refuses it.
    Denied,
    /// It links to something that we could not fetch. Left as it is, the link would
    /// lead clients around us.
    Unusable,
}

impl<'p, 't> Selection<'p, 't> {
    /// Chooses among the versions of all documents; of equal ones the first wins.
    pub(super) fn of(
        name: PackageName<'p>,
        packuments: &'p [Packument<'t>],
        documents: &[SourceDocument<'_>],
        admits: Admits<'_>,
    ) -> Result<Self, DocumentError> {
        let mut selection = Self {
            name,
            sources: sources(packuments, documents),
            shown: Vec::new(),
            by_label: HashMap::new(),
            hidden: HashMap::new(),
            tags: Tags::default(),
            times: None,
        };
        for source in 0..selection.sources.len() {
            selection.show_versions_of(source, admits)?;
        }
        let Self { by_label, hidden, .. } = &mut selection;
        hidden.retain(|label, _| !by_label.contains_key(label));
        selection.require_something()?;
        selection.tags = Tags::of(&selection);
        selection.times = selection.is_changed().then(|| Times::of(&selection)).flatten();
        Ok(selection)
    }

    /// The document that everything not merged comes from.
    pub(super) fn base(&self) -> Option<&'p Packument<'t>> {
        self.sources.first().map(|source| source.packument)
    }

    /// Whether the versions shown are others than those of the base.
    pub(super) fn is_changed(&self) -> bool {
        self.is_merged() || !self.hidden.is_empty()
    }

    /// Whether several documents take part.
    pub(super) fn is_merged(&self) -> bool {
        self.sources.len() > 1
    }

    /// The text of the document that a version comes from.
    pub(super) fn packument_of(&self, shown: &Shown<'p, 't>) -> Option<&'p Packument<'t>> {
        self.sources.get(shown.source).map(|source| source.packument)
    }

    fn show_versions_of(&mut self, index: usize, admits: Admits<'_>) -> Result<(), Unreadable> {
        let Some(source) = self.sources.get(index) else { return Ok(()) };
        let versions = source.packument.versions.as_deref().unwrap_or_default();
        self.shown.reserve(versions.len());
        self.by_label.reserve(versions.len());
        for version in versions {
            let label = version.label.as_ref();
            if let Some(winner) = self.by_label.get(label).and_then(|at| self.shown.get(*at)) {
                once(winner.source != index, label)?;
                continue;
            }
            match judge(self.name, version, source.url.as_ref(), admits) {
                Ok((path, url)) => {
                    self.by_label.insert(label, self.shown.len());
                    self.shown.push(Shown { source: index, version, path, url });
                }
                Err(reason) => _ = self.hidden.insert(label, reason),
            }
        }
        Ok(())
    }

    /// An empty list makes clients report a package without versions, or an unpublished one.
    fn require_something(&self) -> Result<(), DocumentError> {
        if !self.shown.is_empty() || self.hidden.is_empty() {
            return Ok(());
        }
        if self.hidden.values().any(|reason| *reason == Hidden::Denied) {
            return Err(DocumentError::AllDenied);
        }
        Err(Unreadable::Useless.into())
    }
}

fn sources<'p, 't>(
    packuments: &'p [Packument<'t>],
    documents: &[SourceDocument<'_>],
) -> Vec<Source<'p, 't>> {
    let lists_any = packuments.iter().any(|packument| packument.versions.is_some());
    packuments
        .iter()
        .zip(documents)
        .enumerate()
        .filter(
            |(index, (packument, _))| {
                if lists_any { packument.versions.is_some() } else { *index == 0 }
            },
        )
        .map(|(index, (packument, document))| {
            let url = document.url.and_then(|url| Url::parse(url).ok());
            Source { index, packument, url }
        })
        .collect()
}

/// The path and upstream URL of a version's tarball, or why the version is hidden.
fn judge(
    name: PackageName<'_>,
    version: &Version<'_>,
    base: Option<&Url>,
    admits: Admits<'_>,
) -> Result<(String, Option<Url>), Hidden> {
    let file = name.standard_file(&version.label);
    let path = name.tarball_path(&file);
    if !admits(&path) {
        return Err(Hidden::Denied);
    }
    if version.links.is_empty() {
        return Ok((path, None));
    }
    let is_sound =
        is_label(&version.label) && is_tarball_file(&file) && RepoPath::from_decoded(&path).is_ok();
    if !is_sound {
        return Err(Hidden::Unusable);
    }
    let Some(link) = version.tarball.as_deref() else { return Ok((path, None)) };
    let url = absolute(link, base).ok_or(Hidden::Unusable)?;
    Ok((path, Some(url)))
}

fn absolute(link: &str, base: Option<&Url>) -> Option<Url> {
    let mut url = Url::options().base_url(base).parse(link).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    url.set_fragment(None);
    Some(url)
}

//! Where the packages of an index are.

use artifact_core::{DocumentError, Facts, FileFact, RepoPath, SourceDocument, encode_path};
use url::Url;

use super::record::Record;
use crate::layout::Directory;

/// What one index says of its packages.
///
/// Clients of a remote look for a package in the directory of its architecture, those of a virtual
/// repository always beside the index; so a package of another architecture is known by both.
pub(super) struct Listing<'a> {
    pub(super) facts: Facts,
    document: usize,
    directory: Directory<'a>,
    url: Option<Url>,
}

impl<'a> Listing<'a> {
    /// Nothing yet of the document at this position.
    pub(super) fn of(document: &SourceDocument<'a>, position: usize) -> Self {
        Self {
            facts: Facts::default(),
            document: position,
            directory: Directory::of(document.path),
            url: document.url.and_then(|url| Url::parse(url).ok()),
        }
    }

    /// Adds a package.
    pub(super) fn add(&mut self, record: &Record<'_>) -> Result<(), DocumentError> {
        for (path, fact) in self.places(record)? {
            self.facts.files.entry(path).or_insert(fact);
        }
        Ok(())
    }

    /// Adds a package that is not beside its index. Where the others are needs no index: below the
    /// `base_url`. The address that answered could be one to which only the index was redirected.
    pub(super) fn add_if_elsewhere(&mut self, record: &Record<'_>) -> Result<(), DocumentError> {
        let is_known = self.url.is_some() && self.elsewhere(record).is_some();
        if is_known { self.add(record) } else { self.places(record).map(|_| ()) }
    }

    /// The paths of a package, the one beside the index first.
    pub(super) fn places(
        &self,
        record: &Record<'_>,
    ) -> Result<Vec<(String, FileFact)>, DocumentError> {
        let name = record.file_name();
        let mut paths = vec![self.directory.file(&name)];
        let mut reference = format!("./{}", encode_path(&name));
        if let Some(architecture) = self.elsewhere(record) {
            paths.push(self.directory.beside(architecture, &name));
            reference = format!("../{}", encode_path(&format!("{architecture}/{name}")));
        }
        if let Some(path) = paths.iter().find(|path| RepoPath::from_decoded(path).is_err()) {
            return Err(DocumentError::Malformed(format!("the index lists {path:?}")));
        }
        let fact = FileFact {
            document: self.document,
            url: self.resolve(&reference),
            size: record.size,
            ..FileFact::default()
        };
        Ok(paths.into_iter().map(|path| (path, fact.clone())).collect())
    }

    /// The architecture in whose directory the package is instead of beside its index.
    fn elsewhere<'r>(&self, record: &Record<'r>) -> Option<&'r str> {
        let own = self.directory.architecture;
        record.architecture.filter(|architecture| !own.is_empty() && *architecture != own)
    }

    fn resolve(&self, reference: &str) -> String {
        let resolved = self.url.as_ref().and_then(|url| url.join(reference).ok());
        resolved.map(String::from).unwrap_or_default()
    }
}

//! A project's page, taken apart: what every representation of it is written from.

mod facts;
mod from_html;
mod from_json;
mod hashes;
mod merge;
mod policy;
mod to_html;
mod to_json;

use serde_json::{Map, Value};
use url::Url;

pub(crate) use facts::facts;
pub(crate) use from_html::{from_html, refuse_login_page};
pub(crate) use from_json::from_json;
pub(crate) use hashes::Hashes;
pub(crate) use merge::unite;
pub(crate) use policy::admit;
pub(crate) use to_html::to_html;
pub(crate) use to_json::to_json;

use crate::ProjectName;
use crate::filename::Sidecar;
use crate::route::file_path;
use artifact_core::RepoPath;

/// A project's page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) project: ProjectName,
    /// Members of `meta` that we do not interpret.
    pub(crate) meta: Map<String, Value>,
    /// `project-status`; absent means active.
    pub(crate) status: Option<Map<String, Value>>,
    /// `None` when upstream's interface is too old to say.
    pub(crate) versions: Option<Vec<String>>,
    pub(crate) files: Vec<FileRow>,
    /// Members that we do not interpret.
    pub(crate) extra: Map<String, Value>,
}

impl Page {
    pub(crate) fn empty(project: &ProjectName) -> Self {
        Self {
            project: project.clone(),
            meta: Map::new(),
            status: None,
            versions: None,
            files: Vec::new(),
            extra: Map::new(),
        }
    }

    /// The version of the interface that the page can satisfy: from 1.1 on every file has a
    /// size and the page has the versions.
    pub(crate) fn api_version(&self) -> &'static str {
        let is_complete = self.versions.is_some() && self.files.iter().all(|f| f.size.is_some());
        if is_complete { "1.4" } else { "1.0" }
    }

    pub(crate) fn status_text(&self, key: &str) -> Option<&str> {
        self.status.as_ref()?.get(key)?.as_str()
    }
}

/// A file as a page lists it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileRow {
    /// Which of several documents listed it.
    pub(crate) document: usize,
    pub(crate) filename: String,
    /// Where upstream has it: absolute, without fragment.
    pub(crate) url: Url,
    pub(crate) hashes: Hashes,
    pub(crate) requires_python: Option<String>,
    pub(crate) core_metadata: Option<CoreMetadata>,
    pub(crate) gpg_sig: Option<bool>,
    pub(crate) yanked: Option<Yanked>,
    pub(crate) size: Option<u64>,
    pub(crate) upload_time: Option<String>,
    pub(crate) provenance: Option<Url>,
    /// Members that we do not interpret.
    pub(crate) extra: Map<String, Value>,
}

impl FileRow {
    /// A row of which nothing is known but its name and its place. `None` when the name cannot
    /// be a segment of one of our paths, the suffix of a sidecar included.
    pub(crate) fn new(project: &ProjectName, filename: &str, mut url: Url) -> Option<Self> {
        let longest = format!("{filename}{}", Sidecar::Provenance.suffix());
        let is_segment = !filename.is_empty() && !filename.contains('/');
        if !is_segment || RepoPath::from_decoded(&file_path(project, &longest)).is_err() {
            return None;
        }
        RepoPath::from_decoded(&file_path(project, filename)).ok()?;
        url.set_fragment(None);
        Some(Self {
            document: 0,
            filename: filename.to_owned(),
            url,
            hashes: Hashes::default(),
            requires_python: None,
            core_metadata: None,
            gpg_sig: None,
            yanked: None,
            size: None,
            upload_time: None,
            provenance: None,
            extra: Map::new(),
        })
    }

    /// The reference to the file in a project's page, percent-encoded. Relative, so that the
    /// page is the same for every address under which we are reached.
    pub(crate) fn link(&self, project: &ProjectName) -> String {
        format!("../../{}", artifact_core::encode_path(&file_path(project, &self.filename)))
    }

    /// The encoded path of the provenance below the repository's URL.
    pub(crate) fn provenance_path(&self, project: &ProjectName) -> String {
        let filename = format!("{}{}", self.filename, Sidecar::Provenance.suffix());
        artifact_core::encode_path(&file_path(project, &filename))
    }
}

/// Whether, and with which hashes, the metadata of a file can be had alone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CoreMetadata {
    No,
    Yes,
    Hashed(Hashes),
}

/// That a file should not be chosen any more, and why if that was said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Yanked {
    No,
    Yes,
    Because(String),
}

/// Resolves a reference of a page; only what can be fetched by http or https counts.
pub(crate) fn resolve(reference: &str, base: Option<&Url>) -> Option<Url> {
    let url = match base {
        Some(base) => base.join(reference).ok()?,
        None => Url::parse(reference).ok()?,
    };
    matches!(url.scheme(), "http" | "https").then_some(url)
}

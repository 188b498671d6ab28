use artifact_core::{DocumentError, Timestamp};
use formats::html::{self, Anchor, Head, Limits};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use url::Url;

use super::{CoreMetadata, FileRow, Hashes, Page, Yanked, resolve};
use crate::ProjectName;
use crate::filename::is_distribution;

/// The version mark of an index page.
const REPOSITORY_VERSION: &str = "pypi:repository-version";

/// Reads a project's page in HTML.
pub(crate) fn from_html(
    body: &[u8],
    project: &ProjectName,
    base: Option<&Url>,
) -> Result<Page, DocumentError> {
    let limits = Limits { anchors: 250_000, ..Limits::default() };
    let document =
        html::read(body, limits).map_err(|error| DocumentError::Malformed(error.to_string()))?;
    check_version(&document.head)?;
    let base = effective_base(&document.head, base);
    let mut page = Page::empty(project);
    page.status = read_status(&document.head);
    page.files = document
        .anchors
        .iter()
        .filter_map(|anchor| read_file(anchor, project, base.as_ref()))
        .collect();
    let has_archives = page.files.iter().any(|file| is_distribution(&file.filename));
    refuse_login_page(&document.head, has_archives)?;
    Ok(page)
}

/// The URL against which the anchors of a page are resolved.
pub(crate) fn effective_base(head: &Head, url: Option<&Url>) -> Option<Url> {
    let written = head.base.as_ref().and_then(|href| resolve(href, url));
    written.or_else(|| url.cloned())
}

/// A page of a later major version has a meaning that we do not know.
fn check_version(head: &Head) -> Result<(), DocumentError> {
    let unknown = head
        .metas(REPOSITORY_VERSION)
        .find(|version| version.trim().split('.').next() != Some("1"));
    match unknown {
        Some(version) => Err(DocumentError::Malformed(format!(
            "version {version} of the simple API is not supported"
        ))),
        None => Ok(()),
    }
}

/// Refuses what a login portal or an error page sends with status 200: taken for an index it
/// would be an empty one, and every package would seem to be gone.
pub(crate) fn refuse_login_page(head: &Head, has_entries: bool) -> Result<(), DocumentError> {
    let is_index = has_entries || head.metas(REPOSITORY_VERSION).next().is_some();
    if head.is_interactive && !is_index {
        let message = "the HTML page is no index, it looks like a login or error page";
        return Err(DocumentError::Malformed(message.to_owned()));
    }
    Ok(())
}

fn read_status(head: &Head) -> Option<Map<String, Value>> {
    let status = head.metas("pypi:project-status").next()?;
    let mut members = Map::new();
    members.insert("status".to_owned(), status.into());
    if let Some(reason) = head.metas("pypi:project-status-reason").next() {
        members.insert("reason".to_owned(), reason.into());
    }
    Some(members)
}

/// Reads an anchor. Links to directories and to other protocols are no files.
fn read_file(anchor: &Anchor, project: &ProjectName, base: Option<&Url>) -> Option<FileRow> {
    let url = resolve(&anchor.href, base)?;
    let segment = url.path_segments()?.next_back()?;
    let filename = percent_decode_str(segment).decode_utf8().ok()?.into_owned();
    let hashes = url.fragment().map(Hashes::from_assignment).unwrap_or_default();
    let mut row = FileRow::new(project, &filename, url)?;
    row.hashes = hashes;
    row.requires_python = anchor.attribute("data-requires-python").map(ToOwned::to_owned);
    row.core_metadata = ["data-core-metadata", "data-dist-info-metadata"]
        .into_iter()
        .find_map(|name| anchor.attribute(name))
        .and_then(read_core_metadata);
    row.gpg_sig = match anchor.attribute("data-gpg-sig") {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    };
    row.yanked = anchor.attribute("data-yanked").map(read_yanked);
    row.upload_time = anchor
        .attribute("data-upload-time")
        .filter(|text| Timestamp::from_rfc3339(text).is_some())
        .map(ToOwned::to_owned);
    row.provenance =
        anchor.attribute("data-provenance").and_then(|reference| resolve(reference, base));
    Some(row)
}

fn read_core_metadata(text: &str) -> Option<CoreMetadata> {
    match text {
        "true" => Some(CoreMetadata::Yes),
        "false" => Some(CoreMetadata::No),
        _ => Some(CoreMetadata::Hashed(Hashes::from_assignment(text)))
            .filter(|metadata| *metadata != CoreMetadata::Hashed(Hashes::default())),
    }
}

fn read_yanked(reason: &str) -> Yanked {
    if reason.is_empty() { Yanked::Yes } else { Yanked::Because(reason.to_owned()) }
}

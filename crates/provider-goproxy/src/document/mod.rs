//! Documents: lists of versions and what is known of latest ones. Those of one proxy are passed on byte
//! for byte; those of several are united where versions are merged.

mod latest;
mod list;

use artifact_core::{
    DocumentError, Inspection, Rendition, RewriteContext, Rewritten, SourceDocument, Template,
};
use bytes::Bytes;
use formats::json::JsonError;

use crate::route::{File, JSON, LATEST, LIST, OFFER, PLAIN, TEXT, file_path};

/// Why a document cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
enum Unreadable {
    /// No text in UTF-8.
    #[error("it is not valid UTF-8")]
    Encoding,
    /// There are lines, and `go` would see none of them.
    #[error("none of its lines is a version")]
    Versionless,
    /// Not JSON, or not of the form that it should have.
    #[error("it is not the description of a version: {0}")]
    Json(#[from] JsonError),
    /// What it describes is no version.
    #[error("it does not name a canonical version")]
    Version,
    /// The engine asked for something that this type has not.
    #[error("it is no document of the GOPROXY protocol")]
    Kind,
}

impl From<Unreadable> for DocumentError {
    fn from(reason: Unreadable) -> Self {
        Self::Malformed(reason.to_string())
    }
}

/// Judges a document.
pub(crate) fn inspect(document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
    // `go` does not read it either.
    if document.kind == OFFER {
        return Ok(Inspection::default());
    }
    let text = text_of(document)?;
    match document.kind {
        LIST => list::check(text)?,
        LATEST => _ = latest::Latest::read(text)?,
        _ => return Err(Unreadable::Kind.into()),
    }
    Ok(Inspection::default())
}

/// Turns one document, or those of a virtual repository's members, into ours.
pub(crate) fn rewrite(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let kind = documents.first().map(|document| document.kind);
    if documents.iter().any(|document| Some(document.kind) != kind) {
        return Err(Unreadable::Kind.into());
    }
    let (body, content_type) = match kind {
        Some(LIST) => (list::rewrite(documents, context.admits)?, TEXT),
        Some(LATEST) => (latest::rewrite(documents, context.admits)?, JSON),
        _ => return Err(Unreadable::Kind.into()),
    };
    let rendition = Rendition { variant: PLAIN, content_type, body: Template::fixed(body) };
    Ok(Rewritten { renditions: vec![rendition], ..Rewritten::default() })
}

/// Whether a policy admits a file path.
type Admits<'a> = &'a (dyn Fn(&str) -> bool + Send + Sync);

fn text_of<'a>(document: &SourceDocument<'a>) -> Result<&'a str, Unreadable> {
    let body: &'a Bytes = document.body;
    std::str::from_utf8(body).map_err(|_| Unreadable::Encoding)
}

/// Whether all of a version may be had. The path of a document tells its module.
fn is_admitted(document: &SourceDocument<'_>, version: &str, admits: Admits<'_>) -> bool {
    let path = document.path.as_str();
    let module = path.strip_suffix("/@v/list").or_else(|| path.strip_suffix("/@latest"));
    module.is_some_and(|module| {
        File::ALL
            .into_iter()
            .all(|file| file_path(module, version, file).is_some_and(|path| admits(&path)))
    })
}

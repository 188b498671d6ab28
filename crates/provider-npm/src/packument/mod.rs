//! Package documents: read once, chosen from, written in every form that clients ask for.
//!
//! The steps are `read` (where everything is), `select` (which versions are shown, and whose),
//! `tags` and `times` (what that means for the rest of the document), `render` and `facts`.

mod facts;
mod manifest;
mod output;
mod read;
mod render;
mod select;
mod tags;
mod times;

use artifact_core::{
    DocumentError, Inspection, Rendition, RewriteContext, Rewritten, SourceDocument,
};
use formats::json::JsonError;

use self::read::Packument;
use self::render::Renderer;
use self::select::Selection;
use crate::name::PackageName;
use crate::route::{ABBREVIATED, ABBREVIATED_TYPE, DIST_TAGS, FULL, JSON, PACKUMENT};

/// Why a packument cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// Not JSON, or not of the form that it should have.
    #[error("it is not sound JSON: {0}")]
    Json(#[from] JsonError),
    /// Clients could disagree about which of the two counts.
    #[error("\"{0}\" is given twice")]
    Twice(String),
    /// No packument at all, such as an error page in JSON.
    #[error("it does not name its package")]
    Nameless,
    /// Somebody else's packument.
    #[error("it is about the package \"{0}\"")]
    OtherName(String),
    /// The versions are not an object.
    #[error("its versions are not an object")]
    Versions,
    /// Versions are listed, but each has a link or a name that leads nowhere.
    #[error("none of its versions has a usable file")]
    Useless,
    /// No text in UTF-8.
    #[error("it is not valid UTF-8")]
    Encoding,
    /// The engine asked for something that this type has not.
    #[error("it is no packument")]
    Kind,
}

impl From<Unreadable> for DocumentError {
    fn from(reason: Unreadable) -> Self {
        Self::Malformed(reason.to_string())
    }
}

/// Turns one packument, or those of a virtual repository's members, into every form.
pub(crate) fn rewrite(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let name = documents
        .first()
        .filter(|_| documents.iter().all(|document| document.kind == PACKUMENT))
        .and_then(|document| PackageName::parse(document.path.as_str()))
        .ok_or(Unreadable::Kind)?;
    let packuments = read_all(name, documents)?;
    let selection = Selection::of(name, &packuments, documents, context.admits)?;
    let renderer = Renderer::new(&selection);
    let mut renditions = vec![
        Rendition { variant: FULL, content_type: JSON, body: renderer.full() },
        Rendition {
            variant: ABBREVIATED,
            content_type: ABBREVIATED_TYPE,
            body: renderer.abbreviated(),
        },
    ];
    if *context.wanted != FULL && *context.wanted != ABBREVIATED {
        let body = if *context.wanted == DIST_TAGS {
            renderer.dist_tags()
        } else {
            renderer.manifest(context.wanted)?
        };
        let variant = context.wanted.clone();
        renditions.push(Rendition { variant, content_type: JSON, body });
    }
    Ok(Rewritten { renditions, facts: facts::of(&selection, context.admits) })
}

/// Whether this is a packument that can be read. It stands alone.
pub(crate) fn inspect(document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
    let name = PackageName::parse(document.path.as_str())
        .filter(|_| document.kind == PACKUMENT)
        .ok_or(Unreadable::Kind)?;
    read_all(name, std::slice::from_ref(document))?;
    Ok(Inspection::default())
}

fn read_all<'t>(
    name: PackageName<'_>,
    documents: &[SourceDocument<'t>],
) -> Result<Vec<Packument<'t>>, Unreadable> {
    documents
        .iter()
        .map(|document| {
            let text = std::str::from_utf8(document.body).map_err(|_| Unreadable::Encoding)?;
            Packument::read(name, text)
        })
        .collect()
}

//! From upstream's documents to ours: recognise, read, unite, filter, write.

use artifact_core::{
    DocumentError, DocumentKind, Inspection, Rendition, RewriteContext, Rewritten, SourceDocument,
    Template,
};
use url::Url;

use crate::ProjectName;
use crate::negotiate::Format;
use crate::page::{self, Page};
use crate::{list, release, route};

pub(crate) fn rewrite(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let kind = documents.first().map(|document| document.kind);
    match kind {
        Some(route::PROJECT) => rewrite_project(documents, context),
        Some(route::PROJECT_LIST) => list::rewrite(documents, context),
        Some(route::RELEASE) => release::rewrite(documents, context),
        Some(DocumentKind(other)) => {
            Err(DocumentError::Malformed(format!("there is no kind of document called {other}")))
        }
        None => Err(DocumentError::Malformed("there is no document".to_owned())),
    }
}

/// Whether this is an index that can be read. It stands alone.
pub(crate) fn inspect(document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
    match document.kind {
        route::PROJECT => read_project(document).map(drop)?,
        route::PROJECT_LIST => list::check(document)?,
        route::RELEASE => release::check(document)?,
        DocumentKind(other) => {
            let message = format!("there is no kind of document called {other}");
            return Err(DocumentError::Malformed(message));
        }
    }
    Ok(Inspection::default())
}

fn rewrite_project(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let pages = documents.iter().map(read_project).collect::<Result<_, _>>()?;
    let mut page = page::unite(pages)?;
    page::admit(&mut page, context.admits)?;
    let html = page::to_html(&page, context.secure);
    let rendition = |format: Format, body: Template| Rendition {
        variant: format.variant(),
        content_type: format.content_type(),
        body,
    };
    Ok(Rewritten {
        renditions: vec![
            rendition(Format::Json, page::to_json(&page, context.secure)),
            rendition(Format::HtmlV1, html.clone()),
            rendition(Format::Html, html),
        ],
        facts: page::facts(&page),
    })
}

fn read_project(document: &SourceDocument<'_>) -> Result<Page, DocumentError> {
    let project = project_of(document)?;
    let base = base_of(document);
    let body = body_of(document);
    match syntax_of(document)? {
        Syntax::Json => page::from_json(body, &project, base.as_ref()),
        Syntax::Html => page::from_html(body, &project, base.as_ref()),
    }
}

/// The project that a document below `simple/` or `pypi/` speaks of.
pub(crate) fn project_of(document: &SourceDocument<'_>) -> Result<ProjectName, DocumentError> {
    let name = document.path.segments().nth(1).unwrap_or_default();
    name.parse()
        .map_err(|_| DocumentError::Malformed("the document belongs to no project".to_owned()))
}

pub(crate) fn base_of(document: &SourceDocument<'_>) -> Option<Url> {
    document.url.and_then(|url| Url::parse(url).ok())
}

/// The body without a byte order mark, which is none of JSON's business.
pub(crate) fn body_of<'a>(document: &SourceDocument<'a>) -> &'a [u8] {
    let body: &'a [u8] = document.body;
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

pub(crate) fn broken_json(error: &serde_json::Error) -> DocumentError {
    DocumentError::Malformed(format!("the JSON document is broken: {error}"))
}

/// What a document is written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Syntax {
    Json,
    Html,
}

/// Recognises the syntax of an index. Where the first byte is unmistakable it decides,
/// because boxes on the way rewrite media types, and JSON read as HTML would be an empty index.
pub(crate) fn syntax_of(document: &SourceDocument<'_>) -> Result<Syntax, DocumentError> {
    let first = body_of(document).iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        None => return Err(DocumentError::Malformed("the document is empty".to_owned())),
        Some(b'{') => return Ok(Syntax::Json),
        Some(b'<') => return Ok(Syntax::Html),
        Some(_) => {}
    }
    let media_type = document.content_type.unwrap_or_default().to_ascii_lowercase();
    if media_type.contains("json") {
        return Ok(Syntax::Json);
    }
    if media_type.contains("html") {
        return Ok(Syntax::Html);
    }
    Err(DocumentError::Malformed("the document is neither JSON nor HTML".to_owned()))
}

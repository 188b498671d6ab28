//! Documents of a forge: read once, edited where a link or a rule demands it, united.
//!
//! The steps are `read` (where everything is), `module` (which releases a module has), `list` (which
//! page of a united list is asked for) and `text` (writing what is left as it was).

mod list;
mod module;
mod order;
mod read;
mod text;

use artifact_core::{
    DocumentError, DocumentKind, Facts, FileFact, Inspection, Rendition, RewriteContext, Rewritten,
    SourceDocument, Template, Variant,
};
use formats::json::JsonError;

use self::read::{Body, Document};
use crate::paging::MemberPage;
use crate::route::{JSON, LIST, MODULE, RELEASE, RESOURCE, query_of};

/// Whether a policy admits a file path.
type Admits<'a> = &'a (dyn Fn(&str) -> bool + Send + Sync);

/// Why a document cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
enum Unreadable {
    /// Not JSON, or not of the form that it should have.
    #[error("it is not sound JSON: {0}")]
    Json(#[from] JsonError),
    /// Clients could disagree about which of the two counts.
    #[error("\"{0}\" is given twice")]
    Twice(String),
    /// It would take more memory than it is worth.
    #[error("it lists too much")]
    TooMuch,
    /// No text in UTF-8.
    #[error("it is not valid UTF-8")]
    Encoding,
    /// Something else in JSON, such as an error page.
    #[error("it is no {0} of a forge")]
    Kind(&'static str),
    /// Somebody else's document.
    #[error("it is about \"{0}\"")]
    Other(String),
    /// A list that goes on without saying where.
    #[error("the link to its next page leads nowhere")]
    NextPage,
    /// There is nothing to make anything of.
    #[error("there is no document")]
    Nothing,
}

impl From<Unreadable> for DocumentError {
    fn from(reason: Unreadable) -> Self {
        Self::Malformed(reason.to_string())
    }
}

/// Judges a document, and says which pages follow it that are needed as well.
pub(crate) fn inspect(source: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
    let document = read(source)?;
    let mut inspection = Inspection::default();
    if let (Body::List(list), Some(page)) = (&document.body, MemberPage::of_source(source.source)) {
        inspection.companions.extend(list::following(source.path, list, &page)?);
    }
    gather_facts(&mut inspection.facts, 0, &document, &|_| true);
    Ok(inspection)
}

/// Turns documents into what our clients get.
pub(crate) fn rewrite(
    sources: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let first = sources.first().ok_or(Unreadable::Nothing)?;
    let counted = match first.kind {
        // The first member that has it; what others have under this name is not the same.
        RELEASE | RESOURCE => sources.get(..1).unwrap_or_default(),
        _ => sources,
    };
    let mut documents = counted.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let query = query_of(context.wanted);
    let text = match first.kind {
        LIST if MemberPage::of_source(first.source).is_some() => {
            list::unite(counted, &mut documents, &query, context)?
        }
        LIST => list::page(&mut documents, context.admits)?,
        MODULE => module::unite(&mut documents, &query, context)?,
        _ => single(&documents, context.admits)?,
    };
    let mut facts = Facts::default();
    for (index, document) in documents.iter().enumerate() {
        gather_facts(&mut facts, index, document, context.admits);
    }
    // What nothing was done to is sent in the very bytes that came.
    let body = match text {
        Some(text) => Template::fixed(text),
        None => Template::fixed(first.body.clone()),
    };
    let variant = context.wanted.clone();
    Ok(Rewritten { renditions: vec![Rendition { variant, content_type: JSON, body }], facts })
}

/// A document that stands alone; `None` if it stays as it is.
fn single(documents: &[Document<'_>], admits: Admits<'_>) -> Result<Option<String>, DocumentError> {
    let Some(document) = documents.first() else { return Ok(None) };
    if let Body::Entry(entry) = &document.body
        && entry.path.as_deref().is_some_and(|path| !admits(path))
    {
        return Err(DocumentError::AllDenied);
    }
    Ok(document.edited())
}

fn gather_facts(facts: &mut Facts, index: usize, document: &Document<'_>, admits: Admits<'_>) {
    for (path, fact) in &document.facts {
        // A list of releases says less than the release beside it.
        let is_news = facts.files.get(path).is_none_or(|known| {
            known.document == index && known.digests.is_empty() && !fact.digests.is_empty()
        });
        if is_news && admits(path) {
            facts.files.insert(path.clone(), FileFact { document: index, ..fact.clone() });
        }
    }
}

fn read<'d>(source: &SourceDocument<'d>) -> Result<Document<'d>, Unreadable> {
    let body: &'d [u8] = source.body;
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::Encoding)?;
    let document = Document::read(text, source)?;
    check(source, &document)?;
    Ok(document)
}

/// Makes sure that a document is what it was asked for.
fn check(source: &SourceDocument<'_>, document: &Document<'_>) -> Result<(), Unreadable> {
    let name = source.path.file_name().unwrap_or_default();
    let (Body::Entry(entry), MODULE | RELEASE) = (&document.body, source.kind) else {
        return match (&document.body, source.kind) {
            (Body::List(_), LIST) | (_, RESOURCE) => Ok(()),
            (_, DocumentKind(kind)) => Err(Unreadable::Kind(kind)),
        };
    };
    match entry.slug.as_deref() {
        Some(slug) if !slug.eq_ignore_ascii_case(name) => Err(Unreadable::Other(slug.to_owned())),
        Some(_) => Ok(()),
        // A client may have left it out, and some forges never name it.
        None if entry.is_recognised || *source.source != Variant::SOURCE => Ok(()),
        None => Err(Unreadable::Kind(source.kind.0)),
    }
}

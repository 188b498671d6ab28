//! The index of a repository: read once, united, written in the form that was asked for.
//!
//! The steps are `read` (what is listed, and where), `link` (where a chart is, and where we say
//! that it is), `unite` (which versions are shown, and whose), `write` and `facts`.

mod facts;
mod fields;
mod link;
mod moment;
mod read;
mod unite;
mod write;

use std::borrow::Cow;

use artifact_core::{
    DocumentError, Facts, Inspection, Rendition, RewriteContext, Rewritten, SourceDocument,
    Template,
};
use bytes::Bytes;
use formats::json::{JsonError, Reader};
use formats::yaml::{self, YamlError};

use self::read::Index;
use self::unite::{Rules, Selection, Source};
use crate::route::{INDEX_KIND, JSON, JSON_TYPE, YAML, YAML_TYPE};

/// Why an index cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
enum Unreadable {
    /// Not JSON, or not of the form that it should have.
    #[error("it is no index of charts: {0}")]
    Json(#[from] JsonError),
    /// Not YAML, or not such as can be read safely.
    #[error("it is not sound YAML: {0}")]
    Yaml(#[from] YamlError),
    /// Clients could disagree about which of the two counts.
    #[error("\"{0}\" is given twice")]
    Twice(String),
    /// Helm refuses such an index, and an error page in JSON is one.
    #[error("it has no apiVersion")]
    Versionless,
    /// More than we hold in memory.
    #[error("it lists more than {0} versions")]
    TooMany(usize),
    /// Versions are listed, but each has a link or a name that leads nowhere.
    #[error("none of its charts has a usable link")]
    Useless,
    /// No text in UTF-8.
    #[error("it is not valid UTF-8")]
    Encoding,
    /// The engine asked for something that this type has not.
    #[error("it is no index")]
    Kind,
}

impl From<Unreadable> for DocumentError {
    fn from(reason: Unreadable) -> Self {
        Self::Malformed(reason.to_string())
    }
}

/// Judges an index and says what it lists.
pub(crate) fn inspect(document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
    let documents = std::slice::from_ref(document);
    let rules = Rules { admits: &|_| true, is_virtual: false };
    let facts = with_selection(documents, rules, |selection| Ok(facts::of(selection)))?;
    Ok(Inspection { facts, ..Inspection::default() })
}

/// Turns one index, or those of a virtual repository's members, into ours.
pub(crate) fn rewrite(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let rules = Rules::of(context);
    let (json, facts): (String, Facts) = with_selection(documents, rules, |selection| {
        Ok((write::index(selection)?, facts::of(selection)))
    })?;
    let rendition = if *context.wanted == YAML {
        let text = yaml::from_json(&json).map_err(Unreadable::from)?;
        Rendition { variant: YAML, content_type: YAML_TYPE, body: fixed(text) }
    } else {
        Rendition { variant: JSON, content_type: JSON_TYPE, body: fixed(json) }
    };
    Ok(Rewritten { renditions: vec![rendition], facts })
}

/// Links are relative, so the text is the same wherever we are reached.
fn fixed(text: String) -> Template {
    Template::fixed(Bytes::from(text))
}

/// Reads `documents` and hands over what of them is shown.
fn with_selection<T>(
    documents: &[SourceDocument<'_>],
    rules: Rules<'_>,
    take: impl FnOnce(&Selection<'_>) -> Result<T, Unreadable>,
) -> Result<T, DocumentError> {
    if documents.is_empty() || documents.iter().any(|document| document.kind != INDEX_KIND) {
        return Err(Unreadable::Kind.into());
    }
    let texts = documents.iter().map(json_of).collect::<Result<Vec<_>, _>>()?;
    let indexes = texts.iter().map(|text| Index::read(text)).collect::<Result<Vec<_>, _>>()?;
    let sources: Vec<_> = documents
        .iter()
        .zip(&indexes)
        .map(|(document, index)| Source::of(document, index))
        .collect();
    let selection = Selection::of(&sources, rules)?;
    Ok(take(&selection)?)
}

/// The text of an index as JSON, whichever of the two syntaxes it is written in.
fn json_of<'a>(document: &SourceDocument<'a>) -> Result<Cow<'a, str>, Unreadable> {
    let body: &'a [u8] = document.body;
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::Encoding)?;
    if text.trim_start().starts_with('{') && is_json(text) {
        return Ok(Cow::Borrowed(text));
    }
    Ok(Cow::Owned(yaml::to_json(text)?))
}

fn is_json(text: &str) -> bool {
    let mut reader = Reader::new(text);
    reader.skip().is_ok() && reader.finish().is_ok()
}

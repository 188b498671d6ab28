//! Documents of other registries: lists of tags, and what refers to a manifest.

use std::collections::BTreeSet;

use artifact_core::{
    DocumentError, Inspection, Rendition, RewriteContext, Rewritten, SourceDocument, Template,
};
use bytes::Bytes;
use registry_v2::{
    ReferrersIndex, Refusal, Tag, TagList, merged_referrers, parse_digest, tag_list,
};

use super::{INDEX, JSON, REFERRERS, TAGS, tags};
use crate::rows;

/// Judges a document. A list of tags goes on behind its last tag until a page has nothing new: the header that says
/// so is not part of a document, and not every registry sends it.
pub(crate) fn inspect(document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
    match document.kind {
        TAGS => next_page(document),
        REFERRERS => {
            merged_referrers([&document.body[..]]).map_err(|refusal| malformed(&refusal))?;
            Ok(Inspection::default())
        }
        _ => Err(unknown_kind()),
    }
}

fn next_page(document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
    let list = TagList::read(document.body).map_err(|refusal| malformed(&refusal))?;
    let before = document.source.as_str().strip_prefix("last=").unwrap_or_default();
    // A registry that knows no pages sends the whole list again.
    let is_whole = list.tags().any(|tag| tag == before);
    let last: Option<Tag> = list.tags().next_back().and_then(|tag| tag.parse().ok());
    let companions = match last.filter(|_| !is_whole) {
        Some(last) => vec![
            tags(image_of(document)?, Some(&last))
                .map_err(|reject| DocumentError::Malformed(reject.message))?,
        ],
        None => Vec::new(),
    };
    Ok(Inspection { companions, ..Inspection::default() })
}

/// Turns the pages of one list, or those of a virtual repository's members, into one list; likewise what refers to
/// a manifest.
pub(crate) fn rewrite(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let kind = documents.first().map(|document| document.kind);
    if documents.iter().any(|document| Some(document.kind) != kind) {
        return Err(unknown_kind());
    }
    let (body, content_type) = match kind {
        Some(TAGS) => (all_tags(documents, context)?, "application/json"),
        Some(REFERRERS) => (all_referrers(documents, context)?, INDEX),
        _ => return Err(unknown_kind()),
    };
    let rendition = Rendition { variant: JSON, content_type, body: Template::fixed(body) };
    Ok(Rewritten { renditions: vec![rendition], ..Rewritten::default() })
}

/// The whole list at once, in order of bytes. What is no tag is left out.
fn all_tags(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Bytes, DocumentError> {
    let mut admitted = BTreeSet::new();
    let mut is_denied = false;
    for document in documents {
        let prefix = rows::tags(image_of(document)?);
        for tag in TagList::read(document.body).map_err(|refusal| malformed(&refusal))?.tags() {
            if tag.parse::<Tag>().is_err() {
                continue;
            }
            if (context.admits)(&format!("{prefix}{tag}")) {
                admitted.insert(tag.to_owned());
            } else {
                is_denied = true;
            }
        }
    }
    if admitted.is_empty() && is_denied {
        return Err(DocumentError::AllDenied);
    }
    let path = context.path.as_str();
    let image = path.split_once("/_").map_or(path, |(image, _)| image);
    let shown = match context.repository {
        "" => image.to_owned(),
        repository => format!("{repository}/{image}"),
    };
    Ok(tag_list(&shown, admitted.iter().map(String::as_str)))
}

fn all_referrers(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Bytes, DocumentError> {
    let mut index = ReferrersIndex::new();
    let bodies = documents.iter().map(|document| &document.body[..]);
    let merged = merged_referrers(bodies).map_err(|refusal| malformed(&refusal))?;
    let image = documents.first().map(image_of).transpose()?.unwrap_or_default();
    for (digest, descriptor) in merged {
        let path =
            parse_digest(&digest).ok().and_then(|digest| rows::manifest(image, &digest).ok());
        if !path.is_some_and(|path| (context.admits)(path.as_str())) {
            continue;
        }
        if !index.push(descriptor, None) {
            let text = "more refers to this manifest than fits into one answer";
            return Err(DocumentError::Unusable(text.to_owned()));
        }
    }
    Ok(index.into_body())
}

/// The image that a document is about, by the path under which it is kept.
fn image_of<'d>(document: &SourceDocument<'d>) -> Result<&'d str, DocumentError> {
    let path: &'d str = document.path.as_str();
    path.split_once("/_").map(|(image, _)| image).ok_or_else(unknown_kind)
}

fn malformed(refusal: &Refusal) -> DocumentError {
    DocumentError::Malformed(refusal.to_string())
}

fn unknown_kind() -> DocumentError {
    DocumentError::Malformed("it is no document of a registry".to_owned())
}

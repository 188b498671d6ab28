//! Documents of other registries: lists of tags, and what refers to a manifest.

use std::collections::BTreeSet;

use artifact_core::{
    DocumentError, Inspection, Rendition, RewriteContext, Rewritten, SourceDocument, Template,
};
use bytes::Bytes;
use registry_v2::{Refusal, Tag, TagList, merged_referrers, parse_digest, referrers_index};

use super::{INDEX, REFERRERS, TAGS, WHOLE, is_banned, tags};
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
/// a manifest. Nobody is sent all of it: see [`super::excerpt`].
pub(crate) fn rewrite(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let kind = documents.first().map(|document| document.kind);
    if documents.iter().any(|document| Some(document.kind) != kind) {
        return Err(unknown_kind());
    }
    let (body, content_type) = match kind {
        Some(TAGS) => (all_tags(documents, context)?, "text/plain"),
        Some(REFERRERS) => (all_referrers(documents, context)?, INDEX),
        _ => return Err(unknown_kind()),
    };
    let rendition = Rendition { variant: WHOLE, content_type, body: Template::fixed(body) };
    Ok(Rewritten { renditions: vec![rendition], ..Rewritten::default() })
}

/// A tag on each line, in order of bytes. What is no tag is left out, and what its remote does not let anybody pull.
fn all_tags(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Bytes, DocumentError> {
    let mut admitted = BTreeSet::new();
    let mut is_denied = false;
    for document in documents {
        let prefix = rows::tags(image_of(document)?);
        for text in TagList::read(document.body).map_err(|refusal| malformed(&refusal))?.tags() {
            let Ok(tag) = text.parse::<Tag>() else { continue };
            if is_banned(&tag, document.remote) {
                continue;
            }
            if (context.admits)(&format!("{prefix}{tag}")) {
                admitted.insert(tag);
            } else {
                is_denied = true;
            }
        }
    }
    if admitted.is_empty() && is_denied {
        return Err(DocumentError::AllDenied);
    }
    Ok(admitted.iter().map(Tag::as_str).collect::<Vec<_>>().join("\n").into())
}

/// An index in the order of digests.
fn all_referrers(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Bytes, DocumentError> {
    let bodies = documents.iter().map(|document| &document.body[..]);
    let mut merged = merged_referrers(bodies).map_err(|refusal| malformed(&refusal))?;
    let image = documents.first().map(image_of).transpose()?.unwrap_or_default();
    merged.retain(|(digest, _)| {
        let path = parse_digest(digest).ok().and_then(|digest| rows::manifest(image, &digest).ok());
        path.is_some_and(|path| (context.admits)(path.as_str()))
    });
    merged.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(referrers_index(merged.iter().map(|(_, descriptor)| *descriptor)))
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

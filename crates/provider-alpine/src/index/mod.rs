//! Indexes: judged, passed on, merged.

mod archive;
mod facts;
mod merge;
mod record;

use artifact_core::{
    DocumentError, Inspection, Rendition, RepositoryKind, RewriteContext, Rewritten,
    SourceDocument, Template,
};
use bytes::Bytes;

use crate::layout::Directory;
use crate::route::{ARCHIVE, ARCHIVE_TYPE};
use facts::Listing;
use merge::Merge;

/// Reads all of it, so that nothing is stored that could not be merged later.
pub(crate) fn inspect(document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
    let mut listing = Listing::of(document, 0);
    let text = archive::index_text(document.body)?;
    for record in record::records(&text) {
        listing.add(&record?)?;
    }
    Ok(Inspection { facts: listing.facts, ..Inspection::default() })
}

pub(crate) fn rewrite(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    match (context.kind, documents) {
        (RepositoryKind::Remote, [document, ..]) => pass_on(document),
        _ => merged(documents, context),
    }
}

/// The very bytes, because upstream's signature covers them.
fn pass_on(document: &SourceDocument<'_>) -> Result<Rewritten, DocumentError> {
    let mut listing = Listing::of(document, 0);
    let text = archive::index_text(document.body)?;
    for record in record::records(&text) {
        listing.add_if_elsewhere(&record?)?;
    }
    let facts = listing.facts;
    Ok(Rewritten { renditions: vec![rendition(document.body.clone())], facts })
}

fn merged(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let signer = context.signer.ok_or_else(|| {
        DocumentError::Unsigned("this index has to be signed, and there is no key".to_owned())
    })?;
    let mut merge = Merge::into_directory(Directory::of(context.path), context.admits);
    for (position, document) in documents.iter().enumerate() {
        merge.add(position, document)?;
    }
    let members: Vec<&str> = documents.iter().map(|document| document.member).collect();
    let body = archive::signed(&archive::description(&members), &merge.text, signer)?;
    Ok(Rewritten { renditions: vec![rendition(body.into())], facts: merge.facts })
}

fn rendition(body: Bytes) -> Rendition {
    Rendition { variant: ARCHIVE, content_type: ARCHIVE_TYPE, body: Template::fixed(body) }
}

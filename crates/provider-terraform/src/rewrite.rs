//! From upstream's documents to ours, by kind.

use artifact_core::{
    DocumentError, DocumentKind, Facts, Inspection, Rendition, RewriteContext, Rewritten,
    SourceDocument, Template,
};

use crate::document::Unreadable;
use crate::package::{archives, download, signature, sums};
use crate::{discovery, listing, module, route};

/// Whether a document can be believed, and what belongs to it.
pub(crate) fn inspect(document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
    match document.kind {
        route::DISCOVERY => discovery::check(document)?,
        route::VERSIONS => listing::provider::check(document)?,
        route::DOWNLOAD => return Ok(download::inspect(document)?),
        route::ARCHIVES => return Ok(archives::inspect(document)?),
        route::SUMS => sums::check(document)?,
        route::SIGNATURE => signature::check(document)?,
        route::MODULE_VERSIONS => listing::module::check(document)?,
        route::MODULE_DOWNLOAD => module::check(document)?,
        DocumentKind(other) => return Err(unknown(other)),
    }
    Ok(Inspection::default())
}

pub(crate) fn rewrite(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let Some(first) = documents.first() else {
        return Err(Unreadable::Other("there is no document").into());
    };
    match first.kind {
        route::DISCOVERY => discovery::rewrite(documents, context),
        route::VERSIONS => listing::provider::rewrite(documents, context),
        route::DOWNLOAD => download::rewrite(documents, context),
        route::ARCHIVES => archives::rewrite(documents, context),
        route::SUMS => Ok(as_it_is(first, "text/plain; charset=utf-8")),
        route::SIGNATURE => Ok(as_it_is(first, "application/pgp-signature")),
        route::MODULE_VERSIONS => listing::module::rewrite(documents, context),
        route::MODULE_DOWNLOAD => module::rewrite(first, context),
        DocumentKind(other) => Err(unknown(other)),
    }
}

/// What is signed is passed on byte for byte.
fn as_it_is(document: &SourceDocument<'_>, content_type: &'static str) -> Rewritten {
    let body = Template::fixed(document.body.clone());
    let rendition = Rendition { variant: route::REGISTRY, content_type, body };
    Rewritten { renditions: vec![rendition], facts: Facts::default() }
}

fn unknown(kind: &str) -> DocumentError {
    DocumentError::Malformed(format!("there is no kind of document called {kind}"))
}

//! The document that leads a client to one package: passed on but for its three links.

use artifact_core::{
    DocumentError, Inspection, Rendition, RewriteContext, Rewritten, SourceDocument, Template,
};
use formats::json::Splice;

use super::{Description, checksums_of, facts, inspection};
use crate::document::Unreadable;
use crate::output::Output;
use crate::route::{self, REGISTRY};

pub(crate) fn inspect(document: &SourceDocument<'_>) -> Result<Inspection, Unreadable> {
    let description = Description::read(document)?;
    description.require_package(document)?;
    inspection(&description)
}

pub(crate) fn rewrite(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let Some(document) = documents.first() else {
        return Err(Unreadable::Other("there is no document").into());
    };
    let description = Description::read(document)?;
    description.require_package(document)?;
    if !description.package.is_admitted(&description.filename, context.admits) {
        return Err(DocumentError::AllDenied);
    }
    checksums_of(documents)?.require(&description.filename, description.shasum)?;
    let rendition = Rendition {
        variant: REGISTRY,
        content_type: "application/json",
        body: with_our_links(&description)?,
    };
    Ok(Rewritten { renditions: vec![rendition], facts: facts(&description) })
}

/// The text with the three links turned.
fn with_our_links(description: &Description<'_>) -> Result<Template, Unreadable> {
    let (package, shasum) = (&description.package, description.shasum.to_hex());
    let too_long = || Unreadable::Other("a file name is too long");
    let sums = route::sums(package, &shasum, &description.sums_name()).ok_or_else(too_long)?;
    let signature =
        route::signature(package, &shasum, &description.signature_name()).ok_or_else(too_long)?;
    let mut links = [
        (description.zip.span, description.zip_path()),
        (description.sums.span, sums.path.to_string()),
        (description.signature.span, signature.path.to_string()),
    ];
    links.sort_by_key(|(span, _)| span.start);
    let mut splice = Splice::new(description.text);
    let mut out = Output::default();
    for (span, path) in &links {
        out.push(splice.up_to(*span));
        out.link(path);
    }
    out.push(splice.rest());
    Ok(out.finish())
}

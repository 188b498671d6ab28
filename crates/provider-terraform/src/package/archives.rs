//! The packages of a version for all platforms, as a network mirror lists them.
//!
//! Made of the description of one package and the checksums beside it, which name the packages of
//! all platforms. What they do not name is left out: a client installs what has no hash unverified.

use artifact_core::{
    BlobId, DocumentError, Inspection, Rendition, RewriteContext, Rewritten, SourceDocument,
};

use super::{Description, checksums_of, facts, inspection};
use crate::document::Unreadable;
use crate::name::Package;
use crate::output::Output;
use crate::route::MIRROR;

pub(crate) fn inspect(document: &SourceDocument<'_>) -> Result<Inspection, Unreadable> {
    inspection(&Description::read(document)?)
}

pub(crate) fn rewrite(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let Some(document) = documents.first() else {
        return Err(Unreadable::Other("there is no document").into());
    };
    let description = Description::read(document)?;
    let sums = checksums_of(documents)?;
    sums.require(&description.filename, description.shasum)?;
    let release = &description.package.release;
    let listed: Vec<_> = sums
        .iter()
        .filter_map(|(filename, digest)| {
            let platform = release.platform_of(filename)?;
            Some(Archive { package: release.package(platform), filename, digest })
        })
        .collect();
    if listed.is_empty() {
        return Err(Unreadable::Other("the checksums list no package").into());
    }
    let is_admitted =
        |archive: &&Archive<'_>| archive.package.is_admitted(archive.filename, context.admits);
    let shown: Vec<_> = listed.iter().filter(is_admitted).collect();
    if shown.is_empty() {
        return Err(DocumentError::AllDenied);
    }
    Ok(Rewritten { renditions: vec![mirror_form(&shown)], facts: facts(&description) })
}

/// A package and its digest.
struct Archive<'t> {
    package: Package,
    filename: &'t str,
    digest: BlobId,
}

fn mirror_form(shown: &[&Archive<'_>]) -> Rendition {
    let mut out = Output::default();
    out.push("{\"archives\":{");
    out.list(shown, |out, archive| {
        let platform = &archive.package.platform;
        out.quote(&format!("{}_{}", platform.os, platform.arch));
        out.push(":{\"hashes\":[");
        out.quote(&format!("zh:{}", archive.digest.to_hex()));
        out.push("],\"url\":");
        out.link(&archive.package.zip_path(archive.filename));
        out.push("}");
    });
    out.push("}}");
    Rendition { variant: MIRROR, content_type: "application/json", body: out.finish() }
}

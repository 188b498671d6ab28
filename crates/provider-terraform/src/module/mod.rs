//! Where a module is: an answer in a header, in a body or in both.

mod location;

use std::collections::HashMap;

use artifact_core::{
    DocumentError, Facts, FileFact, HEADER, Rendition, RewriteContext, Rewritten, SourceDocument,
};

use crate::document::{Unreadable, once, read_object, text_of, url_of};
use crate::name::ModuleRelease;
use crate::output::Output;
use crate::route::REGISTRY;
use location::{Archive, Location};

pub(crate) fn check(document: &SourceDocument<'_>) -> Result<(), Unreadable> {
    read(document).map(drop)
}

/// Both answers with an address of ours. What cannot come through us is refused with its address:
/// handed on, it would lead clients around the cache unnoticed.
pub(crate) fn rewrite(
    document: &SourceDocument<'_>,
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let release = ModuleRelease::of_path(document.path)
        .ok_or(Unreadable::Other("the document belongs to no module"))?;
    let archive = match read(document)? {
        Location::Archive(archive) => archive,
        Location::Elsewhere(address) => return Err(not_an_archive(&address)),
    };
    let path = release.archive_path(&archive.filename);
    if !(context.admits)(&path) {
        return Err(DocumentError::AllDenied);
    }
    let renditions = vec![body(&archive, &path), header(&archive, &path)];
    let fact = FileFact {
        url: archive.url.to_string(),
        digests: archive.digests(),
        ..FileFact::default()
    };
    let facts = Facts { files: HashMap::from([(path, fact)]), ..Facts::default() };
    Ok(Rewritten { renditions, facts })
}

fn not_an_archive(address: &str) -> DocumentError {
    let shown: String = address.chars().take(300).collect();
    DocumentError::Unusable(format!(
        "this module is not an archive that can be cached, it has to be taken from {shown} directly"
    ))
}

fn body(archive: &Archive, path: &str) -> Rendition {
    let mut out = Output::default();
    out.push("{\"location\":\"");
    write_address(&mut out, archive, path);
    out.push("\"}");
    Rendition { variant: REGISTRY, content_type: "application/json", body: out.finish() }
}

fn header(archive: &Archive, path: &str) -> Rendition {
    let mut out = Output::default();
    write_address(&mut out, archive, path);
    Rendition { variant: HEADER, content_type: "text/plain", body: out.finish() }
}

/// The address as the clients have it: the archive, a folder in it, what it must hash to.
fn write_address(out: &mut Output, archive: &Archive, path: &str) {
    out.push_url(path);
    if let Some(folder) = &archive.folder {
        out.push("//");
        out.push(folder);
    }
    if let Some(checksum) = &archive.checksum {
        out.push("?checksum=");
        out.push(checksum);
    }
}

/// The body is JSON, or the address alone when upstream answered in the header.
fn read(document: &SourceDocument<'_>) -> Result<Location, Unreadable> {
    let text = text_of(document)?.trim();
    let base = url_of(document);
    if !text.starts_with('{') {
        return Location::read(text, base.as_ref());
    }
    let mut location = None;
    read_object(text, |key, value| {
        if key.is("location") {
            let text = value.string_or_skip()?.ok_or(Unreadable::Missing("location"))?;
            return once(&mut location, text.decoded(), "location");
        }
        Ok(())
    })?;
    Location::read(&location.ok_or(Unreadable::Missing("location"))?, base.as_ref())
}

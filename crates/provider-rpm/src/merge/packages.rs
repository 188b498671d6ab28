//! The three lists that say something of every package.

use std::io::Write;

use artifact_core::{AssemblyError, DocumentError};
use formats::xml::{Children, Event, Reader, escape};

use super::catalogue::{Catalogue, Pending};
use super::part::Parts;
use super::sources::Sources;
use crate::failure::{in_stream, in_xml, malformed};
use crate::namespaces::{Names, Schema};
use crate::primary::{Package, WHAT};
use crate::survey;

/// A list besides that of the packages.
struct List {
    kind: &'static str,
    name: &'static str,
    schema: Schema,
    /// The most bytes for one package.
    limit: usize,
}

const LISTS: [List; 2] = [
    List {
        kind: "filelists",
        name: "filelists.xml.gz",
        schema: Schema {
            what: "the list of files",
            root: "filelists",
            namespace: "http://linux.duke.edu/metadata/filelists",
        },
        limit: 64 << 20,
    },
    List {
        kind: "other",
        name: "other.xml.gz",
        schema: Schema {
            what: "the list of changes",
            root: "otherdata",
            namespace: "http://linux.duke.edu/metadata/other",
        },
        limit: 16 << 20,
    },
];

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

pub(super) fn write(
    sources: &mut Sources<'_>,
    catalogue: &Catalogue,
    parts: &mut Parts<'_>,
) -> Result<(), AssemblyError> {
    parts.compressed("primary", "primary.xml.gz", &mut |out| primary(sources, catalogue, out))?;
    for list in &LISTS {
        parts.compressed(list.kind, list.name, &mut |out| list.write(sources, catalogue, out))?;
    }
    Ok(())
}

fn primary(
    sources: &mut Sources<'_>,
    catalogue: &Catalogue,
    out: &mut dyn Write,
) -> Result<(), AssemblyError> {
    let mut pending = catalogue.pending();
    writeln!(
        out,
        "{HEAD}<metadata xmlns=\"http://linux.duke.edu/metadata/common\" \
         xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"{}\">",
        catalogue.len()
    )?;
    for position in 0..sources.count() {
        let Some(stream) = sources.open(position, &["primary"])? else { continue };
        survey::packages(stream, |element, package| match sources.link(position, &package)? {
            Some(link) if pending.claim(position, &package.id) => {
                relocated(element, &package, &link, out)
            }
            _ => Ok(()),
        })?;
    }
    if !pending.is_complete() {
        return Err(malformed(WHAT, "it changed while it was read").into());
    }
    Ok(out.write_all(b"</metadata>\n")?)
}

/// Copies a package with another location.
fn relocated(
    element: &str,
    package: &Package,
    link: &str,
    out: &mut dyn Write,
) -> Result<(), AssemblyError> {
    let (before, after) = (
        element.get(..package.location.start).unwrap_or_default(),
        element.get(package.location.end..).unwrap_or_default(),
    );
    let mut location = String::from("<location href=\"");
    escape(link, &mut location);
    location.push_str("\"/>");
    for piece in [before, &location, after, "\n"] {
        out.write_all(piece.as_bytes())?;
    }
    Ok(())
}

impl List {
    fn write(
        &self,
        sources: &mut Sources<'_>,
        catalogue: &Catalogue,
        out: &mut dyn Write,
    ) -> Result<(), AssemblyError> {
        let mut pending = catalogue.pending();
        let (Schema { root, namespace, .. }, count) = (self.schema, catalogue.len());
        writeln!(out, "{HEAD}<{root} xmlns=\"{namespace}\" packages=\"{count}\">")?;
        for position in 0..sources.count() {
            if let Some(stream) = sources.open(position, &[self.kind])? {
                self.copy(position, stream, &mut pending, out)?;
            }
        }
        for element in pending.rest() {
            out.write_all(element.as_bytes())?;
        }
        Ok(writeln!(out, "</{root}>")?)
    }

    fn copy(
        &self,
        position: usize,
        stream: impl std::io::Read,
        pending: &mut Pending<'_>,
        out: &mut dyn Write,
    ) -> Result<(), AssemblyError> {
        let what = self.schema.what;
        let mut elements = Children::open(stream, self.limit).map_err(in_stream(what))?;
        let names = Names::of(&elements.root().map_err(in_xml(what))?, self.schema)?;
        while let Some(element) = elements.next().map_err(in_stream(what))? {
            let element = names.normalised(element)?;
            let id = self.checked_id(&element)?;
            if pending.claim(position, &id) {
                out.write_all(element.as_bytes())?;
                out.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    /// The id of the package that an element speaks of. Checks all of the element.
    fn checked_id(&self, element: &str) -> Result<String, DocumentError> {
        let what = self.schema.what;
        let mut reader = Reader::new(element);
        let id = match reader.next().map_err(in_xml(what))? {
            Some(Event::Start(tag)) if tag.name == "package" => tag.attribute("pkgid"),
            _ => None,
        };
        while reader.next().map_err(in_xml(what))?.is_some() {}
        id.map(std::borrow::Cow::into_owned)
            .ok_or_else(|| malformed(what, "an element that is no package"))
    }
}

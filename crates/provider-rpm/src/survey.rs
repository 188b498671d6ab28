//! Reading the list of packages of one generation, whatever its size.

use std::io::Read;

use artifact_core::{AssemblyError, DocumentError, FileFact, Generation, Survey, Timestamp};
use formats::compression::{Decompressed, Limits};
use formats::xml::Children;

use crate::failure::{in_reading, in_stream, in_xml, malformed};
use crate::locations::Locator;
use crate::namespaces::Names;
use crate::primary::{MAX_ELEMENT, Package, SCHEMA, WHAT};
use crate::repomd::{Record, Repomd};

/// What one part may cost.
pub(crate) const LIMITS: Limits = Limits { size: 8 << 30, memory: 128 << 20 };
/// The most packages of one generation.
pub(crate) const MAX_PACKAGES: usize = 500_000;

pub(crate) fn survey(
    generation: &mut dyn Generation,
    found: &mut dyn FnMut(&str, FileFact),
) -> Result<Survey, AssemblyError> {
    let document = generation.document();
    let position = document.position;
    let repomd = Repomd::read(document.body)?;
    let mut locator = Locator::of(&document)?;
    for record in &repomd.records {
        locator.locate(&record.href, record.base.as_deref())?;
    }
    let primary = repomd.of_kind("primary").ok_or_else(|| malformed(WHAT, "not named"))?;
    let stream = open(generation, &mut locator, primary)?;
    packages(stream, |_, package| {
        let Some(file) = locator.locate(&package.href, package.base.as_deref())? else {
            return Ok(());
        };
        let fact = FileFact {
            document: position,
            url: file.url,
            digests: package.digests,
            size: package.size,
            published_at: package.time.map(Timestamp::from_seconds),
        };
        found(&file.path, fact);
        Ok(())
    })?;
    Ok(Survey { leads_elsewhere: locator.leads_elsewhere(), bases: locator.bases(position) })
}

/// Opens a part that the index document names.
pub(crate) fn open(
    generation: &mut dyn Generation,
    locator: &mut Locator,
    record: &Record,
) -> Result<Decompressed<'static>, AssemblyError> {
    let absent = || malformed("repomd.xml", format_args!("{} is not there", record.href));
    let path = part_path(locator, record)?.ok_or_else(absent)?;
    let source = generation.open(&path)?.ok_or_else(absent)?;
    Decompressed::open(source, LIMITS).map_err(|error| in_reading(&record.href, error))
}

/// The canonical path of a part.
pub(crate) fn part_path(
    locator: &mut Locator,
    record: &Record,
) -> Result<Option<String>, DocumentError> {
    let located = locator.locate(&record.href, record.base.as_deref())?;
    Ok(located.map(|located| located.path))
}

/// Calls `each` with every package of a list and the element that describes it, its names normalised.
pub(crate) fn packages(
    stream: impl Read,
    mut each: impl FnMut(&str, Package) -> Result<(), AssemblyError>,
) -> Result<(), AssemblyError> {
    let mut elements = Children::open(stream, MAX_ELEMENT).map_err(in_stream(WHAT))?;
    let names = Names::of(&elements.root().map_err(in_xml(WHAT))?, SCHEMA)?;
    let mut count = 0;
    while let Some(element) = elements.next().map_err(in_stream(WHAT))? {
        count += 1;
        if count > MAX_PACKAGES {
            return Err(malformed(WHAT, "too many packages").into());
        }
        let element = names.normalised(element)?;
        let package = Package::read(&element)?;
        each(&element, package)?;
    }
    Ok(())
}

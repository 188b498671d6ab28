//! Packages as the list of packages describes them.

use artifact_core::{Digests, DocumentError};
use formats::json::Span;
use formats::xml::{Event, Reader};

use crate::failure::{in_xml, malformed};
use crate::namespaces::Schema;
use crate::repomd::digest_of;

/// The list in error texts.
pub(crate) const WHAT: &str = "the list of packages";
/// The list.
pub(crate) const SCHEMA: Schema =
    Schema { what: WHAT, root: "metadata", namespace: "http://linux.duke.edu/metadata/common" };
/// The most bytes for one package.
pub(crate) const MAX_ELEMENT: usize = 8 << 20;
/// The longest of the words that packages are told apart by.
const MAX_WORD: usize = 1024;

/// A package.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) epoch: String,
    pub(crate) version: String,
    pub(crate) release: String,
    pub(crate) arch: String,
    /// The digest of the file, as written: the other lists refer to the package by it.
    pub(crate) id: String,
    pub(crate) digests: Digests,
    pub(crate) size: Option<u64>,
    /// When the file was made, in seconds since the epoch.
    pub(crate) time: Option<i64>,
    pub(crate) href: String,
    pub(crate) base: Option<String>,
    /// Where `href` and `base` are written: the whole element.
    pub(crate) location: Span,
}

impl Package {
    /// Reads a `package` element and checks all of it.
    pub(crate) fn read(element: &str) -> Result<Self, DocumentError> {
        let mut reader = Reader::new(element);
        let mut package = Self { epoch: "0".to_owned(), ..Self::default() };
        match reader.next().map_err(in_xml(WHAT))? {
            Some(Event::Start(tag)) if tag.name == "package" => {}
            _ => return Err(malformed(WHAT, "an element that is no package")),
        }
        while let Some(tag) = reader.child().map_err(in_xml(WHAT))? {
            let attribute = |name| tag.attribute(name).map(std::borrow::Cow::into_owned);
            match tag.name {
                "name" => package.name = said(&mut reader)?,
                "arch" => package.arch = said(&mut reader)?,
                "checksum" => {
                    package.id = said(&mut reader)?;
                    let algorithm = attribute("type").unwrap_or_default();
                    package.digests = digest_of(&algorithm, &package.id).into_iter().collect();
                }
                "version" => {
                    package.epoch = attribute("epoch").unwrap_or_else(|| "0".to_owned());
                    package.version = attribute("ver").unwrap_or_default();
                    package.release = attribute("rel").unwrap_or_default();
                    reader.skip().map_err(in_xml(WHAT))?;
                }
                "size" => {
                    package.size = attribute("package").and_then(|size| size.parse().ok());
                    reader.skip().map_err(in_xml(WHAT))?;
                }
                "time" => {
                    package.time = attribute("file").and_then(|time| time.parse().ok());
                    reader.skip().map_err(in_xml(WHAT))?;
                }
                "location" => {
                    package.href = attribute("href").unwrap_or_default();
                    package.base = attribute("xml:base").filter(|base| !base.trim().is_empty());
                    reader.skip().map_err(in_xml(WHAT))?;
                    package.location = Span { start: tag.span.start, end: reader.position() };
                }
                _ => reader.skip().map_err(in_xml(WHAT))?,
            }
        }
        reader.next().map_err(in_xml(WHAT))?;
        package.complete()
    }

    fn complete(self) -> Result<Self, DocumentError> {
        let needed = [
            ("a name", &self.name),
            ("an architecture", &self.arch),
            ("a version", &self.version),
            ("a checksum", &self.id),
            ("a location", &self.href),
        ];
        if let Some((what, _)) = needed.iter().find(|(_, value)| value.is_empty()) {
            return Err(malformed(WHAT, format_args!("a package without {what}")));
        }
        let words = [&self.epoch, &self.release];
        if needed.iter().map(|(_, word)| *word).chain(words).any(|word| word.len() > MAX_WORD) {
            return Err(malformed(WHAT, "a package with a name or a version that is too long"));
        }
        Ok(self)
    }
}

fn said(reader: &mut Reader<'_>) -> Result<String, DocumentError> {
    let text = reader.text().map_err(in_xml(WHAT))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use artifact_core::Algorithm;

    use super::*;

    const ELEMENT: &str = "<package type=\"rpm\">\n  <name>a&amp;b</name><arch>noarch</arch>\
        <version epoch=\"1\" ver=\"2.0\" rel=\"3\"/>\
        <checksum type=\"sha\" pkgid=\"YES\">2fd4e1c67a2d28fced849ee1bb76e7391b93eb12</checksum>\
        <summary>name</summary><time file=\"7\" build=\"6\"/><size package=\"10\" installed=\"20\"/>\
        <location xml:base='http://b.example/' href=\"P/a.rpm\"></location>\
        <format><name>inner</name></format></package>";

    #[test]
    fn a_package_is_read() {
        let package = Package::read(ELEMENT).unwrap();
        assert_eq!(package.name, "a&b");
        assert_eq!((package.epoch.as_str(), package.version.as_str()), ("1", "2.0"));
        assert_eq!((package.size, package.time), (Some(10), Some(7)));
        assert!(package.digests.get(Algorithm::Sha1).is_some());
        assert_eq!(package.base.as_deref(), Some("http://b.example/"));
        assert!(package.location.of(ELEMENT).starts_with("<location "));
        assert!(package.location.of(ELEMENT).ends_with("</location>"));
    }

    #[test]
    fn an_incomplete_package_is_refused() {
        for (element, reason) in [
            ("<x/>", "the list of packages: an element that is no package"),
            ("<package/>", "the list of packages: a package without a name"),
            (
                "<package><name>a</name><arch>b</arch></package>",
                "the list of packages: a package without a version",
            ),
        ] {
            assert_eq!(Package::read(element).unwrap_err().to_string(), reason);
        }
        let broken = ELEMENT.replace("inner", "&inner;");
        assert!(Package::read(&broken).is_err());
    }
}

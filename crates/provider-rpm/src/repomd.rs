//! `repomd.xml`: reading the index document, and writing our own.

use artifact_core::{Algorithm, Digest, Digests, DocumentError};
use formats::xml::{Event, Reader, escape};

use crate::failure::{in_xml, malformed};

const WHAT: &str = "repomd.xml";
/// The most files of one set.
const MAX_RECORDS: usize = 256;

/// What an index document says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Repomd {
    /// The files, in order.
    pub(crate) records: Vec<Record>,
}

/// A file of the set.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Record {
    /// What it is, such as `primary`.
    pub(crate) kind: String,
    /// Where it is, relative to the directory above `repodata`.
    pub(crate) href: String,
    /// What `href` is relative to instead.
    pub(crate) base: Option<String>,
    pub(crate) digests: Digests,
    pub(crate) size: Option<u64>,
}

impl Repomd {
    pub(crate) fn read(body: &[u8]) -> Result<Self, DocumentError> {
        let mut reader = Reader::of_bytes(body).map_err(in_xml(WHAT))?;
        match reader.next().map_err(in_xml(WHAT))? {
            Some(Event::Start(tag)) if tag.local_name() == "repomd" => {}
            _ => return Err(malformed(WHAT, "another root element")),
        }
        let mut records = Vec::new();
        while let Some(tag) = reader.child().map_err(in_xml(WHAT))? {
            if tag.local_name() != "data" {
                reader.skip().map_err(in_xml(WHAT))?;
                continue;
            }
            if records.len() == MAX_RECORDS {
                return Err(malformed(WHAT, "too many files"));
            }
            let kind = tag.attribute("type").unwrap_or_default().into_owned();
            records.push(record(&mut reader, kind)?);
        }
        reader.next().map_err(in_xml(WHAT))?;
        let repomd = Self { records };
        match repomd.of_kind("primary") {
            Some(_) => Ok(repomd),
            None => Err(malformed(WHAT, "it names no list of packages")),
        }
    }

    pub(crate) fn of_kind(&self, kind: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.kind == kind)
    }
}

fn record(reader: &mut Reader<'_>, kind: String) -> Result<Record, DocumentError> {
    let mut record = Record { kind, ..Record::default() };
    while let Some(tag) = reader.child().map_err(in_xml(WHAT))? {
        match tag.local_name() {
            "location" => {
                record.href = tag.attribute("href").unwrap_or_default().into_owned();
                record.base = tag.attribute("xml:base").map(std::borrow::Cow::into_owned);
                reader.skip().map_err(in_xml(WHAT))?;
            }
            "checksum" => {
                let algorithm = tag.attribute("type").unwrap_or_default();
                let text = reader.text().map_err(in_xml(WHAT))?;
                record.digests = digest_of(&algorithm, text.trim()).into_iter().collect();
            }
            "size" => {
                record.size = reader.text().map_err(in_xml(WHAT))?.trim().parse().ok();
            }
            _ => reader.skip().map_err(in_xml(WHAT))?,
        }
    }
    if record.href.is_empty() {
        return Err(malformed(WHAT, "a file without a location"));
    }
    Ok(record)
}

/// A digest as RPM metadata writes it. `None` for algorithms that nobody checks here.
pub(crate) fn digest_of(algorithm: &str, text: &str) -> Option<Digest> {
    let algorithm = match algorithm {
        "md5" => Algorithm::Md5,
        "sha" | "sha1" => Algorithm::Sha1,
        "sha256" => Algorithm::Sha256,
        "sha512" => Algorithm::Sha512,
        _ => return None,
    };
    Digest::from_hex(algorithm, text).ok()
}

/// A file of a set that we made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Made {
    pub(crate) kind: &'static str,
    /// Its path relative to the directory above `repodata`.
    pub(crate) href: String,
    /// SHA-256 in hexadecimal.
    pub(crate) checksum: String,
    pub(crate) size: u64,
    /// The same of the uncompressed form, if it is compressed.
    pub(crate) open: Option<(String, u64)>,
}

/// An index document of ours. `moment` is in seconds since the epoch.
pub(crate) fn write(files: &[Made], moment: i64) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <repomd xmlns=\"http://linux.duke.edu/metadata/repo\" \
         xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n  <revision>{moment}</revision>\n"
    );
    for file in files {
        out.push_str(&entry(file, moment));
    }
    out.push_str("</repomd>\n");
    out
}

fn entry(file: &Made, moment: i64) -> String {
    let Made { kind, checksum, size, .. } = file;
    let mut href = String::new();
    escape(&file.href, &mut href);
    let (open_checksum, open_size) = match &file.open {
        Some((checksum, size)) => (
            format!("    <open-checksum type=\"sha256\">{checksum}</open-checksum>\n"),
            format!("    <open-size>{size}</open-size>\n"),
        ),
        None => (String::new(), String::new()),
    };
    format!(
        "  <data type=\"{kind}\">\n    <checksum type=\"sha256\">{checksum}</checksum>\n\
         {open_checksum}    <location href=\"{href}\"/>\n    <timestamp>{moment}</timestamp>\n    \
         <size>{size}</size>\n{open_size}  </data>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let made = Made {
            kind: "primary",
            href: "repodata/a&b-primary.xml.gz".to_owned(),
            checksum: "00".repeat(32),
            size: 7,
            open: Some(("11".repeat(32), 9)),
        };
        let text = write(&[made], 1_700_000_000);
        let read = Repomd::read(text.as_bytes()).unwrap();
        let record = &read.records[0];
        assert_eq!(record.href, "repodata/a&b-primary.xml.gz");
        assert_eq!(record.size, Some(7));
        assert_eq!(record.digests.iter().next().unwrap().to_hex(), "00".repeat(32));
    }

    #[test]
    fn what_is_no_index_is_refused() {
        for text in [
            "",
            "<html/>",
            "<repomd/>",
            "<repomd><data type='primary'/></repomd>",
            "<repomd><data type='other'><location href='x'/></data></repomd>",
            "<repomd><data type='primary'><location href='x'/></data>",
            "<repomd><data type='primary'><location href='x'/></data></repomd><x/>",
            "<!DOCTYPE r [<!ENTITY a 'b'>]><repomd/>",
        ] {
            assert!(Repomd::read(text.as_bytes()).is_err(), "{text:?}");
        }
        let many = "<data type='x'><location href='x'/></data>".repeat(300);
        assert!(Repomd::read(format!("<repomd>{many}</repomd>").as_bytes()).is_err());
        assert!(Repomd::read(b"<repomd>\xff</repomd>").is_err());
    }

    #[test]
    fn prefixes_and_unknown_fields_do_not_matter() {
        let text = "<r:repomd xmlns:r='x'><r:revision>1</r:revision><r:tags><r:repo>x</r:repo></r:tags>\
                    <r:data type='primary'><r:checksum type='sha'>2fd4e1c67a2d28fced849ee1bb76e7391b93eb12\
                    </r:checksum><r:location xml:base='http://a/' href='x'/><r:new/></r:data></r:repomd>";
        let read = Repomd::read(text.as_bytes()).unwrap();
        assert_eq!(read.records[0].base.as_deref(), Some("http://a/"));
        assert!(read.records[0].digests.get(Algorithm::Sha1).is_some());
    }
}

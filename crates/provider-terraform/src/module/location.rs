//! Addresses of modules, which are more than URLs: a way to fetch, a URL, a folder in what is fetched,
//! and parameters for the one who fetches.

use artifact_core::{Algorithm, Digest, Digests};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::document::{Unreadable, resolve};
use crate::name::is_file_name;

/// The longest address.
const MAX_LENGTH: usize = 4096;

/// The extensions by which clients know how to unpack, the longest first where one ends another.
const FORMATS: [&str; 9] =
    ["tar.bz2", "tar.gz", "tar.xz", "tar.zst", "tbz2", "tgz", "txz", "tzst", "zip"];

/// Where a module is.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Location {
    /// In an archive that one request fetches.
    Archive(Archive),
    /// Anywhere else: a version control system, a bucket, a page that leads on.
    Elsewhere(String),
}

/// An archive with a module in it.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Archive {
    pub(super) url: Url,
    /// A name with an extension that tells the format.
    pub(super) filename: String,
    /// The folder of the archive that is the module.
    pub(super) folder: Option<String>,
    /// What the archive must hash to, as the clients write it.
    pub(super) checksum: Option<String>,
}

impl Archive {
    /// The checksum as a digest.
    pub(super) fn digests(&self) -> Digests {
        let digest = self.checksum.as_deref().and_then(|checksum| {
            let (algorithm, hex) = checksum.split_once(':')?;
            Digest::from_hex(algorithm.parse().ok()?, hex).ok()
        });
        Digests::from_iter(digest)
    }
}

impl Location {
    /// Reads an address that stands beside `base`.
    pub(super) fn read(address: &str, base: Option<&Url>) -> Result<Self, Unreadable> {
        let is_sound = (1..=MAX_LENGTH).contains(&address.len())
            && address.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
        if !is_sound {
            return Err(Unreadable::Other(
                "the address of the module is empty or has odd characters",
            ));
        }
        let archive = archive(address, base);
        Ok(archive.map_or_else(|| Self::Elsewhere(address.to_owned()), Self::Archive))
    }
}

fn archive(address: &str, base: Option<&Url>) -> Option<Archive> {
    let is_relative = ["/", "./", "../"].iter().any(|start| address.starts_with(start));
    let is_url = address.starts_with("http://") || address.starts_with("https://");
    if !is_relative && !is_url {
        return None;
    }
    let parts = Parts::of(address);
    let mut url = resolve(parts.package, base)?;
    let mut format = None;
    let mut checksum = None;
    let mut kept = Vec::new();
    for pair in parts.query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("archive", value)) => format = Some(known_format(value)?),
            Some(("checksum", value)) => checksum = own_form(value),
            Some(("filename", _)) => {}
            _ => kept.push(pair),
        }
    }
    url.set_query((!kept.is_empty()).then(|| kept.join("&")).as_deref());
    let filename = file_name(&url, format)?;
    let folder = parts.folder.filter(|folder| !folder.is_empty());
    if folder.is_some_and(|folder| folder.split('/').any(|segment| segment == "..")) {
        return None;
    }
    Some(Archive { url, filename, folder: folder.map(ToOwned::to_owned), checksum })
}

/// An address taken apart.
struct Parts<'a> {
    package: &'a str,
    folder: Option<&'a str>,
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn of(address: &'a str) -> Self {
        let (rest, query) = address.split_once('?').unwrap_or((address, ""));
        let after_scheme = rest.find("://").map_or(0, |at| at + 3);
        let folder_at = rest
            .get(after_scheme..)
            .and_then(|path| path.find("//"))
            .map(|at| (after_scheme + at, after_scheme + at + 2));
        let Some((end, start)) = folder_at else {
            return Self { package: rest, folder: None, query };
        };
        Self { package: rest.get(..end).unwrap_or_default(), folder: rest.get(start..), query }
    }
}

fn known_format(name: &str) -> Option<&'static str> {
    FORMATS.into_iter().find(|format| *format == name)
}

/// The name of the archive, with the extension of its format. A URL whose path has none and that
/// says nothing else is a page, not an archive.
fn file_name(url: &Url, format: Option<&'static str>) -> Option<String> {
    let last = url.path_segments()?.next_back()?;
    let name = percent_decode_str(last).decode_utf8().ok()?.into_owned();
    let name = match format {
        None => FORMATS.iter().any(|format| name_has(&name, format)).then_some(name)?,
        Some(format) if name_has(&name, format) => name,
        Some(format) if name.is_empty() => format!("module.{format}"),
        Some(format) => format!("{name}.{format}"),
    };
    is_file_name(&name).then_some(name)
}

fn name_has(name: &str, format: &str) -> bool {
    name.strip_suffix(format).is_some_and(|stem| stem.ends_with('.') && stem.len() > 1)
}

/// A checksum as `algorithm:digits`. Checksums that have to be fetched are left to nobody.
fn own_form(checksum: &str) -> Option<String> {
    let by_length = || {
        let length = |algorithm: &Algorithm| algorithm.length() * 2 == checksum.len();
        Algorithm::ALL.into_iter().find(length)
    };
    let (algorithm, hex) = match checksum.split_once(':') {
        Some((algorithm, hex)) => (algorithm.parse().ok(), hex),
        None => (by_length(), checksum),
    };
    let algorithm: Algorithm = algorithm?;
    Digest::from_hex(algorithm, hex).ok()?;
    Some(format!("{}:{}", algorithm.name(), hex.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://r.test/v1/modules/acme/net/aws/1.0.0/download";

    fn archive_of(address: &str) -> Archive {
        match Location::read(address, Some(&BASE.parse().unwrap())) {
            Ok(Location::Archive(archive)) => archive,
            other => panic!("{address}: {other:?}"),
        }
    }

    #[test]
    fn archives_are_recognised_in_every_spelling() {
        let table = [
            ("https://h.test/a/m.tar.gz", "https://h.test/a/m.tar.gz", "m.tar.gz", None),
            ("https://h.test/m.zip?x=1&y=%2F", "https://h.test/m.zip?x=1&y=%2F", "m.zip", None),
            ("https://h.test/v1?archive=tar.gz", "https://h.test/v1", "v1.tar.gz", None),
            ("https://h.test/v1//*?archive=tgz&t=s", "https://h.test/v1?t=s", "v1.tgz", Some("*")),
            ("https://h.test/m.tgz//a/b", "https://h.test/m.tgz", "m.tgz", Some("a/b")),
            (
                "https://h.test/m.zip?u=http://x//y",
                "https://h.test/m.zip?u=http://x//y",
                "m.zip",
                None,
            ),
            ("https://h.test/m.zip?archive=tar.gz", "https://h.test/m.zip", "m.zip.tar.gz", None),
            ("/files/m.zip", "https://r.test/files/m.zip", "m.zip", None),
            (
                "./m.zip//sub",
                "https://r.test/v1/modules/acme/net/aws/1.0.0/m.zip",
                "m.zip",
                Some("sub"),
            ),
            ("../m.zip", "https://r.test/v1/modules/acme/net/aws/m.zip", "m.zip", None),
            ("https://h.test/?archive=zip", "https://h.test/", "module.zip", None),
            ("https://h.test/a%20b.zip", "https://h.test/a%20b.zip", "a b.zip", None),
        ];
        for (address, url, filename, folder) in table {
            let archive = archive_of(address);
            assert_eq!(archive.url.as_str(), url, "{address}");
            assert_eq!(archive.filename, filename, "{address}");
            assert_eq!(archive.folder.as_deref(), folder, "{address}");
            assert_eq!(archive.checksum, None, "{address}");
        }
    }

    #[test]
    fn a_checksum_is_kept_and_verified() {
        let hex = "AB".repeat(32);
        for written in [format!("sha256:{hex}"), hex.clone()] {
            let archive = archive_of(&format!("https://h.test/m.zip?checksum={written}"));
            assert_eq!(archive.checksum, Some(format!("sha256:{}", "ab".repeat(32))));
            assert_eq!(archive.digests().iter().count(), 1);
            assert_eq!(archive.url.as_str(), "https://h.test/m.zip");
        }
        assert_eq!(archive_of("https://h.test/m.zip?checksum=file:./s").checksum, None);
    }

    #[test]
    fn everything_else_is_elsewhere() {
        for address in [
            "git::https://h.test/a/b.git?ref=abc",
            "git::ssh://git@h.test/a/b.git",
            "github.com/a/b",
            "s3::https://b.test/m.zip",
            "https://h.test/a/page",
            "https://h.test/m.zip?archive=false",
            "https://h.test/m.zip//../x",
            "https://h.test/.zip",
            "ftp://h.test/m.zip",
            "m.zip",
        ] {
            let base = BASE.parse().unwrap();
            let expected = Location::Elsewhere(address.to_owned());
            assert_eq!(Location::read(address, Some(&base)).unwrap(), expected);
        }
    }

    #[test]
    fn an_address_that_could_break_out_of_a_header_is_refused() {
        for address in
            ["", "https://h.test/a b.zip", "https://h.test/\r\nx: y", "a\"b", "a\\b", "\u{e4}"]
        {
            assert!(Location::read(address, None).is_err(), "{address:?}");
        }
        assert!(Location::read(&"a".repeat(MAX_LENGTH + 1), None).is_err());
    }
}

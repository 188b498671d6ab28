//! The checksums of a version.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use artifact_core::{BlobId, SourceDocument};

use crate::document::Unreadable;

/// File names with their SHA-256.
#[derive(Debug)]
pub(super) struct Sums<'t>(BTreeMap<&'t str, BlobId>);

impl<'t> Sums<'t> {
    /// Reads lines of a digest, white space and a name; others are none of our business.
    pub(super) fn read(body: &'t [u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(body).map_err(|_| Unreadable::Encoding)?;
        let mut sums = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(digest), Some(name)) = (words.next(), words.next()) else { continue };
            let Ok(digest) = digest.parse::<BlobId>() else { continue };
            match sums.entry(name) {
                Entry::Vacant(vacant) => _ = vacant.insert(digest),
                Entry::Occupied(known) if *known.get() == digest => {}
                Entry::Occupied(_) => {
                    return Err(Unreadable::Other("a file has two different checksums"));
                }
            }
        }
        Ok(Self(sums))
    }

    /// The names in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'t str, BlobId)> {
        self.0.iter().map(|(name, digest)| (*name, *digest))
    }

    /// Makes sure that the zip called `filename` has this digest.
    pub(super) fn require(&self, filename: &str, shasum: BlobId) -> Result<(), Unreadable> {
        if self.0.get(filename) == Some(&shasum) {
            return Ok(());
        }
        Err(Unreadable::Other("the checksums do not confirm the digest of the package"))
    }
}

/// Whether these are the checksums of the package whose digest their path has.
pub(crate) fn check(document: &SourceDocument<'_>) -> Result<(), Unreadable> {
    let expected = document.path.segments().rev().nth(1).and_then(|digest| digest.parse().ok());
    let sums = Sums::read(document.body)?;
    if sums.iter().any(|(_, digest)| Some(digest) == expected) {
        return Ok(());
    }
    Err(Unreadable::Other("the checksums do not list the digest of the package"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<&str>, String> {
        let sums = Sums::read(text.as_bytes()).map_err(|error| error.to_string())?;
        Ok(sums.iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn lines_that_are_no_checksums_are_passed_over() {
        let (a, b) = ("a".repeat(64), "B".repeat(64));
        let text = format!("{a}  one.zip\n\n{b}  two.zip\r\nnonsense\n{a}\nabc  short.zip\n");
        assert_eq!(names(&text).unwrap(), ["one.zip", "two.zip"]);
        assert_eq!(names("").unwrap(), [""; 0]);
    }

    #[test]
    fn a_file_has_one_checksum() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        assert!(names(&format!("{a}  x.zip\n{a}  x.zip\n")).is_ok());
        assert!(names(&format!("{a}  x.zip\n{b}  x.zip\n")).is_err());
    }
}

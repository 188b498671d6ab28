//! One index of several.

use artifact_core::{DocumentError, Facts, SourceDocument};

use super::archive;
use super::facts::Listing;
use super::record::{self, Record};
use crate::layout::{ANY, Directory};

/// An index that grows by the packages of one member after the other. What has the file name of a
/// package that is there already is left out: no URL could tell the two apart.
pub(super) struct Merge<'a> {
    pub(super) text: Vec<u8>,
    pub(super) facts: Facts,
    directory: Directory<'a>,
    admits: &'a (dyn Fn(&str) -> bool + Send + Sync),
}

impl<'a> Merge<'a> {
    /// An empty index for this directory.
    pub(super) fn into_directory(
        directory: Directory<'a>,
        admits: &'a (dyn Fn(&str) -> bool + Send + Sync),
    ) -> Self {
        Self { text: Vec::new(), facts: Facts::default(), directory, admits }
    }

    /// Adds what the document at this position lists.
    pub(super) fn add(
        &mut self,
        position: usize,
        document: &SourceDocument<'_>,
    ) -> Result<(), DocumentError> {
        let listing = Listing::of(document, position);
        let text = archive::index_text(document.body)?;
        for record in record::records(&text) {
            let record = record?;
            let places = listing.places(&record)?;
            let is_new = places.first().is_some_and(|(path, _)| {
                !self.facts.files.contains_key(path) && (self.admits)(path)
            });
            if is_new {
                self.write(&record);
                for (path, fact) in places {
                    self.facts.files.entry(path).or_insert(fact);
                }
            }
        }
        Ok(())
    }

    /// The record as it is, except that a package for every architecture is said to be for the one
    /// of this directory: so that clients look for it where we know from whom it came.
    fn write(&mut self, record: &Record<'_>) {
        let own = self.directory.architecture;
        if record.architecture != Some(ANY) || own.is_empty() {
            self.text.extend_from_slice(record.text);
        } else {
            for line in record.text.split_inclusive(|byte| *byte == b'\n') {
                if line.starts_with(b"A:") {
                    self.text.extend_from_slice(format!("A:{own}\n").as_bytes());
                } else {
                    self.text.extend_from_slice(line);
                }
            }
        }
        if !self.text.ends_with(b"\n") {
            self.text.push(b'\n');
        }
        self.text.push(b'\n');
    }
}

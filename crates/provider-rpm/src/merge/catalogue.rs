//! Which packages there will be: of each name, version and architecture the one of the first member.

use std::collections::{HashMap, HashSet};

use artifact_core::{AssemblyError, DocumentError};
use formats::xml::escape;

use super::sources::Sources;
use crate::failure::malformed;
use crate::primary::{Package, WHAT};
use crate::survey::{self, MAX_PACKAGES};

/// The most bytes of everything that is kept of packages.
const MAX_TEXT: usize = 256 << 20;

/// The packages of the merge.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    entries: Vec<Entry>,
    by_id: HashMap<Box<str>, u32>,
    text: usize,
}

/// A package, in as few words as other lists need.
#[derive(Debug)]
struct Entry {
    position: u32,
    /// Its start tag and version in the other lists.
    described: Box<str>,
}

impl Catalogue {
    /// Reads every list of packages once.
    pub(super) fn of(sources: &mut Sources<'_>) -> Result<Self, AssemblyError> {
        let mut catalogue = Self::default();
        let mut identities = HashSet::new();
        for position in 0..sources.count() {
            let Some(stream) = sources.open(position, &["primary"])? else { continue };
            survey::packages(stream, |_, package| {
                if sources.link(position, &package)?.is_some() {
                    catalogue.add(position, &package, &mut identities)?;
                }
                Ok(())
            })?;
        }
        Ok(catalogue)
    }

    fn add(
        &mut self,
        position: usize,
        package: &Package,
        identities: &mut HashSet<Box<str>>,
    ) -> Result<(), DocumentError> {
        let Package { name, epoch, version, release, arch, id, .. } = package;
        if self.by_id.contains_key(id.as_str()) {
            return Ok(());
        }
        let identity = format!("{name}\n{epoch}\n{version}\n{release}\n{arch}");
        if !identities.insert(identity.into()) {
            return Ok(());
        }
        let (Ok(number), Ok(position)) =
            (u32::try_from(self.entries.len()), u32::try_from(position))
        else {
            return Err(malformed(WHAT, "too many packages"));
        };
        let described = described(package);
        self.text += described.len() * 2 + id.len();
        if self.entries.len() == MAX_PACKAGES || self.text > MAX_TEXT {
            return Err(malformed(WHAT, "too many packages"));
        }
        self.by_id.insert(id.as_str().into(), number);
        self.entries.push(Entry { position, described: described.into() });
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What is left to be written of a list.
    pub(super) fn pending(&self) -> Pending<'_> {
        Pending { catalogue: self, written: vec![false; self.entries.len()] }
    }
}

/// The packages that a list does not have yet.
#[derive(Debug)]
pub(super) struct Pending<'a> {
    catalogue: &'a Catalogue,
    written: Vec<bool>,
}

impl Pending<'_> {
    /// Whether the package `id` of the member at `position` is to be written now. Says so once.
    pub(super) fn claim(&mut self, position: usize, id: &str) -> bool {
        let Some(&number) = self.catalogue.by_id.get(id) else { return false };
        let number = number as usize;
        let is_chosen = self
            .catalogue
            .entries
            .get(number)
            .is_some_and(|entry| u32::try_from(position) == Ok(entry.position));
        match self.written.get_mut(number).filter(|_| is_chosen) {
            Some(written) => !std::mem::replace(written, true),
            None => false,
        }
    }

    /// Bare elements for the packages that no member describes, so that every list has all.
    pub(super) fn rest(&self) -> impl Iterator<Item = String> {
        let entries = self.catalogue.entries.iter().zip(&self.written);
        let missing = entries.filter(|(_, written)| !**written);
        missing.map(|(entry, _)| format!("{}</package>\n", entry.described))
    }

    pub(super) fn is_complete(&self) -> bool {
        self.written.iter().all(|written| *written)
    }
}

fn described(package: &Package) -> String {
    let Package { name, epoch, version, release, arch, id, .. } = package;
    let mut out = String::new();
    for (before, value) in [
        ("<package pkgid=\"", id),
        ("\" name=\"", name),
        ("\" arch=\"", arch),
        ("\"><version epoch=\"", epoch),
        ("\" ver=\"", version),
        ("\" rel=\"", release),
    ] {
        out.push_str(before);
        escape(value, &mut out);
    }
    out.push_str("\"/>");
    out
}

//! Advisories (updateinfo): united by id, the packages that they speak of too.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;

use artifact_core::{AssemblyError, DocumentError};
use formats::xml::{Children, Event, Reader, XmlError};

use super::lists::{items, text_of, with_more};
use super::part::Parts;
use super::sources::Sources;
use crate::failure::{in_stream, in_xml, malformed};

const WHAT: &str = "the list of advisories";
const KIND: [&str; 1] = ["updateinfo"];
const LIST: &str = "pkglist";
/// The most bytes of one advisory.
const MAX_ELEMENT: usize = 16 << 20;
/// The most advisories.
const MAX_ADVISORIES: usize = 500_000;
/// The longest id.
const MAX_ID: usize = 1024;
/// The most packages that advisories speak of.
const MAX_PACKAGES: usize = 4_000_000;
/// The most bytes that later members add to advisories of earlier ones.
const MAX_ADDITIONS: usize = 32 << 20;

/// Reads every list once to find out who speaks of what, and once more to write.
pub(super) fn write(sources: &mut Sources<'_>, parts: &mut Parts<'_>) -> Result<(), AssemblyError> {
    let mut plan = Plan::default();
    let mut is_there = false;
    for position in 0..sources.count() {
        is_there |= each(sources, position, |element| plan.note(position, element))?;
    }
    if !is_there {
        return Ok(());
    }
    parts.compressed("updateinfo", "updateinfo.xml.gz", &mut |out| {
        out.write_all(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<updates>\n")?;
        plan.written.clear();
        for position in 0..sources.count() {
            each(sources, position, |element| plan.copy(position, element, out))?;
        }
        Ok(out.write_all(b"</updates>\n")?)
    })
}

/// Calls `found` with every advisory of a member. Says whether it has any list of them.
fn each(
    sources: &mut Sources<'_>,
    position: usize,
    mut found: impl FnMut(&str) -> Result<(), AssemblyError>,
) -> Result<bool, AssemblyError> {
    let Some(stream) = sources.open(position, &KIND)? else { return Ok(false) };
    let mut elements = Children::open(stream, MAX_ELEMENT).map_err(in_stream(WHAT))?;
    if elements.root().is_ok_and(|root| root.name != "updates") {
        return Err(malformed(WHAT, "another root element").into());
    }
    while let Some(element) = elements.next().map_err(in_stream(WHAT))? {
        found(element)?;
    }
    Ok(true)
}

/// What will be written.
#[derive(Default)]
struct Plan {
    advisories: HashMap<String, Advisory>,
    written: HashSet<String>,
    packages: usize,
    additions: usize,
}

struct Advisory {
    position: usize,
    /// The packages that it speaks of, as numbers that stand for them.
    packages: HashSet<u64>,
    /// What later members have to add.
    more: String,
}

impl Plan {
    fn note(&mut self, position: usize, element: &str) -> Result<(), AssemblyError> {
        let id = id(element)?;
        let lists = items(element, &[LIST]).map_err(in_xml(WHAT))?;
        if self.advisories.len() == MAX_ADVISORIES {
            return Err(malformed(WHAT, "too many advisories").into());
        }
        let is_new = !self.advisories.contains_key(&id);
        let advisory = self.advisories.entry(id).or_insert_with(|| Advisory {
            position,
            packages: HashSet::new(),
            more: String::new(),
        });
        for collection in lists {
            let packages = packages(collection.raw).map_err(in_xml(WHAT))?;
            let adds = packages.iter().any(|package| !advisory.packages.contains(package));
            self.packages += packages.len();
            if self.packages > MAX_PACKAGES {
                return Err(malformed(WHAT, "too many packages").into());
            }
            advisory.packages.extend(packages);
            if adds && !is_new {
                advisory.more.push_str(collection.raw);
                self.additions += collection.raw.len();
            }
        }
        if self.additions > MAX_ADDITIONS {
            return Err(malformed(WHAT, "members differ in too many advisories").into());
        }
        Ok(())
    }

    fn copy(
        &mut self,
        position: usize,
        element: &str,
        out: &mut dyn Write,
    ) -> Result<(), AssemblyError> {
        let id = id(element)?;
        let Some(advisory) = self.advisories.get(&id) else { return Ok(()) };
        if advisory.position != position || !self.written.insert(id) {
            return Ok(());
        }
        if advisory.more.is_empty() {
            out.write_all(element.as_bytes())?;
        } else {
            let united = with_more(element, LIST, &advisory.more).map_err(in_xml(WHAT))?;
            out.write_all(united.as_bytes())?;
        }
        Ok(out.write_all(b"\n")?)
    }
}

fn id(element: &str) -> Result<String, DocumentError> {
    let id = text_of(element, "id").map_err(in_xml(WHAT))?;
    id.filter(|id| !id.is_empty() && id.len() <= MAX_ID)
        .ok_or_else(|| malformed(WHAT, "an advisory without an id"))
}

/// What stands for the packages of a collection.
fn packages(collection: &str) -> Result<Vec<u64>, XmlError> {
    let mut reader = Reader::new(collection);
    let mut found = Vec::new();
    while let Some(event) = reader.next()? {
        let Event::Start(tag) = event else { continue };
        if tag.name == "package" {
            let mut hasher = DefaultHasher::new();
            for name in ["name", "epoch", "version", "release", "arch"] {
                tag.attribute(name).unwrap_or_default().hash(&mut hasher);
            }
            found.push(hasher.finish());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advisory(id: &str, title: &str, packages: &[&str]) -> String {
        let package = |name: &&str| format!("<package name=\"{name}\" version=\"1\"/>");
        let packages: String = packages.iter().map(package).collect();
        format!(
            "<update><id>{id}</id><title>{title}</title><pkglist><collection>{packages}\
             </collection></pkglist></update>"
        )
    }

    fn merged(members: &[&[String]]) -> String {
        let mut plan = Plan::default();
        let every =
            || members.iter().enumerate().flat_map(|(at, all)| all.iter().map(move |e| (at, e)));
        for (position, element) in every() {
            plan.note(position, element).unwrap();
        }
        let mut out = Vec::new();
        for (position, element) in every() {
            plan.copy(position, element, &mut out).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_first_text_wins_and_packages_are_united() {
        let first = advisory("A-1", "first", &["a", "b"]);
        let second = advisory("A-1", "second", &["b", "c"]);
        let third = advisory("A-1", "third", &["a", "c"]);
        let other = advisory("A-2", "other", &["d"]);
        let text = merged(&[
            std::slice::from_ref(&first),
            &[second, other.clone()],
            &[third, other.clone()],
        ]);
        let expected = first.replace(
            "</pkglist>",
            "<collection><package name=\"b\" version=\"1\"/><package name=\"c\" version=\"1\"/></collection></pkglist>",
        );
        assert_eq!(text, format!("{expected}\n{other}\n"));
    }

    #[test]
    fn an_advisory_without_an_id_is_refused() {
        assert!(Plan::default().note(0, "<update/>").is_err());
    }
}

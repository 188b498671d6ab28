//! Groups of packages (comps): united by id, their lists too.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;

use artifact_core::AssemblyError;
use formats::xml::{Children, Event, Reader, XmlError};

use super::lists::{Item, items, text_of, with_more};
use super::part::Parts;
use super::sources::Sources;
use crate::failure::{in_stream, in_xml, malformed};

const WHAT: &str = "the list of groups";
/// The same document under its many names.
const KINDS: [&str; 5] = ["group", "group_gz", "group_zst", "group_xz", "group_bz2"];
/// Lists whose items are united when two members have the same group.
const LISTS: [&str; 3] = ["packagelist", "grouplist", "optionlist"];
/// The most bytes of all groups together.
const MAX_SIZE: usize = 32 << 20;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <!DOCTYPE comps PUBLIC \"-//Red Hat, Inc.//DTD Comps info//EN\" \"comps.dtd\">\n<comps>\n";

pub(super) fn write(sources: &mut Sources<'_>, parts: &mut Parts<'_>) -> Result<(), AssemblyError> {
    let mut groups = Groups::default();
    let mut is_there = false;
    for position in 0..sources.count() {
        if let Some(stream) = sources.open(position, &KINDS)? {
            groups.read(stream)?;
            is_there = true;
        }
    }
    if !is_there {
        return Ok(());
    }
    let body = groups.written().map_err(in_xml(WHAT))?;
    parts.plain("group", "comps.xml", body.as_bytes())
}

/// Groups, categories, environments and whatever else there is, in order.
#[derive(Default)]
struct Groups {
    elements: Vec<Group>,
    by_key: HashMap<String, usize>,
    size: usize,
}

/// One of them.
struct Group {
    /// As the first member has it.
    element: String,
    /// Numbers that stand for the items of its lists; read when a second member has it, too.
    known: Option<HashSet<u64>>,
    /// What later members add to each list.
    more: [String; LISTS.len()],
}

impl Groups {
    fn read(&mut self, stream: impl Read) -> Result<(), AssemblyError> {
        let mut elements = Children::open(stream, MAX_SIZE).map_err(in_stream(WHAT))?;
        if elements.root().is_ok_and(|root| root.name != "comps") {
            return Err(malformed(WHAT, "another root element").into());
        }
        while let Some(element) = elements.next().map_err(in_stream(WHAT))? {
            self.size += element.len();
            if self.size > MAX_SIZE {
                return Err(malformed(WHAT, "too large").into());
            }
            self.add(element).map_err(in_xml(WHAT))?;
        }
        Ok(())
    }

    fn add(&mut self, element: &str) -> Result<(), XmlError> {
        let key = key(element)?;
        let known = self.by_key.get(&key).and_then(|number| self.elements.get_mut(*number));
        if let Some(known) = known {
            return known.unite(element);
        }
        self.by_key.insert(key, self.elements.len());
        let more = <[String; LISTS.len()]>::default();
        self.elements.push(Group { element: element.to_owned(), known: None, more });
        Ok(())
    }

    fn written(&self) -> Result<String, XmlError> {
        let mut out = String::from(HEAD);
        for group in &self.elements {
            out.push_str(&group.written()?);
            out.push('\n');
        }
        out.push_str("</comps>\n");
        Ok(out)
    }
}

impl Group {
    /// Takes what only the lists of `other` have.
    fn unite(&mut self, other: &str) -> Result<(), XmlError> {
        let mut known = if let Some(known) = self.known.take() {
            known
        } else {
            let items = items(&self.element, &LISTS)?;
            items.iter().map(number).collect::<Result<_, _>>()?
        };
        for item in items(other, &LISTS)? {
            if known.insert(number(&item)?) {
                let mut lists = LISTS.iter().zip(&mut self.more);
                if let Some((_, more)) = lists.find(|(list, _)| **list == item.list) {
                    more.push_str(item.raw);
                }
            }
        }
        self.known = Some(known);
        Ok(())
    }

    fn written(&self) -> Result<String, XmlError> {
        let mut element = self.element.clone();
        for (list, more) in LISTS.iter().zip(&self.more).filter(|(_, more)| !more.is_empty()) {
            element = with_more(&element, list, more)?;
        }
        Ok(element)
    }
}

/// What makes an element the same as another: its kind and its id. Checks all of it.
fn key(element: &str) -> Result<String, XmlError> {
    let mut reader = Reader::new(element);
    let name = match reader.next()? {
        Some(Event::Start(tag)) => tag.name,
        _ => "",
    };
    while reader.next()?.is_some() {}
    let id = text_of(element, "id")?;
    Ok(format!("{name} {}", id.unwrap_or_default()))
}

/// What stands for an item: its list and what it says.
fn number(item: &Item<'_>) -> Result<u64, XmlError> {
    let mut hasher = DefaultHasher::new();
    (item.list, said(item.raw)?).hash(&mut hasher);
    Ok(hasher.finish())
}

fn said(item: &str) -> Result<String, XmlError> {
    let mut reader = Reader::new(item);
    reader.next()?;
    Ok(reader.text()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_groups_are_united_and_others_stay() {
        let mut groups = Groups::default();
        for element in [
            "<group><id>a</id><name>A</name><packagelist><packagereq type=\"default\">x</packagereq></packagelist></group>",
            "<category><id>a</id><grouplist><groupid>a</groupid></grouplist></category>",
            "<group><id>a</id><name>B</name><packagelist><packagereq>x</packagereq><packagereq>y</packagereq></packagelist></group>",
            "<category><id>a</id><grouplist><groupid>b</groupid></grouplist><optionlist><groupid>c</groupid></optionlist></category>",
        ] {
            groups.add(element).unwrap();
        }
        let expected = [
            "<group><id>a</id><name>A</name><packagelist><packagereq type=\"default\">x</packagereq><packagereq>y</packagereq></packagelist></group>",
            "<category><id>a</id><grouplist><groupid>a</groupid><groupid>b</groupid></grouplist><optionlist><groupid>c</groupid></optionlist></category>",
        ];
        let expected = format!("{HEAD}{}\n{}\n</comps>\n", expected[0], expected[1]);
        assert_eq!(groups.written().unwrap(), expected);
    }

    #[test]
    fn a_broken_group_is_refused() {
        assert!(Groups::default().add("<group><id>&a;</id></group>").is_err());
        assert!(Groups::default().add("<group><id>a</group>").is_err());
    }
}

//! Metalinks, as mirror managers write them (version 3).

use artifact_core::{DocumentError, FileFact, Template};
use formats::xml::{Event, Reader, Tag};
use url::Url;

use crate::failure::{in_xml, malformed};
use crate::repomd::digest_of;
use crate::route::{INDEX, REPODATA};

const WHAT: &str = "the metalink";
/// The most mirrors that are looked at.
const MAX_URLS: usize = 10_000;

/// What a metalink says of the index document.
#[derive(Debug, Default)]
pub(super) struct Metalink {
    /// The roots of the repository on its mirrors, the preferred ones first.
    pub(super) roots: Vec<Url>,
    /// Digests and size, without a URL.
    pub(super) index: FileFact,
}

pub(super) fn read(text: &str) -> Result<Metalink, DocumentError> {
    let mut reader = Reader::new(text);
    match reader.next().map_err(in_xml(WHAT))? {
        Some(Event::Start(tag)) if tag.local_name() == "metalink" => {}
        _ => return Err(malformed(WHAT, "another root element")),
    }
    let mut found = Metalink::default();
    let mut preferences = Vec::new();
    let mut path: Vec<&str> = Vec::new();
    while let Some(event) = reader.next().map_err(in_xml(WHAT))? {
        let Event::Start(tag) = event else {
            if matches!(event, Event::End { .. }) {
                path.pop();
            }
            continue;
        };
        let is_other_file =
            tag.local_name() == "file" && tag.attribute("name").is_none_or(|name| name != INDEX);
        if is_other_file || tag.local_name() == "alternates" {
            reader.skip().map_err(in_xml(WHAT))?;
            continue;
        }
        path.push(tag.local_name());
        if matches!(path.as_slice(), ["files", "file", "size"])
            || matches!(path.as_slice(), ["files", "file", "verification", "hash"])
            || matches!(path.as_slice(), ["files", "file", "resources", "url"])
        {
            let said = reader.text().map_err(in_xml(WHAT))?;
            path.pop();
            take(&tag, said.trim(), &mut found.index, &mut preferences);
        }
    }
    preferences.sort_by_key(|(preference, _)| std::cmp::Reverse(*preference));
    found.roots = preferences.into_iter().map(|(_, root)| root).collect();
    Ok(found)
}

/// Takes one statement about the index document.
fn take(tag: &Tag<'_>, said: &str, index: &mut FileFact, roots: &mut Vec<(u32, Url)>) {
    match tag.local_name() {
        "size" => index.size = said.parse().ok(),
        "hash" => {
            if let Some(digest) = digest_of(&tag.attribute("type").unwrap_or_default(), said) {
                index.digests.insert(digest);
            }
        }
        _ if roots.len() < MAX_URLS => {
            let preference = tag.attribute("preference").and_then(|text| text.parse().ok());
            let root = said
                .strip_suffix(INDEX)
                .and_then(|directory| directory.strip_suffix('/'))
                .and_then(|directory| directory.strip_suffix(REPODATA))
                .and_then(|root| Url::parse(root).ok());
            roots.extend(root.map(|root| (preference.unwrap_or(0), root)));
        }
        _ => {}
    }
}

/// A metalink whose one mirror is the directory `below` of our repository. It promises no digest:
/// clients keep lists longer than we keep an index.
pub(super) fn of_one(below: &str) -> Template {
    const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\">\n\
         \x20<files>\n  <file name=\"repomd.xml\">\n   <resources maxconnections=\"1\">\n\
         \x20   <url preference=\"100\">";
    let mut path = String::new();
    formats::xml::escape(below, &mut path);
    let tail = format!(
        "{path}/{REPODATA}/{INDEX}</url>\n   </resources>\n  </file>\n </files>\n</metalink>\n"
    );
    Template::with_holes(format!("{HEAD}{tail}"), vec![HEAD.len()])
}

//! The walk over a document: where everything is, and which links have to change.

use std::borrow::Cow;

use artifact_core::{Algorithm, Digest, Digests, FileFact, RepoPath, SourceDocument, Timestamp};
use formats::json::{Kind, Reader, Span, Text, quote};

use super::Unreadable;
use super::text::{Edit, Edits};
use crate::link::{self, Forge};
use crate::route::{LIST, MODULE, RELEASE};
use crate::slug::ReleaseSlug;

/// How much is remembered of one document: edits, entries and facts.
const BUDGET: usize = 200_000;

/// A document that has been walked over.
#[derive(Debug)]
pub(super) struct Document<'t> {
    pub(super) text: &'t str,
    pub(super) edits: Edits,
    /// The files that it lists, by canonical path.
    pub(super) facts: Vec<(String, FileFact)>,
    pub(super) body: Body<'t>,
}

/// What a document is.
#[derive(Debug)]
pub(super) enum Body<'t> {
    /// A page of a list.
    List(List<'t>),
    /// A module or a release.
    Entry(Box<Entry<'t>>),
    /// Anything else.
    Other,
}

/// A page of a list.
#[derive(Debug, Default)]
pub(super) struct List<'t> {
    pub(super) results: Span,
    pub(super) entries: Vec<Entry<'t>>,
    pub(super) total: Option<u64>,
    pub(super) previous: Option<Cow<'t, str>>,
    pub(super) next: Option<Cow<'t, str>>,
}

/// A module, a release, a user: an object with a name.
#[derive(Debug, Default)]
pub(super) struct Entry<'t> {
    pub(super) span: Span,
    pub(super) slug: Option<Cow<'t, str>>,
    pub(super) version: Option<Cow<'t, str>>,
    pub(super) created_at: Option<Timestamp>,
    pub(super) downloads: u64,
    pub(super) is_deleted: bool,
    /// The canonical path of its file, for a release.
    pub(super) path: Option<String>,
    /// The release that a module recommends, and where it says so.
    pub(super) current: Option<Box<Entry<'t>>>,
    pub(super) current_at: Option<Span>,
    /// The releases that a module lists, and where.
    pub(super) releases: Option<Vec<Entry<'t>>>,
    pub(super) releases_at: Option<Span>,
    /// Whether it has anything that only a module or a release has.
    pub(super) is_recognised: bool,
}

/// What an object says of a file.
#[derive(Debug, Default)]
struct File<'t> {
    uri: Option<(Span, Option<Cow<'t, str>>)>,
    digests: Digests,
    size: Option<u64>,
}

/// What is kept of an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Keep {
    /// The object and the releases in it.
    Releases,
    /// The object.
    Entry,
}

impl<'t> Document<'t> {
    /// Walks over the document that `source` is and `text` is the text of.
    pub(super) fn read(text: &'t str, source: &SourceDocument<'_>) -> Result<Self, Unreadable> {
        let mut walk = Walk {
            text,
            forge: Forge::of(source),
            path: source.path,
            edits: Vec::new(),
            facts: Vec::new(),
            budget: BUDGET,
        };
        let mut reader = Reader::new(text);
        let body = match (source.kind, reader.kind()?) {
            (LIST, Kind::Object) => Body::List(walk.list(&mut reader)?),
            (MODULE | RELEASE, Kind::Object) => {
                Body::Entry(Box::new(walk.entry(&mut reader, Keep::Releases)?))
            }
            _ => {
                walk.links(&mut reader)?;
                Body::Other
            }
        };
        reader.finish()?;
        let mut edits = Edits::default();
        edits.add(walk.edits);
        Ok(Self { text, edits, facts: walk.facts, body })
    }

    /// The whole as it has become; `None` if it has not changed.
    pub(super) fn edited(&self) -> Option<String> {
        if self.edits.is_empty() {
            return None;
        }
        let mut out = String::with_capacity(self.text.len() + 64);
        self.write(Span { start: 0, end: self.text.len() }, &mut out);
        Some(out)
    }

    /// Appends what a span has become.
    pub(super) fn write(&self, span: Span, out: &mut String) {
        self.edits.write(self.text, span, out);
    }
}

/// What is collected on the way.
struct Walk<'t, 'd> {
    text: &'t str,
    forge: Forge,
    path: &'d RepoPath,
    edits: Vec<Edit>,
    facts: Vec<(String, FileFact)>,
    budget: usize,
}

impl<'t> Walk<'t, '_> {
    fn spend(&mut self, weight: usize) -> Result<(), Unreadable> {
        self.budget = self.budget.checked_sub(weight).ok_or(Unreadable::TooMuch)?;
        Ok(())
    }

    fn replace(&mut self, span: Span, link: Option<&str>) -> Result<(), Unreadable> {
        self.spend(1)?;
        let mut text = String::new();
        match link {
            Some(link) => quote(link, &mut text),
            None => text.push_str("null"),
        }
        self.edits.push(Edit { span, text });
        Ok(())
    }

    fn list(&mut self, reader: &mut Reader<'t>) -> Result<List<'t>, Unreadable> {
        let mut list = List::default();
        let (mut has_results, mut has_pagination) = (false, false);
        reader.object(|key, value| match key.decoded().as_ref() {
            "results" => {
                once(!std::mem::replace(&mut has_results, true), "results")?;
                list.results = value.array(|element| {
                    let entry = match element.kind()? {
                        Kind::Object => self.entry(element, Keep::Releases)?,
                        _ => Entry { span: element.skip()?, ..Entry::default() },
                    };
                    self.spend(1)?;
                    list.entries.push(entry);
                    Ok::<(), Unreadable>(())
                })?;
                Ok(())
            }
            "pagination" if value.kind()? == Kind::Object => {
                once(!std::mem::replace(&mut has_pagination, true), "pagination")?;
                self.pagination(value, &mut list)
            }
            _ => self.links(value).map(drop),
        })?;
        if has_results { Ok(list) } else { Err(Unreadable::Kind(LIST.0)) }
    }

    fn pagination(
        &mut self,
        reader: &mut Reader<'t>,
        list: &mut List<'t>,
    ) -> Result<(), Unreadable> {
        reader.object(|key, value| {
            let name = key.decoded();
            if name == "total" {
                list.total = self.number(value)?;
                return Ok(());
            }
            if !matches!(&*name, "first" | "previous" | "current" | "next") {
                return Ok(());
            }
            let Some(link) = value.string_or_skip()? else { return Ok(()) };
            let target = link.decoded();
            if let Some(right) = link::page(&target, self.path) {
                self.replace(link.span(), Some(&right))?;
            }
            let kept = match &*name {
                "next" => &mut list.next,
                "previous" => &mut list.previous,
                _ => return Ok(()),
            };
            once(kept.replace(target).is_none(), &name)
        })?;
        Ok(())
    }

    /// Reads an object, and everything in it.
    fn entry(&mut self, reader: &mut Reader<'t>, keep: Keep) -> Result<Entry<'t>, Unreadable> {
        let mut entry = Entry::default();
        let mut file = File::default();
        entry.span = reader.object(|key, value| {
            let name = key.decoded();
            match &*name {
                "slug" | "version" | "created_at" | "deleted_at" => {
                    text_member(&name, value, &mut entry)
                }
                "file_uri" | "file_sha256" | "file_md5" | "file_size" => {
                    entry.is_recognised = true;
                    self.file_member(&name, value, &mut file)
                }
                "current_release" | "releases" if keep == Keep::Releases => {
                    entry.is_recognised = true;
                    self.release_member(&name, value, &mut entry)
                }
                "uri" => self.resource_link(value),
                "downloads" => {
                    entry.downloads = self.number(value)?.unwrap_or(0);
                    Ok(())
                }
                // The author's own text.
                "metadata" => Ok(()),
                _ => self.links(value).map(drop),
            }
        })?;
        entry.path = self.settle(entry.slug.as_deref(), &entry, file)?;
        Ok(entry)
    }

    fn file_member(
        &mut self,
        name: &str,
        value: &mut Reader<'t>,
        file: &mut File<'t>,
    ) -> Result<(), Unreadable> {
        if name == "file_size" {
            file.size = self.number(value)?;
            return Ok(());
        }
        let (span, text) = text_or_skip(value)?;
        let algorithm = match name {
            "file_sha256" => Algorithm::Sha256,
            "file_md5" => Algorithm::Md5,
            _ => {
                let uri = (span, text.map(|text| text.decoded()));
                return once(file.uri.replace(uri).is_none(), name);
            }
        };
        let digest = text.and_then(|text| Digest::from_hex(algorithm, &text.decoded()).ok());
        if let Some(digest) = digest {
            once(file.digests.get(algorithm).is_none(), name)?;
            file.digests.insert(digest);
        }
        Ok(())
    }

    fn release_member(
        &mut self,
        name: &str,
        value: &mut Reader<'t>,
        entry: &mut Entry<'t>,
    ) -> Result<(), Unreadable> {
        match (name, value.kind()?) {
            ("current_release", Kind::Object) => {
                let release = self.entry(value, Keep::Entry)?;
                once(entry.current_at.replace(release.span).is_none(), name)?;
                entry.current = Some(Box::new(release));
            }
            ("releases", Kind::Array) => {
                let mut releases = Vec::new();
                let span = value.array(|element| {
                    if element.kind()? != Kind::Object {
                        return Ok(());
                    }
                    self.spend(1)?;
                    releases.push(self.entry(element, Keep::Entry)?);
                    Ok::<(), Unreadable>(())
                })?;
                once(entry.releases_at.replace(span).is_none(), name)?;
                entry.releases = Some(releases);
            }
            ("current_release", _) => {
                once(entry.current_at.replace(value.skip()?).is_none(), name)?;
            }
            _ => once(entry.releases_at.replace(value.skip()?).is_none(), name)?,
        }
        Ok(())
    }

    /// Walks over a value for the links in it.
    fn links(&mut self, reader: &mut Reader<'t>) -> Result<Span, Unreadable> {
        match reader.kind()? {
            Kind::Object => Ok(self.entry(reader, Keep::Entry)?.span),
            Kind::Array => reader.array(|element| self.links(element).map(drop)),
            _ => Ok(reader.skip()?),
        }
    }

    fn resource_link(&mut self, value: &mut Reader<'t>) -> Result<(), Unreadable> {
        let (span, text) = text_or_skip(value)?;
        match text.and_then(|text| link::without_prefix(&text.decoded())) {
            Some(right) => self.replace(span, Some(&right)),
            None => Ok(()),
        }
    }

    /// The number of something; `None` for what is none.
    fn number(&self, value: &mut Reader<'t>) -> Result<Option<u64>, Unreadable> {
        Ok(value.skip()?.of(self.text).parse().ok())
    }

    /// Decides where a file is and how we link to it; returns its canonical path.
    fn settle(
        &mut self,
        slug: Option<&str>,
        entry: &Entry<'_>,
        file: File<'_>,
    ) -> Result<Option<String>, Unreadable> {
        let link = file.uri.as_ref().and_then(|(_, link)| link.as_deref());
        let named = || ReleaseSlug::of_file(link?.rsplit('/').next()?);
        let Some(release) = slug.map_or_else(named, ReleaseSlug::parse) else {
            if let (Some((span, _)), Some(_)) = (&file.uri, link) {
                // Left as it is, the link would lead clients around us.
                self.replace(*span, None)?;
            }
            return Ok(None);
        };
        let path = release.file_path();
        let right = format!("/{path}");
        if let (Some((span, _)), Some(link)) = (&file.uri, link)
            && link != right
        {
            self.replace(*span, Some(&right))?;
        }
        if (link.is_some() || !file.digests.is_empty())
            && let Some(url) = self.forge.file(link, &path)
        {
            self.spend(1)?;
            let fact = FileFact {
                document: 0,
                url,
                digests: file.digests,
                size: file.size,
                published_at: entry.created_at,
            };
            self.facts.push((path.clone(), fact));
        }
        Ok(Some(path))
    }
}

fn text_member<'t>(
    name: &str,
    value: &mut Reader<'t>,
    entry: &mut Entry<'t>,
) -> Result<(), Unreadable> {
    let Some(text) = value.string_or_skip()? else { return Ok(()) };
    match name {
        "slug" => once(entry.slug.replace(text.decoded()).is_none(), name)?,
        "version" => once(entry.version.replace(text.decoded()).is_none(), name)?,
        "created_at" => entry.created_at = moment(&text.decoded()),
        _ => entry.is_deleted = true,
    }
    Ok(())
}

/// The next value and its place, when it is a string; otherwise its place alone.
fn text_or_skip<'t>(reader: &mut Reader<'t>) -> Result<(Span, Option<Text<'t>>), Unreadable> {
    if reader.kind()? == Kind::String {
        let text = reader.string()?;
        return Ok((text.span(), Some(text)));
    }
    Ok((reader.skip()?, None))
}

/// Refuses a second member of a name that we act on.
fn once(is_first: bool, name: &str) -> Result<(), Unreadable> {
    if is_first { Ok(()) } else { Err(Unreadable::Twice(name.to_owned())) }
}

/// Reads `2024-01-31 07:00:00 -0800`, as forges write it, or RFC 3339.
fn moment(text: &str) -> Option<Timestamp> {
    if let Some(moment) = Timestamp::from_rfc3339(text) {
        return Some(moment);
    }
    let mut parts = text.split(' ');
    let (day, time, zone) = (parts.next()?, parts.next()?, parts.next()?);
    let zone = match zone {
        "UTC" => "Z".to_owned(),
        zone => format!("{}:{}", zone.get(..3)?, zone.get(3..)?),
    };
    Timestamp::from_rfc3339(&format!("{day}T{time}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_forges_write_them() {
        let expected = Timestamp::from_rfc3339("2024-01-31T15:00:00Z");
        assert!(expected.is_some());
        for text in ["2024-01-31 07:00:00 -0800", "2024-01-31T15:00:00Z", "2024-01-31 15:00:00 UTC"]
        {
            assert_eq!(moment(text), expected, "{text}");
        }
        for text in
            ["", "yesterday", "2024-01-31", "2024-01-31 07:00:00 x", "2024-01-31 07:00:00 ä1"]
        {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}

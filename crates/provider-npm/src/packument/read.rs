//! The top level of a packument: where everything is that may have to change.

use std::borrow::Cow;

use formats::json::{Kind, Reader, Span, Text};

use super::Unreadable;
use super::manifest::{Version, read_manifest};
use crate::name::PackageName;

/// A packument that has been walked over. Nothing in it was copied.
#[derive(Debug)]
pub(super) struct Packument<'t> {
    pub(super) text: &'t str,
    /// The name, as it was written.
    pub(super) name: Span,
    /// The parts that we may rewrite, in the order in which they were written.
    pub(super) parts: Vec<(Part, Span)>,
    /// Where the document's last brace is.
    pub(super) closing: usize,
    /// `None` when nothing is listed at all, as for a package that was unpublished.
    pub(super) versions: Option<Vec<Version<'t>>>,
    pub(super) tags: Vec<Tag<'t>>,
    /// `None` when the registry does not say when versions were published.
    pub(super) times: Option<Vec<Moment<'t>>>,
    /// The members that abbreviated manifests keep; every version knows its share.
    pub(super) kept: Vec<Span>,
}

/// A part of the top level.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    Versions,
    Tags,
    Time,
    Revision,
    Modified,
}

impl Part {
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Versions => "versions",
            Self::Tags => "dist-tags",
            Self::Time => "time",
            Self::Revision => "_rev",
            Self::Modified => "modified",
        }
    }

    fn of(key: &Text<'_>) -> Option<Self> {
        [Self::Versions, Self::Tags, Self::Time, Self::Revision, Self::Modified]
            .into_iter()
            .find(|part| key.is(part.key()))
    }
}

/// A tag and the version it points at. Tags that are no strings are not listed.
#[derive(Clone, Debug)]
pub(super) struct Tag<'t> {
    pub(super) name: Cow<'t, str>,
    pub(super) version: Cow<'t, str>,
}

/// A member of `time`.
#[derive(Clone, Debug)]
pub(super) struct Moment<'t> {
    /// A version, `created`, `modified` or something unknown.
    pub(super) of: Cow<'t, str>,
    /// The key as it was written.
    pub(super) key: Span,
    /// The value as it was written.
    pub(super) value: Span,
    /// The value if it is a string.
    pub(super) text: Option<Cow<'t, str>>,
}

impl<'t> Packument<'t> {
    /// Walks over the packument of the package `name`.
    pub(super) fn read(name: PackageName<'_>, text: &'t str) -> Result<Self, Unreadable> {
        let mut packument = Self {
            text,
            name: Span::default(),
            parts: Vec::with_capacity(4),
            closing: 0,
            versions: None,
            tags: Vec::new(),
            times: None,
            kept: Vec::new(),
        };
        let mut found = None;
        let mut reader = Reader::new(text);
        let whole = reader.object(|key, value| {
            if key.is("name") {
                let written = value.string_or_skip()?.ok_or(Unreadable::Nameless)?;
                packument.name = written.span();
                return once(found.replace(written.decoded()).is_none(), "name");
            }
            match Part::of(&key) {
                Some(part) => packument.read_part(part, value),
                None => Ok(()),
            }
        })?;
        reader.finish()?;
        packument.closing = whole.end - 1;
        match found {
            None => Err(Unreadable::Nameless),
            Some(found) if found != name.as_str() => Err(Unreadable::OtherName(found.into_owned())),
            Some(_) => Ok(packument),
        }
    }

    /// Where a part is, if the document has it.
    pub(super) fn part(&self, part: Part) -> Option<Span> {
        self.parts.iter().find(|(found, _)| *found == part).map(|(_, span)| *span)
    }

    fn read_part(&mut self, part: Part, value: &mut Reader<'t>) -> Result<(), Unreadable> {
        once(self.part(part).is_none(), part.key())?;
        let kind = value.kind()?;
        let span = match (part, kind) {
            (Part::Versions, Kind::Object) => self.read_versions(value)?,
            (Part::Versions, Kind::Null) => value.skip()?,
            (Part::Versions, _) => return Err(Unreadable::Versions),
            (Part::Tags, Kind::Object) => self.read_tags(value)?,
            (Part::Time, Kind::Object) => self.read_times(value)?,
            _ => value.skip()?,
        };
        self.parts.push((part, span));
        Ok(())
    }

    fn read_versions(&mut self, value: &mut Reader<'t>) -> Result<Span, Unreadable> {
        let mut versions = Vec::new();
        let span = value.object(|label, manifest| {
            versions.push(read_manifest(label, manifest, &mut self.kept)?);
            Ok::<(), Unreadable>(())
        })?;
        self.versions = Some(versions);
        Ok(span)
    }

    fn read_tags(&mut self, value: &mut Reader<'t>) -> Result<Span, Unreadable> {
        value.object(|name, version| {
            if let Some(version) = version.string_or_skip()? {
                self.tags.push(Tag { name: name.decoded(), version: version.decoded() });
            }
            Ok(())
        })
    }

    fn read_times(&mut self, value: &mut Reader<'t>) -> Result<Span, Unreadable> {
        let mut times = Vec::new();
        let span = value.object(|key, moment| {
            let of = key.decoded();
            let (value, text) = match moment.kind()? {
                Kind::String => {
                    let text = moment.string()?;
                    (text.span(), Some(text.decoded()))
                }
                _ => (moment.skip()?, None),
            };
            times.push(Moment { of, key: key.span(), value, text });
            Ok::<(), Unreadable>(())
        })?;
        self.times = Some(times);
        Ok(span)
    }
}

/// Refuses a second member of a name that we act on.
pub(super) fn once(is_first: bool, key: &str) -> Result<(), Unreadable> {
    if is_first { Ok(()) } else { Err(Unreadable::Twice(key.to_owned())) }
}

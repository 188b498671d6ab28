//! What an index lists, and where in its text.

use std::borrow::Cow;
use std::collections::HashSet;

use artifact_core::{Algorithm, Digest};
use formats::json::{JsonError, Kind, Reader, Span};
use formats::version::LenientVersion;

use super::Unreadable;
use super::fields::{self, Field, Table};

/// The most versions of charts in one index.
const MOST_VERSIONS: usize = 250_000;
/// The most links of one version that are looked at. Helm takes the first one.
const MOST_LINKS: usize = 8;
/// The longest name of a chart in bytes: it becomes a segment of a path, with a version beside it.
const LONGEST_NAME: usize = 200;

/// An index in the form of JSON.
#[derive(Debug)]
pub(super) struct Index<'t> {
    pub(super) text: &'t str,
    pub(super) generated: Option<Cow<'t, str>>,
    pub(super) annotations: Option<Span>,
    pub(super) public_keys: Vec<Cow<'t, str>>,
    pub(super) charts: Vec<Chart<'t>>,
    /// How many versions it lists, also such as Helm would leave out.
    pub(super) listed: usize,
}

/// The versions of one chart.
#[derive(Debug)]
pub(super) struct Chart<'t> {
    pub(super) name: Cow<'t, str>,
    pub(super) versions: Vec<Version<'t>>,
}

/// One version of a chart.
#[derive(Debug)]
pub(super) struct Version<'t> {
    pub(super) number: Cow<'t, str>,
    pub(super) urls: Vec<Cow<'t, str>>,
    pub(super) digest: Option<Digest>,
    pub(super) created: Option<Cow<'t, str>>,
    /// Everything that the index says of it.
    pub(super) whole: Span,
}

impl<'t> Index<'t> {
    /// Reads the JSON text of an index.
    pub(super) fn read(text: &'t str) -> Result<Self, Unreadable> {
        let mut index = Self {
            text,
            generated: None,
            annotations: None,
            public_keys: Vec::new(),
            charts: Vec::new(),
            listed: 0,
        };
        let mut seen = HashSet::new();
        let mut has_version = false;
        let mut reader = Reader::new(text);
        reader.object(|key, value| {
            let key = key.decoded();
            match &*key {
                "apiVersion" => {
                    has_version = scalar(text, value)?.is_some_and(|version| !version.is_empty());
                }
                "generated" => index.generated = scalar(text, value)?,
                "annotations" if value.kind()? == Kind::Object => {
                    index.annotations = Some(value.skip()?);
                }
                "publicKeys" => index.public_keys = scalars(text, value, usize::MAX)?,
                "entries" => index.read_entries(value)?,
                _ => return Ok(()),
            }
            if seen.insert(key.clone()) { Ok(()) } else { Err(Unreadable::Twice(key.into())) }
        })?;
        reader.finish()?;
        if has_version { Ok(index) } else { Err(Unreadable::Versionless) }
    }

    fn read_entries(&mut self, entries: &mut Reader<'t>) -> Result<(), Unreadable> {
        if entries.kind()? == Kind::Null {
            return Ok(());
        }
        let mut names = HashSet::new();
        entries.object(|name, versions| {
            let name = name.decoded();
            if !names.insert(name.clone()) {
                return Err(Unreadable::Twice(name.into()));
            }
            if name.len() > LONGEST_NAME || versions.kind()? != Kind::Array {
                return Ok(());
            }
            self.read_chart(name, versions)
        })?;
        Ok(())
    }

    fn read_chart(
        &mut self,
        name: Cow<'t, str>,
        versions: &mut Reader<'t>,
    ) -> Result<(), Unreadable> {
        let mut chart = Chart { name, versions: Vec::new() };
        versions.array(|version| {
            if version.kind()? != Kind::Object {
                return Ok(());
            }
            self.listed += 1;
            if self.listed > MOST_VERSIONS {
                return Err(Unreadable::TooMany(MOST_VERSIONS));
            }
            chart.versions.extend(Version::read(self.text, version)?);
            Ok(())
        })?;
        self.charts.push(chart);
        Ok(())
    }
}

impl<'t> Version<'t> {
    /// Reads a version; `None` if Helm would leave it out.
    fn read(text: &'t str, version: &mut Reader<'t>) -> Result<Option<Self>, Unreadable> {
        let (mut name, mut number) = (None, None);
        let (mut digest, mut created, mut urls) = (None, None, Vec::new());
        let mut seen: u64 = 0;
        let whole = version.object(|key, value| {
            let key = key.decoded();
            let Some((position, field)) = Table::Version.find(&key) else { return Ok(()) };
            let mark = 1 << position;
            if seen & mark != 0 {
                return Err(Unreadable::Twice(key.into()));
            }
            seen |= mark;
            match (&*key, field) {
                ("name", _) => name = scalar(text, value)?,
                ("version", _) => number = scalar(text, value)?,
                ("created", _) => created = scalar(text, value)?,
                (_, Field::Digest) => digest = scalar(text, value)?.and_then(|it| sha256(&it)),
                (_, Field::Links) => urls = scalars(text, value, MOST_LINKS)?,
                _ => {}
            }
            Ok(())
        })?;
        let is_named = name.is_some_and(|name| !name.is_empty());
        let number = number.filter(|number| is_named && LenientVersion::parse(number).is_some());
        Ok(number.map(|number| Self { number, urls, digest, created, whole }))
    }
}

/// A digest as Helm writes it. What is none is left out: it would be taken for the name of other bytes.
fn sha256(text: &str) -> Option<Digest> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    Digest::from_hex(Algorithm::Sha256, hex).ok()
}

/// The text of a scalar as it was written; `None` for `null` and for collections.
pub(super) fn scalar<'t>(
    text: &'t str,
    value: &mut Reader<'t>,
) -> Result<Option<Cow<'t, str>>, JsonError> {
    match value.kind()? {
        Kind::String => Ok(Some(value.string()?.decoded())),
        Kind::Number | Kind::Bool => Ok(Some(Cow::Borrowed(value.skip()?.of(text)))),
        Kind::Null | Kind::Object | Kind::Array => {
            value.skip()?;
            Ok(None)
        }
    }
}

/// The first scalars of a list; of anything else nothing.
fn scalars<'t>(
    text: &'t str,
    value: &mut Reader<'t>,
    most: usize,
) -> Result<Vec<Cow<'t, str>>, JsonError> {
    let mut found = Vec::new();
    fields::list(value, |element| {
        let scalar = scalar(text, element)?;
        found.extend(scalar.filter(|_| found.len() < most));
        Ok(())
    })?;
    Ok(found)
}

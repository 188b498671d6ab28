//! The list of a document and its entries.

use std::borrow::Cow;

use formats::json::{Kind, Reader, Span};

use crate::document::{Unreadable, once};
use crate::name::Platform;

/// A list of versions that has been walked over. Nothing in it was copied.
#[derive(Debug)]
pub(super) struct List<'t> {
    /// The whole document.
    pub(super) text: &'t str,
    /// The brackets of the list and what is between them; `null` counts as an empty list, and
    /// `None` is a document without one.
    pub(super) span: Option<Span>,
    pub(super) entries: Vec<Entry<'t>>,
}

/// A version that is listed.
#[derive(Debug)]
pub(super) struct Entry<'t> {
    pub(super) version: Cow<'t, str>,
    pub(super) span: Span,
    /// What it says of platforms, if it does.
    pub(super) platforms: Option<Platforms>,
}

/// The platforms that a version says it has packages for.
#[derive(Debug)]
pub(super) struct Platforms {
    pub(super) span: Span,
    /// Those that can be understood.
    pub(super) known: Vec<(Span, Platform)>,
    /// How many there are.
    pub(super) count: usize,
}

impl<'t> Entry<'t> {
    /// Reads an element of a list; `None` if it is no version at all.
    pub(super) fn read(reader: &mut Reader<'t>) -> Result<Option<Self>, Unreadable> {
        if reader.kind()? != Kind::Object {
            reader.skip()?;
            return Ok(None);
        }
        let (mut version, mut platforms) = (None, None);
        let span = reader.object(|key, value| {
            if key.is("version") {
                let text = value.string_or_skip()?.ok_or(Unreadable::Missing("version"))?;
                return once(&mut version, text.decoded(), "version");
            }
            if key.is("platforms") && value.kind()? == Kind::Array {
                return once(&mut platforms, read_platforms(value)?, "platforms");
            }
            Ok(())
        })?;
        let version = version.ok_or(Unreadable::Missing("version"))?;
        Ok(Some(Self { version, span, platforms }))
    }
}

fn read_platforms(reader: &mut Reader<'_>) -> Result<Platforms, Unreadable> {
    let (mut known, mut count) = (Vec::new(), 0);
    let span = reader.array(|element| {
        count += 1;
        if element.kind()? != Kind::Object {
            element.skip()?;
            return Ok(());
        }
        let (mut os, mut arch) = (None, None);
        let span = element.object(|key, value| {
            let (slot, field) = match () {
                () if key.is("os") => (&mut os, "os"),
                () if key.is("arch") => (&mut arch, "arch"),
                () => return Ok(()),
            };
            match value.string_or_skip()? {
                Some(text) => once(slot, text.decoded(), field),
                None => Ok(()),
            }
        })?;
        let platform = os.zip(arch).and_then(|(os, arch)| Platform::parse(&os, &arch));
        known.extend(platform.map(|platform| (span, platform)));
        Ok::<(), Unreadable>(())
    })?;
    Ok(Platforms { span, known, count })
}

/// Reads a value that is a list of versions or `null`.
pub(super) fn read_list<'t>(
    reader: &mut Reader<'t>,
    field: &'static str,
) -> Result<(Span, Vec<Entry<'t>>), Unreadable> {
    let mut entries = Vec::new();
    let span = match reader.kind()? {
        Kind::Array => reader.array(|element| {
            entries.extend(Entry::read(element)?);
            Ok::<(), Unreadable>(())
        })?,
        Kind::Null => reader.skip()?,
        _ => return Err(Unreadable::Missing(field)),
    };
    Ok((span, entries))
}

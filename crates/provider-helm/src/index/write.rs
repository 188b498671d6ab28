//! Our index as JSON: nothing but what Helm knows, every value of the kind that Helm expects.

use std::borrow::Cow;
use std::collections::HashSet;

use formats::json::{JsonError, Kind, Reader};
use formats::yaml::quote;

use super::Unreadable;
use super::fields::{self, Field, Table};
use super::link::Link;
use super::moment::is_rfc3339;
use super::read::{Version, scalar};
use super::unite::{Selection, Shown};

/// The longest name of an annotation in bytes. Readers of YAML give up on a key of 1024 characters,
/// escapes included.
const LONGEST_KEY: usize = 170;

/// Writes what is selected. Every version stands on a line of its own.
pub(super) fn index(selection: &Selection<'_>) -> Result<String, Unreadable> {
    let length = selection.sources.iter().map(|source| source.index.text.len()).sum();
    let mut out = String::with_capacity(length);
    out.push_str("{\"apiVersion\":\"v1\",\"entries\":{");
    let mut separator = "\n";
    for (name, versions) in &selection.charts {
        out.push_str(separator);
        separator = ",\n";
        quote(name, &mut out);
        out.push_str(":[");
        chart(selection, versions, &mut out)?;
        out.push(']');
    }
    out.push('}');
    rest(selection, &mut out)?;
    out.push_str("}\n");
    Ok(out)
}

fn chart(
    selection: &Selection<'_>,
    versions: &[Shown<'_>],
    out: &mut String,
) -> Result<(), Unreadable> {
    let mut separator = "\n";
    for shown in versions {
        out.push_str(separator);
        separator = ",\n";
        let Some(source) = selection.sources.get(shown.source) else { continue };
        let member = selection.is_virtual.then_some(source.member);
        version(source.index.text, shown, member, out)?;
    }
    Ok(())
}

/// What stands beside the charts. Annotations of an index belong to whoever made it, so a merged
/// one has none.
fn rest(selection: &Selection<'_>, out: &mut String) -> Result<(), Unreadable> {
    if let Some(generated) = selection.generated {
        out.push_str(",\"generated\":");
        quote(generated, out);
    }
    if !selection.public_keys.is_empty() {
        out.push_str(",\"publicKeys\":");
        let mut list = List::begin(out);
        selection.public_keys.iter().for_each(|key| quote(key, list.element()));
        list.end();
    }
    if let [source] = selection.sources
        && let Some(annotations) = source.index.annotations
    {
        let text = annotations.of(source.index.text);
        out.push_str(",\"annotations\":");
        texts_by_name(text, &mut Reader::new(text), out)?;
    }
    Ok(())
}

fn version(
    text: &str,
    shown: &Shown<'_>,
    member: Option<&str>,
    out: &mut String,
) -> Result<(), JsonError> {
    let Version { whole, digest, .. } = shown.version;
    let text = whole.of(text);
    let mut object = Object::begin(out);
    Reader::new(text).object(|key, value| {
        let key = key.decoded();
        let Some((_, field)) = Table::Version.find(&key) else { return Ok(()) };
        object.member(&key, |out| match (field, digest) {
            (Field::Links, _) => Ok(links(&shown.links, member, out)),
            (Field::Digest, None) => Ok(false),
            (Field::Digest, Some(digest)) => Ok(quoted(&digest.to_hex(), out)),
            _ => write(text, field, value, out),
        })
    })?;
    object.end();
    Ok(())
}

fn links(links: &[Link], member: Option<&str>, out: &mut String) -> bool {
    let mut list = List::begin(out);
    for link in links {
        let written = match link {
            Link::File(file) => Cow::Owned(file.link(member)),
            Link::Registry(link) => Cow::Borrowed(link.as_str()),
        };
        quote(&written, list.element());
    }
    list.end();
    true
}

/// Writes a value as `field` wants it. `false`: it cannot be that, and is left out.
fn write<'t>(
    text: &'t str,
    field: Field,
    value: &mut Reader<'t>,
    out: &mut String,
) -> Result<bool, JsonError> {
    match field {
        Field::Text | Field::Digest => {
            Ok(scalar(text, value)?.is_some_and(|scalar| quoted(&scalar, out)))
        }
        Field::Moment => {
            let moment = scalar(text, value)?.filter(|moment| is_rfc3339(moment));
            Ok(moment.is_some_and(|moment| quoted(&moment, out)))
        }
        Field::Flag => {
            let flag = scalar(text, value)?.and_then(|scalar| flag(&scalar));
            out.push_str(flag.unwrap_or_default());
            Ok(flag.is_some())
        }
        Field::Texts | Field::Links => texts(text, value, out),
        Field::TextsByName => texts_by_name(text, value, out),
        Field::Objects(table) => objects(text, table, value, out),
        Field::Imports => imports(text, value, out),
    }
}

fn quoted(text: &str, out: &mut String) -> bool {
    quote(text, out);
    true
}

/// What YAML 1.1 takes for a truth value.
fn flag(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Some("true"),
        "false" | "no" | "off" | "n" => Some("false"),
        _ => None,
    }
}

fn texts<'t>(text: &'t str, value: &mut Reader<'t>, out: &mut String) -> Result<bool, JsonError> {
    let mut list = List::begin(out);
    let is_list = fields::list(value, |element| {
        if let Some(scalar) = scalar(text, element)? {
            quote(&scalar, list.element());
        }
        Ok(())
    })?;
    list.end();
    Ok(is_list)
}

fn texts_by_name<'t>(
    text: &'t str,
    value: &mut Reader<'t>,
    out: &mut String,
) -> Result<bool, JsonError> {
    if value.kind()? != Kind::Object {
        return Ok(false);
    }
    let mut object = Object::begin(out);
    let mut known = HashSet::new();
    value.object(|key, value| {
        let key = key.decoded();
        if key.len() > LONGEST_KEY || !known.insert(key.clone()) {
            return Ok(());
        }
        object.member(&key, |out| write(text, Field::Text, value, out))
    })?;
    object.end();
    Ok(true)
}

fn objects<'t>(
    text: &'t str,
    table: Table,
    value: &mut Reader<'t>,
    out: &mut String,
) -> Result<bool, JsonError> {
    let mut list = List::begin(out);
    let is_list = fields::list(value, |element| {
        if element.kind()? != Kind::Object {
            return Ok(());
        }
        let mut object = Object::begin(list.element());
        let mut seen: u64 = 0;
        element.object(|key, value| {
            let key = key.decoded();
            let found = table.find(&key).filter(|(position, _)| seen & (1 << position) == 0);
            let Some((position, field)) = found else { return Ok(()) };
            seen |= 1 << position;
            object.member(&key, |out| write(text, field, value, out))
        })?;
        object.end();
        Ok(())
    })?;
    list.end();
    Ok(is_list)
}

fn imports<'t>(text: &'t str, value: &mut Reader<'t>, out: &mut String) -> Result<bool, JsonError> {
    let mut list = List::begin(out);
    let is_list = fields::list(value, |element| {
        match element.kind()? {
            Kind::Object => _ = texts_by_name(text, element, list.element())?,
            Kind::Array | Kind::Null => {}
            Kind::String | Kind::Number | Kind::Bool => {
                _ = write(text, Field::Text, element, list.element())?;
            }
        }
        Ok(())
    })?;
    list.end();
    Ok(is_list)
}

/// An object under construction.
struct Object<'o> {
    out: &'o mut String,
    is_empty: bool,
}

impl<'o> Object<'o> {
    fn begin(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, is_empty: true }
    }

    /// Adds a member, unless `write` says that there is no value for it.
    fn member(
        &mut self,
        key: &str,
        write: impl FnOnce(&mut String) -> Result<bool, JsonError>,
    ) -> Result<(), JsonError> {
        let before = self.out.len();
        if !self.is_empty {
            self.out.push(',');
        }
        quote(key, self.out);
        self.out.push(':');
        if write(self.out)? {
            self.is_empty = false;
        } else {
            self.out.truncate(before);
        }
        Ok(())
    }

    fn end(self) {
        self.out.push('}');
    }
}

/// A list under construction.
struct List<'o> {
    out: &'o mut String,
    is_empty: bool,
}

impl<'o> List<'o> {
    fn begin(out: &'o mut String) -> Self {
        out.push('[');
        Self { out, is_empty: true }
    }

    /// Where the next element is to be written.
    fn element(&mut self) -> &mut String {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(',');
        }
        self.out
    }

    fn end(self) {
        self.out.push(']');
    }
}

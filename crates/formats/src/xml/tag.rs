//! Start tags and their attributes.

use std::borrow::Cow;

use super::characters::{self, Refusal, white_space};
use super::text::decoded;
use crate::json::Span;

/// The most attributes of one element.
const MAX_ATTRIBUTES: usize = 64;

/// A start tag that was checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tag<'t> {
    /// The name, with its prefix.
    pub name: &'t str,
    /// Where the tag is, brackets included.
    pub span: Span,
    /// Whether the element ends with this very tag.
    pub is_empty: bool,
    pub(super) attributes: &'t str,
}

impl<'t> Tag<'t> {
    /// The name without its prefix.
    pub fn local_name(&self) -> &'t str {
        local_name(self.name)
    }

    /// What the attribute of this name, prefix included, says.
    pub fn attribute(&self, name: &str) -> Option<Cow<'t, str>> {
        self.raw_attributes().find(|(found, _)| *found == name).map(|(_, value)| decoded(value))
    }

    /// All attributes as they are written, in order. Values are without their quotes, which may be
    /// of either kind.
    pub fn raw_attributes(&self) -> impl Iterator<Item = (&'t str, &'t str)> + use<'t> {
        let mut left = self.attributes;
        std::iter::from_fn(move || {
            let (name, value, rest) = first(left).ok().flatten()?;
            left = rest;
            Some((name, value))
        })
    }
}

/// A name without its prefix.
pub(super) fn local_name(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// Checks everything between the name and the end of a tag.
pub(super) fn check(attributes: &str) -> Result<(), Refusal> {
    let mut names: Vec<&str> = Vec::new();
    let mut left = attributes;
    loop {
        let at = attributes.len() - left.len();
        let found = first(left).map_err(|(into, reason)| (at + into, reason))?;
        let Some((name, value, rest)) = found else { return Ok(()) };
        let value_at = attributes.len() - rest.len() - 1 - value.len();
        characters::value(value).map_err(|(into, reason)| (value_at + into, reason))?;
        if names.contains(&name) {
            return Err((at, "an attribute that is given twice"));
        }
        if names.len() == MAX_ATTRIBUTES {
            return Err((at, "too many attributes"));
        }
        names.push(name);
        left = rest;
    }
}

/// The first attribute of `text`, its raw value and what follows it.
fn first(text: &str) -> Result<Option<(&str, &str, &str)>, Refusal> {
    let bytes = text.as_bytes();
    let start = white_space(bytes);
    if start == bytes.len() {
        return Ok(None);
    }
    if start == 0 {
        return Err((0, "attributes without white space between them"));
    }
    let after = |at: usize| bytes.get(at..).unwrap_or_default();
    let shifted = |at: usize| move |(into, reason): Refusal| (at + into, reason);
    let name_end = start + characters::name(after(start)).map_err(shifted(start))?;
    let equals = name_end + white_space(after(name_end));
    if bytes.get(equals) != Some(&b'=') {
        return Err((equals, "an attribute without a value"));
    }
    let quote_at = equals + 1 + white_space(after(equals + 1));
    let quote = match bytes.get(quote_at) {
        Some(quote @ (b'"' | b'\'')) => *quote,
        _ => return Err((quote_at, "a value without quotes")),
    };
    let length =
        memchr::memchr(quote, after(quote_at + 1)).ok_or((quote_at, "a value without an end"))?;
    let value_end = quote_at + 1 + length;
    let piece = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let rest = piece(value_end + 1, text.len());
    Ok(Some((piece(start, name_end), piece(quote_at + 1, value_end), rest)))
}

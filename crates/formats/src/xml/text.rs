//! Texts and values: as they are written, and what they say.

use std::borrow::Cow;

use super::characters;

/// A piece of character data that was checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Text<'t> {
    pub(super) raw: &'t str,
    pub(super) is_literal: bool,
}

impl<'t> Text<'t> {
    /// What it says: references are replaced.
    pub fn decoded(self) -> Cow<'t, str> {
        if self.is_literal { Cow::Borrowed(self.raw) } else { decoded(self.raw) }
    }
}

/// What checked text says.
pub(super) fn decoded(raw: &str) -> Cow<'_, str> {
    let mut pieces = raw.split('&');
    let first = pieces.next().unwrap_or_default();
    if first.len() == raw.len() {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    out.push_str(first);
    for piece in pieces {
        match piece.split_once(';') {
            Some((name, rest)) => {
                out.extend(characters::referenced(name));
                out.push_str(rest);
            }
            None => out.push_str(piece),
        }
    }
    Cow::Owned(out)
}

/// Writes `text` so that it is safe between tags and in quoted values. Characters that XML does
/// not allow are left out; line breaks and tabs survive as references.
pub fn escape(text: &str, out: &mut String) {
    for found in text.chars() {
        match found {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            _ if characters::characters(found.encode_utf8(&mut [0; 4])).is_err() => {}
            _ => out.push(found),
        }
    }
}

//! JSON strings: as they were written, as they are meant, and as we write them.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::Span;

/// A string of a document, still in the form in which it was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Text<'t> {
    raw: &'t str,
    start: usize,
    escaped: bool,
}

impl<'t> Text<'t> {
    /// A string whose grammar has been checked: `raw` is what stands between the quotes.
    pub(super) fn new(raw: &'t str, start: usize, escaped: bool) -> Self {
        Self { raw, start, escaped }
    }

    /// Where it is, quotes included.
    pub fn span(&self) -> Span {
        Span { start: self.start, end: self.start + self.raw.len() + 2 }
    }

    /// What it means. A surrogate without its other half becomes U+FFFD. Borrowed unless
    /// something was escaped.
    pub fn decoded(&self) -> Cow<'t, str> {
        if self.escaped { Cow::Owned(unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }

    /// Whether it means `text`.
    pub fn is(&self, text: &str) -> bool {
        if self.escaped { unescape(self.raw) == text } else { self.raw == text }
    }
}

fn unescape(raw: &str) -> String {
    let mut units = Vec::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
            continue;
        }
        units.push(match chars.next() {
            Some('b') => 0x08,
            Some('f') => 0x0c,
            Some('n') => 0x0a,
            Some('r') => 0x0d,
            Some('t') => 0x09,
            Some('u') => {
                let digits = chars.as_str().get(..4).unwrap_or_default();
                chars = chars.as_str().get(4..).unwrap_or_default().chars();
                u16::from_str_radix(digits, 16).unwrap_or(0xfffd)
            }
            // A quote, a slash or a backslash stands for itself.
            Some(other) => u16::try_from(u32::from(other)).unwrap_or(0xfffd),
            None => break,
        });
    }
    String::from_utf16_lossy(&units)
}

/// Appends `text` as a JSON string, quotes included.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // Writing to a String cannot fail.
            c if c.is_control() => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::Reader;

    fn decoded(json: &str) -> String {
        Reader::new(json).string().unwrap().decoded().into_owned()
    }

    #[test]
    fn every_escape_is_understood() {
        assert_eq!(decoded(r#""a\"\\\/\b\f\n\r\t\u00e4""#), "a\"\\/\u{8}\u{c}\n\r\tä");
        assert_eq!(decoded(r#""\ud83d\ude00 😀""#), "😀 😀");
        assert_eq!(decoded(r#""\ud83d-""#), "\u{fffd}-");
    }

    #[test]
    fn an_escaped_key_is_the_key_it_means() {
        let text = Reader::new(r#""d\u0069st""#).string().unwrap();
        assert!(text.is("dist"));
        assert!(!text.is("d\\u0069st"));
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_again(text in any::<String>()) {
            let mut json = String::new();
            quote(&text, &mut json);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text.clone());
            prop_assert_eq!(decoded(&json), text);
        }
    }
}

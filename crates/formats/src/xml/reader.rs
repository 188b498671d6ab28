//! The walk over one text.

use super::characters::{self, Refusal, white_space};
use super::declaration::{self, Markup};
use super::tag::{self, Tag};
use super::text::Text;
use crate::json::Span;

/// Why a text is not the XML that was expected, and where.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct XmlError {
    /// One lower-case phrase.
    pub reason: &'static str,
    /// The offset in the text.
    pub offset: usize,
}

/// What comes next in a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event<'t> {
    /// An element begins.
    Start(Tag<'t>),
    /// An element ends, also one that was written as a single tag.
    End {
        /// Its name, with its prefix.
        name: &'t str,
        /// Where its end tag begins; behind the start tag if it has none.
        at: usize,
    },
    /// Characters inside of an element.
    Text(Text<'t>),
}

/// Walks over an XML text with one root element, from left to right, and checks all of it.
/// Comments and instructions are stepped over.
#[derive(Debug)]
pub struct Reader<'t> {
    text: &'t str,
    at: usize,
    open: Vec<&'t str>,
    ends_now: bool,
    is_begun: bool,
}

impl<'t> Reader<'t> {
    /// The most elements that may be open at once.
    pub const MAX_DEPTH: usize = 64;

    /// Starts before the root element of `text`.
    pub fn new(text: &'t str) -> Self {
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { text, at, open: Vec::new(), ends_now: false, is_begun: false }
    }

    /// Reads a body of bytes, which have to be UTF-8.
    pub fn of_bytes(bytes: &'t [u8]) -> Result<Self, XmlError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| XmlError { reason: "not UTF-8", offset: error.valid_up_to() })?;
        Ok(Self::new(text))
    }

    /// The offset behind the last event.
    pub fn position(&self) -> usize {
        self.at
    }

    /// How many elements are open.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// What comes next; `None` behind the end of the document.
    #[expect(clippy::should_implement_trait, reason = "an iterator could go on behind an error")]
    pub fn next(&mut self) -> Result<Option<Event<'t>>, XmlError> {
        if self.ends_now {
            self.ends_now = false;
            return Ok(self.open.pop().map(|name| Event::End { name, at: self.at }));
        }
        loop {
            let left = self.left();
            match left.as_bytes() {
                [] => return self.finish(),
                [b'<', b'/', ..] => return self.end_tag().map(Some),
                [b'<', b'!' | b'?', ..] => {
                    if let Some(text) = self.markup()? {
                        return Ok(Some(Event::Text(text)));
                    }
                }
                [b'<', ..] => return self.start_tag().map(Some),
                bytes => {
                    let length = memchr::memchr(b'<', bytes).unwrap_or(bytes.len());
                    if let Some(text) = self.text_until(length)? {
                        return Ok(Some(Event::Text(text)));
                    }
                }
            }
        }
    }

    /// Reads on to the end of the innermost open element, its end included, and gives the text that
    /// stands directly in it.
    pub fn text(&mut self) -> Result<String, XmlError> {
        let depth = self.depth();
        let mut out = String::new();
        while self.depth() >= depth && depth > 0 {
            match self.next()? {
                Some(Event::Text(text)) if self.depth() == depth => out.push_str(&text.decoded()),
                Some(_) => {}
                None => break,
            }
        }
        Ok(out)
    }

    /// Steps over what is left of the innermost open element, its end included.
    pub fn skip(&mut self) -> Result<(), XmlError> {
        let depth = self.depth();
        while self.depth() >= depth && depth > 0 && self.next()?.is_some() {}
        Ok(())
    }

    /// The next element that begins directly inside of the innermost open one; `None`, and the open
    /// one closed, if there is no more. What begins has to be read whole or skipped.
    pub fn child(&mut self) -> Result<Option<Tag<'t>>, XmlError> {
        loop {
            match self.next()? {
                Some(Event::Start(tag)) => return Ok(Some(tag)),
                Some(Event::End { .. }) | None => return Ok(None),
                Some(Event::Text(_)) => {}
            }
        }
    }

    fn finish(&self) -> Result<Option<Event<'t>>, XmlError> {
        if !self.open.is_empty() || !self.is_begun {
            return Err(self.error("the text ends too early"));
        }
        Ok(None)
    }

    fn start_tag(&mut self) -> Result<Event<'t>, XmlError> {
        let left = self.left();
        if self.open.is_empty() && self.is_begun {
            return Err(self.error("a second root element"));
        }
        if self.open.len() == Self::MAX_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        let length =
            tag_length(left.as_bytes()).ok_or_else(|| self.error("a tag without an end"))?;
        let is_empty = left.get(..length).is_some_and(|tag| tag.ends_with("/>"));
        let name_length = self.checked(1, characters::name(after(left, 1).as_bytes()))?;
        let inside = length - 1 - usize::from(is_empty);
        let attributes = left.get(1 + name_length..inside).unwrap_or_default();
        self.checked(1 + name_length, tag::check(attributes))?;
        let name = left.get(1..=name_length).unwrap_or_default();
        let span = Span { start: self.at, end: self.at + length };
        self.open.push(name);
        self.is_begun = true;
        self.ends_now = is_empty;
        self.at += length;
        Ok(Event::Start(Tag { name, span, is_empty, attributes }))
    }

    fn end_tag(&mut self) -> Result<Event<'t>, XmlError> {
        let left = self.left();
        let at = self.at;
        let length = memchr::memchr(b'>', left.as_bytes())
            .ok_or_else(|| self.error("a tag without an end"))?;
        let name = left.get(2..length).unwrap_or_default().trim_end();
        match self.open.pop() {
            Some(open) if open == name => {
                self.at += length + 1;
                Ok(Event::End { name: open, at })
            }
            _ => Err(self.error("an end tag that closes nothing")),
        }
    }

    fn text_until(&mut self, length: usize) -> Result<Option<Text<'t>>, XmlError> {
        let raw = self.left().get(..length).unwrap_or_default();
        if self.open.is_empty() {
            if white_space(raw.as_bytes()) != raw.len() {
                return Err(self.error("a text outside of the root element"));
            }
            self.at += length;
            return Ok(None);
        }
        self.checked(0, characters::content(raw))?;
        self.at += length;
        Ok(Some(Text { raw, is_literal: false }))
    }

    /// Steps over a comment or the like; gives literal character data.
    fn markup(&mut self) -> Result<Option<Text<'t>>, XmlError> {
        let left = self.left();
        let found = self.checked(0, declaration::markup(left.as_bytes()))?;
        let (kind, length) = found.ok_or_else(|| self.error("the text ends too early"))?;
        let markup = left.get(..length).unwrap_or_default();
        let is_first = self.text.get(..self.at).is_some_and(|b| b.is_empty() || b == "\u{feff}");
        if is_first && declaration::is_declaration(markup.as_bytes()) {
            self.checked(0, declaration::check_declaration(markup))?;
            self.at += length;
            return Ok(None);
        }
        self.checked(0, declaration::check(markup))?;
        let literal = match kind {
            Markup::DocumentType if self.is_begun => {
                return Err(self.error("a document type inside of a document"));
            }
            Markup::Ignored | Markup::DocumentType => None,
            Markup::Literal if self.open.is_empty() => {
                return Err(self.error("a text outside of the root element"));
            }
            Markup::Literal => {
                let raw = markup.get(9..length - 3).unwrap_or_default();
                Some(Text { raw, is_literal: true })
            }
        };
        self.at += length;
        Ok(literal)
    }

    fn left(&self) -> &'t str {
        after(self.text, self.at)
    }

    fn checked<T>(&self, into: usize, result: Result<T, Refusal>) -> Result<T, XmlError> {
        result.map_err(|(more, reason)| XmlError { reason, offset: self.at + into + more })
    }

    fn error(&self, reason: &'static str) -> XmlError {
        XmlError { reason, offset: self.at }
    }
}

fn after(text: &str, at: usize) -> &str {
    text.get(at..).unwrap_or_default()
}

/// The length of the start tag at the beginning of `bytes`; `None` if it does not end there.
pub(super) fn tag_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        let found = at + memchr::memchr3(b'>', b'"', b'\'', bytes.get(at..)?)?;
        match bytes.get(found)? {
            b'>' => return Some(found + 1),
            quote => at = found + 2 + memchr::memchr(*quote, bytes.get(found + 1..)?)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn walk(text: &str) -> Result<Vec<String>, XmlError> {
        let mut reader = Reader::new(text);
        let mut seen = Vec::new();
        while let Some(event) = reader.next()? {
            seen.push(match event {
                Event::Start(tag) => {
                    let attributes: Vec<String> = tag
                        .raw_attributes()
                        .map(|(name, _)| format!(" {name}={}", tag.attribute(name).unwrap()))
                        .collect();
                    format!("<{}{}", tag.name, attributes.concat())
                }
                Event::End { name, .. } => format!(">{name}"),
                Event::Text(text) => text.decoded().into_owned(),
            });
        }
        Ok(seen)
    }

    #[test]
    fn a_document_is_read_event_by_event() {
        let text = "\u{feff}<?xml version=\"1.0\" encoding='UTF-8'?>\n<!DOCTYPE c PUBLIC \"-//A>\" \
                    'c.dtd'>\n<!-- one --><r:a x = \"1 &gt; &#x41;\" y='\"'>t&amp;\u{e4}<b/>\
                    <![CDATA[<&]]><?php echo?></r:a >\n";
        let expected =
            ["<r:a x=1 > A y=\"", "t&\u{e4}", "<b", ">b", "<&", ">r:a"].map(str::to_owned);
        assert_eq!(walk(text).unwrap(), expected);
    }

    #[test]
    fn what_is_not_well_formed_is_refused_with_its_place() {
        let table = [
            ("", "the text ends too early at byte 0"),
            ("<a>", "the text ends too early at byte 3"),
            ("<a></b>", "an end tag that closes nothing at byte 3"),
            ("</a>", "an end tag that closes nothing at byte 0"),
            ("<a/><b/>", "a second root element at byte 4"),
            ("<a/>x", "a text outside of the root element at byte 4"),
            ("<a", "a tag without an end at byte 0"),
            ("<a x>", "an attribute without a value at byte 4"),
            ("<a x=1>", "a value without quotes at byte 5"),
            ("<a x='1'y='2'>", "attributes without white space between them at byte 8"),
            ("<a x='1' x='2'>", "an attribute that is given twice at byte 8"),
            ("<a x='<'>", "a \"<\" in the value of an attribute at byte 6"),
            ("<a x='&b;'>", "a reference to an unknown entity at byte 6"),
            ("<1/>", "a name is missing at byte 1"),
            ("<a:/>", "a name with a misplaced colon at byte 1"),
            ("<a:b:c/>", "a name with a misplaced colon at byte 1"),
            ("<\u{e4}/>", "a name is missing at byte 1"),
            ("<a>&b;</a>", "a reference to an unknown entity at byte 3"),
            ("<a>&#0;</a>", "a reference to an unknown entity at byte 3"),
            ("<a>&#+9;</a>", "a reference to an unknown entity at byte 3"),
            ("<a>& </a>", "a reference to an unknown entity at byte 3"),
            ("<a>]]></a>", "\"]]>\" in a text at byte 5"),
            ("<a>\u{1}</a>", "a character that XML does not allow at byte 3"),
            ("<a>\u{ffff}</a>", "a character that XML does not allow at byte 3"),
            ("<a><!-- -- --></a>", "two hyphens in a comment at byte 3"),
            (
                "<a><?xml version='1.0'?></a>",
                "an XML declaration that is not at the beginning at byte 3",
            ),
            ("<?xml version='1.1'?><a/>", "not XML 1.0 at byte 0"),
            ("<?xml encoding='latin1'?><a/>", "an encoding other than UTF-8 at byte 0"),
            (
                "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>",
                "a document type that declares something at byte 12",
            ),
            ("<a><!DOCTYPE a></a>", "a document type inside of a document at byte 3"),
            ("<a><!ENTITY b 'c'></a>", "a declaration that is not allowed here at byte 3"),
        ];
        for (text, reason) in table {
            assert_eq!(walk(text).unwrap_err().to_string(), reason, "{text:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(walk(&nested(Reader::MAX_DEPTH)).is_ok());
        assert_eq!(walk(&nested(Reader::MAX_DEPTH + 1)).unwrap_err().reason, "nested too deeply");
        assert!(walk(&"<a>".repeat(1_000_000)).is_err());
    }

    #[test]
    fn children_are_read_or_skipped() {
        let mut reader = Reader::new("<r> <a>1<x>2</x>3</a><b><c/></b><d/></r>");
        reader.next().unwrap();
        let mut seen = Vec::new();
        while let Some(tag) = reader.child().unwrap() {
            match tag.name {
                "a" => seen.push(reader.text().unwrap()),
                _ => reader.skip().unwrap(),
            }
            seen.push(tag.name.to_owned());
        }
        assert_eq!(seen, ["13", "a", "b", "d"]);
        assert_eq!(reader.next().unwrap(), None);
    }

    proptest! {
        #[test]
        fn escaped_text_is_read_back(text in "\\PC{0,40}") {
            let mut document = String::from("<a b=\"");
            super::super::escape(&text, &mut document);
            document.push_str("\">");
            super::super::escape(&text, &mut document);
            document.push_str("</a>");
            let mut reader = Reader::new(&document);
            let Some(Event::Start(tag)) = reader.next().unwrap() else { panic!("no element") };
            prop_assert_eq!(tag.attribute("b").unwrap(), text.as_str());
            prop_assert_eq!(reader.text().unwrap(), text);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[<>/!?&;#a:=\"' \\[\\]-]{0,24}") {
            let _ = walk(&text);
        }
    }
}

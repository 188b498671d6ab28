//! Cutting a stream into the children of its root element.

use std::io::{self, Read};

use super::characters::white_space;
use super::declaration::{self, Markup};
use super::reader::tag_length;
use super::{Event, Reader, Tag, XmlError};

/// The first capacity of the window.
const WINDOW: usize = 256 * 1024;

/// Why a stream could not be cut.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// It is not XML.
    #[error("{reason} at byte {offset}")]
    Syntax {
        /// One lower-case phrase.
        reason: &'static str,
        /// The offset in the stream.
        offset: u64,
    },
    /// An element is larger than the caller admits.
    #[error("an element of more than {limit} bytes at byte {offset}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// The offset in the stream.
        offset: u64,
    },
    /// It could not be read.
    #[error("the stream cannot be read")]
    Io(#[from] io::Error),
}

/// Hands out the children of the root element of a stream, one after the other, each as the text that
/// it is. They are found by their tags alone: who copies or believes one walks over it with a
/// [`Reader`], which checks it. Comments and instructions between children are dropped.
#[derive(Debug)]
pub struct Children<R> {
    source: R,
    window: Vec<u8>,
    start: usize,
    end: usize,
    /// The offset of the window's start in the stream.
    offset: u64,
    is_drained: bool,
    limit: usize,
    root: String,
    is_over: bool,
}

impl<R: Read> Children<R> {
    /// Reads everything up to the start tag of the root element. No child may have more than
    /// `limit` bytes.
    pub fn open(source: R, limit: usize) -> Result<Self, StreamError> {
        let window = vec![0; WINDOW.min(limit.max(1))];
        let mut children = Self {
            source,
            window,
            start: 0,
            end: 0,
            offset: 0,
            is_drained: false,
            limit,
            root: String::new(),
            is_over: false,
        };
        children.prolog()?;
        Ok(children)
    }

    /// The start tag of the root element. Its `span` counts from the tag itself.
    pub fn root(&self) -> Result<Tag<'_>, XmlError> {
        match Reader::new(&self.root).next()? {
            Some(Event::Start(tag)) => Ok(tag),
            _ => Err(XmlError { reason: "a root element is missing", offset: 0 }),
        }
    }

    /// The next child; `None` behind the end of the document, which is then known to be complete.
    #[expect(clippy::should_implement_trait, reason = "a child borrows the window")]
    pub fn next(&mut self) -> Result<Option<&str>, StreamError> {
        if self.is_over {
            return Ok(None);
        }
        self.step_over_markup()?;
        self.want(2)?;
        match self.held() {
            [b'<', b'/', ..] => {
                self.close_root()?;
                Ok(None)
            }
            [b'<', ..] => {
                let length = self.element_length()?;
                self.take(length).map(Some)
            }
            [] => Err(self.error("the document ends too early")),
            _ => Err(self.error("a text between elements")),
        }
    }

    fn prolog(&mut self) -> Result<(), StreamError> {
        self.want(6)?;
        if self.held().starts_with(b"\xef\xbb\xbf") {
            self.advance(3);
            self.want(6)?;
        }
        if declaration::is_declaration(self.held()) {
            let declaration = self.whole_markup()?.1;
            let offset = self.offset;
            let text = self.take(declaration)?;
            declaration::check_declaration(text)
                .map_err(|(_, reason)| StreamError::Syntax { reason, offset })?;
        }
        self.step_over_markup()?;
        if self.held().first() != Some(&b'<') {
            return Err(self.error("a root element is missing"));
        }
        let length = self.whole_tag(0)?;
        self.root = self.take(length)?.to_owned();
        let tag = self.root();
        let tag = tag.map_err(|error| self.error(error.reason))?;
        self.is_over = tag.is_empty;
        if self.is_over { self.only_markup_follows() } else { Ok(()) }
    }

    fn close_root(&mut self) -> Result<(), StreamError> {
        let length = self.whole_tag(0)?;
        let tag = self.take(length)?;
        let name = tag.get(2..length - 1).unwrap_or_default().trim_end().to_owned();
        if self.root().is_ok_and(|root| root.name != name) {
            return Err(self.error("an end tag that closes nothing"));
        }
        self.is_over = true;
        self.only_markup_follows()
    }

    fn only_markup_follows(&mut self) -> Result<(), StreamError> {
        self.step_over_markup()?;
        if self.held().is_empty() {
            return Ok(());
        }
        Err(self.error("something follows the document"))
    }

    /// Steps over white space, comments, instructions and, before the root element, a document type.
    fn step_over_markup(&mut self) -> Result<(), StreamError> {
        loop {
            self.want(2)?;
            let white = white_space(self.held());
            if white > 0 {
                self.advance(white);
                continue;
            }
            if !matches!(self.held(), [b'<', b'!' | b'?', ..]) {
                return Ok(());
            }
            match self.whole_markup()? {
                (Markup::Literal, _) => return Err(self.error("a text between elements")),
                (Markup::DocumentType, _) if !self.root.is_empty() => {
                    return Err(self.error("a document type inside of a document"));
                }
                (Markup::Ignored | Markup::DocumentType, length) => self.advance(length),
            }
        }
    }

    fn whole_markup(&mut self) -> Result<(Markup, usize), StreamError> {
        loop {
            let found = declaration::markup(self.held());
            match found.map_err(|(_, reason)| self.error(reason))? {
                Some(found) => return Ok(found),
                None => self.more()?,
            }
        }
    }

    /// The offset behind the tag that begins `from` bytes into the window.
    fn whole_tag(&mut self, from: usize) -> Result<usize, StreamError> {
        loop {
            match tag_length(self.held().get(from..).unwrap_or_default()) {
                Some(length) => return Ok(from + length),
                None => self.more()?,
            }
        }
    }

    /// The length of the element at the beginning of the window.
    fn element_length(&mut self) -> Result<usize, StreamError> {
        let mut at = 0;
        let mut depth = 0_usize;
        loop {
            let left = self.held().get(at..).unwrap_or_default();
            let Some(next) = memchr::memchr(b'<', left) else {
                self.more()?;
                continue;
            };
            at += next;
            self.want(at + 2)?;
            match self.held().get(at + 1) {
                Some(b'/') => {
                    at = self.whole_tag(at)?;
                    depth = depth.saturating_sub(1);
                }
                Some(b'!' | b'?') => at = self.whole_inner_markup(at)?,
                _ => {
                    at = self.whole_tag(at)?;
                    let is_empty = self.held().get(..at).is_some_and(|tag| tag.ends_with(b"/>"));
                    depth += usize::from(!is_empty);
                }
            }
            if depth == 0 {
                return Ok(at);
            }
            if depth > Reader::MAX_DEPTH {
                return Err(self.error("nested too deeply"));
            }
        }
    }

    fn whole_inner_markup(&mut self, from: usize) -> Result<usize, StreamError> {
        loop {
            let found = declaration::markup(self.held().get(from..).unwrap_or_default());
            match found.map_err(|(_, reason)| self.error(reason))? {
                Some((_, length)) => return Ok(from + length),
                None => self.more()?,
            }
        }
    }

    fn held(&self) -> &[u8] {
        self.window.get(self.start..self.end).unwrap_or_default()
    }

    fn advance(&mut self, length: usize) {
        self.start += length;
        self.offset += length as u64;
    }

    fn take(&mut self, length: usize) -> Result<&str, StreamError> {
        let (start, offset) = (self.start, self.offset);
        self.advance(length);
        let bytes = self.window.get(start..start + length).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| StreamError::Syntax { reason: "not UTF-8", offset })
    }

    /// Makes sure that `count` bytes are held unless the stream ends before.
    fn want(&mut self, count: usize) -> Result<(), StreamError> {
        while self.held().len() < count && !self.is_drained {
            self.fill()?;
        }
        Ok(())
    }

    /// Reads more of what has begun.
    fn more(&mut self) -> Result<(), StreamError> {
        if self.is_drained {
            return Err(self.error("the document ends too early"));
        }
        self.fill()
    }

    /// Moves what is held to the front, doubles the window if it is full, and fills it. Whole fills
    /// keep the number of times that an unfinished tag is looked at logarithmic.
    fn fill(&mut self) -> Result<(), StreamError> {
        self.window.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.window.len() {
            if self.end >= self.limit {
                return Err(StreamError::TooLarge { limit: self.limit, offset: self.offset });
            }
            let doubled = self.window.len().saturating_mul(2).min(self.limit);
            self.window.resize(doubled, 0);
        }
        while let Some(room) = self.window.get_mut(self.end..).filter(|room| !room.is_empty()) {
            match self.source.read(room) {
                Ok(0) => {
                    self.is_drained = true;
                    break;
                }
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn error(&self, reason: &'static str) -> StreamError {
        StreamError::Syntax { reason, offset: self.offset }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives one byte at a time, as the most awkward of all sources.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let (Some(byte), Some(room)) = (self.0.first(), buffer.first_mut()) else {
                return Ok(0);
            };
            *room = *byte;
            self.0 = &self.0[1..];
            Ok(1)
        }
    }

    fn cut(text: &str, limit: usize) -> Result<Vec<String>, StreamError> {
        let mut children = Children::open(Drip(text.as_bytes()), limit)?;
        let mut seen = Vec::new();
        while let Some(child) = children.next()? {
            seen.push(child.to_owned());
        }
        Ok(seen)
    }

    const DOCUMENT: &str = "<?xml version=\"1.0\"?>\n<!DOCTYPE m SYSTEM 'x'>\n<m a='>'>\n <p x='/>'>\
                            <q/>&lt;<![CDATA[</p>]]><!-- </p> --></p> <!-- - -->\n<p/>\n</m >\n";

    #[test]
    fn children_are_handed_out_as_they_are() {
        let children = cut(DOCUMENT, 200).unwrap();
        assert_eq!(children, ["<p x='/>'><q/>&lt;<![CDATA[</p>]]><!-- </p> --></p>", "<p/>"]);
        let opened = Children::open(DOCUMENT.as_bytes(), 200).unwrap();
        assert_eq!(opened.root().unwrap().attribute("a").unwrap(), ">");
    }

    #[test]
    fn an_empty_root_has_no_children() {
        assert!(cut("<m/>", 100).unwrap().is_empty());
        assert!(cut("<m></m>", 100).unwrap().is_empty());
    }

    #[test]
    fn what_is_larger_than_the_limit_is_refused() {
        let large = format!("<m><p>{}</p></m>", "x".repeat(1000));
        assert!(matches!(cut(&large, 500), Err(StreamError::TooLarge { limit: 500, .. })));
        assert!(cut(&large, 1100).is_ok());
        let endless = format!("<m><p a='{}", "x".repeat(10_000));
        assert!(matches!(cut(&endless, 500), Err(StreamError::TooLarge { .. })));
    }

    #[test]
    fn broken_streams_are_refused() {
        for text in [
            "",
            "x",
            "<m",
            "<m>",
            "<m><p></p>",
            "<m><p>",
            "<m></n>",
            "<m/>x",
            "<m></m><m/>",
            "<m>text</m>",
            "<m><![CDATA[x]]></m>",
            "<m><!DOCTYPE m></m>",
            "<!DOCTYPE m [<!ENTITY a 'b'>]><m/>",
            "<?xml version='1.0' encoding='latin1'?><m/>",
            "\u{feff}\u{feff}<m/>",
        ] {
            assert!(cut(text, 1000).is_err(), "{text:?}");
        }
        let deep = format!("<m>{}", "<p>".repeat(100_000));
        assert!(cut(&deep, 1 << 20).is_err());
        assert!(Children::open(&b"<m>\xff</m>"[..], 100).unwrap().next().is_err());
        assert!(Children::open(&b"<m><p>\xff</p></m>"[..], 100).unwrap().next().is_err());
    }

    proptest! {
        #[test]
        fn a_stream_that_breaks_off_is_never_taken_for_a_whole_one(at in 0..DOCUMENT.len() - 2) {
            prop_assert!(cut(&DOCUMENT[..at], 200).is_err());
        }

        #[test]
        fn any_stream_is_cut_or_refused(text in "[<>/!?&;#am:=\"' \\[\\]-]{0,40}") {
            let _ = cut(&format!("<m>{text}"), 64);
        }
    }
}

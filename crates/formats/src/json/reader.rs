//! The walk over a document.

use super::{Span, Text, scalar};

/// Why a text is not the JSON that was expected, and where.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct JsonError {
    /// One lower-case phrase.
    pub reason: &'static str,
    /// The offset in the text.
    pub offset: usize,
}

/// The six kinds of value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Members by name.
    Object,
    /// Elements in order.
    Array,
    /// A text.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`.
    Null,
}

/// Walks over a JSON text once, from left to right. Objects and arrays call back for
/// every member; a value that the callback does not read is skipped, and checked all the same.
/// Equal keys are all reported, in order: what they mean is the caller's decision.
#[derive(Debug)]
pub struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    /// The most objects and arrays that may be open at once.
    pub const MAX_DEPTH: usize = 64;

    /// Starts before the first value of `text`.
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// What the next value is, judged by its first character.
    pub fn kind(&mut self) -> Result<Kind, JsonError> {
        self.skip_white_space();
        match self.peek() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            Some(_) => Err(self.error("not a value")),
            None => Err(self.error("the text ends too early")),
        }
    }

    /// Checks the next value, whatever it is, and says where it is.
    pub fn skip(&mut self) -> Result<Span, JsonError> {
        let kind = self.kind()?;
        let start = self.at;
        match kind {
            Kind::Object => return self.object(|_, _| Ok::<(), JsonError>(())),
            Kind::Array => return self.array(|_| Ok::<(), JsonError>(())),
            Kind::String => return self.string().map(|text| text.span()),
            Kind::Number => self.at += self.checked(scalar::number(self.left()))?,
            Kind::Bool | Kind::Null => self.at += self.checked(scalar::literal(self.left()))?,
        }
        Ok(Span { start, end: self.at })
    }

    /// Reads the next value, which must be a string.
    pub fn string(&mut self) -> Result<Text<'t>, JsonError> {
        self.skip_white_space();
        if self.peek() != Some(b'"') {
            return Err(self.error("not a string"));
        }
        let start = self.at;
        let (length, escaped) = self.checked(scalar::string(self.left()))?;
        self.at += length;
        let inner = Span { start: start + 1, end: self.at - 1 };
        Ok(Text::new(inner.of(self.text), start, escaped))
    }

    /// Reads the next value when it is a string, and skips it otherwise.
    pub fn string_or_skip(&mut self) -> Result<Option<Text<'t>>, JsonError> {
        if self.kind()? == Kind::String {
            return self.string().map(Some);
        }
        self.skip()?;
        Ok(None)
    }

    /// Reads the next value, which must be an object, and calls `visit` for every member with
    /// the reader before its value. The callback reads that value whole or not at all.
    pub fn object<E: From<JsonError>>(
        &mut self,
        mut visit: impl FnMut(Text<'t>, &mut Self) -> Result<(), E>,
    ) -> Result<Span, E> {
        let start = self.open(b'{', "not an object")?;
        if !self.closes(b'}') {
            loop {
                let key = self.string()?;
                self.expect(b':', "a colon is missing")?;
                self.visit_value(|reader| visit(key, reader))?;
                if !self.continues(b'}')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(Span { start, end: self.at })
    }

    /// Reads the next value, which must be an array, and calls `visit` for every element with
    /// the reader before it. The callback reads that element whole or not at all.
    pub fn array<E: From<JsonError>>(
        &mut self,
        mut visit: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<Span, E> {
        let start = self.open(b'[', "not an array")?;
        if !self.closes(b']') {
            loop {
                self.visit_value(&mut visit)?;
                if !self.continues(b']')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(Span { start, end: self.at })
    }

    /// Makes sure that nothing but white space is left.
    pub fn finish(mut self) -> Result<(), JsonError> {
        self.skip_white_space();
        if self.at < self.text.len() {
            return Err(self.error("something follows the document"));
        }
        Ok(())
    }

    fn visit_value<E: From<JsonError>>(
        &mut self,
        visit: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.skip_white_space();
        let start = self.at;
        visit(self)?;
        if self.at == start {
            self.skip()?;
        }
        Ok(())
    }

    fn open(&mut self, bracket: u8, reason: &'static str) -> Result<usize, JsonError> {
        self.skip_white_space();
        if self.peek() != Some(bracket) {
            return Err(self.error(reason));
        }
        if self.depth == Self::MAX_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        self.depth += 1;
        self.at += 1;
        Ok(self.at - 1)
    }

    fn closes(&mut self, bracket: u8) -> bool {
        self.skip_white_space();
        let closes = self.peek() == Some(bracket);
        self.at += usize::from(closes);
        closes
    }

    fn continues(&mut self, bracket: u8) -> Result<bool, JsonError> {
        if self.closes(bracket) {
            return Ok(false);
        }
        self.expect(b',', "a comma is missing")?;
        Ok(true)
    }

    fn expect(&mut self, byte: u8, reason: &'static str) -> Result<(), JsonError> {
        self.skip_white_space();
        if self.peek() != Some(byte) {
            return Err(self.error(reason));
        }
        self.at += 1;
        Ok(())
    }

    fn skip_white_space(&mut self) {
        self.at += scalar::white_space(self.left());
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn left(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn checked<T>(&self, scanned: Result<T, scalar::Refusal>) -> Result<T, JsonError> {
        scanned.map_err(|(into, reason)| JsonError { reason, offset: self.at + into })
    }

    fn error(&self, reason: &'static str) -> JsonError {
        JsonError { reason, offset: self.at }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn check(text: &str) -> Result<Span, JsonError> {
        let mut reader = Reader::new(text);
        let span = reader.skip()?;
        reader.finish()?;
        Ok(span)
    }

    #[test]
    fn members_are_found_and_the_rest_is_skipped() {
        let text = r#" {"a": [1, {"b": "x"}], "c" : {"d": -1.5e+3} , "a": null} "#;
        let mut seen = Vec::new();
        let mut reader = Reader::new(text);
        let whole = reader
            .object(|key, value| {
                if key.is("c") {
                    value.object(|_, value| {
                        seen.push(value.skip()?.of(text).to_owned());
                        Ok::<(), JsonError>(())
                    })?;
                }
                seen.push(key.decoded().into_owned());
                Ok::<(), JsonError>(())
            })
            .unwrap();
        reader.finish().unwrap();
        assert_eq!(seen, ["a", "-1.5e+3", "c", "a"]);
        assert_eq!(whole.of(text), text.trim());
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        let table = [
            ("", "the text ends too early at byte 0"),
            ("{} x", "something follows the document at byte 3"),
            ("{}{}", "something follows the document at byte 2"),
            ("[1,]", "not a value at byte 3"),
            ("[1 2]", "a comma is missing at byte 3"),
            ("{\"a\" 1}", "a colon is missing at byte 5"),
            ("{\"a\":1,}", "not a string at byte 7"),
            ("{a:1}", "not a string at byte 1"),
            ("\"a", "a string without an end at byte 2"),
            ("\"a\n\"", "a control character in a string at byte 2"),
            ("\"\\x\"", "an unknown escape at byte 1"),
            ("\"\\u12g4\"", "an unknown escape at byte 1"),
            ("01", "a number with a leading zero at byte 0"),
            ("1.", "a number without digits at byte 2"),
            ("-", "a number without digits at byte 1"),
            ("1e", "a number without digits at byte 2"),
            ("nul", "not a value at byte 0"),
            ("truely", "something follows the document at byte 4"),
            ("\u{feff}{}", "not a value at byte 0"),
        ];
        for (text, reason) in table {
            assert_eq!(check(text).unwrap_err().to_string(), reason, "{text:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(check(&nested(Reader::MAX_DEPTH)).is_ok());
        assert_eq!(check(&nested(Reader::MAX_DEPTH + 1)).unwrap_err().reason, "nested too deeply");
        assert!(check(&"[".repeat(1_000_000)).is_err());
        assert!(check(&format!("[{}]", vec!["[]"; 1000].join(","))).is_ok());
    }

    #[test]
    fn a_string_is_read_and_anything_else_stepped_over() {
        let mut reader = Reader::new(r#"["a", {"b": 1}, "c"]"#);
        let mut found = Vec::new();
        reader
            .array(|element| {
                found.push(element.string_or_skip()?.map(|text| text.decoded().into_owned()));
                Ok::<(), JsonError>(())
            })
            .unwrap();
        assert_eq!(found, [Some("a".to_owned()), None, Some("c".to_owned())]);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9f64).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn everything_that_is_json_is_read(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty { format!("{value:#}") } else { value.to_string() };
            prop_assert_eq!(check(&text).map(|span| span.of(&text).to_owned()), Ok(text.clone()));
        }

        #[test]
        fn a_text_is_judged_as_any_other_parser_does(text in r#"[\[\]{}:,"\\ \n0-9.eE+\-a-fnlstru]{0,12}"#) {
            let expected = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            prop_assert_eq!(check(&text).is_ok(), expected, "{}", text);
        }
    }
}

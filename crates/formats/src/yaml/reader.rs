//! From YAML to JSON.

use std::borrow::Cow;
use std::collections::HashSet;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::quote;
use crate::json::Reader;

/// The prefix of the tags that YAML itself defines.
const CORE: &str = "tag:yaml.org,2002:";

/// Why a text is not the YAML that was expected, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason} in line {line}")]
pub struct YamlError {
    /// One lower-case phrase.
    pub reason: String,
    /// The number of the line, counted from one.
    pub line: usize,
}

impl From<ScanError> for YamlError {
    fn from(error: ScanError) -> Self {
        Self { reason: error.info().to_owned(), line: error.marker().line() }
    }
}

/// Turns the first document of `text` into JSON in which every scalar is a string exactly as it was
/// written, so that no version becomes a number and no date a time. Only a plain `null`, `~` or
/// nothing at all becomes `null`.
pub fn to_json(text: &str) -> Result<String, YamlError> {
    let mut writer =
        Writer { json: String::with_capacity(text.len() + text.len() / 8), open: Vec::new() };
    for event in Parser::new_from_str(text) {
        let (event, span) = event?;
        let is_over = matches!(event, Event::DocumentEnd | Event::StreamEnd);
        writer.write(event).map_err(|reason| error(reason, span))?;
        if is_over {
            break;
        }
    }
    if writer.json.is_empty() {
        writer.json.push_str("null");
    }
    Ok(writer.json)
}

fn error(reason: impl Into<String>, span: Span) -> YamlError {
    YamlError { reason: reason.into(), line: span.start.line() }
}

struct Writer<'t> {
    json: String,
    open: Vec<Collection<'t>>,
}

enum Collection<'t> {
    Sequence { is_empty: bool },
    Mapping { keys: HashSet<Cow<'t, str>>, awaits: Awaits },
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Awaits {
    Key,
    Value,
}

impl<'t> Writer<'t> {
    fn write(&mut self, event: Event<'t>) -> Result<(), &'static str> {
        match event {
            Event::Scalar(text, style, _, tag) => {
                check(tag.as_deref())?;
                self.scalar(text, style)?;
            }
            Event::SequenceStart(_, tag) => {
                check(tag.as_deref())?;
                self.begin(Collection::Sequence { is_empty: true }, '[')?;
            }
            Event::MappingStart(_, tag) => {
                check(tag.as_deref())?;
                let mapping = Collection::Mapping { keys: HashSet::new(), awaits: Awaits::Key };
                self.begin(mapping, '{')?;
            }
            Event::SequenceEnd => self.end(']'),
            Event::MappingEnd => self.end('}'),
            Event::Alias(_) => return Err("an alias is not allowed"),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn scalar(&mut self, text: Cow<'t, str>, style: ScalarStyle) -> Result<(), &'static str> {
        if let Some(Collection::Mapping { keys, awaits: awaits @ Awaits::Key }) =
            self.open.last_mut()
        {
            if !keys.is_empty() {
                self.json.push(',');
            }
            quote(&text, &mut self.json);
            self.json.push(':');
            *awaits = Awaits::Value;
            return if keys.insert(text) { Ok(()) } else { Err("a key is given twice") };
        }
        self.place_value()?;
        if style == ScalarStyle::Plain && is_null(&text) {
            self.json.push_str("null");
        } else {
            quote(&text, &mut self.json);
        }
        Ok(())
    }

    fn begin(&mut self, collection: Collection<'t>, bracket: char) -> Result<(), &'static str> {
        self.place_value()?;
        if self.open.len() == Reader::MAX_DEPTH {
            return Err("nested too deeply");
        }
        self.open.push(collection);
        self.json.push(bracket);
        Ok(())
    }

    fn end(&mut self, bracket: char) {
        self.open.pop();
        self.json.push(bracket);
    }

    /// Makes room for a value where the innermost collection stands.
    fn place_value(&mut self) -> Result<(), &'static str> {
        match self.open.last_mut() {
            Some(Collection::Mapping { awaits: Awaits::Key, .. }) => {
                return Err("a key is a collection");
            }
            Some(Collection::Mapping { awaits, .. }) => *awaits = Awaits::Key,
            Some(Collection::Sequence { is_empty: is_empty @ true }) => *is_empty = false,
            Some(Collection::Sequence { is_empty: false }) => self.json.push(','),
            None => {}
        }
        Ok(())
    }
}

fn is_null(plain: &str) -> bool {
    matches!(plain, "" | "~" | "null" | "Null" | "NULL")
}

/// Tags that change what a text means cannot be followed.
fn check(tag: Option<&Tag>) -> Result<(), &'static str> {
    let Some(tag) = tag else { return Ok(()) };
    let is_plain = tag.handle == CORE
        && matches!(
            tag.suffix.as_str(),
            "str" | "int" | "float" | "bool" | "null" | "timestamp" | "map" | "seq"
        );
    if is_plain { Ok(()) } else { Err("a tag is not known") }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn refused(yaml: &str) -> String {
        to_json(yaml).unwrap_err().to_string()
    }

    #[test]
    fn every_scalar_stays_as_it_was_written() {
        for (yaml, json) in [
            ("a: 1.10", r#"{"a":"1.10"}"#),
            (
                "a: 1e3\nb: 2024-01-01\nc: 0x1f\nd: yes",
                r#"{"a":"1e3","b":"2024-01-01","c":"0x1f","d":"yes"}"#,
            ),
            ("a: true\nb: .inf", r#"{"a":"true","b":".inf"}"#),
            ("a: 'it''s'\nb: \"\\u00e4\\n\"", r#"{"a":"it's","b":"ä\n"}"#),
            (
                "a:\nb: ~\nc: null\nd: 'null'\ne: ''",
                r#"{"a":null,"b":null,"c":null,"d":"null","e":""}"#,
            ),
            ("a: |\n  one\n  two\nb: >-\n  one\n  two", r#"{"a":"one\ntwo\n","b":"one two"}"#),
            ("a: one\n  two\n\n  three", r#"{"a":"one two\nthree"}"#),
            ("- [a, {b: c}]\n- - d\n  -\n- {}\n- []", r#"[["a",{"b":"c"}],["d",null],{},[]]"#),
            ("? a\n: b", r#"{"a":"b"}"#),
            ("1: a\n~: b", r#"{"1":"a","~":"b"}"#),
            ("a: !!str 1\nb: &x 2", r#"{"a":"1","b":"2"}"#),
            ("%YAML 1.1\n---\na: b\n...\n", r#"{"a":"b"}"#),
            ("a: b # comment\n--- \nc: d", r#"{"a":"b"}"#),
            ("", "null"),
            ("# nothing", "null"),
            ("text", "\"text\""),
            (r#"{"a":"b","c":["d"]}"#, r#"{"a":"b","c":["d"]}"#),
        ] {
            assert_eq!(to_json(yaml).as_deref(), Ok(json), "{yaml}");
        }
    }

    #[test]
    fn what_cannot_be_read_safely_is_refused_with_its_line() {
        for (yaml, reason) in [
            ("a: &x [b]\nc: *x", "an alias is not allowed in line 2"),
            ("a: b\nc: d\na: e", "a key is given twice in line 3"),
            ("x:\n- {a: b, a: c}", "a key is given twice in line 2"),
            ("? [a]\n: b", "a key is a collection in line 1"),
            ("a: !!binary aGk=", "a tag is not known in line 1"),
            ("a: !include x", "a tag is not known in line 1"),
            ("- !<tag:yaml.org,2002:python/object> {}", "a tag is not known in line 1"),
        ] {
            assert_eq!(refused(yaml), reason, "{yaml}");
        }
        for yaml in ["a: [b", "a: \"b", "a: b\n c: d: e", "a: @b", "a: {b: c}}", "- a\nb: c"] {
            assert!(to_json(yaml).is_err(), "{yaml}");
        }
    }

    #[test]
    fn hostile_documents_are_refused_in_time() {
        let bomb = format!(
            "a: &a [x,x,x,x,x,x,x,x,x]\n{}",
            ["b", "c", "d", "e", "f"].map(|name| format!("{name}: [*a,*a,*a,*a]\n")).concat()
        );
        let started = Instant::now();
        for yaml in [
            bomb,
            "[".repeat(1_000_000),
            "{a: ".repeat(300_000),
            "- ".repeat(1_000_000),
            "? ".repeat(1_000_000),
            format!("a: [{}", "b, ".repeat(300_000)),
            "&a ".repeat(300_000),
            "!".repeat(300_000),
            "\"".to_owned() + &"a ".repeat(500_000),
        ] {
            assert!(to_json(&yaml).is_err(), "{yaml:.20}");
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    }

    #[test]
    fn depth_is_bounded_as_in_json() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(to_json(&nested(Reader::MAX_DEPTH)).is_ok());
        assert_eq!(refused(&nested(Reader::MAX_DEPTH + 1)), "nested too deeply in line 1");
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_json(yaml in "[a-c:{}\\[\\],\"'&*!|>%?~ \n-]{0,30}") {
            if let Ok(json) = to_json(&yaml) {
                prop_assert!(serde_json::from_str::<Value>(&json).is_ok(), "{:?} {}", yaml, json);
            }
        }
    }
}

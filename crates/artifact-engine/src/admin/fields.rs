//! Reading a document field by field: every error is collected, none ends the reading.

use std::time::Duration;

use admin_types::{FieldError, closest, encode_component};
use serde_json::{Map, Value};

/// The longest duration: a year, in seconds.
const LONGEST: u64 = 31_536_000;
/// The longest short text, in bytes.
const SHORT_TEXT: usize = 4096;
/// The longest long text, in bytes.
const LONG_TEXT: usize = 256 << 10;
/// The most entries of a list.
const LONGEST_LIST: usize = 1000;

/// What a write says about a password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum PasswordChange {
    /// Nothing: the stored one stays.
    Keep,
    /// It is removed.
    Clear,
    /// It is replaced.
    Set(artifact_core::Secret),
}

/// A document being read. `null` counts as absent everywhere but in the password.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    document: &'a Map<String, Value>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(document: &'a Map<String, Value>) -> Self {
        Self { document, errors: Vec::new() }
    }

    /// Every error so far.
    pub(super) fn into_errors(self) -> Vec<FieldError> {
        self.errors
    }

    pub(super) fn is_flawless(&self) -> bool {
        self.errors.is_empty()
    }

    /// Notes an error at `place`, a pointer without its `#/`.
    pub(super) fn report(&mut self, place: &str, code: &str, detail: impl Into<String>) {
        self.errors.push(FieldError::new(format!("#/{place}"), code, detail));
    }

    /// The value of a field, if it is there and not `null`.
    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.document.get(name).filter(|value| !value.is_null())
    }

    /// Reports every field that is not `known`.
    pub(super) fn refuse_unknown(&mut self, known: &[&str]) {
        for name in self.document.keys().filter(|name| !known.contains(&name.as_str())) {
            let detail = match closest(name, known.iter().copied()) {
                Some(meant) => format!("unknown field, did you mean {meant:?}?"),
                None => "unknown field".to_owned(),
            };
            self.report(&escape(name), "unknown_field", detail);
        }
    }

    /// A text that must be there.
    pub(super) fn required_text(&mut self, name: &str) -> Option<&'a str> {
        match self.value(name) {
            None => {
                self.report(name, "required", "is required");
                None
            }
            Some(Value::String(text)) => self.bounded(name, text, SHORT_TEXT),
            Some(other) => self.mistyped(name, "a string", other),
        }
    }

    /// A short text; empty when it is not there.
    pub(super) fn text(&mut self, name: &str) -> String {
        self.optional_text(name, SHORT_TEXT)
    }

    /// A text of many lines; empty when it is not there.
    pub(super) fn long_text(&mut self, name: &str) -> String {
        self.optional_text(name, LONG_TEXT)
    }

    fn optional_text(&mut self, name: &str, longest: usize) -> String {
        let text = match self.value(name) {
            None => None,
            Some(Value::String(text)) => self.bounded(name, text, longest),
            Some(other) => self.mistyped(name, "a string", other),
        };
        text.unwrap_or_default().to_owned()
    }

    fn bounded(&mut self, place: &str, text: &'a str, longest: usize) -> Option<&'a str> {
        if text.len() > longest {
            let detail = format!("must have at most {longest} bytes, got {}", text.len());
            self.report(place, "out_of_range", detail);
            return None;
        }
        Some(text)
    }

    /// A switch.
    pub(super) fn switch(&mut self, name: &str) -> bool {
        match self.value(name) {
            None => false,
            Some(Value::Bool(value)) => *value,
            Some(other) => self.mistyped(name, "true or false", other).unwrap_or_default(),
        }
    }

    /// A duration in whole seconds.
    pub(super) fn seconds(&mut self, name: &str, default: Duration) -> Duration {
        let Some(value) = self.value(name) else { return default };
        let Value::Number(number) = value else {
            return self.mistyped(name, "a whole number", value).unwrap_or(default);
        };
        match number.as_u64() {
            Some(seconds) if seconds <= LONGEST => Duration::from_secs(seconds),
            None if number.is_f64() => {
                self.report(name, "wrong_type", format!("must be a whole number, got {number}"));
                default
            }
            _ => {
                let detail = format!("must be between 0 and {LONGEST}, got {number}");
                self.report(name, "out_of_range", detail);
                default
            }
        }
    }

    /// A list of texts, in the order given; entries that are no text are reported and left out.
    pub(super) fn texts(&mut self, name: &str) -> Vec<String> {
        let Some(value) = self.value(name) else { return Vec::new() };
        let Value::Array(entries) = value else {
            return self.mistyped(name, "a list of strings", value).unwrap_or_default();
        };
        if entries.len() > LONGEST_LIST {
            let detail = format!("must have at most {LONGEST_LIST} entries, got {}", entries.len());
            self.report(name, "out_of_range", detail);
            return Vec::new();
        }
        let mut texts = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let place = format!("{name}/{index}");
            let text = match entry {
                Value::String(text) => self.bounded(&place, text, SHORT_TEXT),
                other => self.mistyped(&place, "a string", other),
            };
            texts.extend(text.map(ToOwned::to_owned));
        }
        texts
    }

    /// The password; its text is never part of an error.
    pub(super) fn password(&mut self) -> PasswordChange {
        match self.document.get("password") {
            None => PasswordChange::Keep,
            Some(Value::Null) => PasswordChange::Clear,
            Some(Value::String(text)) if text.is_empty() => PasswordChange::Clear,
            Some(Value::String(text)) => {
                if text.len() > LONG_TEXT || text.chars().any(char::is_control) {
                    self.report("password", "bad_value", "must be one line of text");
                }
                PasswordChange::Set(artifact_core::Secret::new(text.as_str()))
            }
            Some(other) => {
                let found = type_name(other);
                self.report("password", "wrong_type", format!("must be a string, got {found}"));
                PasswordChange::Keep
            }
        }
    }

    fn mistyped<T>(&mut self, place: &str, wanted: &str, found: &Value) -> Option<T> {
        let detail = format!("must be {wanted}, got {}", type_name(found));
        self.report(place, "wrong_type", detail);
        None
    }
}

/// What kind of JSON value it is, in words.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A field's name as a segment of a JSON pointer in a URI fragment.
fn escape(name: &str) -> String {
    encode_component(&name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors_of(document: &Value, read: impl FnOnce(&mut Fields<'_>)) -> Vec<(String, String)> {
        let mut fields = Fields::new(document.as_object().unwrap());
        read(&mut fields);
        fields.into_errors().into_iter().map(|error| (error.pointer, error.code)).collect()
    }

    #[test]
    fn every_error_is_collected() {
        let document = json!({
            "ttl": -1, "long": 31_536_001, "half": 1.5, "word": 3, "list": ["a", 1], "flag": "yes",
            "a/b~c": 0, "number": "5",
        });
        let found = errors_of(&document, |fields| {
            fields.refuse_unknown(&["ttl", "long", "half", "word", "list", "flag", "number"]);
            for name in ["ttl", "long", "half", "number"] {
                fields.seconds(name, Duration::ZERO);
            }
            fields.required_text("missing");
            fields.text("word");
            fields.texts("list");
            fields.texts("word");
            fields.switch("flag");
        });
        let found: Vec<_> =
            found.iter().map(|(place, code)| (place.as_str(), code.as_str())).collect();
        assert_eq!(
            found,
            [
                ("#/a~1b~0c", "unknown_field"),
                ("#/ttl", "out_of_range"),
                ("#/long", "out_of_range"),
                ("#/half", "wrong_type"),
                ("#/number", "wrong_type"),
                ("#/missing", "required"),
                ("#/word", "wrong_type"),
                ("#/list/1", "wrong_type"),
                ("#/word", "wrong_type"),
                ("#/flag", "wrong_type"),
            ]
        );
    }

    #[test]
    fn null_is_absent_but_clears_a_password() {
        let document = json!({"ttl": null, "text": null, "password": null});
        let mut fields = Fields::new(document.as_object().unwrap());
        assert_eq!(fields.seconds("ttl", Duration::from_secs(7)).as_secs(), 7);
        assert_eq!(fields.text("text"), "");
        assert_eq!(fields.password(), PasswordChange::Clear);
        assert!(fields.is_flawless());
    }

    #[test]
    fn a_bad_password_is_not_quoted() {
        let document = json!({"password": "hunter2\r\nX-Header: 1"});
        let mut fields = Fields::new(document.as_object().unwrap());
        fields.password();
        let errors = fields.into_errors();
        assert_eq!(errors.len(), 1);
        assert!(!format!("{errors:?}").contains("hunter2"));
    }
}

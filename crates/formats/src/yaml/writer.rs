//! From JSON to YAML.

use super::quote;
use crate::json::{JsonError, Kind, Reader};

/// Writes a JSON text as YAML in block style. Every string is quoted, so that none is taken for
/// a number, a date or anything else, in YAML 1.1 neither.
pub fn from_json(json: &str) -> Result<String, JsonError> {
    let mut writer = Writer {
        json,
        yaml: String::with_capacity(json.len() + json.len() / 4),
        follows: Follows::Dash,
    };
    let mut reader = Reader::new(json);
    writer.value(&mut reader, 0)?;
    reader.finish()?;
    writer.yaml.push('\n');
    Ok(writer.yaml)
}

struct Writer<'t> {
    json: &'t str,
    yaml: String,
    follows: Follows,
}

/// What has been written last.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Follows {
    /// The dash of an element, with its space: the next thing stands on the same line. So does the
    /// beginning of the text.
    Dash,
    /// Anything else.
    Text,
}

impl<'t> Writer<'t> {
    fn value(&mut self, value: &mut Reader<'t>, indent: usize) -> Result<(), JsonError> {
        match value.kind()? {
            Kind::Object => self.mapping(value, indent),
            Kind::Array => self.sequence(value, indent),
            Kind::String => {
                self.space();
                quote(&value.string()?.decoded(), &mut self.yaml);
                Ok(())
            }
            Kind::Number | Kind::Bool | Kind::Null => {
                self.space();
                let literal = value.skip()?.of(self.json);
                self.yaml.push_str(literal);
                Ok(())
            }
        }
    }

    fn mapping(&mut self, value: &mut Reader<'t>, indent: usize) -> Result<(), JsonError> {
        let mut is_empty = true;
        value.object(|key, value| {
            is_empty = false;
            self.line(indent);
            self.key(&key.decoded());
            // A sequence stands under its key without being indented: its dashes show it.
            let inner = if value.kind()? == Kind::Array { indent } else { indent + 2 };
            self.value(value, inner)
        })?;
        if is_empty {
            self.space();
            self.yaml.push_str("{}");
        }
        Ok(())
    }

    fn sequence(&mut self, value: &mut Reader<'t>, indent: usize) -> Result<(), JsonError> {
        let mut is_empty = true;
        value.array(|element| {
            is_empty = false;
            self.line(indent);
            self.yaml.push_str("- ");
            self.follows = Follows::Dash;
            self.value(element, indent + 2)
        })?;
        if is_empty {
            self.space();
            self.yaml.push_str("[]");
        }
        Ok(())
    }

    fn key(&mut self, key: &str) {
        if is_plain(key) {
            self.yaml.push_str(key);
        } else {
            quote(key, &mut self.yaml);
        }
        self.yaml.push(':');
    }

    fn line(&mut self, indent: usize) {
        if std::mem::replace(&mut self.follows, Follows::Text) == Follows::Text {
            self.yaml.push('\n');
            self.yaml.extend(std::iter::repeat_n(' ', indent));
        }
    }

    fn space(&mut self) {
        if std::mem::replace(&mut self.follows, Follows::Text) == Follows::Text {
            self.yaml.push(' ');
        }
    }
}

/// Whether a key needs no quotes in any version of YAML.
fn is_plain(key: &str) -> bool {
    let begins_with_letter = key.starts_with(|first: char| first.is_ascii_alphabetic());
    let is_word = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let means_something = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
        .iter()
        .any(|meant| key.eq_ignore_ascii_case(meant));
    begins_with_letter && is_word && !means_something
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::yaml::to_json;

    #[test]
    fn collections_are_written_in_block_style() {
        let json = r#"{"entries":{"no":[{"name":"1.10","urls":["a","b"],"x":{}},[]],"b.c":[]},
            "removed":true,"n":-1.5e3,"lists":[["a",["b"]],null]}"#;
        let yaml = "entries:
  \"no\":
  - name: \"1.10\"
    urls:
    - \"a\"
    - \"b\"
    x: {}
  - []
  \"b.c\": []
removed: true
\"n\": -1.5e3
lists:
- - \"a\"
  - - \"b\"
- null
";
        assert_eq!(from_json(json).as_deref(), Ok(yaml));
        assert_eq!(from_json("{}").as_deref(), Ok("{}\n"));
        assert_eq!(from_json("\"\\/\"").as_deref(), Ok("\"/\"\n"));
        assert!(from_json("{").is_err());
        assert!(from_json("1 2").is_err());
    }

    fn any_texts() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<String>().prop_map(Value::from)];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::hash_map("[a-z\\-: \"#\u{e4}]{0,8}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in any_texts()) {
            let yaml = from_json(&value.to_string()).unwrap();
            let json = to_json(&yaml).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value, "{}", yaml);
        }
    }
}

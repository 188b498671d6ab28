//! Documents that parsers read differently.
//!
//! Some parsers take `Layers` for `layers` and others do not; a tree that is nested without end fells those that
//! recurse. Neither is any client's habit, so both are refused before the document is read.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::invalid;
use crate::Refusal;

/// The most objects and arrays that may be open at once.
const MAX_DEPTH: usize = 64;

/// The fields that decide what a manifest is and what it names.
const FIELDS: [&str; 10] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "blobs",
    "fsLayers",
    "subject",
    "annotations",
];

pub(super) fn check(text: &str) -> Result<(), Refusal> {
    if is_too_deep(text) {
        return Err(invalid("it is nested too deeply"));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let twin = deserializer.deserialize_map(FieldNames).map_err(|error| invalid(&error))?;
    match twin {
        Some(name) => Err(invalid(&format!("its field {name:.64} is written in another case"))),
        None => Ok(()),
    }
}

/// Looks for a field that is called like one of [`FIELDS`] but for its case.
struct FieldNames;

impl<'de> Visitor<'de> for FieldNames {
    type Value = Option<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let is_twin = |name: &str| {
            FIELDS.iter().any(|field| *field != name && field.eq_ignore_ascii_case(name))
        };
        let mut twin = None;
        while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            twin = twin.or_else(|| is_twin(&name).then_some(name));
        }
        Ok(twin)
    }
}

fn is_too_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut is_escaped = false;
    for byte in text.bytes() {
        if in_string {
            let ends = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            in_string = !ends;
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_strings() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!is_too_deep(&nested(MAX_DEPTH)));
        assert!(is_too_deep(&nested(MAX_DEPTH + 1)));
        assert!(!is_too_deep(&format!("\"{}\"", "[".repeat(1000))));
        assert!(!is_too_deep(&format!(r#""\"{}""#, "[".repeat(1000))));
        assert!(is_too_deep(&format!(r#""\\"{}"#, "[".repeat(1000))));
        assert!(!is_too_deep(&"[],".repeat(1000)));
    }

    #[test]
    fn a_field_in_another_case_is_refused() {
        for (text, is_sound) in [
            (r#"{"layers": [], "x": 1}"#, true),
            (r#"{"LayerS": []}"#, false),
            (r#"{"layers": [], "Manifests": []}"#, false),
            (r#"{"\u004dediaType": ""}"#, false),
            (r#"{"x": {"Layers": []}}"#, true),
            ("[]", false),
        ] {
            assert_eq!(check(text).is_ok(), is_sound, "{text}");
        }
    }
}

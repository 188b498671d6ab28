//! Strings that every reader of JSON and every reader of YAML understands alike.

use std::fmt::Write as _;

/// Appends `text` as a quoted string, quotes included, that means the same in JSON, YAML 1.1 and
/// YAML 1.2: what some of them take for a line break or refuse altogether is escaped.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| is_escaped(*c)) {
        out.push_str(text.get(from..at).unwrap_or_default());
        from = at + c.len_utf8();
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // Writing to a String cannot fail.
            c => _ = write!(out, "\\u{:04x}", u32::from(c)),
        }
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out.push('"');
}

/// None of these lies beyond the four digits that an escape has.
fn is_escaped(c: char) -> bool {
    matches!(
        c,
        '"' | '\\'
            | '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quoted(text: &str) -> String {
        let mut out = String::new();
        quote(text, &mut out);
        out
    }

    #[test]
    fn what_a_reader_of_yaml_trips_over_is_escaped() {
        assert_eq!(quoted("a\"\\/\n\t\r\0ä😀"), "\"a\\\"\\\\/\\n\\t\\u000d\\u0000ä😀\"");
        assert_eq!(
            quoted("\u{7f}\u{85}\u{2028}\u{2029}\u{feff}\u{ffff}"),
            r#""\u007f\u0085\u2028\u2029\ufeff\uffff""#
        );
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_again_by_json_and_by_yaml(text in any::<String>()) {
            let quoted = quoted(&text);
            prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
            prop_assert_eq!(crate::yaml::to_json(&quoted).unwrap(), quoted);
        }
    }
}

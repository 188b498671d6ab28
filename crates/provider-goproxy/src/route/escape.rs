//! How Go writes module paths and versions into URLs: an upper-case letter becomes an exclamation
//! mark and the lower-case one, so that stores that know no case keep them apart.

use std::borrow::Cow;

/// What `escaped` means; `None` if Go would not have written it so. There is one spelling for every
/// meaning.
pub(super) fn unescape(escaped: &str) -> Option<Cow<'_, str>> {
    if escaped.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    if !escaped.contains('!') {
        return Some(Cow::Borrowed(escaped));
    }
    let mut pieces = escaped.split('!');
    let mut meant = pieces.next()?.to_owned();
    for piece in pieces {
        let first = piece.chars().next().filter(char::is_ascii_lowercase)?;
        meant.push(first.to_ascii_uppercase());
        meant.push_str(piece.get(1..)?);
    }
    Some(Cow::Owned(meant))
}

/// The one spelling of `meant`; `None` if it cannot be written.
pub(crate) fn escape(meant: &str) -> Option<String> {
    if meant.contains('!') {
        return None;
    }
    let mut escaped = String::with_capacity(meant.len() + 4);
    for c in meant.chars() {
        if c.is_ascii_uppercase() {
            escaped.push('!');
        }
        escaped.push(c.to_ascii_lowercase());
    }
    Some(escaped)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn upper_case_letters_are_escaped() {
        for (escaped, meant) in [
            ("example.com/lib", Some("example.com/lib")),
            ("example.com/!big!case/!lib", Some("example.com/BigCase/Lib")),
            ("v1.1.0-!r!c1", Some("v1.1.0-RC1")),
            ("example.com/Big", None),
            ("example.com/!Big", None),
            ("example.com/!!big", None),
            ("example.com/!1", None),
            ("example.com/!", None),
            ("example.com/a!/b", None),
            ("example.com/!é", None),
        ] {
            assert_eq!(unescape(escaped).as_deref(), meant, "{escaped}");
        }
    }

    proptest! {
        #[test]
        fn there_is_one_spelling_for_every_meaning(text in "[a-cA-C!/.é]{0,12}") {
            if let Some(meant) = unescape(&text) {
                prop_assert_eq!(escape(&meant), Some(text.clone()));
            }
            if let Some(escaped) = escape(&text) {
                let meant = unescape(&escaped).map(Cow::into_owned);
                prop_assert_eq!(meant, Some(text));
            }
        }
    }
}

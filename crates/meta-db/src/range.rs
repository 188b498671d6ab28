//! Ranges of paths. Text is compared by its UTF-8 bytes, which is the order of code points.

use artifact_core::ports::StateFilter;

/// All paths from one on, up to but without another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PathRange {
    pub(crate) start: String,
    pub(crate) end: End,
}

/// Where a range ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum End {
    Before(String),
    Never,
}

impl PathRange {
    /// Every path that starts with `prefix`.
    pub(crate) fn of_prefix(prefix: &str) -> Self {
        let end = successor(prefix).map_or(End::Never, End::Before);
        Self { start: prefix.to_owned(), end }
    }
}

/// The least text greater than every text that starts with `prefix`; none if `prefix` is empty.
pub(crate) fn successor(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

/// The least text greater than `path`, as far as texts in databases hold no NUL.
pub(crate) fn just_behind(path: &str) -> String {
    format!("{path}\u{1}")
}

/// A state filter as the statements take it: its name and its moment.
pub(crate) fn filter_parameters(state: Option<StateFilter>) -> (Option<&'static str>, i64) {
    match state {
        None => (None, 0),
        Some(StateFilter::FreshAt(moment)) => (Some("fresh"), moment.as_millis()),
        Some(StateFilter::StaleAt(moment)) => (Some("stale"), moment.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_is_behind_everything_that_starts_with_the_prefix() {
        for (prefix, expected) in [
            ("", None),
            ("a", Some("b")),
            ("a/", Some("a0")),
            ("a%", Some("a&")),
            ("\u{D7FF}", Some("\u{E000}")),
            ("a\u{10FFFF}", Some("b")),
            ("\u{10FFFF}", None),
        ] {
            assert_eq!(successor(prefix).as_deref(), expected, "{prefix:?}");
        }
        assert!("a/\u{10FFFF}\u{10FFFF}" < successor("a/").unwrap().as_str());
    }

    #[test]
    fn nothing_lies_between_a_path_and_just_behind_it() {
        assert!("a" < just_behind("a").as_str());
        assert!(just_behind("a").as_str() < "a ");
    }
}

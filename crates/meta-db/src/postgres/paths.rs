//! Ranges of paths, in a database whose texts hold no NUL and have no greatest text.

use crate::range::{End, PathRange};

/// Longer than a segment of a path may be, so no path is behind it.
const BEHIND_ALL: &str = "\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\
    \u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\
    \u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\
    \u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\
    \u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\
    \u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\
    \u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\
    \u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}";

/// The first path that starts with `prefix` and the text right behind the last one; `None` if there
/// can be no such path.
pub(crate) fn of_prefix(prefix: &str) -> Option<(String, String)> {
    if prefix.contains('\0') {
        return None;
    }
    Some((prefix.to_owned(), behind(prefix)))
}

/// A text behind every path that starts with `prefix`.
pub(crate) fn behind(prefix: &str) -> String {
    match PathRange::of_prefix(prefix).end {
        End::Before(text) => text,
        End::Never => format!("{prefix}{BEHIND_ALL}"),
    }
}

#[cfg(test)]
mod tests {
    use artifact_core::RepoPath;

    use super::*;

    #[test]
    fn no_path_is_behind_all() {
        assert!(BEHIND_ALL.len() > RepoPath::MAX_SEGMENT);
        let last = "\u{10FFFF}".repeat(RepoPath::MAX_SEGMENT / 4);
        let last = format!("{last}/{last}");
        assert!(RepoPath::from_decoded(&last).is_ok() && last.as_str() < BEHIND_ALL);
    }

    #[test]
    fn a_prefix_that_no_text_can_have_selects_nothing() {
        assert_eq!(of_prefix("a\0"), None);
        assert_eq!(of_prefix("a"), Some(("a".to_owned(), "b".to_owned())));
    }
}

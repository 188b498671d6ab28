//! Parameters of a query.
//!
//! A plus sign stands for itself: media types have one, nothing that is asked for here has a space, and not every
//! client escapes it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The values of `name`, decoded, in their order. What is no UTF-8 is replaced, so that it matches nothing.
pub fn all_of<'q>(query: Option<&'q str>, name: &str) -> impl Iterator<Item = Cow<'q, str>> {
    query.unwrap_or_default().split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key) == name).then(|| decoded(value))
    })
}

/// The first value of `name` that is not empty.
pub fn first_of<'q>(query: Option<&'q str>, name: &str) -> Option<Cow<'q, str>> {
    all_of(query, name).find(|value| !value.is_empty())
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_in_any_order_and_spelling() {
        for (query, name, expected) in [
            ("mount=sha256:ab&from=team/app", "mount", Some("sha256:ab")),
            ("from=dk%2Fapp&mount=sha256%3Aab", "mount", Some("sha256:ab")),
            ("from=dk%2Fapp&mount=sha256%3Aab", "from", Some("dk/app")),
            ("artifactType=application/a+json", "artifactType", Some("application/a+json")),
            ("artifactType=application%2Fa%2Bjson", "artifactType", Some("application/a+json")),
            ("%6e=5", "n", Some("5")),
            ("n", "n", None),
            ("n=", "n", None),
            ("n=&n=3", "n", Some("3")),
            ("nn=1&an=2", "n", None),
            ("", "n", None),
            ("n=%ff", "n", Some("\u{fffd}")),
            ("n=%", "n", Some("%")),
        ] {
            assert_eq!(first_of(Some(query), name).as_deref(), expected, "{query}");
        }
        assert_eq!(first_of(None, "n"), None);
    }

    #[test]
    fn a_parameter_may_stand_several_times() {
        let all: Vec<_> = all_of(Some("tag=a&x=1&tag=b"), "tag").collect();
        assert_eq!(all, ["a", "b"]);
    }
}

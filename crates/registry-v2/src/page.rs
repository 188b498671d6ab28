//! Pages of lists.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::query::first_of;
use crate::{ErrorCode, Refusal};

/// What stands for itself in a parameter.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Which part of a list is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// At most this many entries.
    pub limit: usize,
    /// Only entries behind this text, which need not be one.
    pub after: Option<String>,
}

impl Page {
    /// The longest `last` in bytes: longer than any entry.
    pub const MAX_LAST: usize = 1024;

    /// Reads `n` and `last`. A page has `most` entries at most, also where nobody says how many.
    pub fn read(query: Option<&str>, most: usize) -> Result<Self, Refusal> {
        let limit = match first_of(query, "n") {
            Some(text) => limit(&text, most)?,
            None => most,
        };
        let after = first_of(query, "last");
        if after.as_ref().is_some_and(|after| after.len() > Self::MAX_LAST) {
            return Err(invalid("the parameter last is longer than any entry"));
        }
        Ok(Self { limit, after: after.map(Into::into) })
    }
}

fn limit(text: &str, most: usize) -> Result<usize, Refusal> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid("the parameter n is no number of entries"));
    }
    // Digits that are no number are too many of them.
    Ok(text.parse().map_or(most, |asked: usize| asked.min(most)))
}

fn invalid(message: &'static str) -> Refusal {
    Refusal::new(ErrorCode::PaginationNumberInvalid, message)
}

/// The value of `Link` that leads to the next page: `path` with these parameters. Without scheme and host, so that it
/// is right behind every proxy.
pub fn next_link(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut link = format!("<{path}");
    for (index, (name, value)) in parameters.iter().enumerate() {
        link.push(if index == 0 { '?' } else { '&' });
        link.push_str(name);
        link.push('=');
        link.extend(utf8_percent_encode(value, PLAIN));
    }
    link.push_str(">; rel=\"next\"");
    link
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<(usize, Option<String>), ErrorCode> {
        let page = Page::read(Some(query), 1000).map_err(|refusal| refusal.code)?;
        Ok((page.limit, page.after))
    }

    #[test]
    fn a_page_is_bounded_and_begins_behind_an_entry() {
        let after = |text: &str| Some(text.to_owned());
        for (query, limit, last) in [
            ("", 1000, None),
            ("n=", 1000, None),
            ("n=0", 0, None),
            ("n=5", 5, None),
            ("n=5&last=a", 5, after("a")),
            ("last=v1.0%2Bx", 1000, after("v1.0+x")),
            ("last=", 1000, None),
            ("n=100000", 1000, None),
            ("n=99999999999999999999999", 1000, None),
        ] {
            assert_eq!(page(query), Ok((limit, last)), "{query}");
        }
        for query in ["n=-1", "n=+1", "n=a", "n=1.5", "n=0x1", "n=%20"] {
            assert_eq!(page(query), Err(ErrorCode::PaginationNumberInvalid), "{query}");
        }
        let endless = format!("last={}", "a".repeat(1025));
        assert_eq!(page(&endless), Err(ErrorCode::PaginationNumberInvalid));
    }

    #[test]
    fn a_link_is_relative_and_its_parameters_are_read_again() {
        let link = next_link("/v2/r/a/tags/list", &[("last", "a+b &>\"/"), ("n", "5")]);
        let expected = "</v2/r/a/tags/list?last=a%2Bb%20%26%3E%22%2F&n=5>; rel=\"next\"";
        assert_eq!(link, expected);
        let query = link.split_once('?').unwrap().1.split_once('>').unwrap().0;
        assert_eq!(page(query), Ok((5, Some("a+b &>\"/".to_owned()))));
    }
}

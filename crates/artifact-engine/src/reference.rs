//! Resolving a provider's reference below a base URL.

use artifact_core::{Error, ErrorKind, Result};
use url::Url;

/// The URL of `reference` (percent-encoded, perhaps with a query) below `base`. A base that
/// ends in the segment `suffix` counts as ending before it: people paste either form.
pub(crate) fn below(base: &Url, reference: &str, suffix: Option<&str>) -> Result<Url> {
    let invalid = || Error::new(ErrorKind::Internal, "the upstream address cannot be formed");
    let path = base.path().trim_end_matches('/');
    let root =
        suffix.and_then(|suffix| path.strip_suffix(suffix)?.strip_suffix('/')).unwrap_or(path);
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let mut url = base.clone();
    url.set_path(&format!("{root}/{}", path.trim_start_matches('/')));
    url.set_query(query);
    url.set_fragment(None);
    if url.origin() == base.origin() { Ok(url) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str, reference: &str) -> String {
        below(&base.parse().unwrap(), reference, Some("simple")).unwrap().into()
    }

    #[test]
    fn a_reference_lands_below_the_base() {
        for (base, reference, expected) in [
            ("https://h", "a/b", "https://h/a/b"),
            ("https://h/root/", "a?x=1", "https://h/root/a?x=1"),
            ("https://h/root", "@s%2fn", "https://h/root/@s%2fn"),
            ("https://h/simple/", "simple/p/", "https://h/simple/p/"),
            ("https://h/simple", "simple/p/", "https://h/simple/p/"),
            ("https://h/x/simple", "simple/", "https://h/x/simple/"),
            ("https://h/x/simple", "pypi/p/json", "https://h/x/pypi/p/json"),
            ("https://h/notsimple", "simple/p/", "https://h/notsimple/simple/p/"),
            ("https://h/r", "//evil/x", "https://h/r/evil/x"),
            ("https://h/r", "a%2Bb", "https://h/r/a%2Bb"),
        ] {
            assert_eq!(joined(base, reference), expected);
        }
    }
}

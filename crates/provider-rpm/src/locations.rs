//! Where the files that an index lists are: at upstream, and below us.
//!
//! An index names files relative to itself, relative to some other URL (`xml:base`), or by a URL of
//! their own. Everything below the root of the remote keeps its path. Everything else gets
//! `_ext/{8 hex digits}/…` beside the index, where the digits stand for the other place.

use std::collections::BTreeMap;

use artifact_core::{Base, DocumentError, RepoPath, SourceDocument, encode_path};
use percent_encoding::percent_decode_str;
use ring::digest::{SHA256, digest};
use url::Url;

use crate::failure::malformed;
use crate::route::{FOREIGN, root_of};

/// The most other places that one index may lead to.
const MAX_BASES: usize = 256;

/// A file, seen from both sides.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Located {
    /// Its canonical path below the remote.
    pub(crate) path: String,
    /// Its absolute URL at upstream.
    pub(crate) url: String,
}

/// Finds the files of one index.
#[derive(Debug)]
pub(crate) struct Locator {
    /// The directory that the index is of.
    root: String,
    root_url: String,
    /// A URL, and the path below the remote that stands for it: as far up as is known.
    top: (String, String),
    /// Other places by their key.
    bases: BTreeMap<String, String>,
}

impl Locator {
    /// For the index `document`, which must say where it comes from.
    pub(crate) fn of(document: &SourceDocument<'_>) -> Result<Self, DocumentError> {
        let root = root_of(document.path).to_owned();
        let root_url = document
            .url
            .and_then(|url| Url::parse(url).ok())
            .and_then(|url| url.join("../").ok())
            .ok_or_else(|| malformed("repomd.xml", "nobody knows where it comes from"))?
            .to_string();
        let top = match root_url.strip_suffix(encode_path(&root).as_str()) {
            Some(above) if above.ends_with('/') => (above.to_owned(), String::new()),
            _ => (root_url.clone(), root.clone()),
        };
        Ok(Self { root, root_url, top, bases: BTreeMap::new() })
    }

    /// The directory that the index is of: empty, or ending with a slash.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// The file that is listed with `href` and perhaps an `xml:base`. `None`: it cannot be addressed
    /// by any path of ours, so that nobody can have it from us.
    pub(crate) fn locate(
        &mut self,
        href: &str,
        base: Option<&str>,
    ) -> Result<Option<Located>, DocumentError> {
        let base = base.and_then(|base| self.base_url(base));
        let Ok(href) = percent_decode_str(href).decode_utf8() else { return Ok(None) };
        let href = href.trim_start_matches("./");
        if base.is_none() && !href.contains("://") {
            let url = format!("{}{}", self.root_url, encode_path(href));
            let found = addressable(Some(format!("{}{href}", self.root)), &url);
            if found.is_some() {
                return Ok(found);
            }
        }
        let above = base.as_deref().unwrap_or(&self.root_url);
        let url = match Url::parse(href) {
            Ok(url) if is_web(&url) => Some(url),
            _ => Url::parse(&format!("{above}{}", encode_path(href.trim_start_matches('/')))).ok(),
        };
        match url.and_then(clean) {
            Some(url) => self.of_url(&url, base.as_deref()),
            None => Ok(None),
        }
    }

    /// Whether anything that was located lies elsewhere.
    pub(crate) fn leads_elsewhere(&self) -> bool {
        !self.bases.is_empty()
    }

    /// The other places that were met.
    pub(crate) fn bases(&self, document: usize) -> Vec<Base> {
        let base = |(key, url): (&String, &String)| Base {
            document,
            prefix: format!("{}{FOREIGN}/{key}/", self.root),
            url: url.clone(),
        };
        self.bases.iter().map(base).collect()
    }

    /// The URL that an `xml:base` means; media that are no URLs of the web do not count.
    fn base_url(&self, base: &str) -> Option<String> {
        let root = Url::parse(&self.root_url).ok()?;
        let url = root.join(base.trim()).ok().and_then(clean)?;
        Some(if url.ends_with('/') { url } else { format!("{url}/") })
    }

    fn of_url(&mut self, url: &str, base: Option<&str>) -> Result<Option<Located>, DocumentError> {
        if let Some(rest) = url.strip_prefix(self.top.0.as_str()) {
            let path = percent_decode_str(rest).decode_utf8().ok();
            let path = path.map(|rest| format!("{}{rest}", self.top.1));
            return Ok(addressable(path, url));
        }
        let below = base.and_then(|base| Some((base.to_owned(), url.strip_prefix(base)?)));
        let split = || {
            let (directory, name) = url.rsplit_once('/')?;
            Some((format!("{directory}/"), name))
        };
        let Some((base, rest)) = below.or_else(split) else { return Ok(None) };
        let Ok(rest) = percent_decode_str(rest).decode_utf8() else { return Ok(None) };
        let key = key_of(&base);
        let found = addressable(Some(format!("{}{FOREIGN}/{key}/{rest}", self.root)), url);
        if found.is_some() {
            self.remember(key, base)?;
        }
        Ok(found)
    }

    fn remember(&mut self, key: String, base: String) -> Result<(), DocumentError> {
        if self.bases.get(&key).is_some_and(|known| *known == base) {
            return Ok(());
        }
        if self.bases.len() == MAX_BASES {
            return Err(malformed("the list of packages", "it leads to too many other places"));
        }
        match self.bases.insert(key, base) {
            None => Ok(()),
            Some(_) => Err(malformed("the list of packages", "two other places look the same")),
        }
    }
}

fn addressable(path: Option<String>, url: &str) -> Option<Located> {
    let path = path
        .filter(|path| !path.is_empty() && !path.ends_with('/'))
        .filter(|path| RepoPath::from_decoded(path).is_ok())?;
    Some(Located { path, url: url.to_owned() })
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// Scheme, host and path of a URL of the web. What an index says about credentials is not repeated.
fn clean(mut url: Url) -> Option<String> {
    if !is_web(&url) {
        return None;
    }
    url.set_query(None);
    url.set_fragment(None);
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url.into())
}

/// What stands for another place in our paths.
fn key_of(base: &str) -> String {
    let hash = digest(&SHA256, base.as_bytes());
    hex::encode(hash.as_ref().get(..4).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use artifact_core::Variant;
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn locator(path: &str, url: &str) -> Locator {
        let path = RepoPath::from_decoded(path).unwrap();
        Locator::of(&SourceDocument {
            kind: crate::route::REPOMD,
            path: &path,
            source: &Variant::SOURCE,
            member: "a",
            remote: None,
            position: 0,
            url: Some(url),
            content_type: None,
            body: &Bytes::new(),
        })
        .unwrap()
    }

    fn os() -> Locator {
        locator("9/os/repodata/repomd.xml", "https://a.example/pub/9/os/repodata/repomd.xml")
    }

    #[test]
    fn what_lies_below_the_remote_keeps_its_path() {
        let table = [
            ("a.rpm", None, "9/os/a.rpm", "https://a.example/pub/9/os/a.rpm"),
            ("./P/a+b.rpm", None, "9/os/P/a+b.rpm", "https://a.example/pub/9/os/P/a%2Bb.rpm"),
            ("P/a%2Bb.rpm", None, "9/os/P/a+b.rpm", "https://a.example/pub/9/os/P/a%2Bb.rpm"),
            ("../x/a.rpm", None, "9/x/a.rpm", "https://a.example/pub/9/x/a.rpm"),
            ("a.rpm", Some("https://a.example/pub/8/"), "8/a.rpm", "https://a.example/pub/8/a.rpm"),
            ("a.rpm", Some("../ap"), "9/ap/a.rpm", "https://a.example/pub/9/ap/a.rpm"),
            ("a.rpm", Some("media://1#2"), "9/os/a.rpm", "https://a.example/pub/9/os/a.rpm"),
            ("https://a.example/pub/a.rpm", None, "a.rpm", "https://a.example/pub/a.rpm"),
        ];
        for (href, base, path, url) in table {
            let mut locator = os();
            let found = locator.locate(href, base).unwrap().unwrap();
            assert_eq!((found.path.as_str(), found.url.as_str()), (path, url), "{href}");
            assert!(!locator.leads_elsewhere(), "{href}");
        }
    }

    #[test]
    fn what_lies_elsewhere_is_found_by_its_base() {
        let table = [
            (
                "P/a+b.rpm",
                Some("http://u:p@b.example/x?y#z"),
                "P/a+b.rpm",
                "http://b.example/x/P/a%2Bb.rpm",
            ),
            ("../../../q/a.rpm", None, "a.rpm", "https://a.example/q/a.rpm"),
            ("https://b.example/y/a.rpm", None, "a.rpm", "https://b.example/y/a.rpm"),
            ("../a.rpm", Some("http://b.example/x/"), "a.rpm", "http://b.example/a.rpm"),
        ];
        for (href, base, rest, url) in table {
            let mut locator = os();
            let found = locator.locate(href, base).unwrap().unwrap();
            assert_eq!(found.url, url, "{href}");
            let [base] = &locator.bases(3)[..] else { panic!("{href}") };
            assert_eq!(found.path, format!("{}{rest}", base.prefix));
            assert_eq!(url, format!("{}{}", base.url, encode_path(rest)));
            assert_eq!(base.document, 3);
        }
    }

    #[test]
    fn what_has_no_path_is_left_out() {
        for href in ["", "a//b", "a;b.rpm", "a\nb", "%ff", "P/", "a\\b", "..", "/"] {
            assert_eq!(os().locate(href, None).unwrap(), None, "{href:?}");
        }
    }

    #[test]
    fn other_places_are_few() {
        let mut locator = os();
        let base = |number: usize| format!("http://b.example/{number}/");
        for number in 0..MAX_BASES {
            locator.locate("a.rpm", Some(&base(number))).unwrap();
        }
        assert!(locator.locate("b.rpm", Some(&base(0))).is_ok());
        assert!(locator.locate("a.rpm", Some(&base(MAX_BASES))).is_err());
    }

    #[test]
    fn after_a_redirect_only_the_directory_itself_is_known() {
        let mut moved =
            locator("9/os/repodata/repomd.xml", "https://m.example/r/repodata/repomd.xml");
        let found = moved.locate("a.rpm", None).unwrap().unwrap();
        assert_eq!(
            (found.path.as_str(), found.url.as_str()),
            ("9/os/a.rpm", "https://m.example/r/a.rpm")
        );
        moved.locate("../a.rpm", None).unwrap();
        assert!(moved.leads_elsewhere());
    }

    proptest! {
        #[test]
        fn every_path_is_canonical(href in "[a-z./%:;?#+ 2F]{0,20}", base in proptest::option::of("[a-z./:]{0,12}")) {
            let base = base.map(|base| format!("http://b.example/{base}"));
            if let Ok(Some(found)) = os().locate(&href, base.as_deref()) {
                prop_assert!(RepoPath::from_decoded(&found.path).is_ok());
                prop_assert!(Url::parse(&found.url).is_ok());
            }
        }
    }
}

//! Reading a list of mirrors, whatever its form.

use artifact_core::{Base, DocumentError, Facts, FileFact, SourceDocument};
use url::Url;

use super::metalink;
use crate::failure::malformed;
use crate::route::{INDEX, REPODATA};

/// The most lines that are looked at.
const MAX_LINES: usize = 10_000;

/// What a list says.
#[derive(Debug)]
pub(super) struct List {
    pub(super) is_metalink: bool,
    /// The root of the repository on the first mirror that can be used; ends with a slash.
    root: String,
    /// What is said of the index document there, without its URL.
    index: Option<FileFact>,
}

impl List {
    /// Where everything below the directory of the list is.
    pub(super) fn facts(self, document: &SourceDocument<'_>) -> Facts {
        let path = document.path.as_str();
        let prefix = path.rsplit_once('/').map(|(directory, _)| format!("{directory}/"));
        let prefix = prefix.unwrap_or_default();
        let mut facts = Facts::default();
        if let Some(index) = self.index {
            let url = format!("{}{REPODATA}/{INDEX}", self.root);
            let fact = FileFact { document: document.position, url, ..index };
            facts.files.insert(format!("{prefix}{REPODATA}/{INDEX}"), fact);
        }
        facts.bases.push(Base { document: document.position, prefix, url: self.root });
        facts
    }
}

pub(super) fn read(document: &SourceDocument<'_>) -> Result<List, DocumentError> {
    let text = std::str::from_utf8(document.body)
        .map_err(|_| malformed("the list of mirrors", "not UTF-8"))?;
    let text = text.trim_start_matches('\u{feff}');
    let is_metalink = text.trim_start().starts_with('<');
    let (urls, index) = if is_metalink {
        let read = metalink::read(text)?;
        (read.roots, Some(read.index))
    } else {
        (text.lines().take(MAX_LINES).filter_map(from_line).collect(), None)
    };
    let root = first_usable(&urls)
        .ok_or_else(|| malformed("the list of mirrors", "it names no http or https mirror"))?;
    Ok(List { is_metalink, root, index })
}

fn from_line(line: &str) -> Option<Url> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') { None } else { Url::parse(line).ok() }
}

/// The first mirror that speaks https, or else http; lists are sorted by those who make them.
fn first_usable(urls: &[Url]) -> Option<String> {
    let speaks = |scheme: &str| {
        let mut usable = urls.iter().filter(move |url| url.scheme() == scheme && url.has_host());
        usable.find_map(root)
    };
    speaks("https").or_else(|| speaks("http"))
}

/// A mirror's root without anything but scheme, host and path. Lines that still have a variable of
/// the client in them cannot be used.
fn root(url: &Url) -> Option<String> {
    let mut url = url.clone();
    if !url.username().is_empty() || url.password().is_some() || url.path().contains('$') {
        return None;
    }
    url.set_query(None);
    url.set_fragment(None);
    let text = url.to_string();
    Some(if text.ends_with('/') { text } else { format!("{text}/") })
}

#[cfg(test)]
mod tests {
    use artifact_core::{Algorithm, RepoPath, Variant};
    use bytes::Bytes;

    use super::*;

    pub(super) fn list(path: &str, text: &str) -> Result<(bool, Facts), DocumentError> {
        let path = RepoPath::from_decoded(path).unwrap();
        let body = Bytes::copy_from_slice(text.as_bytes());
        let document = SourceDocument {
            kind: crate::route::MIRROR_LIST,
            path: &path,
            source: &Variant::SOURCE,
            member: "mirrors",
            remote: None,
            position: 0,
            url: Some("https://lists.example/metalink"),
            content_type: None,
            body: &body,
        };
        let list = read(&document)?;
        Ok((list.is_metalink, list.facts(&document)))
    }

    #[test]
    fn the_first_https_mirror_of_a_text_counts() {
        let text = "# a comment\n\nftp://a.example/x/\nhttp://b.example/x/\nhttps://$v.example/$arch/\n\
                    https://u:p@c.example/\nhttps://d.example/x?y#z\nhttps://e.example/\n";
        let (is_metalink, facts) = list("mirrorlist", text).unwrap();
        assert!(!is_metalink);
        let found = facts.find("Packages/a+b.rpm").unwrap();
        assert_eq!(found.url, "https://d.example/x/Packages/a%2Bb.rpm");
        let (_, facts) = list("mirrorlist", "http://b.example/x\n").unwrap();
        assert_eq!(facts.find("a.rpm").unwrap().url, "http://b.example/x/a.rpm");
    }

    #[test]
    fn a_list_in_a_directory_speaks_of_that_directory() {
        let (_, facts) = list("9/os/mirrorlist", "https://a.example/r/").unwrap();
        assert_eq!(facts.find("9/os/a.rpm").unwrap().url, "https://a.example/r/a.rpm");
        assert_eq!(facts.find("8/os/a.rpm"), None);
    }

    #[test]
    fn a_metalink_verifies_the_index() {
        let text = "<?xml version=\"1.0\"?><metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\" \
            xmlns:mm0=\"http://fedorahosted.org/mirrormanager\"><files><file name=\"other\"><size>1</size></file>\
            <file name=\"repomd.xml\"><mm0:timestamp>1</mm0:timestamp><size>5</size><verification>\
            <hash type=\"md5\">d41d8cd98f00b204e9800998ecf8427e</hash>\
            <hash type=\"sha256\">e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855</hash>\
            </verification><mm0:alternates><mm0:alternate><size>6</size><verification>\
            <hash type=\"sha256\">00</hash></verification></mm0:alternate></mm0:alternates>\
            <resources maxconnections=\"1\">\
            <url protocol=\"rsync\" preference=\"100\">rsync://a.example/x/repodata/repomd.xml</url>\
            <url protocol=\"https\" preference=\"90\">https://b.example/x/repodata/repomd.xml</url>\
            <url protocol=\"https\" preference=\"95\">https://c.example/x/repodata/repomd.xml</url>\
            </resources></file></files></metalink>";
        let (is_metalink, facts) = list("metalink", text).unwrap();
        assert!(is_metalink);
        let index = facts.find("repodata/repomd.xml").unwrap();
        assert_eq!(index.url, "https://c.example/x/repodata/repomd.xml");
        assert_eq!(index.size, Some(5));
        assert!(index.digests.get(Algorithm::Sha256).is_some());
        assert_eq!(facts.find("a.rpm").unwrap().url, "https://c.example/x/a.rpm");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in [
            "",
            "hello",
            "ftp://a.example/\n",
            "<html><body>sign in</body></html>",
            "<metalink/>",
            "<metalink><files><file name='repomd.xml'/></files></metalink>",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><metalink/>",
        ] {
            assert!(list("metalink", text).is_err(), "{text:?}");
        }
    }
}

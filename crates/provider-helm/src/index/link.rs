//! Where a chart is, and where we say that it is.

use artifact_core::{MEMBERS, PathRules, RepoPath, encode_path};
use url::{ParseError, Url};

use crate::layout;

/// A link of a version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Link {
    /// To a file that we serve.
    File(File),
    /// To an image registry, which this protocol cannot serve: left as it was written.
    Registry(String),
}

/// A file: its path here and its URL at upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct File {
    pub(super) path: RepoPath,
    pub(super) url: Url,
}

impl File {
    /// The URL of its provenance, which stands before a query.
    pub(super) fn provenance_url(&self) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{}", url.path(), layout::PROVENANCE));
        url
    }

    /// The link to it, relative to the repository's URL; through its `member` in a virtual one.
    pub(super) fn link(&self, member: Option<&str>) -> String {
        let path = self.path.to_encoded();
        match member {
            Some(member) => format!("{MEMBERS}/{}/{path}", encode_path(member)),
            // What stands before a colon would be taken for a scheme.
            None if self.path.segments().next().is_some_and(|first| first.contains(':')) => {
                format!("./{path}")
            }
            None => path,
        }
    }
}

/// Where the link `written` in an index at `base` leads for a version of a chart. `None`: nowhere that
/// anybody could follow it to.
pub(super) fn place(written: &str, base: Option<&Url>, chart: (&str, &str)) -> Option<Link> {
    let mut url = match Url::parse(written) {
        Ok(url) => url,
        Err(ParseError::RelativeUrlWithoutBase) => base?.join(written).ok()?,
        Err(_) => return None,
    };
    match url.scheme() {
        "http" | "https" => {}
        "oci" => return Some(Link::Registry(written.to_owned())),
        _ => return None,
    }
    url.set_fragment(None);
    // A password in an index is everybody's; we ask without it.
    url.set_username("").and_then(|()| url.set_password(None)).ok()?;
    let path = match own_path(&url, base) {
        Some(path) => path,
        None => external_path(&url, chart)?,
    };
    Some(Link::File(File { path, url }))
}

/// The path of a file that lies below the index's own directory.
fn own_path(url: &Url, base: Option<&Url>) -> Option<RepoPath> {
    let base = base?;
    let (directory, _) = base.path().rsplit_once('/')?;
    let below = url.path().strip_prefix(directory)?.strip_prefix('/')?;
    if url.origin() != base.origin() || url.query().is_some() {
        return None;
    }
    RepoPath::from_encoded(below, PathRules::default()).ok().filter(layout::is_own_chart)
}

fn external_path(url: &Url, (name, version): (&str, &str)) -> Option<RepoPath> {
    let last = url.path_segments()?.next_back()?;
    let file = RepoPath::from_encoded(last, PathRules::default()).ok();
    layout::external_path(name, version, file.as_ref().map(RepoPath::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(written: &str) -> Option<(String, String)> {
        let base = Url::parse("https://charts.example/root/index.yaml").unwrap();
        match place(written, Some(&base), ("a", "1.0.0"))? {
            Link::File(file) => Some((file.link(None), file.url.into())),
            Link::Registry(link) => Some((link, String::new())),
        }
    }

    #[test]
    fn a_chart_below_the_index_keeps_its_path() {
        for (written, link, url) in [
            ("a-1.0.0.tgz", "a-1.0.0.tgz", "a-1.0.0.tgz"),
            ("./charts/a-1.0.0.tgz", "charts/a-1.0.0.tgz", "charts/a-1.0.0.tgz"),
            ("https://charts.example/root/x/a.tgz", "x/a.tgz", "x/a.tgz"),
            ("https://charts.example:443/root/a.tgz#f", "a.tgz", "a.tgz"),
            ("https://u:p@charts.example/root/a.tgz", "a.tgz", "a.tgz"),
            ("/root/a.tgz", "a.tgz", "a.tgz"),
            ("x/../a.tgz", "a.tgz", "a.tgz"),
            ("a-1.0.0+b.tgz", "a-1.0.0%2Bb.tgz", "a-1.0.0+b.tgz"),
            ("a-1.0.0%2Bb.tgz", "a-1.0.0%2Bb.tgz", "a-1.0.0%2Bb.tgz"),
            ("./a:1.tgz", "./a:1.tgz", "a:1.tgz"),
            ("x/a:1.tgz", "x/a:1.tgz", "x/a:1.tgz"),
            ("a%20b.tgz", "a%20b.tgz", "a%20b.tgz"),
        ] {
            let expected = (link.to_owned(), format!("https://charts.example/root/{url}"));
            assert_eq!(placed(written), Some(expected), "{written}");
        }
    }

    #[test]
    fn a_chart_elsewhere_gets_a_path_by_its_name_and_version() {
        for (written, file) in [
            ("https://github.example/releases/download/v1/a-1.tgz", "a-1.tgz"),
            ("http://charts.example/root/a-1.tgz", "a-1.tgz"),
            ("https://charts.example:8443/root/a-1.tgz", "a-1.tgz"),
            ("https://charts.example/other/a-1.tgz", "a-1.tgz"),
            ("https://charts.example/rootless/a-1.tgz", "a-1.tgz"),
            ("../a-1.tgz", "a-1.tgz"),
            ("/a-1.tgz", "a-1.tgz"),
            ("//cdn.example/a-1.tgz", "a-1.tgz"),
            ("a-1.tgz?signature=x", "a-1.tgz"),
            ("download?file=a.tgz", "a-1.0.0.tgz"),
            ("https://cdn.example/", "a-1.0.0.tgz"),
            ("https://cdn.example/a%2Fb.tgz", "a-1.0.0.tgz"),
            ("https://cdn.example/a;b.tgz", "a-1.0.0.tgz"),
            ("https://cdn.example/..%252f.tgz", "a-1.0.0.tgz"),
            ("_m/other/a-1.tgz", "a-1.tgz"),
            ("_ext/b/2.0.0/a-1.tgz", "a-1.tgz"),
            ("index.yaml", "a-1.0.0.tgz"),
            ("a.zip", "a-1.0.0.tgz"),
        ] {
            let found = placed(written).map(|(link, _)| link);
            assert_eq!(found, Some(format!("_ext/a/1.0.0/{file}")), "{written}");
        }
    }

    #[test]
    fn what_nobody_can_follow_is_no_link() {
        for written in
            ["file:///etc/passwd", "javascript:alert(1)", "https://", "http://[x", "a:1.tgz"]
        {
            assert_eq!(placed(written), None, "{written}");
        }
        assert_eq!(place("a.tgz", None, ("a", "1.0.0")), None);
        let oci = "oci://registry.example/charts/a:1.0.0".to_owned();
        assert_eq!(placed(&oci), Some((oci.clone(), String::new())));
    }

    #[test]
    fn provenance_lies_beside_its_chart_before_the_query() {
        let url = Url::parse("https://cdn.example/a.tgz?sig=x").unwrap();
        let file = File { path: RepoPath::from_decoded("a.tgz").unwrap(), url };
        assert_eq!(file.provenance_url().as_str(), "https://cdn.example/a.tgz.prov?sig=x");
        assert_eq!(file.link(Some("one")), "_m/one/a.tgz");
    }
}

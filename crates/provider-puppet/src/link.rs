//! Links of a forge: as upstream means them, and as our clients can follow them.

use artifact_core::{RepoPath, SourceDocument};
use url::Url;

const ROOT: &str = "/v3/";

/// `link` as a path below the repository, when it is written otherwise: without the host and the
/// prefix of whoever wrote it. `None`: it is right already, or leads to no resource of a forge.
pub(crate) fn without_prefix(link: &str) -> Option<String> {
    if link.starts_with(ROOT) {
        return None;
    }
    if link.starts_with("v3/") {
        return Some(format!("/{link}"));
    }
    let path_end = link.find(['?', '#']).unwrap_or(link.len());
    let at = link.get(..path_end)?.find(ROOT)?;
    link.get(at..).map(str::to_owned)
}

/// The same for a link to another page of the list at `path`, of which the query says enough.
pub(crate) fn page(link: &str, path: &RepoPath) -> Option<String> {
    if link.starts_with(ROOT) {
        return None;
    }
    without_prefix(link).or_else(|| {
        let (_, query) = link.split_once('?')?;
        Some(format!("/{}?{query}", path.to_encoded()))
    })
}

/// The forge that a document comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forge {
    document: Option<Url>,
    /// The URL below which `v3/` lies, without a slash at the end.
    root: String,
}

impl Forge {
    /// The forge that sent `document`.
    pub(crate) fn of(document: &SourceDocument<'_>) -> Self {
        let Some(mut url) = document.url.and_then(|url| Url::parse(url).ok()) else {
            return Self::default();
        };
        url.set_query(None);
        url.set_fragment(None);
        let text = url.as_str();
        let end = text
            .strip_suffix(&document.path.to_encoded())
            .map(str::len)
            .or_else(|| text.rfind(ROOT))
            .unwrap_or(text.len());
        let root = text.get(..end).unwrap_or_default().trim_end_matches('/').to_owned();
        Self { document: Some(url), root }
    }

    /// The URL of a file to which upstream links as `link`, and which we call `path`. A link that
    /// cannot be followed counts for nothing: then the file is where a forge has it.
    pub(crate) fn file(&self, link: Option<&str>, path: &str) -> Option<String> {
        let document = self.document.as_ref()?;
        let below = |rest: &str| fetchable(&format!("{}/{rest}", self.root));
        let linked = link.and_then(|link| match link.strip_prefix('/').unwrap_or(link) {
            rest if rest.starts_with("v3/") => below(rest),
            _ => fetchable(document.join(link).ok()?.as_str()),
        });
        linked.or_else(|| below(path))
    }
}

fn fetchable(url: &str) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    let is_fetchable = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    url.set_fragment(None);
    is_fetchable.then(|| url.into())
}

#[cfg(test)]
mod tests {
    use artifact_core::{DocumentKind, Variant};
    use bytes::Bytes;

    use super::*;

    const PATH: &str = "v3/files/a-b-1.0.0.tar.gz";

    fn forge(url: Option<&str>) -> Forge {
        Forge::of(&SourceDocument {
            kind: DocumentKind("release"),
            path: &RepoPath::from_decoded("v3/releases/a-b-1.0.0").unwrap(),
            source: &Variant::SOURCE,
            member: "m",
            remote: None,
            position: 0,
            url,
            content_type: None,
            body: &Bytes::new(),
        })
    }

    #[test]
    fn links_lose_host_and_prefix() {
        for (link, expected) in [
            ("/v3/users/a", None),
            ("https://forge.test/v3/users/a", Some("/v3/users/a")),
            ("/api/v1/remote/forge/v3/users/a?x=/v3/", Some("/v3/users/a?x=/v3/")),
            ("v3/users/a", Some("/v3/users/a")),
            ("https://elsewhere.test/a?next=/v3/x", None),
            ("?offset=20", None),
            ("", None),
        ] {
            assert_eq!(without_prefix(link).as_deref(), expected, "{link}");
        }
        let path = RepoPath::from_decoded("v3/releases").unwrap();
        assert_eq!(page("?offset=20", &path).as_deref(), Some("/v3/releases?offset=20"));
        assert_eq!(page("https://h/x?offset=20", &path).as_deref(), Some("/v3/releases?offset=20"));
        assert_eq!(page("/v3/releases?offset=20", &path), None);
    }

    #[test]
    fn a_file_is_found_whatever_the_link_looks_like() {
        let upstream = forge(Some("https://h.test/api/forge/v3/releases/a-b-1.0.0?x=1"));
        for (link, expected) in [
            (None, "https://h.test/api/forge/v3/files/a-b-1.0.0.tar.gz"),
            (Some("/v3/files/x.tar.gz"), "https://h.test/api/forge/v3/files/x.tar.gz"),
            (Some("v3/files/x.tar.gz"), "https://h.test/api/forge/v3/files/x.tar.gz"),
            (Some("/api/forge/v3/files/x.tar.gz"), "https://h.test/api/forge/v3/files/x.tar.gz"),
            (Some("https://cdn.test/x.tgz?sig=1#f"), "https://cdn.test/x.tgz?sig=1"),
            (Some("//cdn.test/x.tgz"), "https://cdn.test/x.tgz"),
            (Some("file:///etc/passwd"), "https://h.test/api/forge/v3/files/a-b-1.0.0.tar.gz"),
            (Some("https://u:p@cdn.test/x"), "https://h.test/api/forge/v3/files/a-b-1.0.0.tar.gz"),
        ] {
            assert_eq!(upstream.file(link, PATH).as_deref(), Some(expected), "{link:?}");
        }
        let moved = forge(Some("https://h.test/mirror/v3/release-documents/1"));
        assert_eq!(
            moved.file(None, PATH).as_deref(),
            Some("https://h.test/mirror/v3/files/a-b-1.0.0.tar.gz")
        );
        assert_eq!(forge(None).file(Some("https://cdn.test/x"), PATH), None);
    }
}

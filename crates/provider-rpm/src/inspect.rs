//! Judging what upstream sent, and what belongs to it.

use artifact_core::{
    DocumentError, DocumentKind, Facts, FileFact, Inspection, Part, Presence, RepoPath,
    SourceDocument,
};

use crate::failure::malformed;
use crate::locations::Locator;
use crate::repomd::{Record, Repomd};
use crate::route::{self, INDEX, MIRROR_LIST, REPO_FILE, REPODATA, REPOMD};
use crate::{mirrors, repo_file};

pub(crate) fn inspect(document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
    match document.kind {
        REPOMD => index(document),
        MIRROR_LIST => mirrors::check(document).map(|()| Inspection::default()),
        REPO_FILE => repo_file::check(document).map(|()| Inspection::default()),
        DocumentKind(other) => {
            Err(DocumentError::Malformed(format!("there is no kind of document called {other}")))
        }
    }
}

/// The parts of a set. The list of packages says whether clients are sent to other hosts, so that
/// nothing is served without it; the signature is of one version of the index alone.
fn index(document: &SourceDocument<'_>) -> Result<Inspection, DocumentError> {
    let repomd = Repomd::read(document.body)?;
    let mut locator = Locator::of(document)?;
    let index = route::index_document(locator.root(), None).map_err(|reject| reason(&reject))?;
    let mut inspection = Inspection::default();
    for record in &repomd.records {
        let Some((path, fact)) = described(document, &mut locator, record)? else { continue };
        let presence = match record.kind.as_str() {
            "primary" => Presence::BeforeServing,
            _ => Presence::BeforeReplacing,
        };
        inspection.facts.files.insert(path.to_string(), fact.clone());
        inspection.parts.push(Part { target: route::set_file(path, &index, None), fact, presence });
    }
    for (path, fact) in companions(document, &mut locator)? {
        let target = route::set_file(path, &index, None);
        inspection.parts.push(Part { target, fact, presence: Presence::WithDocument });
    }
    Ok(inspection)
}

fn reason(reject: &artifact_core::Reject) -> DocumentError {
    malformed("repomd.xml", &reject.message)
}

/// Everything that the index says of the files of its set.
pub(crate) fn facts(document: &SourceDocument<'_>) -> Result<Facts, DocumentError> {
    let repomd = Repomd::read(document.body)?;
    let mut locator = Locator::of(document)?;
    let mut facts = Facts::default();
    for (path, fact) in companions(document, &mut locator)? {
        facts.files.insert(path.to_string(), fact);
    }
    for record in &repomd.records {
        if let Some((path, fact)) = described(document, &mut locator, record)? {
            facts.files.insert(path.to_string(), fact);
        }
    }
    Ok(facts)
}

fn described(
    document: &SourceDocument<'_>,
    locator: &mut Locator,
    record: &Record,
) -> Result<Option<(RepoPath, FileFact)>, DocumentError> {
    let Some(located) = locator.locate(&record.href, record.base.as_deref())? else {
        return Ok(None);
    };
    let Ok(path) = RepoPath::from_decoded(&located.path) else { return Ok(None) };
    let fact = FileFact {
        document: document.position,
        url: located.url,
        digests: record.digests.clone(),
        size: record.size,
        published_at: None,
    };
    Ok(Some((path, fact)))
}

/// The signature and the key, which no index names.
fn companions(
    document: &SourceDocument<'_>,
    locator: &mut Locator,
) -> Result<Vec<(RepoPath, FileFact)>, DocumentError> {
    let mut found = Vec::new();
    for suffix in ["asc", "key"] {
        let href = format!("{REPODATA}/{INDEX}.{suffix}");
        let record = Record { href, ..Record::default() };
        found.extend(described(document, locator, &record)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use artifact_core::Variant;
    use bytes::Bytes;

    use super::*;

    fn inspected(path: &str, text: &str) -> Result<Inspection, DocumentError> {
        let path = RepoPath::from_decoded(path).unwrap();
        let body = Bytes::copy_from_slice(text.as_bytes());
        inspect(&SourceDocument {
            kind: REPOMD,
            path: &path,
            source: &Variant::SOURCE,
            member: "a",
            remote: None,
            position: 2,
            url: Some("https://a.example/pub/os/repodata/repomd.xml"),
            content_type: None,
            body: &body,
        })
    }

    #[test]
    fn parts_are_named_with_what_is_known_of_them() {
        let text = "<repomd><data type='primary'><checksum type='sha1'>\
                    2fd4e1c67a2d28fced849ee1bb76e7391b93eb12</checksum><size>5</size>\
                    <location href='repodata/p.xml.gz'/></data>\
                    <data type='other'><location href='repodata/o.xml.gz'/></data>\
                    <data type='bad'><location href='a;b'/></data></repomd>";
        let found = inspected("os/repodata/repomd.xml", text).unwrap();
        let parts: Vec<_> = found
            .parts
            .iter()
            .map(|part| (part.target.path.as_str(), part.presence, part.fact.url.as_str()))
            .collect();
        let url = |name: &str| format!("https://a.example/pub/os/repodata/{name}");
        assert_eq!(
            parts,
            [
                ("os/repodata/p.xml.gz", Presence::BeforeServing, url("p.xml.gz").as_str()),
                ("os/repodata/o.xml.gz", Presence::BeforeReplacing, url("o.xml.gz").as_str()),
                (
                    "os/repodata/repomd.xml.asc",
                    Presence::WithDocument,
                    url("repomd.xml.asc").as_str()
                ),
                (
                    "os/repodata/repomd.xml.key",
                    Presence::WithDocument,
                    url("repomd.xml.key").as_str()
                ),
            ]
        );
        let fact = found.facts.find("os/repodata/p.xml.gz").unwrap();
        assert_eq!((fact.size, fact.document), (Some(5), 2));
        assert!(!fact.digests.is_empty());
    }

    #[test]
    fn a_broken_index_is_refused() {
        assert!(inspected("repodata/repomd.xml", "<repomd/>").is_err());
        assert!(inspected("repodata/repomd.xml", "<html>sign in</html>").is_err());
    }
}

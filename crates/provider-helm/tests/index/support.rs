//! What the suites of this crate share.

#![expect(clippy::unwrap_used, reason = "helpers of tests, not marked as tests themselves")]

use artifact_core::{
    DocumentError, DocumentKind, Facts, PackageRequest, Provider, Reject, RepoPath, RepositoryKind,
    RewriteContext, Rewritten, Route, SourceDocument, Timestamp, Variant,
};
use bytes::Bytes;
use http::{HeaderMap, Method};
use provider_helm::HelmProvider;
use serde_json::Value;

pub(crate) const BASE: &str = "https://charts.example/root/index.yaml";
pub(crate) const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// An index of a member.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) member: &'static str,
    pub(crate) body: Bytes,
}

impl Upstream {
    pub(crate) fn new(body: impl Into<String>) -> Self {
        Self::of("charts", body)
    }

    pub(crate) fn of(member: &'static str, body: impl Into<String>) -> Self {
        Self { member, body: Bytes::from(body.into()) }
    }
}

/// A rewrite as an operator's settings make it.
pub(crate) struct Rewrite<'a> {
    pub(crate) wanted: &'static str,
    pub(crate) kind: RepositoryKind,
    pub(crate) admits: &'a (dyn Fn(&str) -> bool + Send + Sync),
}

impl Default for Rewrite<'_> {
    fn default() -> Self {
        Self { wanted: "json", kind: RepositoryKind::Remote, admits: &|_| true }
    }
}

impl Rewrite<'_> {
    pub(crate) fn of(&self, upstreams: &[Upstream]) -> Result<Rewritten, DocumentError> {
        let path = RepoPath::from_decoded("index.yaml").unwrap();
        let documents: Vec<_> =
            upstreams.iter().map(|upstream| document(upstream, &path)).collect();
        let wanted = Variant::new(self.wanted);
        let context = RewriteContext {
            wanted: &wanted,
            admits: self.admits,
            secure: true,
            kind: self.kind,
            path: &path,
            changed_at: Timestamp::from_seconds(1),
            signer: None,
        };
        HelmProvider::new().rewrite(&documents, &context)
    }
}

pub(crate) fn document<'a>(upstream: &'a Upstream, path: &'a RepoPath) -> SourceDocument<'a> {
    SourceDocument {
        kind: DocumentKind("index"),
        path,
        source: &Variant::SOURCE,
        member: upstream.member,
        remote: None,
        position: 0,
        url: Some(BASE),
        content_type: Some("text/yaml"),
        body: &upstream.body,
    }
}

pub(crate) fn rewritten(body: impl Into<String>) -> Rewritten {
    Rewrite::default().of(&[Upstream::new(body)]).unwrap()
}

pub(crate) fn merged(upstreams: &[Upstream]) -> Rewritten {
    Rewrite { kind: RepositoryKind::Virtual, ..Rewrite::default() }.of(upstreams).unwrap()
}

pub(crate) fn malformed(body: impl Into<String>) -> String {
    match Rewrite::default().of(&[Upstream::new(body)]) {
        Err(DocumentError::Malformed(message)) => message,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn text(rewritten: &Rewritten) -> String {
    let [rendition] = rewritten.renditions.as_slice() else { panic!("one rendition") };
    assert!(rendition.body.is_fixed());
    String::from_utf8(rendition.body.fill("").to_vec()).unwrap()
}

pub(crate) fn json(rewritten: &Rewritten) -> Value {
    serde_json::from_str(&text(rewritten)).unwrap()
}

/// The numbers of a chart's versions, in order.
pub(crate) fn versions(index: &Value, chart: &str) -> Vec<String> {
    let versions = index.pointer(&format!("/entries/{chart}")).unwrap().as_array().unwrap();
    versions.iter().map(|version| version["version"].as_str().unwrap().to_owned()).collect()
}

/// Every link of an index.
pub(crate) fn links(index: &Value) -> Vec<String> {
    let versions = index["entries"].as_object().unwrap().values();
    let links = versions
        .flat_map(|versions| versions.as_array().unwrap())
        .flat_map(|version| version["urls"].as_array().unwrap());
    links.map(|link| link.as_str().unwrap().to_owned()).collect()
}

pub(crate) fn classify(path: &str) -> Result<Route, Reject> {
    let path = RepoPath::from_decoded(path).unwrap();
    HelmProvider::new().classify(&PackageRequest {
        kind: RepositoryKind::Remote,
        method: &Method::GET,
        path: &path,
        query: None,
        headers: &HeaderMap::new(),
        remote: None,
    })
}

pub(crate) fn url<'f>(facts: &'f Facts, path: &str) -> &'f str {
    &facts.files.get(path).unwrap_or_else(|| panic!("{path} not in {:?}", facts.files)).url
}

/// The path that a link of ours leads to.
pub(crate) fn path_of(link: &str) -> RepoPath {
    let link = link.strip_prefix("./").unwrap_or(link);
    RepoPath::from_encoded(link, artifact_core::PathRules::default()).unwrap()
}

//! What the tests of this crate share.
#![allow(dead_code, reason = "every test file uses its own share")]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use artifact_core::{
    DocumentError, DocumentKind, PackageRequest, Provider, Reject, Rendition, RepoPath,
    RepositoryKind, RewriteContext, Rewritten, Route, SourceDocument, Target, Timestamp, Variant,
};
use bytes::Bytes;
use http::{HeaderMap, Method};
use provider_npm::NpmProvider;
use serde_json::Value;

pub(crate) const BASE: &str = "https://cache.test/api/v1/virtual/npm";

pub(crate) fn path(raw: &str) -> Result<RepoPath, String> {
    RepoPath::from_encoded(raw, NpmProvider::new().path_rules()).map_err(|error| error.to_string())
}

pub(crate) fn classify_with(
    method: &Method,
    raw: &str,
    query: Option<&str>,
) -> Result<Route, Reject> {
    let path = path(raw).map_err(Reject::bad_request)?;
    let headers = HeaderMap::new();
    let request = PackageRequest {
        kind: RepositoryKind::Remote,
        method,
        path: &path,
        query,
        headers: &headers,
        remote: None,
    };
    let first = NpmProvider::new().classify(&request);
    assert_eq!(first, NpmProvider::new().classify(&request), "{raw}");
    first
}

pub(crate) fn classify(raw: &str) -> Result<Route, Reject> {
    classify_with(&Method::GET, raw, None)
}

pub(crate) fn target(raw: &str) -> Target {
    match classify(raw) {
        Ok(Route::Serve(target)) => target,
        other => panic!("{raw} is {other:?}"),
    }
}

/// A rewrite of packuments of one package, with everything admitted unless said otherwise.
pub(crate) struct Rewrite<'a> {
    pub(crate) name: &'a str,
    pub(crate) documents: Vec<&'a str>,
    pub(crate) wanted: &'a str,
    pub(crate) denied: &'a [&'a str],
    pub(crate) url: &'a str,
}

impl<'a> Rewrite<'a> {
    pub(crate) fn of(name: &'a str, documents: &[&'a str]) -> Self {
        Self {
            name,
            documents: documents.to_vec(),
            wanted: "full",
            denied: &[],
            url: "https://registry.test/base/pkg",
        }
    }

    pub(crate) fn run(&self) -> Result<Rewritten, DocumentError> {
        let path = RepoPath::from_decoded(self.name).unwrap();
        let bodies: Vec<Bytes> =
            self.documents.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect();
        let documents: Vec<SourceDocument<'_>> = bodies
            .iter()
            .enumerate()
            .map(|(position, body)| SourceDocument {
                kind: DocumentKind("packument"),
                path: &path,
                source: &Variant::SOURCE,
                member: "npm",
                remote: None,
                position,
                url: Some(self.url),
                content_type: None,
                body,
            })
            .collect();
        let admits = |path: &str| !self.denied.contains(&path);
        let wanted = Variant::named(self.wanted.to_owned());
        let context = RewriteContext {
            wanted: &wanted,
            admits: &admits,
            secure: true,
            kind: RepositoryKind::Remote,
            path: &path,
            changed_at: Timestamp::from_millis(0),
            signer: None,
        };
        NpmProvider::new().rewrite(&documents, &context)
    }

    pub(crate) fn text(&self, variant: &str) -> String {
        filled(&self.run().unwrap(), variant)
    }

    pub(crate) fn json(&self, variant: &str) -> Value {
        serde_json::from_str(&self.text(variant)).unwrap()
    }
}

pub(crate) fn rendition<'r>(rewritten: &'r Rewritten, variant: &str) -> &'r Rendition {
    rewritten.renditions.iter().find(|rendition| rendition.variant.as_str() == variant).unwrap()
}

pub(crate) fn filled(rewritten: &Rewritten, variant: &str) -> String {
    let body = rendition(rewritten, variant).body.fill(BASE);
    String::from_utf8(body.to_vec()).unwrap()
}

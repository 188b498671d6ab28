//! What the tests of this crate share.
#![allow(dead_code, reason = "every test file uses its own share")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use artifact_core::{
    DocumentError, DocumentKind, FileFact, Inspection, PackageRequest, Provider, Reject, RepoPath,
    RepositoryKind, RewriteContext, Rewritten, Route, Shape, SourceDocument, Target, Timestamp,
    Variant,
};
use bytes::Bytes;
use http::{HeaderMap, Method};
use provider_puppet::PuppetProvider;
use serde_json::{Value, json};

pub(crate) const FORGE: &str = "https://forge.test/base";

pub(crate) fn classify(kind: RepositoryKind, request: &str) -> Result<Route, Reject> {
    let (path, query) = match request.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (request, None),
    };
    let provider = PuppetProvider::new();
    let path = RepoPath::from_encoded(path, provider.path_rules())
        .map_err(|error| Reject::bad_request(error.to_string()))?;
    let headers = HeaderMap::new();
    let method = Method::GET;
    let request = PackageRequest {
        kind,
        method: &method,
        path: &path,
        query,
        headers: &headers,
        remote: None,
    };
    let route = provider.classify(&request);
    assert_eq!(route, provider.classify(&request), "{path}");
    route
}

pub(crate) fn target(kind: RepositoryKind, request: &str) -> Target {
    match classify(kind, request) {
        Ok(Route::Serve(target)) => target,
        other => panic!("{request} is {other:?}"),
    }
}

/// A release as the public forge describes it.
pub(crate) fn release(module: &str, version: &str) -> Value {
    let slug = format!("{module}-{version}");
    json!({
        "uri": format!("/v3/releases/{slug}"),
        "slug": slug,
        "module": {"uri": format!("/v3/modules/{module}"), "slug": module},
        "version": version,
        "metadata": {"name": module, "version": version, "uri": "https://mine.test/v3/x"},
        "file_uri": format!("/v3/files/{slug}.tar.gz"),
        "file_size": 10,
        "file_md5": "d41d8cd98f00b204e9800998ecf8427e",
        "file_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "created_at": "2024-01-31 07:00:00 -0800",
        "deleted_at": null,
        "downloads": 7,
        "readme": "read \u{e4} me",
    })
}

/// The module with these versions, the first of which is recommended.
pub(crate) fn module(name: &str, versions: &[&str]) -> Value {
    let releases: Vec<Value> = versions
        .iter()
        .map(|version| {
            let slug = format!("{name}-{version}");
            json!({
                "uri": format!("/v3/releases/{slug}"), "slug": slug, "version": version,
                "deleted_at": null, "file_uri": format!("/v3/files/{slug}.tar.gz"),
            })
        })
        .collect();
    json!({
        "uri": format!("/v3/modules/{name}"), "slug": name, "downloads": 1,
        "owner": {"uri": "/v3/users/a", "slug": "a"},
        "current_release": versions.first().map(|version| release(name, version)),
        "releases": releases, "homepage_url": "https://home.test/v3/x",
    })
}

/// A page of a list, with the link to the next one.
pub(crate) fn page(results: &[Value], next: Option<&str>) -> Value {
    json!({
        "pagination": {
            "limit": 100, "offset": 0, "first": "/v3/releases?limit=100&offset=0",
            "previous": null, "current": "/v3/releases?limit=100&offset=0", "next": next,
            "total": results.len(),
        },
        "results": results,
    })
}

/// Documents on their way through the provider, as an engine would hand them over.
pub(crate) struct Case<'a> {
    pub(crate) kind: RepositoryKind,
    pub(crate) request: &'a str,
    /// Per document: the position of its member, what the member was asked, and its text.
    pub(crate) documents: Vec<(usize, Target, String)>,
    pub(crate) denied: &'a [&'a str],
    pub(crate) base: &'a str,
}

impl<'a> Case<'a> {
    /// The document of a remote.
    pub(crate) fn remote(request: &'a str, text: &dyn ToString) -> Self {
        Self::of(RepositoryKind::Remote, request, &[text.to_string()])
    }

    /// The documents of a virtual repository's members, one each.
    pub(crate) fn united(request: &'a str, members: &[Value]) -> Self {
        let texts: Vec<_> = members.iter().map(ToString::to_string).collect();
        Self::of(RepositoryKind::Virtual, request, &texts)
    }

    fn of(kind: RepositoryKind, request: &'a str, texts: &[String]) -> Self {
        let asked = target(kind, request);
        let documents = texts
            .iter()
            .enumerate()
            .map(|(position, text)| (position, asked.clone(), text.clone()))
            .collect();
        Self { kind, request, documents, denied: &[], base: FORGE }
    }

    /// Asks for what belongs to the documents, and answers with `answer`.
    pub(crate) fn gathered(mut self, answer: impl Fn(usize, &str) -> Option<Value>) -> Self {
        let mut at = 0;
        while let Some((position, _, _)) = self.documents.get(at) {
            let position = *position;
            for companion in self.inspect(at).unwrap().companions {
                let reference = reference(&companion);
                if let Some(text) = answer(position, &reference) {
                    at += 1;
                    self.documents.insert(at, (position, companion, text.to_string()));
                    at -= 1;
                }
            }
            at += 1;
        }
        self
    }

    pub(crate) fn inspect(&self, index: usize) -> Result<Inspection, DocumentError> {
        self.with_sources(|sources| PuppetProvider::new().inspect(&sources[index]))
    }

    pub(crate) fn run(&self) -> Result<Rewritten, DocumentError> {
        let asked = target(self.kind, self.request);
        let Shape::Document { variant, .. } = &asked.shape else { panic!("a file") };
        let admits = |path: &str| !self.denied.contains(&path);
        let context = RewriteContext {
            wanted: variant,
            admits: &admits,
            secure: true,
            kind: self.kind,
            path: &asked.path,
            changed_at: Timestamp::EPOCH,
            signer: None,
        };
        let rewritten =
            self.with_sources(|sources| PuppetProvider::new().rewrite(sources, &context))?;
        assert_eq!(rewritten.renditions[0].variant, *variant);
        assert!(rewritten.renditions[0].body.is_fixed(), "a link never names where we are");
        Ok(rewritten)
    }

    pub(crate) fn text(&self) -> String {
        text_of(&self.run().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    pub(crate) fn fact(&self, path: &str) -> FileFact {
        self.run().unwrap().facts.find(path).unwrap_or_else(|| panic!("nothing of {path}"))
    }

    fn with_sources<T>(&self, work: impl FnOnce(&[SourceDocument<'_>]) -> T) -> T {
        let parts: Vec<(String, Bytes)> = self
            .documents
            .iter()
            .map(|(_, target, text)| {
                let url = format!("{}/{}", self.base, target.path.to_encoded());
                (url, Bytes::copy_from_slice(text.as_bytes()))
            })
            .collect();
        let sources: Vec<_> = self
            .documents
            .iter()
            .zip(&parts)
            .map(|((position, target, _), (url, body))| SourceDocument {
                kind: kind_of(target),
                path: &target.path,
                source: &target.source,
                member: "member",
                remote: None,
                position: *position,
                url: Some(url),
                content_type: Some("application/json"),
                body,
            })
            .collect();
        work(&sources)
    }
}

pub(crate) fn kind_of(target: &Target) -> DocumentKind {
    match &target.shape {
        Shape::Document { kind, .. } => *kind,
        other => panic!("{other:?} is no document"),
    }
}

pub(crate) fn reference(target: &Target) -> String {
    match &target.origin {
        artifact_core::Origin::Upstream(reference) => reference.clone(),
        other => panic!("{other:?} is not below upstream's root"),
    }
}

pub(crate) fn text_of(rewritten: &Rewritten) -> String {
    String::from_utf8(rewritten.renditions[0].body.fill("unused").to_vec()).unwrap()
}

pub(crate) fn variant_of(target: &Target) -> &Variant {
    match &target.shape {
        Shape::Document { variant, .. } => variant,
        other => panic!("{other:?} is no document"),
    }
}

/// The versions of a list's results or of a module's releases.
pub(crate) fn versions(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|entry| entry["version"].as_str().unwrap()).collect()
}

//! What the tests of this crate share.
#![allow(dead_code, reason = "every test file uses its own share")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use artifact_core::{
    DocumentError, DocumentKind, Inspection, PackageRequest, Provider, Reject, Remote, RepoPath,
    RepositoryKind, RewriteContext, Rewritten, Route, Shape, SourceDocument, Target, Timestamp,
    Variant,
};
use bytes::Bytes;
use http::{HeaderMap, Method};
use provider_terraform::TerraformProvider;
use serde_json::{Value, json};

pub(crate) const BASE: &str = "https://cache.test/api/v1/remote/tf";
pub(crate) const UPSTREAM: &str = "https://r.test/v1/providers/acme/demo";

pub(crate) fn remote() -> Remote {
    Remote {
        allowed_hosts: vec!["public.test".to_owned()],
        ..Remote::new("https://r.test/some/path")
    }
}

pub(crate) fn classify_as(
    kind: RepositoryKind,
    remote: Option<&Remote>,
    raw: &str,
) -> Result<Route, Reject> {
    let path = RepoPath::from_encoded(raw, TerraformProvider::new().path_rules())
        .map_err(|error| Reject::bad_request(error.to_string()))?;
    let headers = HeaderMap::new();
    let request = PackageRequest {
        kind,
        method: &Method::GET,
        path: &path,
        query: None,
        headers: &headers,
        remote,
    };
    let first = TerraformProvider::new().classify(&request);
    assert_eq!(first, TerraformProvider::new().classify(&request), "{raw}");
    first
}

pub(crate) fn classify(raw: &str) -> Result<Route, Reject> {
    classify_as(RepositoryKind::Remote, Some(&remote()), raw)
}

pub(crate) fn target(raw: &str) -> Target {
    match classify(raw) {
        Ok(Route::Serve(target)) => target,
        other => panic!("{raw} is {other:?}"),
    }
}

/// A document of upstream, kept under `path`.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) path: String,
    pub(crate) url: String,
    pub(crate) body: Bytes,
}

impl Document {
    pub(crate) fn new(path: &str, url: &str, body: impl Into<Bytes>) -> Self {
        Self { path: path.to_owned(), url: url.to_owned(), body: body.into() }
    }

    /// The list of versions of `acme/demo`.
    pub(crate) fn versions(body: impl Into<Bytes>) -> Self {
        Self::new("v1/providers/acme/demo/versions", &format!("{UPSTREAM}/versions"), body)
    }

    /// The description of a package of `acme/demo` 1.2.3.
    pub(crate) fn download(body: impl Into<Bytes>) -> Self {
        let rest = "1.2.3/download/linux/amd64";
        Self::new(&format!("v1/providers/acme/demo/{rest}"), &format!("{UPSTREAM}/{rest}"), body)
    }

    /// The same, speaking for all packages of the version.
    pub(crate) fn archives(body: impl Into<Bytes>) -> Self {
        let path = "v1/providers/acme/demo/1.2.3/archives";
        Self::new(path, &format!("{UPSTREAM}/1.2.3/download/linux/amd64"), body)
    }

    pub(crate) fn sums(shasum: &str, body: impl Into<Bytes>) -> Self {
        let path = format!("v1/providers/acme/demo/1.2.3/sums/linux/amd64/{shasum}/SUMS");
        Self::new(&path, "https://files.test/SUMS", body)
    }

    pub(crate) fn signature(shasum: &str, body: impl Into<Bytes>) -> Self {
        let path = format!("v1/providers/acme/demo/1.2.3/signature/linux/amd64/{shasum}/SUMS.sig");
        Self::new(&path, "https://files.test/SUMS.sig", body)
    }

    pub(crate) fn module(rest: &str, body: impl Into<Bytes>) -> Self {
        let path = format!("v1/modules/acme/net/aws/{rest}");
        Self::new(&path, &format!("https://r.test/{path}"), body)
    }

    fn kind(&self) -> DocumentKind {
        match target(&artifact_core::encode_path(&self.path)).shape {
            Shape::Document { kind, .. } => kind,
            other => panic!("{} is {other:?}", self.path),
        }
    }

    fn with_source<T>(&self, position: usize, run: impl FnOnce(SourceDocument<'_>) -> T) -> T {
        let path = RepoPath::from_decoded(&self.path).unwrap();
        run(SourceDocument {
            kind: self.kind(),
            path: &path,
            source: &Variant::SOURCE,
            member: "tf",
            remote: None,
            position,
            url: Some(&self.url),
            content_type: None,
            body: &self.body,
        })
    }

    pub(crate) fn inspect(&self) -> Result<Inspection, DocumentError> {
        self.with_source(0, |document| TerraformProvider::new().inspect(&document))
    }

    pub(crate) fn rewrite(&self) -> Result<Rewritten, DocumentError> {
        rewrite(std::slice::from_ref(self), &|_| true)
    }
}

pub(crate) fn rewrite(
    documents: &[Document],
    admits: &(dyn Fn(&str) -> bool + Send + Sync),
) -> Result<Rewritten, DocumentError> {
    let paths: Vec<_> =
        documents.iter().map(|document| RepoPath::from_decoded(&document.path).unwrap()).collect();
    let sources: Vec<_> = documents
        .iter()
        .zip(&paths)
        .enumerate()
        .map(|(position, (document, path))| SourceDocument {
            kind: document.kind(),
            path,
            source: &Variant::SOURCE,
            member: "tf",
            remote: None,
            position,
            url: Some(&document.url),
            content_type: None,
            body: &document.body,
        })
        .collect();
    let wanted = Variant::new("registry");
    let context = RewriteContext {
        wanted: &wanted,
        admits,
        secure: true,
        kind: RepositoryKind::Remote,
        path: &paths[0],
        changed_at: Timestamp::from_millis(0),
        signer: None,
    };
    TerraformProvider::new().rewrite(&sources, &context)
}

pub(crate) fn filled(rewritten: &Rewritten, variant: &str) -> String {
    let has = |rendition: &&artifact_core::Rendition| rendition.variant.as_str() == variant;
    let rendition = rewritten.renditions.iter().find(has).unwrap();
    String::from_utf8(rendition.body.fill(BASE).to_vec()).unwrap()
}

pub(crate) fn filled_json(rewritten: &Rewritten, variant: &str) -> Value {
    serde_json::from_str(&filled(rewritten, variant)).unwrap()
}

/// The path below the repository that a link leads to.
pub(crate) fn below_base(link: &str) -> String {
    link.strip_prefix(BASE).unwrap_or_else(|| panic!("{link} does not lead to us")).to_owned()
}

pub(crate) fn shasum(digit: &str) -> String {
    digit.repeat(64)
}

pub(crate) const ZIP: &str = "terraform-provider-demo_1.2.3_linux_amd64.zip";

/// A description as registries send it.
pub(crate) fn description() -> Value {
    json!({
        "protocols": ["5.0"], "os": "linux", "arch": "amd64", "filename": ZIP,
        "download_url": format!("https://files.test/x/{ZIP}?token=1"),
        "shasums_url": "https://files.test/x/terraform-provider-demo_1.2.3_SHA256SUMS",
        "shasums_signature_url": "../../files/terraform-provider-demo_1.2.3_SHA256SUMS.sig",
        "shasum": shasum("a"),
        "signing_keys": {"gpg_public_keys": [{"key_id": "A", "ascii_armor": "x\ny"}]},
        "packages": {"linux_amd64": {"hashes": ["zh:a"], "package_size": 1}}
    })
}

/// The checksums of three platforms and a file that is no package.
pub(crate) fn checksums() -> String {
    let line = |digit: &str, name: &str| format!("{}  {name}\n", shasum(digit));
    [
        line("b", "terraform-provider-demo_1.2.3_darwin_arm64.zip"),
        line("a", ZIP),
        line("c", "terraform-provider-demo_1.2.3_windows_amd64.zip"),
        line("d", "terraform-provider-demo_1.2.3_manifest.json"),
    ]
    .concat()
}

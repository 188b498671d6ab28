//! What every path means.

#![expect(clippy::unwrap_used, reason = "helpers of tests, not marked as tests themselves")]

use artifact_core::{
    Class, ErrorKind, Origin, Owner, PackageRequest, Provider, Reject, Remote, RepoPath,
    RepositoryKind, Route, Shape, Target,
};
use http::{HeaderMap, Method};
use proptest::prelude::*;
use provider_goproxy::GoproxyProvider;

fn request(method: &Method, path: &str) -> Result<Route, Reject> {
    let path = RepoPath::from_decoded(path).unwrap();
    let remote = Remote::new("https://proxy.example");
    GoproxyProvider::new().classify(&PackageRequest {
        kind: RepositoryKind::Remote,
        method,
        path: &path,
        query: None,
        headers: &HeaderMap::new(),
        remote: Some(&remote),
    })
}

fn classify(path: &str) -> Result<Route, Reject> {
    request(&Method::GET, path)
}

fn target(path: &str) -> Target {
    match classify(path) {
        Ok(Route::Serve(target)) => target,
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn lists_and_latest_versions_are_mutable_documents() {
    for (path, content_type) in [
        ("example.com/@v/list", "text/plain; charset=utf-8"),
        ("example.com/!big/v2/@v/list", "text/plain; charset=utf-8"),
        ("example.com/!big/v2/@latest", "application/json"),
    ] {
        let document = target(path);
        assert_eq!(document.class, Class::Mutable);
        assert!(matches!(document.shape, Shape::Document { .. }));
        assert_eq!(document.origin, Origin::Upstream(path.to_owned()));
        assert_eq!(document.content_type, Some(content_type));
        assert_eq!(document.owner, Owner::First);
    }
    assert_eq!(target("example.com/!big/@latest").package.as_deref(), Some("example.com/Big"));
}

#[test]
fn files_of_canonical_versions_never_change() {
    for version in [
        "v1.0.0",
        "v1.1.0-!r!c1",
        "v2.0.0+incompatible",
        "v0.0.0-20200101000000-abcdef123456",
        "v0.0.1-go1.22.0.linux-amd64",
    ] {
        for extension in ["info", "mod", "zip"] {
            let path = format!("golang.org/toolchain/@v/{version}.{extension}");
            let file = target(&path);
            assert_eq!((file.class, &file.shape), (Class::Immutable, &Shape::File), "{path}");
            assert_eq!(file.origin, Origin::Upstream(path.replace('+', "%2B")));
            assert!(!file.html_allowed);
        }
    }
}

#[test]
fn a_file_belongs_to_whoever_has_the_list_or_else_the_version() {
    for extension in ["info", "mod", "zip"] {
        let file = target(&format!("example.com/!a/@v/v1.0.0.{extension}"));
        let Owner::Witnessed { name: Some(name), version: Some(version) } = file.owner else {
            panic!("{:?}", file.owner)
        };
        assert_eq!(*name, target("example.com/!a/@v/list"));
        assert_eq!(version.path.as_str(), "example.com/!a/@v/v1.0.0.info");
        assert_eq!((version.class, version.owner), (Class::Immutable, Owner::First));
    }
}

#[test]
fn what_a_branch_or_a_commit_is_may_change() {
    for query in
        ["master", "v1", "v1.2", "!h!e!a!d", "abcdef123456", "feature/x", "v1.2.3+meta", "v01.2.3"]
    {
        let info = target(&format!("example.com/a/@v/{query}.info"));
        assert_eq!((info.class, &info.shape), (Class::Mutable, &Shape::File), "{query}");
        let Owner::Witnessed { version: Some(version), .. } = info.owner else { panic!("{query}") };
        assert_eq!(version.path, info.path);
        for extension in ["mod", "zip"] {
            let kind = classify(&format!("example.com/a/@v/{query}.{extension}")).unwrap_err().kind;
            assert_eq!(kind, ErrorKind::NotFound, "{query}");
        }
    }
}

#[test]
fn what_is_no_route_is_not_found() {
    for path in [
        "",
        "example.com",
        "example.com/",
        "example.com/@v",
        "example.com/@v/",
        "example.com/@v/list/",
        "example.com/@v/v1.0.0",
        "example.com/@v/v1.0.0.ziphash",
        "example.com/@v/.info",
        "@v/list",
        "@latest",
        "/@latest".trim_start_matches('/'),
        "Example.com/@v/list",
        "example.com/Big/@v/list",
        "example.com/!Big/@v/list",
        "example.com/!/@v/list",
        "example.com/a/@v/V1.0.0.info",
        "example.com/a/@v/v1.0.0-RC1.zip",
        "example.com/.git/@v/list",
        "example.com/a./@v/list",
        "example.com/a b/@v/list",
        "example.com/a@b/@v/list",
        "example.com/é/@latest",
        "example.com/@latest/x",
        "sumdb",
        "sumdb/sum.golang.org",
        "sumdb/sum.golang.org/",
    ] {
        assert_eq!(classify(path).unwrap_err().kind, ErrorKind::NotFound, "{path}");
    }
}

#[test]
fn modules_cannot_be_written() {
    for method in [Method::PUT, Method::POST, Method::DELETE] {
        let kind = request(&method, "example.com/a/@v/v1.0.0.zip").unwrap_err().kind;
        assert_eq!(kind, ErrorKind::MethodNotAllowed);
    }
}

proptest! {
    #[test]
    fn classification_is_total_deterministic_and_canonical(
        path in "(sumdb/sum\\.golang\\.org|sumdb|[a-zA-Z!]{1,4}\\.com)?(/[A-Za-z0-9._!+@~-]{1,8}){0,3}(/@v/(list|v1\\.0\\.0\\.(zip|mod|info)|[a-z0-9!.]{1,5}\\.info)|/@latest|/lookup/a@v1\\.0\\.0)?/?",
    ) {
        let Ok(path) = RepoPath::from_decoded(&path) else { return Ok(()) };
        let first = classify(path.as_str());
        prop_assert_eq!(&first, &classify(path.as_str()));
        if let Ok(Route::Serve(target)) = first {
            prop_assert_eq!(target.path.as_str(), path.as_str());
        }
    }
}

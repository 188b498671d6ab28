//! What requests mean.

mod support;

use artifact_core::{Class, ErrorKind, Origin, Owner, RepositoryKind, Route, Shape, Target};
use proptest::prelude::*;
use support::{classify, classify_as, remote, target};

fn form(raw: &str) -> String {
    match target(raw).shape {
        Shape::Document { kind, variant } => format!("{} as {variant}", kind.0),
        other => format!("{other:?}"),
    }
}

fn index(target: &Target) -> (String, Option<&str>) {
    match &target.origin {
        Origin::Index { index, unlisted } => (index.path.to_string(), unlisted.as_deref()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_document_of_the_three_protocols_is_recognised() {
    let digest = "a".repeat(64);
    let table = [
        (".well-known/terraform.json", "discovery as registry"),
        ("v1/providers/acme/demo/versions", "versions as registry"),
        ("v1/providers/acme/demo/1.2.3/download/linux/amd64", "download as registry"),
        ("v1/providers/acme/demo/1.2.3/archives", "archives as mirror"),
        (&format!("v1/providers/acme/demo/1.2.3/sums/linux/amd64/{digest}/S"), "sums as registry"),
        (
            &format!("v1/providers/acme/demo/1.2.3/signature/linux/amd64/{digest}/S.sig"),
            "signature as registry",
        ),
        ("v1/providers/acme/demo/1.2.3/package/linux/amd64/x.zip", "File"),
        ("v1/modules/acme/net/aws/versions", "module-versions as registry"),
        ("v1/modules/acme/net/aws/1.0/download", "module-download as registry"),
        ("v1/modules/acme/net/aws/1.0/archive/x.tar.gz", "File"),
        ("mirror/r.test/acme/demo/index.json", "versions as mirror"),
        ("mirror/r.test/acme/demo/1.2.3.json", "archives as mirror"),
    ];
    for (path, expected) in table {
        assert_eq!(form(path), expected, "{path}");
    }
}

#[test]
fn registries_are_where_discovery_says_or_where_they_usually_are() {
    for (raw, class, unlisted) in [
        ("v1/providers/acme/demo/versions", Class::Mutable, "v1/providers/acme/demo/versions"),
        (
            "v1/providers/acme/demo/1.0.0%2Bx/download/linux/amd64",
            Class::Immutable,
            "v1/providers/acme/demo/1.0.0%2Bx/download/linux/amd64",
        ),
        ("v1/modules/acme/net/aws/versions", Class::Mutable, "v1/modules/acme/net/aws/versions"),
    ] {
        let target = target(raw);
        assert_eq!(target.class, class, "{raw}");
        assert_eq!(index(&target), (".well-known/terraform.json".to_owned(), Some(unlisted)));
        assert_eq!(target.content_type, Some("application/json"));
    }
    let discovery = target(".well-known/terraform.json");
    assert_eq!(discovery.origin, Origin::Upstream(".well-known/terraform.json".to_owned()));
    assert_eq!(discovery.class, Class::Mutable);
}

#[test]
fn files_are_found_through_the_document_that_describes_them() {
    let zip = target("v1/providers/acme/demo/1.2.3/package/linux/amd64/x.zip");
    let download = "v1/providers/acme/demo/1.2.3/download/linux/amd64";
    assert_eq!(index(&zip), (download.to_owned(), None));
    assert_eq!((zip.class, zip.content_type), (Class::Immutable, Some("application/zip")));
    assert_eq!(zip.package.as_deref(), Some("acme/demo"));
    let archive = target("v1/modules/acme/net/aws/1.0/archive/x.tar.gz");
    assert_eq!(index(&archive), ("v1/modules/acme/net/aws/1.0/download".to_owned(), None));
    let packages = target("v1/providers/acme/demo/1.2.3/archives");
    assert_eq!(index(&packages), ("v1/providers/acme/demo/versions".to_owned(), None));
}

#[test]
fn a_version_has_one_owner_whichever_part_of_it_is_asked_for() {
    let digest = "a".repeat(64);
    for raw in [
        "v1/providers/acme/demo/1.2.3/download/linux/amd64".to_owned(),
        "v1/providers/acme/demo/1.2.3/download/darwin/arm64".to_owned(),
        "v1/providers/acme/demo/1.2.3/package/linux/amd64/x.zip".to_owned(),
        format!("v1/providers/acme/demo/1.2.3/sums/linux/amd64/{digest}/S"),
        format!("v1/providers/acme/demo/1.2.3/signature/linux/amd64/{digest}/S"),
        "v1/providers/acme/demo/1.2.3/archives".to_owned(),
        "mirror/r.test/acme/demo/1.2.3.json".to_owned(),
    ] {
        let Owner::Witnessed { name: Some(name), version: Some(version) } = target(&raw).owner
        else {
            panic!("{raw} has no witness")
        };
        assert_eq!(name.path.as_str(), "v1/providers/acme/demo/versions", "{raw}");
        assert_eq!(version.path.as_str(), "v1/providers/acme/demo/1.2.3/archives", "{raw}");
        assert_eq!(version.owner, Owner::First);
    }
    let Owner::Witnessed { version: Some(version), .. } =
        target("v1/modules/acme/net/aws/1.0/archive/x.zip").owner
    else {
        panic!("a module has no witness")
    };
    assert_eq!(version.path.as_str(), "v1/modules/acme/net/aws/1.0/download");
    assert_eq!(target("v1/providers/acme/demo/versions").owner, Owner::First);
}

#[test]
fn provider_names_are_compared_without_case_and_modules_with_it() {
    let one = target("v1/providers/acme/demo/versions");
    assert_eq!(target("v1/providers/Acme/DEMO/versions"), one);
    assert_eq!(target("mirror/R.test/Acme/demo/index.json").path, one.path);
    let module = target("v1/modules/Acme/Net/aws/versions");
    assert_eq!(module.path.as_str(), "v1/modules/Acme/Net/aws/versions");
}

#[test]
fn a_mirror_speaks_for_the_hosts_of_its_upstream_only() {
    let absent = |remote: Option<&_>, kind, host: &str| {
        classify_as(kind, remote, &format!("mirror/{host}/acme/demo/index.json")).is_err()
    };
    let mut other = remote();
    for (host, is_absent) in
        [("r.test", false), ("PUBLIC.test", false), ("r.test:8443", true), ("other.test", true)]
    {
        assert_eq!(absent(Some(&other), RepositoryKind::Remote, host), is_absent, "{host}");
        assert_eq!(absent(Some(&other), RepositoryKind::Virtual, host), is_absent, "{host}");
        assert!(!absent(None, RepositoryKind::Virtual, host));
    }
    other.base_url = "http://127.0.0.1:8080".to_owned();
    assert!(!absent(Some(&other), RepositoryKind::Remote, "127.0.0.1:8080"));
    assert!(absent(Some(&other), RepositoryKind::Remote, "127.0.0.1"));
}

#[test]
fn what_is_no_route_is_not_found() {
    let (short, upper) = ("a".repeat(63), "A".repeat(64));
    for raw in [
        "",
        "v1",
        "v1/providers/acme/demo",
        "v1/providers/acme/demo/versions/",
        "v1/providers/-/demo/versions",
        "v1/providers/acme/de_mo/versions",
        "v1/providers/acme/demo/v1.2.3/download/linux/amd64",
        "v1/providers/acme/demo/1.2/download/linux/amd64",
        "v1/providers/acme/demo/1.2.3/download/linux",
        "v1/providers/acme/demo/1.2.3/download/Linux/amd64",
        "v1/providers/acme/demo/1.2.3/download/linux/amd64/x",
        "v1/providers/acme/demo/1.2.3/package/linux/amd64",
        "v1/providers/acme/demo/1.2.3/package/linux/amd64/a/b",
        &format!("v1/providers/acme/demo/1.2.3/sums/linux/amd64/{short}/S"),
        &format!("v1/providers/acme/demo/1.2.3/sums/linux/amd64/{upper}/S"),
        "v1/modules/acme/net/aws",
        "v1/modules/acme/net/a.b/versions",
        "v1/modules/acme/net/aws/1.0/archive",
        "v1/modules/acme/net/aws/-1/download",
        "mirror/r.test/acme/demo/index",
        "mirror/r.test/acme/demo/latest.json",
        "mirror/r.test/acme/index.json",
    ] {
        assert_eq!(classify(raw).map_err(|reject| reject.kind), Err(ErrorKind::NotFound), "{raw}");
    }
}

proptest! {
    #[test]
    fn classification_is_total_and_canonical(
        path in "(v1/(providers|modules)|mirror/r\\.test|\\.well-known)(/([A-Za-z0-9._+-]{1,6}|1\\.2\\.3|download|versions|linux|index\\.json)){0,7}/?",
    ) {
        let Ok(Route::Serve(found)) = classify(&path) else { return Ok(()) };
        let encoded = artifact_core::encode_path(found.path.as_str());
        let again = target(&encoded);
        prop_assert_eq!(&again.path, &found.path);
        prop_assert_eq!(&again.origin, &found.origin);
        prop_assert_eq!(&again.owner, &found.owner);
    }
}

//! What requests mean.

mod support;

use artifact_core::RepositoryKind::{Remote, Virtual};
use artifact_core::{
    Class, ErrorKind, Origin, Owner, PackageRequest, Provider, RepoPath, Route, Shape, Variant,
};
use http::{HeaderMap, Method};
use proptest::prelude::*;
use provider_puppet::PuppetProvider;
use support::{classify, kind_of, reference, target, variant_of};

#[test]
fn the_documents_of_a_forge_are_mutable_and_asked_for_below_its_root() {
    for (request, kind, asked, package) in [
        ("v3/modules/Acme-web", "module", "v3/modules/Acme-web", Some("acme-web")),
        ("v3/releases/acme-web-1.0.0", "release", "v3/releases/acme-web-1.0.0", Some("acme-web")),
        (
            "v3/releases?sort_by=version&module=acme-web",
            "list",
            "v3/releases?module=acme-web&sort_by=version",
            Some("acme-web"),
        ),
        (
            "//v3//releases?module=acme/web",
            "list",
            "v3/releases?module=acme%2Fweb",
            Some("acme-web"),
        ),
        ("v3/modules/?query=x", "list", "v3/modules?query=x", None),
        ("v3/users", "list", "v3/users", None),
        ("v3/users/acme", "resource", "v3/users/acme", None),
        (
            "v3/releases/acme-web-1.0.0/plans/x",
            "resource",
            "v3/releases/acme-web-1.0.0/plans/x",
            Some("acme-web"),
        ),
        (
            "v3/modules/acme-web/x?b=1&a=2",
            "resource",
            "v3/modules/acme-web/x?a=2&b=1",
            Some("acme-web"),
        ),
    ] {
        let found = target(Remote, request);
        assert_eq!(found.class, Class::Mutable, "{request}");
        assert_eq!(kind_of(&found).0, kind, "{request}");
        assert_eq!(reference(&found), asked, "{request}");
        assert_eq!(found.package.as_deref(), package, "{request}");
        assert!(!found.html_allowed);
    }
}

#[test]
fn every_order_of_parameters_is_one_cached_document_and_unknown_ones_are_kept() {
    let first = target(Remote, "v3/releases?module=a-b&zz=1&exclude_fields=readme%2Curi");
    let second = target(Remote, "v3/releases?exclude_fields=readme,uri&zz=1&module=a-b");
    assert_eq!(first, second);
    assert_eq!(first.source.as_str(), "exclude_fields=readme%2Curi&module=a-b&zz=1");
    let other = target(Remote, "v3/releases?exclude_fields=readme,uri&zz=2&module=a-b");
    assert_ne!(first.source, other.source);
    assert_ne!(variant_of(&first), variant_of(&other));
    assert_eq!(target(Remote, "v3/modules/a-b?").source, Variant::SOURCE);
    assert!(classify(Remote, &format!("v3/releases?x={}", "a".repeat(1100))).is_err());
}

#[test]
fn a_file_is_where_its_release_says_and_otherwise_under_its_name() {
    let file = target(Remote, "v3/files/acme-web-1.0.0-rc.1+x.tar.gz");
    assert_eq!((file.class, &file.shape), (Class::Immutable, &Shape::File));
    assert_eq!(file.package.as_deref(), Some("acme-web"));
    let Origin::Index { index, unlisted } = &file.origin else { panic!("{:?}", file.origin) };
    assert_eq!(index.path.as_str(), "v3/releases/acme-web-1.0.0-rc.1+x");
    assert_eq!(index.source, Variant::SOURCE);
    assert_eq!(unlisted.as_deref(), Some("v3/files/acme-web-1.0.0-rc.1%2Bx.tar.gz"));
}

#[test]
fn a_name_belongs_to_whoever_has_the_module() {
    for request in [
        "v3/files/acme-web-1.0.0.tar.gz",
        "v3/releases/acme-web-1.0.0?exclude_fields=readme",
        "v3/releases?module=acme-web&limit=5",
    ] {
        let found = target(Virtual, request);
        let Owner::Witnessed { name: Some(name), version } = &found.owner else {
            panic!("{request}: {:?}", found.owner)
        };
        let module = target(Virtual, "v3/modules/acme-web?exclude_fields=readme");
        assert_eq!((&name.path, &name.source), (&module.path, &module.source), "{request}");
        assert_eq!(name.owner, Owner::First);
        let release = version.as_ref().map(|version| version.path.as_str());
        let expected = (!request.contains('?') || request.contains("-1.0.0"))
            .then_some("v3/releases/acme-web-1.0.0");
        assert_eq!(release, expected, "{request}");
    }
    assert_eq!(target(Virtual, "v3/modules/acme-web").owner, Owner::First);
    assert_eq!(target(Virtual, "v3/modules?query=x").owner, Owner::First);
}

#[test]
fn members_are_asked_for_large_pages_whatever_page_the_client_wants() {
    let asked = |request: &str| reference(&target(Virtual, request));
    let whole = "v3/releases?limit=100&module=a-b&offset=0";
    for request in [
        "v3/releases?module=a-b",
        "v3/releases?module=a-b&limit=5&offset=10",
        "v3/releases?module=a-b&sort_by=version&exclude_fields=slug",
    ] {
        assert_eq!(asked(request), whole, "{request}");
    }
    assert_eq!(
        asked("v3/releases?module=a-b&exclude_fields=readme,slug"),
        "v3/releases?exclude_fields=readme&limit=100&module=a-b&offset=0"
    );
    assert_eq!(asked("v3/modules?query=x&offset=40"), "v3/modules?limit=100&offset=0&query=x");
    let near = target(Virtual, "v3/modules?query=x&offset=40");
    let far = target(Virtual, "v3/modules?query=x&offset=90");
    assert_ne!(near.source, far.source, "the second needs another page");
    assert_eq!(asked("v3/modules/a-b?exclude_fields=releases&x=1"), "v3/modules/a-b?x=1");
    for bad in ["v3/releases?module=a-b&limit=x", "v3/modules?offset=1990", "v3/modules?offset=-1"]
    {
        let reject = classify(Virtual, bad).unwrap_err();
        assert_eq!(reject.kind, ErrorKind::BadRequest, "{bad}");
        assert!(classify(Remote, bad).is_ok(), "upstream judges it");
    }
}

#[test]
fn what_no_forge_has_is_not_asked_for() {
    for request in [
        "",
        "v3",
        "v3/",
        "v1/x",
        "v3/files",
        "v3/files/x.tar.gz",
        "v3/files/a-b-1.0.0.zip",
        "v3/files/a-b-1.0.0.tar.gz/",
        "v3/files/a-b-1.0.0.tar.gz/x",
        "v3/modules/a",
        "v3/modules/a-b-1.0.0",
        "v3/releases/a-b",
        "v3/releases/a-b/plans",
        "v3/tags",
        "V3/modules",
    ] {
        let reject = classify(Remote, request).unwrap_err();
        assert_eq!(reject.kind, ErrorKind::NotFound, "{request}");
    }
    let path = RepoPath::from_decoded("v3/releases").unwrap();
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let request = PackageRequest {
            kind: Remote,
            method: &method,
            path: &path,
            query: None,
            headers: &HeaderMap::new(),
            remote: None,
        };
        let reject = PuppetProvider::new().classify(&request).unwrap_err();
        assert_eq!(reject.kind, ErrorKind::MethodNotAllowed);
    }
}

fn any_request() -> impl Strategy<Value = String> {
    let resource = prop::sample::select(vec!["modules", "releases", "files", "users", "x"]);
    let slug = "[A-Za-z0-9_.+/-]{0,20}";
    let query = "[a-z_=&%0-9,+ -]{0,30}";
    (resource, slug, query)
        .prop_map(|(resource, slug, query)| format!("v3/{resource}/{slug}?module=a-b&{query}"))
}

proptest! {
    #[test]
    fn every_request_is_a_route_or_a_rejection_and_its_path_is_canonical(
        request in any_request(),
        is_virtual in any::<bool>(),
    ) {
        let kind = if is_virtual { Virtual } else { Remote };
        if let Ok(Route::Serve(found)) = classify(kind, &request) {
            let encoded = found.path.to_encoded();
            let query = request.split_once('?').map_or("", |(_, query)| query);
            let again = target(kind, &format!("{encoded}?{query}"));
            prop_assert_eq!(&again, &found);
            prop_assert!(found.source.as_str().len() <= 1200);
        }
    }
}

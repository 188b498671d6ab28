//! What requests mean.

mod support;

use artifact_core::{Class, ErrorKind, Origin, Provider, Route, Shape, Variant};
use http::Method;
use proptest::prelude::*;
use provider_npm::NpmProvider;
use support::{classify, classify_with, path, target};

fn variant(raw: &str) -> String {
    match target(raw).shape {
        Shape::Document { variant, .. } => variant.to_string(),
        Shape::File | Shape::Assembled { .. } => "a file".to_owned(),
    }
}

#[test]
fn every_spelling_of_a_scoped_package_is_one_target() {
    let one = target("/@s/n");
    assert_eq!(one.path.as_str(), "@s/n");
    assert_eq!(one.origin, Origin::Upstream("@s%2fn".to_owned()));
    assert_eq!(one.package.as_deref(), Some("@s/n"));
    assert_eq!(one.accept, Some("application/json"));
    for raw in ["/@s%2fn", "/@s%2Fn", "/%40s%2fn", "/%40s/n", "//@s/n", "//@s//n", "/@s/n/"] {
        assert_eq!(target(raw), one, "{raw}");
    }
}

#[test]
fn every_spelling_of_a_tarball_is_one_target() {
    let one = target("/@s/n/-/n-1.0.0.tgz");
    assert_eq!(one.path.as_str(), "@s/n/-/n-1.0.0.tgz");
    assert_eq!((one.class, &one.shape), (Class::Immutable, &Shape::File));
    assert_eq!(one.origin, Origin::listed(target("/@s/n")));
    for raw in [
        "/@s%2fn/-/n-1.0.0.tgz",
        "/@s%2Fn/-/n-1.0.0.tgz",
        "/%40s%2fn/-/n-1.0.0.tgz",
        "//@s/n//-/n-1.0.0.tgz",
        "/@s/n/-/@s/n-1.0.0.tgz",
        "/@s/n/-/%40s/n-1.0.0.tgz",
    ] {
        assert_eq!(target(raw), one, "{raw}");
    }
    assert!(classify("/@s/n/-/@t/n-1.0.0.tgz").is_err());
}

#[test]
fn packages_and_their_manifests_share_one_source() {
    assert_eq!(variant("/left-pad"), "full");
    assert_eq!(variant("/left-pad/1.3.0"), "version:1.3.0");
    assert_eq!(variant("/left-pad/latest"), "version:latest");
    assert_eq!(variant("/@s/n/1.0.0+b"), "version:1.0.0+b");
    assert_eq!(variant("/-/package/@s/n/dist-tags"), "dist-tags");
    assert_eq!(target("/left-pad/1.3.0").path, target("/left-pad").path);
    assert_eq!(target("/-/package/@s/n/dist-tags").path, target("/@s/n").path);
}

#[test]
fn names_are_case_sensitive() {
    assert_eq!(target("/JSONStream").path.as_str(), "JSONStream");
    assert_ne!(target("/JSONStream").path, target("/jsonstream").path);
}

#[test]
fn a_package_may_be_called_npm() {
    assert_eq!(target("/npm").path.as_str(), "npm");
    assert_eq!(target("/npm/-/npm-11.0.0.tgz").path.as_str(), "npm/-/npm-11.0.0.tgz");
    assert_eq!(variant("/npm/v1"), "version:v1");
}

#[test]
fn what_can_be_no_package_is_absent() {
    for raw in [
        "/",
        "/-",
        "/-/",
        "/-foo",
        "/.npmrc",
        "/_utils",
        "/@s",
        "/@/n",
        "/@s/.n",
        "/a%20b",
        "/favicon.ico",
        "/left-pad/-/left-pad-1.3.0.zip",
        "/left-pad/-/..tgz",
        "/left-pad/-rev/1-x",
        "/left-pad/1.0.0/extra",
        "/left-pad/-/x/left-pad-1.0.0.tgz",
        "/-/all",
        "/-/npm/v1/user",
        "/-/npm/v1/tokens",
        "/-/npm/v1/security/audits",
        "/-/npm/v1/attestations/left-pad",
        "/-/npm/v1/attestations/@s/n",
        "/-/package/left-pad/visibility",
        "/-/package/left-pad/collaborators",
        "/-/package/left-pad/dist-tags/latest",
        "/-/package/dist-tags",
        "/-/v1/login",
    ] {
        assert_eq!(classify(raw).map_err(|reject| reject.kind), Err(ErrorKind::NotFound), "{raw}");
    }
}

#[test]
fn an_encoded_slash_without_a_scope_never_separates() {
    for raw in ["/left%2fpad", "/left%2f..%2fpad", "/..%2f@s/n", "/@s%2f..%2fn", "/%2e%2e/n"] {
        assert!(path(raw).is_err(), "{raw}");
    }
}

#[test]
fn the_registry_answers_for_itself() {
    let Ok(Route::Answer { content_type, body }) = classify("/-/ping") else {
        panic!("ping is answered")
    };
    assert_eq!((content_type, &body[..]), ("application/json", &b"{}"[..]));
    assert_eq!(classify("/-/whoami").unwrap_err().kind, ErrorKind::Unauthorized);
    let login = classify_with(&Method::POST, "/-/v1/login", None);
    assert_eq!(login.unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn audits_are_forwarded_and_nothing_else_is() {
    for question in ["advisories/bulk", "audits/quick", "audits"] {
        let raw = format!("/-/npm/v1/security/{question}");
        let Ok(Route::Forward(forward)) = classify_with(&Method::POST, &raw, Some("x=1")) else {
            panic!("{raw} is forwarded")
        };
        assert_eq!(forward.reference, raw.trim_start_matches('/'));
        assert_eq!(forward.method, Method::POST);
    }
    for raw in ["/left-pad", "/-/ping", "/-/npm/v1/keys", "/-/package/a/dist-tags"] {
        let refused = classify_with(&Method::POST, raw, None).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::MethodNotAllowed, "{raw}");
    }
}

#[test]
fn keys_and_attestations_are_passed_on() {
    let keys = target("/-/npm/v1/keys");
    assert_eq!((keys.class, keys.shape, keys.package), (Class::Mutable, Shape::File, None));
    let proof = target("/-/npm/v1/attestations/@s/n@1.0.0");
    assert_eq!(proof.path.as_str(), "-/npm/v1/attestations/@s/n@1.0.0");
    assert_eq!(proof.package.as_deref(), Some("@s/n"));
    assert_eq!(proof.origin, Origin::Upstream("-/npm/v1/attestations/@s%2fn@1.0.0".to_owned()));
    assert_eq!(target("/-/npm/v1/attestations/n@1.0.0").package.as_deref(), Some("n"));
}

#[test]
fn a_search_is_stored_under_its_question() {
    let found = classify_with(&Method::GET, "/-/v1/search", Some("text=pad&evil=1&from=0"));
    let Ok(Route::Serve(search)) = found else { panic!("a search is served") };
    assert_eq!(search.source, Variant::new("from=0&text=pad"));
    assert_eq!(search.content_type, Some("application/json"));
}

#[test]
fn errors_are_json_that_npm_prints() {
    let problem = artifact_core::Problem {
        status: 403,
        message: "blocked by \"x\"",
        request_id: "01J",
        ..artifact_core::Problem::default()
    };
    let body = NpmProvider::new().error_body(&problem);
    assert_eq!(body.content_type, "application/json");
    assert_eq!(body.body, "{\"error\":\"blocked by \\\"x\\\" (req 01J)\"}");
}

#[test]
fn the_type_is_called_npm_and_reads_large_documents() {
    let provider = NpmProvider::new();
    assert_eq!(provider.package_type().as_str(), "npm");
    assert!(provider.defaults().document_limit >= 128 << 20);
    assert!(provider.hosting().is_none());
}

proptest! {
    #[test]
    fn every_path_has_one_meaning_and_that_is_stable(
        raw in r"(@|-|/|%2f|%40|v1|npm|package|dist-tags|\.tgz|[a-zA-Z0-9._~+ -]){0,14}",
        post in any::<bool>(),
    ) {
        let method = if post { Method::POST } else { Method::GET };
        let Ok(Route::Serve(found)) = classify_with(&method, &raw, None) else { return Ok(()) };
        // A canonical path is a request for itself. Manifests live under their package.
        let is_document = matches!(found.shape, Shape::Document { .. });
        let again = target(&format!("/{}", found.path.to_encoded()));
        prop_assert_eq!(&again.path, &found.path);
        prop_assert_eq!(&again.origin, &found.origin);
        prop_assert_eq!(is_document, matches!(again.shape, Shape::Document { .. }));
    }
}

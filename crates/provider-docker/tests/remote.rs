//! What requests to remotes and virtual repositories mean, and what documents of other registries become.

#![expect(clippy::unwrap_used, reason = "helpers of tests, not marked as tests themselves")]

use artifact_core::{
    Class, DocumentError, DocumentKind, ErrorKind, Excerpt, Origin, Owner, PackageRequest,
    Provider, Reject, Remote, RepoPath, RepositoryKind, RewriteContext, Route, Shape,
    SourceDocument, Substitute, Target, Template, Timestamp, Variant, Worded,
};
use bytes::Bytes;
use http::{HeaderMap, Method};
use proptest::prelude::*;
use provider_docker::DockerProvider;
use registry_v2::parse_digest;

const EMPTY: &str = concat!(
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","#,
    r#""manifests":[]}"#
);
const HUB: &str = "https://registry-1.docker.io";
const QUAY: &str = "https://quay.example";

fn sha256(digit: char) -> String {
    format!("sha256:{}", String::from(digit).repeat(64))
}

fn request(
    kind: RepositoryKind,
    method: &Method,
    path: &str,
    remote: Option<&Remote>,
) -> Result<Route, Reject> {
    let (path, query) =
        path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let path = RepoPath::from_decoded(path).unwrap();
    let headers = HeaderMap::new();
    DockerProvider::new().classify(&PackageRequest {
        kind,
        method,
        path: &path,
        query,
        headers: &headers,
        remote,
    })
}

fn of_remote(base_url: &str, path: &str) -> Result<Route, Reject> {
    let remote = Remote::new(base_url);
    request(RepositoryKind::Remote, &Method::GET, path, Some(&remote))
}

fn target(base_url: &str, path: &str) -> Target {
    match of_remote(base_url, path) {
        Ok(Route::Serve(target)) => target,
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn tags_change_and_digests_do_not() {
    let digest = sha256('a');
    for (path, row, class, reference) in [
        ("a/b/manifests/v1".to_owned(), "a/b/_tags/v1".to_owned(), Class::Mutable, None),
        (
            "a/manifests/v1?ns=docker.io".to_owned(),
            "a/_tags/v1".to_owned(),
            Class::Mutable,
            Some("v2/a/manifests/v1".to_owned()),
        ),
        (format!("a/manifests/{digest}"), format!("a/_manifests/{digest}"), Class::Immutable, None),
        (format!("a/blobs/{digest}"), format!("a/_blobs/{digest}"), Class::Immutable, None),
    ] {
        let found = target(QUAY, &path);
        assert_eq!((found.path.as_str(), found.class), (row.as_str(), class), "{path}");
        let reference = reference.unwrap_or_else(|| format!("v2/{path}"));
        let is_addressed = class == Class::Immutable;
        let origin = if is_addressed {
            Origin::Addressed { reference, digest: parse_digest(&digest).unwrap() }
        } else {
            Origin::Upstream(reference)
        };
        assert_eq!(found.origin, origin);
        let owner = match path.split_once("/manifests/v1") {
            Some((image, _)) => {
                let name = Box::new(target(QUAY, &format!("{image}/tags/list")));
                Owner::FirstUnlessNamed { name }
            }
            None => Owner::First,
        };
        assert_eq!((&found.shape, &found.owner), (&Shape::File, &owner));
        // What has its digest is right, whatever it looks like.
        assert_eq!(found.html_allowed, is_addressed);
        assert_eq!(found.accept.is_some(), path.contains("manifests"), "{path}");
    }
}

#[test]
fn upstream_is_asked_for_every_type_of_manifest() {
    let accept = target(QUAY, "a/manifests/v1").accept.unwrap();
    let types: Vec<_> = accept.split(", ").collect();
    assert_eq!(types.len(), 4);
    for name in types {
        assert!(registry_v2::ManifestType::parse(name).is_some(), "{name}");
    }
}

fn reference(target: &Target) -> &str {
    match &target.origin {
        Origin::Upstream(reference) | Origin::Addressed { reference, .. } => reference,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_names_of_an_official_image_are_one() {
    for path in
        ["manifests/3.20".to_owned(), format!("blobs/{}", sha256('a')), "tags/list".to_owned()]
    {
        let short = target(HUB, &format!("alpine/{path}"));
        assert_eq!(short, target(HUB, &format!("library/alpine/{path}")));
        assert_eq!(short.package.as_deref(), Some("library/alpine"));
        assert!(short.path.as_str().starts_with("library/alpine/_"));
        assert!(reference(&short).starts_with("v2/library/alpine/"));
    }
    assert_eq!(target(QUAY, "alpine/manifests/3.20").package.as_deref(), Some("alpine"));
}

#[test]
fn lists_and_referrers_are_documents() {
    let digest = sha256('a');
    let list = target(QUAY, "a/b/tags/list?n=5&last=x");
    assert_eq!(list.path.as_str(), "a/b/_list");
    assert_eq!(list.origin, Origin::Upstream("v2/a/b/tags/list?n=1000".to_owned()));
    let referrers = target(QUAY, &format!("a/referrers/{digest}?artifactType=x"));
    assert_eq!(referrers.path.as_str(), format!("a/_referrers/{digest}"));
    assert_eq!(referrers.origin, Origin::Upstream(format!("v2/a/referrers/{digest}")));
    for document in [list, referrers] {
        assert_eq!(document.class, Class::Mutable);
        assert!(matches!(document.shape, Shape::Document { .. }));
    }
}

#[test]
fn banned_tags_are_refused_and_their_digests_are_not() {
    let remote =
        Remote { ban_tags_enabled: true, ban_tags: vec!["latest".to_owned()], ..Remote::new(QUAY) };
    let asked = |remote: &Remote, path: &str| {
        request(RepositoryKind::Remote, &Method::GET, path, Some(remote))
    };
    let reject = asked(&remote, "a/manifests/latest").unwrap_err();
    assert_eq!((reject.kind, reject.code), (ErrorKind::Denied, Some("DENIED")));
    assert!(reject.message.contains("ban_tags"), "{}", reject.message);
    assert!(asked(&remote, "a/manifests/latest-1").is_ok());
    assert!(asked(&remote, &format!("a/manifests/{}", sha256('a'))).is_ok());
    let disabled = Remote { ban_tags_enabled: false, ..remote };
    assert!(asked(&disabled, "a/manifests/latest").is_ok());
}

#[test]
fn nothing_is_pushed_to_a_remote() {
    let digest = sha256('a');
    for kind in [RepositoryKind::Remote, RepositoryKind::Virtual] {
        for (method, path) in [
            (Method::POST, "a/blobs/uploads/".to_owned()),
            (Method::PUT, "a/manifests/v1".to_owned()),
            (Method::DELETE, format!("a/blobs/{digest}")),
            (Method::PATCH, "a/blobs/uploads/x".to_owned()),
            (Method::GET, "a/blobs/uploads/x".to_owned()),
        ] {
            let reject = request(kind, &method, &path, None).unwrap_err();
            assert_eq!(
                (reject.kind, reject.code),
                (ErrorKind::MethodNotAllowed, Some("UNSUPPORTED")),
                "{method} {path}"
            );
        }
    }
}

#[test]
fn what_is_malformed_is_never_asked_of_upstream() {
    for (path, kind, code) in [
        ("a/manifests/sha256:bad", ErrorKind::BadRequest, "DIGEST_INVALID"),
        ("a/blobs/latest", ErrorKind::BadRequest, "DIGEST_INVALID"),
        ("a/referrers/latest", ErrorKind::BadRequest, "DIGEST_INVALID"),
        ("a/manifests/.x", ErrorKind::NotFound, "MANIFEST_UNKNOWN"),
        ("A/manifests/v1", ErrorKind::BadRequest, "NAME_INVALID"),
        ("a/_tags/v1", ErrorKind::NotFound, "NAME_UNKNOWN"),
        ("_catalog", ErrorKind::NotFound, "UNSUPPORTED"),
        ("", ErrorKind::NotFound, "NAME_UNKNOWN"),
    ] {
        let reject = of_remote(QUAY, path).unwrap_err();
        assert_eq!((reject.kind, reject.code), (kind, Some(code)), "{path}");
    }
}

/// A document as a test writes it.
struct Sent {
    target: Target,
    body: Bytes,
    remote: Remote,
}

impl Sent {
    fn new(target: Target, body: &str) -> Self {
        let body = Bytes::copy_from_slice(body.as_bytes());
        Self { target, body, remote: Remote::new(QUAY) }
    }

    fn document(&self) -> SourceDocument<'_> {
        let Shape::Document { kind, .. } = self.target.shape else { panic!("{:?}", self.target) };
        SourceDocument {
            kind,
            path: &self.target.path,
            source: &self.target.source,
            member: "m",
            remote: Some(&self.remote),
            position: 0,
            url: None,
            content_type: None,
            body: &self.body,
        }
    }

    fn next(&self) -> Option<Target> {
        let inspection = DockerProvider::new().inspect(&self.document()).unwrap();
        assert!(inspection.companions.len() <= 1);
        inspection.companions.into_iter().next()
    }
}

fn rewrite(
    sent: &[Sent],
    path: &str,
    admits: &(dyn Fn(&str) -> bool + Send + Sync),
) -> Result<(String, &'static str), DocumentError> {
    let documents: Vec<_> = sent.iter().map(Sent::document).collect();
    let rewritten = DockerProvider::new().rewrite(
        &documents,
        &RewriteContext {
            wanted: &Variant::new("whole"),
            admits,
            secure: true,
            kind: RepositoryKind::Remote,
            path: &RepoPath::from_decoded(path).unwrap(),
            changed_at: Timestamp::from_millis(0),
            signer: None,
        },
    )?;
    let [rendition] = rewritten.renditions.as_slice() else { panic!("{rewritten:?}") };
    assert_eq!(rendition.variant, Variant::new("whole"));
    let body = rendition.body.fill("https://never.example");
    Ok((String::from_utf8(body.to_vec()).unwrap(), rendition.content_type))
}

#[test]
fn a_list_of_tags_goes_on_until_nothing_is_new() {
    let first = Sent::new(target(HUB, "alpine/tags/list"), r#"{"tags":["3.2","3.10"]}"#);
    let second = first.next().unwrap();
    assert_eq!(second.path, first.target.path);
    assert_eq!(second.source, Variant::new("last=3.10"));
    let reference = "v2/library/alpine/tags/list?last=3.10&n=1000";
    assert_eq!(second.origin, Origin::Upstream(reference.to_owned()));

    let second = Sent::new(second, r#"{"tags":["edge"]}"#);
    let third = second.next().unwrap();
    assert_eq!(third.source, Variant::new("last=edge"));
    assert_eq!(Sent::new(third, r#"{"tags":null}"#).next(), None);
}

#[test]
fn a_registry_without_pages_is_asked_twice_and_no_more() {
    let whole = r#"{"tags":["a","b"]}"#;
    let first = Sent::new(target(QUAY, "a/tags/list"), whole);
    let second = Sent::new(first.next().unwrap(), whole);
    assert_eq!(second.next(), None);
    let (body, _) = rewrite(&[first, second], "a/_list", &|_| true).unwrap();
    assert_eq!(body, "a\nb");
}

#[test]
fn tags_are_united_in_order_of_bytes_without_what_is_refused() {
    let list = |body: &str| Sent::new(target(HUB, "alpine/tags/list"), body);
    let sent = [list(r#"{"name":"x","tags":["b","B","a"]}"#), list(r#"{"tags":["a","-no","c"]}"#)];
    let (body, content_type) = rewrite(&sent, "alpine/_list", &|_| true).unwrap();
    assert_eq!((body.as_str(), content_type), ("B\na\nb\nc", "text/plain"));
    let admits = |path: &str| path == "library/alpine/_tags/b";
    let (body, _) = rewrite(&sent, "alpine/_list", &admits).unwrap();
    assert_eq!(body, "b");
    let refused = rewrite(&sent, "alpine/_list", &|_| false);
    assert_eq!(refused, Err(DocumentError::AllDenied));
    let (body, _) = rewrite(&[list("{}")], "alpine/_list", &|_| false).unwrap();
    assert_eq!(body, "");
}

#[test]
fn banned_tags_are_listed_only_where_another_member_has_them() {
    let list = |banned: &[&str], body: &str| {
        let ban_tags = banned.iter().map(ToString::to_string).collect();
        let remote = Remote { ban_tags_enabled: true, ban_tags, ..Remote::new(QUAY) };
        Sent { remote, ..Sent::new(target(QUAY, "a/tags/list"), body) }
    };
    let sent = [list(&["x", "y"], r#"{"tags":["w","x","y"]}"#), list(&[], r#"{"tags":["y"]}"#)];
    let (body, _) = rewrite(&sent, "a/_list", &|_| true).unwrap();
    assert_eq!(body, "w\ny");
    let (body, _) = rewrite(&sent[..1], "a/_list", &|_| true).unwrap();
    assert_eq!(body, "w");
}

/// Answers a request for a document out of its whole rendition: the link to the next page and the body.
fn cut(whole: &str, path: &str) -> Result<(Worded, Option<String>, String), Reject> {
    let (path, query) =
        path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let request = PackageRequest {
        kind: RepositoryKind::Virtual,
        method: &Method::GET,
        path: &RepoPath::from_decoded(path).unwrap(),
        query,
        headers: &HeaderMap::new(),
        remote: None,
    };
    let excerpt = Excerpt {
        kind: DocumentKind("any"),
        whole: &Template::fixed(whole.to_owned()),
        request: &request,
        mount: "/v2/hub",
    };
    let worded = DockerProvider::new().excerpt(&excerpt)?.unwrap();
    let link = worded.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
    let body = String::from_utf8(worded.body.to_vec()).unwrap();
    Ok((worded, link, body))
}

#[test]
fn a_page_of_tags_is_cut_out_of_the_whole_list() {
    let next = |query: &str| Some(format!("</v2/hub/alpine/tags/list?{query}>; rel=\"next\""));
    for (query, tags, link) in [
        ("", r#""a","b","c""#, None),
        ("?n=2", r#""a","b""#, next("last=b&n=2")),
        ("?n=2&last=b", r#""c""#, None),
        ("?n=3", r#""a","b","c""#, None),
        ("?n=1&last=aa", r#""b""#, next("last=b&n=1")),
        ("?last=c", "", None),
        ("?n=0", "", None),
    ] {
        let (_, found, body) = cut("a\nb\nc", &format!("alpine/tags/list{query}")).unwrap();
        assert_eq!(body, format!(r#"{{"name":"hub/alpine","tags":[{tags}]}}"#), "{query}");
        assert_eq!(found, link, "{query}");
    }
    let (_, _, body) = cut("", "alpine/tags/list").unwrap();
    assert_eq!(body, r#"{"name":"hub/alpine","tags":[]}"#);
    let many: Vec<_> = (1000..2001).map(|tag| tag.to_string()).collect();
    let (_, link, _) = cut(&many.join("\n"), "alpine/tags/list").unwrap();
    assert_eq!(link, next("last=1999&n=1000"));
}

#[test]
fn a_page_that_cannot_be_cut_is_refused_before_upstream_is_asked() {
    for query in ["n=-1", "n=x"] {
        let reject = of_remote(QUAY, &format!("a/tags/list?{query}")).unwrap_err();
        assert_eq!(reject.code, Some("PAGINATION_NUMBER_INVALID"), "{query}");
    }
    let path = format!("a/referrers/{}?last=x", sha256('a'));
    assert_eq!(of_remote(QUAY, &path).unwrap_err().code, Some("DIGEST_INVALID"));
}

#[test]
fn referrers_of_a_type_are_cut_out_of_the_whole_index() {
    let descriptor = |digit: char, artifact_type: &str| {
        format!(r#"{{"digest":"{}","artifactType":"{artifact_type}"}}"#, sha256(digit))
    };
    let manifests = [descriptor('1', "x"), descriptor('2', "y"), descriptor('3', "x")];
    let whole = format!(r#"{{"manifests":[{}]}}"#, manifests.join(","));
    let listed = |query: &str| {
        let (worded, link, body) =
            cut(&whole, &format!("a/referrers/{}{query}", sha256('0'))).unwrap();
        assert_eq!(worded.headers["content-type"], "application/vnd.oci.image.index.v1+json");
        assert_eq!(link, None);
        let filters = worded.headers.get("oci-filters-applied").cloned();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let listed = body["manifests"].as_array().unwrap().iter();
        let digests: Vec<_> = listed.map(|manifest| manifest["digest"].clone()).collect();
        (filters, digests)
    };
    let (filters, digests) = listed("");
    assert_eq!((filters, digests.len()), (None, 3));
    let (filters, digests) = listed("?artifactType=x");
    assert_eq!(filters.unwrap(), "artifactType");
    assert_eq!(digests, [sha256('1'), sha256('3')]);
    let (_, digests) = listed(&format!("?last={}", sha256('1')));
    assert_eq!(digests, [sha256('2'), sha256('3')]);
}

#[test]
fn referrers_are_passed_on_to_the_letter() {
    let digest = sha256('0');
    let path = format!("a/referrers/{digest}");
    let index = |body: &str| Sent::new(target(QUAY, &path), body);
    let one = format!(r#"{{"digest":"{}", "annotations":{{"x": "1"}}}}"#, sha256('1'));
    let two = format!(r#"{{"digest":"{}"}}"#, sha256('2'));
    let sent = [
        index(&format!(r#"{{"schemaVersion":2,"manifests":[{one}]}}"#)),
        index(&format!(r#"{{"manifests":[{one},{two}]}}"#)),
    ];
    let (body, content_type) = rewrite(&sent, &path, &|_| true).unwrap();
    let expected = |manifests: &str| {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{manifests}]}}"#
        )
    };
    assert_eq!(body, expected(&format!("{one},{two}")));
    assert_eq!(content_type, "application/vnd.oci.image.index.v1+json");
    let only = format!("a/_manifests/{}", sha256('2'));
    let (body, _) = rewrite(&sent, &path, &|path| path == only).unwrap();
    assert_eq!(body, expected(&two));
}

#[test]
fn where_referrers_cannot_be_asked_for_their_tag_takes_the_place_and_then_nothing() {
    let provider = DockerProvider::new();
    let absent = target(HUB, &format!("alpine/referrers/{}", sha256('a')));
    let Some(Substitute::Document(by_tag)) = provider.substitute(&absent) else { panic!() };
    let upstream = format!("v2/library/alpine/manifests/sha256-{}", "a".repeat(64));
    assert_eq!(reference(&by_tag), upstream);
    assert_eq!((&by_tag.path, &by_tag.shape), (&absent.path, &absent.shape));
    assert_ne!(by_tag.source, absent.source);
    let Some(Substitute::Body(body)) = provider.substitute(&by_tag) else { panic!() };
    let nothing = Sent { body, ..Sent::new(absent, "") };
    assert_eq!(nothing.next(), None);
    assert_eq!(rewrite(&[nothing], "alpine/_list", &|_| true).unwrap().0, EMPTY);
    for path in ["alpine/tags/list", "alpine/manifests/latest"] {
        assert_eq!(provider.substitute(&target(HUB, path)), None, "{path}");
    }
}

#[test]
fn documents_that_are_none_are_refused() {
    let list = target(QUAY, "a/tags/list");
    let referrers = target(QUAY, &format!("a/referrers/{}", sha256('0')));
    for target in [list.clone(), referrers.clone()] {
        for body in ["", "<html></html>", "[]", r#"{"tags":3,"manifests":3}"#] {
            let sent = Sent::new(target.clone(), body);
            assert!(DockerProvider::new().inspect(&sent.document()).is_err(), "{body}");
            assert!(rewrite(&[sent], "a/tags/list", &|_| true).is_err(), "{body}");
        }
    }
    let mixed = [Sent::new(list.clone(), "{}"), Sent::new(referrers, "{}")];
    assert!(rewrite(&mixed, "a/tags/list", &|_| true).is_err());
    assert!(rewrite(&[], "a/tags/list", &|_| true).is_err());
    let shape = Shape::Document { kind: DocumentKind("other"), variant: Variant::new("whole") };
    let other = Sent::new(Target { shape, ..list }, "{}");
    assert!(DockerProvider::new().inspect(&other.document()).is_err());
}

proptest! {
    #[test]
    fn classification_is_total_and_deterministic(
        path in "([a-zA-Z_]{1,4}/){0,3}(manifests|blobs|tags|referrers|_catalog)(/[a-z0-9:.-]{0,9})?(/list)?|[a-z]{1,3}/(blobs|manifests|referrers)/sha256:[0-9a-f]{64}",
        hub in any::<bool>(),
    ) {
        let Ok(path) = RepoPath::from_decoded(&path) else { return Ok(()) };
        let remote = Remote::new(if hub { HUB } else { QUAY });
        for kind in RepositoryKind::ALL {
            for method in [Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::DELETE] {
                let first = request(kind, &method, path.as_str(), Some(&remote));
                prop_assert_eq!(&first, &request(kind, &method, path.as_str(), Some(&remote)));
                if let Ok(Route::Serve(target)) = first {
                    prop_assert!(target.path.as_str().contains("/_"), "{}", target.path);
                    prop_assert!(reference(&target).starts_with("v2/"));
                }
            }
        }
    }
}

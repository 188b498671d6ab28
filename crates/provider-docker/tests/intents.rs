//! What requests to a hosted repository ask for.

#![expect(clippy::unwrap_used, reason = "helpers of tests, not marked as tests themselves")]

use artifact_core::{
    Algorithm, Beginning, Continuation, ErrorKind, Intent, ListRequest, PackageRequest, PartRange,
    Provider, Publishing, Reading, Reject, RelationRequest, RemovalRequest, RepoPath,
    RepositoryKind, Source, Submission, UploadReference,
};
use http::{HeaderMap, HeaderName, Method};
use proptest::prelude::*;
use provider_docker::DockerProvider;
use registry_v2::parse_digest;

const ID: &str = "3f2b8c1e-9d4a-4e77-8a55-0c9e1d2f3a4b";
const MIB: u64 = 1 << 20;

fn sha256(digit: char) -> String {
    format!("sha256:{}", String::from(digit).repeat(64))
}

fn sha512(digit: char) -> String {
    format!("sha512:{}", String::from(digit).repeat(128))
}

fn path(text: &str) -> RepoPath {
    RepoPath::from_decoded(text).unwrap()
}

fn asked(
    method: &Method,
    target: &str,
    headers: &[(&str, &str)],
) -> Result<Intent, (ErrorKind, &'static str)> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let path = RepoPath::from_encoded(path, DockerProvider::new().path_rules()).unwrap();
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    let intent = DockerProvider::new().intent(&PackageRequest {
        kind: RepositoryKind::Local,
        method,
        path: &path,
        query,
        headers: &map,
        remote: None,
    });
    intent.map_err(|reject: Reject| (reject.kind, reject.code.unwrap()))
}

fn upload() -> UploadReference {
    UploadReference { name: "team/app".to_owned(), id: ID.parse().unwrap() }
}

#[test]
fn blobs_and_manifests_are_read_and_only_the_head_of_a_blob_is_a_promise() {
    let digest = sha256('a');
    let long = sha512('a');
    for (target, row, promises) in [
        (format!("team/app/blobs/{digest}"), format!("team/app/_blobs/{digest}"), true),
        (format!("team/app/blobs/{long}"), format!("team/app/_blobs/{long}"), true),
        (format!("app/blobs/{}", digest.replace(':', "%3A")), format!("app/_blobs/{digest}"), true),
        (format!("app/manifests/{digest}"), format!("app/_manifests/{digest}"), false),
        ("app/manifests/v1".to_owned(), "app/_tags/v1".to_owned(), false),
        ("manifests/manifests/v1".to_owned(), "manifests/_tags/v1".to_owned(), false),
        ("app/manifests/v1?ns=docker.io".to_owned(), "app/_tags/v1".to_owned(), false),
        ("blobs/uploads/manifests/v1".to_owned(), "blobs/uploads/_tags/v1".to_owned(), false),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let promises = promises && method == Method::HEAD;
            let expected = Intent::Read(Reading { path: path(&row), promises });
            assert_eq!(asked(&method, &target, &[]), Ok(expected), "{method} {target}");
        }
    }
}

#[test]
fn an_upload_begins_in_every_way() {
    let plain = |whole: Option<&str>, algorithm| {
        Intent::Begin(Beginning {
            name: "team/app".to_owned(),
            whole: whole.map(|text| parse_digest(text).unwrap()),
            algorithm,
            source: None,
        })
    };
    let (short, long) = (sha256('a'), sha512('a'));
    for (query, expected) in [
        (String::new(), plain(None, Algorithm::Sha256)),
        (format!("?digest={short}"), plain(Some(&short), Algorithm::Sha256)),
        (format!("?digest={long}"), plain(Some(&long), Algorithm::Sha512)),
        (format!("?digest={}", short.replace(':', "%3A")), plain(Some(&short), Algorithm::Sha256)),
        ("?digest-algorithm=sha512".to_owned(), plain(None, Algorithm::Sha512)),
        ("?digest-algorithm=sha256".to_owned(), plain(None, Algorithm::Sha256)),
        ("?ns=docker.io&origin=x".to_owned(), plain(None, Algorithm::Sha256)),
    ] {
        for slash in ["", "/"] {
            let target = format!("team/app/blobs/uploads{slash}{query}");
            assert_eq!(asked(&Method::POST, &target, &[]), Ok(expected.clone()), "{target}");
        }
    }
    for query in ["digest=sha256:baddigeststring", "digest=md5:00", "digest-algorithm=sha384"] {
        let target = format!("team/app/blobs/uploads/?{query}");
        let expected = Err((ErrorKind::BadRequest, "DIGEST_INVALID"));
        assert_eq!(asked(&Method::POST, &target, &[]), expected, "{target}");
    }
}

#[test]
fn a_mount_that_cannot_be_is_an_upload() {
    let digest = sha256('a');
    let source = |from: Option<&str>| Source {
        digest: parse_digest(&digest).unwrap(),
        from: from.map(ToOwned::to_owned),
    };
    for (query, expected) in [
        // As docker and as containerd write it.
        (
            format!("from=dk%2Fteam%2Fapp&mount={}", digest.replace(':', "%3A")),
            Some(source(Some("dk/team/app"))),
        ),
        (format!("mount={digest}&from=dk/app"), Some(source(Some("dk/app")))),
        (format!("mount={digest}"), Some(source(None))),
        (format!("mount={digest}&from="), Some(source(None))),
        (format!("mount={digest}&from=app"), Some(source(Some("app")))),
        (format!("mount={digest}&from=DK/app"), None),
        (format!("mount={digest}&from=../app"), None),
        ("mount=sha256:bad&from=dk/app".to_owned(), None),
        ("mount=&from=dk/app".to_owned(), None),
        ("from=dk/app".to_owned(), None),
    ] {
        let target = format!("team/app/blobs/uploads/?{query}");
        match asked(&Method::POST, &target, &[]) {
            Ok(Intent::Begin(beginning)) => assert_eq!(beginning.source, expected, "{query}"),
            other => panic!("{query}: {other:?}"),
        }
    }
}

#[test]
fn an_upload_goes_on_at_its_end_or_where_the_range_says() {
    let continuing = |range: Option<(u64, u64)>| {
        Ok(Intent::Continue(Continuation {
            upload: upload(),
            range: range.map(|(first, length)| PartRange { first, length }),
            closing: None,
        }))
    };
    let nowhere = Some((u64::MAX, 0));
    for (headers, expected) in [
        ([].as_slice(), continuing(None)),
        (&[("content-length", "7")], continuing(None)),
        (&[("content-length", "0")], continuing(None)),
        (&[("content-range", "0-6"), ("content-length", "7")], continuing(Some((0, 7)))),
        (&[("content-range", "7-13")], continuing(Some((7, 7)))),
        (&[("content-range", "bytes 7-13/20")], continuing(Some((7, 7)))),
        // No upload can be there, so the client hears where to go on.
        (&[("content-range", "13-7"), ("content-length", "7")], continuing(nowhere)),
        (&[("content-range", "0-garbage")], continuing(nowhere)),
        (&[("content-range", "0-6"), ("content-range", "7-13")], continuing(nowhere)),
        (
            &[("content-range", "0-6"), ("content-length", "8")],
            Err((ErrorKind::BadRequest, "SIZE_INVALID")),
        ),
    ] {
        let target = format!("team/app/blobs/uploads/{ID}");
        assert_eq!(asked(&Method::PATCH, &target, headers), expected, "{headers:?}");
    }
}

#[test]
fn an_upload_ends_with_the_digest_of_the_whole() {
    let digest = sha512('b');
    let closing = |range| {
        Ok(Intent::Continue(Continuation {
            upload: upload(),
            range,
            closing: Some(parse_digest(&digest).unwrap()),
        }))
    };
    let missing = || Err((ErrorKind::BadRequest, "DIGEST_INVALID"));
    let range = Some(PartRange { first: 3, length: 2 });
    for (query, headers, expected) in [
        (format!("?digest={digest}"), [("content-length", "0")].as_slice(), closing(None)),
        (format!("?digest={}", digest.replace(':', "%3A")), &[], closing(None)),
        (format!("?x=y&digest={digest}"), &[("content-range", "3-4")], closing(range)),
        (String::new(), &[], missing()),
        ("?digest=".to_owned(), &[], missing()),
        ("?digest=sha256:baddigeststring".to_owned(), &[], missing()),
        (format!("?digest={}", digest.to_uppercase()), &[], missing()),
    ] {
        let target = format!("team/app/blobs/uploads/{ID}{query}");
        assert_eq!(asked(&Method::PUT, &target, headers), expected, "{target}");
    }
}

#[test]
fn an_upload_is_asked_for_and_cancelled_also_with_a_query_of_old() {
    let target = format!("team/app/blobs/uploads/{ID}?digest={}", sha256('a'));
    assert_eq!(asked(&Method::GET, &target, &[]), Ok(Intent::Ask(upload())));
    assert_eq!(asked(&Method::HEAD, &target, &[]), Ok(Intent::Ask(upload())));
    assert_eq!(asked(&Method::DELETE, &target, &[]), Ok(Intent::Cancel(upload())));
    for id in ["x", &ID.to_uppercase(), &ID.replace('-', ""), "latest"] {
        for method in [Method::GET, Method::PATCH, Method::PUT, Method::DELETE] {
            let target = format!("team/app/blobs/uploads/{id}");
            let expected = Err((ErrorKind::NotFound, "BLOB_UPLOAD_UNKNOWN"));
            assert_eq!(asked(&method, &target, &[]), expected, "{method} {id}");
        }
    }
}

#[test]
fn a_manifest_is_published_by_tag_or_by_digest_with_tags() {
    let digest = sha256('c');
    let submission = |digest: Option<&str>, aliases: &[&str], content_type: Option<&str>| {
        Ok(Intent::Publish(Submission {
            name: "app".to_owned(),
            digest: digest.map(|text| parse_digest(text).unwrap()),
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            content_type: content_type.map(str::to_owned),
            limit: 4 * MIB,
        }))
    };
    let json = Some("application/json");
    for (reference, headers, expected) in [
        ("v1".to_owned(), [].as_slice(), submission(None, &["v1"], None)),
        (
            "v1".to_owned(),
            &[("content-type", "application/json; charset=utf-8")],
            submission(None, &["v1"], json),
        ),
        ("v1".to_owned(), &[("content-type", " ;x")], submission(None, &["v1"], None)),
        (
            digest.clone(),
            &[("content-type", "application/json")],
            submission(Some(&digest), &[], json),
        ),
        (
            format!("{digest}?tag=a&tag=b,c&tag=a&tag="),
            &[],
            submission(Some(&digest), &["a", "b", "c"], None),
        ),
        ("v1?tag=v1.0,v1".to_owned(), &[], submission(None, &["v1", "v1.0"], None)),
        ("-v1".to_owned(), &[], Err((ErrorKind::BadRequest, "TAG_INVALID"))),
        (format!("{digest}?tag=-a"), &[], Err((ErrorKind::BadRequest, "TAG_INVALID"))),
        ("sha256:bad".to_owned(), &[], Err((ErrorKind::BadRequest, "DIGEST_INVALID"))),
    ] {
        let target = format!("app/manifests/{reference}");
        assert_eq!(asked(&Method::PUT, &target, headers), expected, "{target} {headers:?}");
    }
}

#[test]
fn a_hundred_tags_are_given_at_once_and_no_more() {
    let tagged = |count: usize| {
        let tags: Vec<_> = (0..count).map(|number| format!("t{number}")).collect();
        asked(&Method::PUT, &format!("app/manifests/{}?tag={}", sha256('a'), tags.join(",")), &[])
    };
    match tagged(100) {
        Ok(Intent::Publish(submission)) => assert_eq!(submission.aliases.len(), 100),
        other => panic!("{other:?}"),
    }
    assert_eq!(tagged(101), Err((ErrorKind::TooLarge, "TAG_INVALID")));
}

#[test]
fn tags_manifests_and_blobs_are_removed_each_in_its_way() {
    let digest = sha256('a');
    for (target, row, aliases) in [
        ("app/manifests/v1".to_owned(), "app/_tags/v1".to_owned(), None),
        (
            format!("app/manifests/{digest}"),
            format!("app/_manifests/{digest}"),
            Some("app/_tags/".to_owned()),
        ),
        (format!("app/blobs/{digest}"), format!("app/_blobs/{digest}"), None),
    ] {
        let expected = Intent::Remove(RemovalRequest { path: path(&row), aliases });
        assert_eq!(asked(&Method::DELETE, &target, &[]), Ok(expected), "{target}");
    }
}

#[test]
fn tags_are_listed_by_page() {
    let list = |after: Option<&str>, limit| {
        Ok(Intent::List(ListRequest {
            name: "team/app".to_owned(),
            prefix: "team/app/_tags/".to_owned(),
            witness: "team/app/_".to_owned(),
            after: after.map(str::to_owned),
            limit,
        }))
    };
    for (query, expected) in [
        ("", list(None, 1000)),
        ("?n=2", list(None, 2)),
        ("?n=0", list(None, 0)),
        ("?n=2&last=v1.0", list(Some("v1.0"), 2)),
        ("?last=not%20a%20tag", list(Some("not a tag"), 1000)),
        ("?n=5000", list(None, 1000)),
        ("?n=-1", Err((ErrorKind::BadRequest, "PAGINATION_NUMBER_INVALID"))),
        ("?n=x", Err((ErrorKind::BadRequest, "PAGINATION_NUMBER_INVALID"))),
    ] {
        let target = format!("team/app/tags/list{query}");
        assert_eq!(asked(&Method::GET, &target, &[]), expected, "{query}");
    }
}

#[test]
fn referrers_are_asked_for_by_digest_and_kind() {
    let (digest, last) = (sha256('a'), sha256('b'));
    let related = |filter: Option<&str>, after: Option<String>| {
        Ok(Intent::Relate(RelationRequest {
            name: "app".to_owned(),
            subject: path(&format!("app/_manifests/{digest}")),
            digest: parse_digest(&digest).unwrap(),
            filter: filter.map(str::to_owned),
            after,
        }))
    };
    for (query, expected) in [
        (String::new(), related(None, None)),
        ("?artifactType=a%2Fb%2Bc".to_owned(), related(Some("a/b+c"), None)),
        ("?artifactType=a/b+c".to_owned(), related(Some("a/b+c"), None)),
        (format!("?last={last}"), related(None, Some(format!("app/_manifests/{last}")))),
        ("?last=x".to_owned(), Err((ErrorKind::BadRequest, "DIGEST_INVALID"))),
    ] {
        let target = format!("app/referrers/{digest}{query}");
        assert_eq!(asked(&Method::GET, &target, &[]), expected, "{query}");
    }
    let expected = Err((ErrorKind::BadRequest, "DIGEST_INVALID"));
    assert_eq!(asked(&Method::GET, "app/referrers/v1", &[]), expected);
}

#[test]
fn what_is_malformed_or_nowhere_is_refused_in_the_words_of_the_protocol() {
    let digest = sha256('a');
    for (method, target, kind, code) in [
        (Method::GET, "app/blobs/sha256:bad", ErrorKind::BadRequest, "DIGEST_INVALID"),
        (Method::GET, "app/manifests/sha256:bad", ErrorKind::BadRequest, "DIGEST_INVALID"),
        (Method::HEAD, "app/manifests/.INVALID", ErrorKind::NotFound, "MANIFEST_UNKNOWN"),
        (Method::DELETE, "app/manifests/.INVALID", ErrorKind::NotFound, "MANIFEST_UNKNOWN"),
        (Method::GET, "App/manifests/v1", ErrorKind::BadRequest, "NAME_INVALID"),
        (Method::POST, "a/_b/blobs/uploads/", ErrorKind::BadRequest, "NAME_INVALID"),
        (Method::GET, "", ErrorKind::NotFound, "NAME_UNKNOWN"),
        (Method::GET, "app", ErrorKind::NotFound, "NAME_UNKNOWN"),
        (Method::GET, "app/manifests/v1/", ErrorKind::NotFound, "NAME_UNKNOWN"),
        (Method::GET, "_catalog", ErrorKind::NotFound, "UNSUPPORTED"),
        (Method::GET, "app/blobs/uploads/", ErrorKind::MethodNotAllowed, "UNSUPPORTED"),
        (Method::POST, "app/tags/list", ErrorKind::MethodNotAllowed, "UNSUPPORTED"),
        (Method::PATCH, "app/manifests/v1", ErrorKind::MethodNotAllowed, "UNSUPPORTED"),
        (Method::PUT, &format!("app/blobs/{digest}"), ErrorKind::MethodNotAllowed, "UNSUPPORTED"),
        (
            Method::DELETE,
            &format!("app/referrers/{digest}"),
            ErrorKind::MethodNotAllowed,
            "UNSUPPORTED",
        ),
        (
            Method::POST,
            &format!("app/blobs/uploads/{ID}"),
            ErrorKind::MethodNotAllowed,
            "UNSUPPORTED",
        ),
    ] {
        assert_eq!(asked(&method, target, &[]), Err((kind, code)), "{method} {target}");
    }
}

proptest! {
    #[test]
    fn every_request_has_one_meaning(
        method in proptest::sample::select(vec![
            Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS,
        ]),
        path in "([a-zA-Z_]{1,4}/){0,3}(manifests|blobs|blobs/uploads|tags|referrers|_catalog)(/[a-z0-9:.%-]{0,9})?(/list)?",
        query in proptest::option::of("(n|last|digest|mount|from|tag|artifactType)=[a-z0-9:/%,-]{0,12}"),
        range in proptest::option::of("[0-9-]{0,7}"),
    ) {
        prop_assume!(RepoPath::from_encoded(&path, DockerProvider::new().path_rules()).is_ok());
        let target = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        let headers: Vec<_> = range.iter().map(|range| ("content-range", range.as_str())).collect();
        let first = asked(&method, &target, &headers);
        prop_assert_eq!(&first, &asked(&method, &target, &headers));
        if let Ok(Intent::Read(Reading { path, .. })) = &first {
            prop_assert!(path.as_str().contains("/_"), "{}", path);
        }
    }
}

//! Lists and latest versions as a client sees them.

#![expect(clippy::unwrap_used, reason = "helpers of tests, not marked as tests themselves")]

use artifact_core::{
    DocumentError, DocumentKind, Provider, RepoPath, RepositoryKind, RewriteContext,
    SourceDocument, Timestamp, Variant,
};
use bytes::Bytes;
use proptest::prelude::*;
use provider_goproxy::GoproxyProvider;

const LIST: (&str, &str) = ("list", "example.com/!lib/@v/list");
const LATEST: (&str, &str) = ("latest", "example.com/!lib/@latest");

type Admits<'a> = &'a (dyn Fn(&str) -> bool + Send + Sync);

fn with_documents<T>(
    (kind, path): (&'static str, &str),
    bodies: &[&[u8]],
    take: impl FnOnce(&[SourceDocument<'_>]) -> T,
) -> T {
    let path = RepoPath::from_decoded(path).unwrap();
    let bodies: Vec<_> = bodies.iter().map(|body| Bytes::copy_from_slice(body)).collect();
    let document = |(position, body)| SourceDocument {
        kind: DocumentKind(kind),
        path: &path,
        source: &Variant::SOURCE,
        member: "member",
        remote: None,
        position,
        url: Some("https://proxy.example/x"),
        content_type: Some("text/plain"),
        body,
    };
    take(&bodies.iter().enumerate().map(document).collect::<Vec<_>>())
}

fn rewrite_with(
    what: (&'static str, &str),
    bodies: &[&[u8]],
    admits: Admits<'_>,
) -> Result<String, DocumentError> {
    with_documents(what, bodies, |documents| {
        let context = RewriteContext {
            wanted: &Variant::new("plain"),
            admits,
            secure: true,
            kind: RepositoryKind::Virtual,
            path: documents.first().unwrap().path,
            changed_at: Timestamp::from_seconds(1),
            signer: None,
        };
        let rewritten = GoproxyProvider::new().rewrite(documents, &context)?;
        assert!(rewritten.facts.files.is_empty());
        let [rendition] = rewritten.renditions.as_slice() else { panic!("one rendition") };
        assert_eq!(rendition.variant.as_str(), "plain");
        assert!(rendition.body.is_fixed());
        Ok(String::from_utf8(rendition.body.fill("").to_vec()).unwrap())
    })
}

fn rewrite(what: (&'static str, &str), bodies: &[&str]) -> String {
    let bodies: Vec<_> = bodies.iter().map(|body| body.as_bytes()).collect();
    rewrite_with(what, &bodies, &|_| true).unwrap()
}

fn inspect(what: (&'static str, &str), body: &[u8]) -> Result<(), DocumentError> {
    with_documents(what, &[body], |documents| {
        let inspection = GoproxyProvider::new().inspect(documents.first().unwrap())?;
        assert!(inspection.companions.is_empty() && inspection.parts.is_empty());
        Ok(())
    })
}

#[test]
fn a_list_of_one_proxy_is_passed_on_byte_for_byte() {
    for list in ["v1.1.0\nv1.0.0\n", "v1.0.0", "v1.0.0 2020-01-01T00:00:00Z\r\nodd\n\n", "", "\n"] {
        assert_eq!(inspect(LIST, list.as_bytes()), Ok(()));
        assert_eq!(rewrite(LIST, &[list]), list);
    }
}

#[test]
fn lists_are_united_oldest_first() {
    let one = "v1.10.0\nv1.9.0 2020-01-01T00:00:00Z\nodd\n";
    let other = "v2.0.0+incompatible\nv1.9.0\nv1.9.0-rc.1\n";
    assert_eq!(
        rewrite(LIST, &[one, "", other]),
        "v1.9.0-rc.1\nv1.9.0\nv1.10.0\nv2.0.0+incompatible\n"
    );
    assert_eq!(rewrite(LIST, &["", ""]), "");
}

#[test]
fn a_version_of_which_a_policy_refuses_a_file_is_left_out() {
    for extension in ["info", "mod", "zip"] {
        let refused = format!("example.com/!lib/@v/v1.1.0-!r!c.{extension}");
        let admits = |path: &str| path != refused;
        let list = b"v1.0.0 x\nv1.1.0-RC\n".as_slice();
        assert_eq!(rewrite_with(LIST, &[list], &admits).unwrap(), "v1.0.0 x\n");
        assert_eq!(rewrite_with(LIST, &[list, b"v1.1.0-RC"], &admits).unwrap(), "v1.0.0\n");
    }
    for lists in [vec![b"v1.0.0\n".as_slice()], vec![b"v1.0.0", b""]] {
        assert_eq!(rewrite_with(LIST, &lists, &|_| false), Err(DocumentError::AllDenied));
    }
    assert_eq!(rewrite_with(LIST, &[b""], &|_| false).as_deref(), Ok(""));
}

fn latest(version: &str) -> String {
    format!("{{\"Version\": \"{version}\", \"Time\": \"2020-01-01T00:00:00Z\"}}\n")
}

#[test]
fn the_latest_version_of_one_proxy_is_passed_on_byte_for_byte() {
    let body = latest("v1.0.0");
    assert_eq!(inspect(LATEST, body.as_bytes()), Ok(()));
    assert_eq!(rewrite(LATEST, &[&body]), body);
}

#[test]
fn the_latest_of_several_is_a_release_before_a_pre_release_before_a_commit() {
    let commit = "v0.0.0-20230102030405-abcdef123456";
    let newer_commit = "v0.0.0-20240102030405-abcdef123456";
    for (versions, expected) in [
        (vec!["v1.9.0", "v1.10.0"], "v1.10.0"),
        (vec!["v2.0.0-rc.1", "v1.0.0"], "v1.0.0"),
        (vec![commit, "v0.1.0-rc.1"], "v0.1.0-rc.1"),
        (vec![commit, newer_commit], newer_commit),
        (vec![newer_commit, "v1.0.1-0.20230102030405-abcdef123456"], newer_commit),
    ] {
        let bodies: Vec<_> = versions.iter().map(|version| latest(version)).collect();
        let texts: Vec<_> = bodies.iter().map(String::as_str).collect();
        assert_eq!(rewrite(LATEST, &texts), latest(expected));
        let backwards: Vec<_> = texts.into_iter().rev().collect();
        assert_eq!(rewrite(LATEST, &backwards), latest(expected));
    }
    let (first, second) = (latest("v1.0.0"), latest("v1.0.0").replace("2020", "2021"));
    assert_eq!(rewrite(LATEST, &[&first, &second]), first);
}

#[test]
fn a_latest_version_that_a_policy_refuses_does_not_count() {
    let bodies = [latest("v1.0.0"), latest("v1.1.0")];
    let bodies = [bodies[0].as_bytes(), bodies[1].as_bytes()];
    let admits = |path: &str| !path.contains("v1.1.0.zip");
    assert_eq!(rewrite_with(LATEST, &bodies, &admits), Ok(latest("v1.0.0")));
    assert_eq!(rewrite_with(LATEST, &bodies, &|_| false), Err(DocumentError::AllDenied));
}

#[test]
fn what_cannot_be_read_is_refused_with_its_reason() {
    let description = "it is not the description of a version: ";
    for (what, body, reason) in [
        (LIST, "<html>\n", "none of its lines is a version".to_owned()),
        (LIST, "{\"error\": 1}", "none of its lines is a version".to_owned()),
        (LIST, "v1\nmaster\n", "none of its lines is a version".to_owned()),
        (LATEST, "", format!("{description}not an object at byte 0")),
        (LATEST, "v1.0.0", format!("{description}not an object at byte 0")),
        (LATEST, "{\"Version\": 1}", format!("{description}not a string at byte 12")),
        (
            LATEST,
            "{\"Version\": \"v1.0.0\"} x",
            format!("{description}something follows the document at byte 22"),
        ),
        (LATEST, "{}", "it does not name a canonical version".to_owned()),
        (LATEST, "{\"Version\": \"master\"}", "it does not name a canonical version".to_owned()),
        (("other", "x"), "", "it is no document of the GOPROXY protocol".to_owned()),
    ] {
        let refused = DocumentError::Malformed(reason);
        assert_eq!(inspect(what, body.as_bytes()), Err(refused.clone()), "{body}");
        assert_eq!(rewrite_with(what, &[body.as_bytes()], &|_| true), Err(refused), "{body}");
    }
    for what in [LIST, LATEST] {
        let refused = DocumentError::Malformed("it is not valid UTF-8".to_owned());
        assert_eq!(inspect(what, &[0xff]), Err(refused));
    }
}

#[test]
fn hostile_documents_are_read_in_time() {
    let deep = format!("{{\"a\":{}", "[".repeat(1_000_000));
    assert!(inspect(LATEST, deep.as_bytes()).is_err());
    let long = "v1.0.0\n".repeat(200_000);
    assert_eq!(rewrite(LIST, &[&long, &long]), "v1.0.0\n");
    assert!(inspect(LIST, "x".repeat(8_000_000).as_bytes()).is_err());
}

fn any_list() -> impl Strategy<Value = String> {
    let line =
        "(v[0-2]\\.[0-9]{1,2}\\.[0-9](-[a-zA-Z0-9.]{1,4})?(\\+incompatible)?( x)?|[ -~]{0,5})\n";
    prop::collection::vec(line, 0..8).prop_map(|lines| format!("{}v1.0.0\n", lines.concat()))
}

proptest! {
    #[test]
    fn uniting_is_idempotent_and_does_not_depend_on_the_order(one in any_list(), other in any_list()) {
        let united = rewrite(LIST, &[&one, &other]);
        prop_assert_eq!(rewrite(LIST, &[&other, &one]), united.clone());
        prop_assert_eq!(rewrite(LIST, &[&united, &united]), united.clone());
        prop_assert_eq!(rewrite(LIST, &[&united]), united);
    }

    #[test]
    fn any_text_is_read_or_refused(body in any::<Vec<u8>>()) {
        let _ = inspect(LIST, &body);
        let _ = inspect(LATEST, &body);
    }
}

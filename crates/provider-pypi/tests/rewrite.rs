//! The index as a client sees it, for every shape of index that upstreams send.

#![expect(clippy::unwrap_used, reason = "helpers of tests, not marked as tests themselves")]

use std::collections::BTreeSet;

use artifact_core::{
    Algorithm, DocumentError, DocumentKind, Facts, FileFact, Origin, PackageRequest, PathRules,
    Provider, RepoPath, RepositoryKind, RewriteContext, Rewritten, Route, SourceDocument,
    Timestamp, Variant,
};
use bytes::Bytes;
use formats::html;
use http::{HeaderMap, Method};
use proptest::collection::vec;
use proptest::prelude::*;
use provider_pypi::PypiProvider;
use serde_json::{Value, json};
use url::Url;

const INDEX: &str = "https://index.example/root/simple/foo-bar/";
const REPOSITORY: &str = "https://proxy.example/api/v1/remote/pypi";
const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const WHEEL: &str = "packages/foo-bar/foo_bar-1.0-py3-none-any.whl";
const SDIST: &str = "packages/foo-bar/foo_bar-1.0+local.1.tar.gz";

/// A document and where it came from.
struct Upstream {
    kind: &'static str,
    path: &'static str,
    url: &'static str,
    content_type: &'static str,
    body: String,
}

impl Upstream {
    fn project(content_type: &'static str, body: impl Into<String>) -> Self {
        let (kind, path, url) = ("project", "simple/foo-bar/", INDEX);
        Self { kind, path, url, content_type, body: body.into() }
    }

    fn json(body: &Value) -> Self {
        Self::project("application/vnd.pypi.simple.v1+json", body.to_string())
    }

    fn html(body: &str) -> Self {
        Self::project("text/html", body)
    }
}

/// A rewrite as an operator's settings make it.
struct Rewrite<'a> {
    wanted: &'static str,
    admits: &'a (dyn Fn(&str) -> bool + Send + Sync),
    secure: bool,
}

impl Default for Rewrite<'_> {
    fn default() -> Self {
        Self { wanted: "json", admits: &|_| true, secure: true }
    }
}

impl Rewrite<'_> {
    fn of(&self, upstreams: &[Upstream]) -> Result<Rewritten, DocumentError> {
        let paths: Vec<RepoPath> =
            upstreams.iter().map(|it| RepoPath::from_decoded(it.path).unwrap()).collect();
        let bodies: Vec<Bytes> =
            upstreams.iter().map(|it| Bytes::from(it.body.clone().into_bytes())).collect();
        let documents: Vec<SourceDocument<'_>> = upstreams
            .iter()
            .zip(paths.iter().zip(&bodies))
            .enumerate()
            .map(|(position, (upstream, (path, body)))| SourceDocument {
                kind: DocumentKind(upstream.kind),
                path,
                source: &Variant::SOURCE,
                member: "pypi",
                remote: None,
                position,
                url: Some(upstream.url),
                content_type: Some(upstream.content_type),
                body,
            })
            .collect();
        let wanted = Variant::new(self.wanted);
        let context = RewriteContext {
            wanted: &wanted,
            admits: self.admits,
            secure: self.secure,
            kind: RepositoryKind::Remote,
            path: &RepoPath::root(),
            changed_at: Timestamp::from_millis(0),
            signer: None,
        };
        PypiProvider::new().rewrite(&documents, &context)
    }
}

fn rewritten(upstream: Upstream) -> Rewritten {
    Rewrite::default().of(&[upstream]).unwrap()
}

fn malformed(upstream: Upstream) -> String {
    match Rewrite::default().of(&[upstream]) {
        Err(DocumentError::Malformed(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn text(rewritten: &Rewritten, variant: &str) -> String {
    let rendition = rewritten.renditions.iter().find(|it| it.variant.as_str() == variant).unwrap();
    String::from_utf8(rendition.body.fill(REPOSITORY).to_vec()).unwrap()
}

fn as_json(rewritten: &Rewritten) -> Value {
    serde_json::from_str(&text(rewritten, "json")).unwrap()
}

fn anchors(rewritten: &Rewritten) -> Vec<html::Anchor> {
    html::read(text(rewritten, "html").as_bytes(), html::Limits::default()).unwrap().anchors
}

fn filenames(page: &Value) -> Vec<&str> {
    page["files"].as_array().unwrap().iter().map(|f| f["filename"].as_str().unwrap()).collect()
}

fn fact<'a>(facts: &'a Facts, path: &str) -> &'a FileFact {
    facts.files.get(path).unwrap_or_else(|| panic!("{path} not in {:?}", facts.files.keys()))
}

/// A page with everything that a page can have.
fn full_page() -> Value {
    json!({
        "meta": {"api-version": "1.3", "_last-serial": 42, "tracks": ["https://x.example/"]},
        "name": "Foo.Bar",
        "alternate-locations": ["https://elsewhere.example/"],
        "project-status": {"status": "archived", "reason": "done & <over>"},
        "versions": ["1.0", "1.0+local.1", "0.1"],
        "_private": {"kept": true},
        "files": [
            {
                "filename": "foo_bar-1.0-py3-none-any.whl",
                "url": "https://files.example/x/foo_bar-1.0-py3-none-any.whl?sig=1#frag",
                "hashes": {"sha256": A, "blake2b": "00ff"},
                "requires-python": ">=3.8,<4",
                "data-dist-info-metadata": {"sha256": B},
                "gpg-sig": true,
                "yanked": "broken \"badly\" <here>",
                "size": 10,
                "upload-time": "2026-01-02T03:04:05.678901Z",
                "provenance": "https://index.example/integrity/foo/1.0/p",
                "_extra": [1]
            },
            {
                "filename": "foo_bar-1.0+local.1.tar.gz",
                "url": "../../files/foo_bar-1.0%2Blocal.1.tar.gz",
                "hashes": {"md5": "d41d8cd98f00b204e9800998ecf8427e"},
                "yanked": false,
                "size": 20
            }
        ]
    })
}

#[test]
fn a_json_page_keeps_what_it_says_and_leads_to_us() {
    let page = as_json(&rewritten(Upstream::json(&full_page())));
    let provenance = format!("{REPOSITORY}/{WHEEL}.provenance");
    assert_eq!(
        page,
        json!({
            "meta": {"api-version": "1.4", "_last-serial": 42},
            "name": "foo-bar",
            "project-status": {"status": "archived", "reason": "done & <over>"},
            "versions": ["1.0", "1.0+local.1", "0.1"],
            "_private": {"kept": true},
            "files": [
                {
                    "filename": "foo_bar-1.0-py3-none-any.whl",
                    "url": format!("../../{WHEEL}"),
                    "hashes": {"sha256": A, "blake2b": "00ff"},
                    "requires-python": ">=3.8,<4",
                    "core-metadata": {"sha256": B},
                    "dist-info-metadata": {"sha256": B},
                    "gpg-sig": true,
                    "yanked": "broken \"badly\" <here>",
                    "size": 10,
                    "upload-time": "2026-01-02T03:04:05.678901Z",
                    "provenance": provenance,
                    "_extra": [1]
                },
                {
                    "filename": "foo_bar-1.0+local.1.tar.gz",
                    "url": "../../packages/foo-bar/foo_bar-1.0%2Blocal.1.tar.gz",
                    "hashes": {"md5": "d41d8cd98f00b204e9800998ecf8427e"},
                    "yanked": false,
                    "size": 20
                }
            ]
        })
    );
}

#[test]
fn the_same_page_in_html_says_the_same() {
    let rewritten = rewritten(Upstream::json(&full_page()));
    let page = html::read(text(&rewritten, "html").as_bytes(), html::Limits::default()).unwrap();
    assert_eq!(page.head.metas("pypi:repository-version").collect::<Vec<_>>(), ["1.4"]);
    assert_eq!(page.head.metas("pypi:project-status").collect::<Vec<_>>(), ["archived"]);
    let reasons: Vec<_> = page.head.metas("pypi:project-status-reason").collect();
    assert_eq!(reasons, ["done & <over>"]);
    let wheel = &page.anchors[0];
    assert_eq!(wheel.href, format!("../../{WHEEL}#sha256={A}"));
    assert_eq!(wheel.text, "foo_bar-1.0-py3-none-any.whl");
    let hash = format!("sha256={B}");
    let provenance = format!("{REPOSITORY}/{WHEEL}.provenance");
    for (name, value) in [
        ("data-requires-python", ">=3.8,<4"),
        ("data-core-metadata", &hash),
        ("data-dist-info-metadata", &hash),
        ("data-gpg-sig", "true"),
        ("data-yanked", "broken \"badly\" <here>"),
        ("data-provenance", &provenance),
    ] {
        assert_eq!(wheel.attribute(name), Some(value), "{name}");
    }
    let sdist = &page.anchors[1];
    assert_eq!(sdist.attribute("data-yanked"), None);
    assert!(sdist.href.ends_with("#md5=d41d8cd98f00b204e9800998ecf8427e"));
}

#[test]
fn the_two_html_renditions_differ_only_in_their_type() {
    let rewritten = rewritten(Upstream::json(&full_page()));
    assert_eq!(text(&rewritten, "html"), text(&rewritten, "html-v1"));
    let types: BTreeSet<&str> = rewritten.renditions.iter().map(|it| it.content_type).collect();
    let expected = [
        "application/vnd.pypi.simple.v1+html",
        "application/vnd.pypi.simple.v1+json",
        "text/html; charset=utf-8",
    ];
    assert_eq!(types, BTreeSet::from(expected));
}

#[test]
fn facts_name_the_places_and_digests_at_upstream() {
    let facts = rewritten(Upstream::json(&full_page())).facts;
    let wheel = fact(&facts, WHEEL);
    let published = Timestamp::from_rfc3339("2026-01-02T03:04:05.678901Z");
    assert_eq!(wheel.url, "https://files.example/x/foo_bar-1.0-py3-none-any.whl?sig=1");
    assert_eq!(wheel.digests.blob_id().unwrap().to_hex(), A);
    assert_eq!((wheel.size, wheel.published_at), (Some(10), published));
    let metadata = fact(&facts, &format!("{WHEEL}.metadata"));
    assert_eq!(metadata.url, "https://files.example/x/foo_bar-1.0-py3-none-any.whl.metadata?sig=1");
    assert_eq!(metadata.digests.blob_id().unwrap().to_hex(), B);
    assert_eq!((metadata.size, metadata.published_at), (None, published));
    let signature = fact(&facts, &format!("{WHEEL}.asc"));
    assert_eq!(signature.url, "https://files.example/x/foo_bar-1.0-py3-none-any.whl.asc?sig=1");
    let provenance = fact(&facts, &format!("{WHEEL}.provenance"));
    assert_eq!(provenance.url, "https://index.example/integrity/foo/1.0/p");
    let sdist = fact(&facts, SDIST);
    assert_eq!(sdist.url, "https://index.example/root/files/foo_bar-1.0%2Blocal.1.tar.gz");
    assert!(sdist.digests.get(Algorithm::Md5).is_some());
    assert_eq!(facts.files.len(), 5);
}

#[test]
fn provenance_is_linked_only_over_https_but_stays_known() {
    let upstream = Upstream::json(&full_page());
    let rewritten = Rewrite { secure: false, ..Rewrite::default() }.of(&[upstream]).unwrap();
    assert!(rewritten.renditions.iter().all(|it| it.body.is_fixed()));
    assert!(!text(&rewritten, "json").contains("provenance"));
    assert!(!text(&rewritten, "html").contains("provenance"));
    fact(&rewritten.facts, &format!("{WHEEL}.provenance"));
}

#[test]
fn an_html_page_serves_json_clients() {
    let rewritten = rewritten(Upstream::html(&format!(
        "<!DOCTYPE html><html><head><base href='//cdn.example/f/'></head><body>\
         <!-- <a href='ghost-1.0.tar.gz'>ghost</a> -->\
         <A HREF=foo_bar-1.0-py3-none-any.whl#sha256={A} DATA-REQUIRES-PYTHON='&gt;=3.8' \
         data-dist-info-metadata=true data-yanked data-upload-time=2026-01-02T03:04:05Z>x</A>\
         <a href='/g/foo_bar-1.0+local.1.tar.gz?token=1&amp;b=2#egg=foo&sha256={B}'>y</a>\
         <a href='../'>parent</a><a href='mailto:x@example.com'>mail</a></body></html>"
    )));
    assert_eq!(
        as_json(&rewritten),
        json!({
            "meta": {"api-version": "1.0"},
            "name": "foo-bar",
            "files": [
                {
                    "filename": "foo_bar-1.0-py3-none-any.whl",
                    "url": format!("../../{WHEEL}"),
                    "hashes": {"sha256": A},
                    "requires-python": ">=3.8",
                    "core-metadata": true,
                    "dist-info-metadata": true,
                    "yanked": true,
                    "upload-time": "2026-01-02T03:04:05Z"
                },
                {
                    "filename": "foo_bar-1.0+local.1.tar.gz",
                    "url": "../../packages/foo-bar/foo_bar-1.0%2Blocal.1.tar.gz",
                    "hashes": {"sha256": B}
                }
            ]
        })
    );
    let wheel = fact(&rewritten.facts, WHEEL);
    assert_eq!(wheel.url, "https://cdn.example/f/foo_bar-1.0-py3-none-any.whl");
    let sdist = fact(&rewritten.facts, SDIST);
    assert_eq!(sdist.url, "https://cdn.example/g/foo_bar-1.0+local.1.tar.gz?token=1&b=2");
    let metadata = fact(&rewritten.facts, &format!("{WHEEL}.metadata"));
    assert!(metadata.digests.is_empty());
}

#[test]
fn a_wrong_media_type_does_not_mislead() {
    for content_type in ["application/octet-stream", "text/plain", "text/html", ""] {
        let body = format!("\u{feff} \n{}", full_page());
        let page = as_json(&rewritten(Upstream::project(content_type, body)));
        assert_eq!(filenames(&page).len(), 2, "{content_type}");
    }
    let body = "<a href='foo_bar-1.0.zip'>x</a>";
    let page = as_json(&rewritten(Upstream::project("application/json", body)));
    assert_eq!(filenames(&page), ["foo_bar-1.0.zip"]);
}

#[test]
fn a_value_of_the_wrong_type_is_left_out_and_never_null() {
    let page = as_json(&rewritten(Upstream::json(&json!({
        "meta": {"api-version": "1.1"},
        "versions": ["1.0"],
        "files": [
            {"filename": "a-1.0.zip", "url": "a-1.0.zip", "hashes": {}, "size": null,
             "upload-time": null, "yanked": null, "requires-python": null, "core-metadata": null,
             "gpg-sig": null, "provenance": null},
            {"filename": "b-1.0.zip", "url": "b-1.0.zip", "yanked": "", "size": "9",
             "upload-time": "yesterday"},
            {"filename": "../c.zip", "url": "c.zip"},
            {"filename": "d.zip"},
            {"filename": "e.zip", "url": "ftp://x.example/e.zip"},
            "nonsense"
        ]
    }))));
    assert_eq!(
        page["files"],
        json!([
            {"filename": "a-1.0.zip", "url": "../../packages/foo-bar/a-1.0.zip", "hashes": {}},
            {"filename": "b-1.0.zip", "url": "../../packages/foo-bar/b-1.0.zip", "hashes": {},
             "yanked": true}
        ])
    );
    assert_eq!(page["meta"]["api-version"], "1.0");
    assert_eq!(page.get("versions"), None);
}

#[test]
fn metadata_without_a_hash_is_advertised_as_such() {
    let rewritten = rewritten(Upstream::json(&json!({
        "files": [
            {"filename": "a-1.0-py3-none-any.whl", "url": "a", "core-metadata": true},
            {"filename": "b-1.0-py3-none-any.whl", "url": "b", "core-metadata": false,
             "dist-info-metadata": true}
        ]
    })));
    let page = as_json(&rewritten);
    assert_eq!(page["files"][0]["dist-info-metadata"], json!(true));
    assert_eq!(page["files"][1]["dist-info-metadata"], json!(false));
    assert!(rewritten.facts.files.contains_key("packages/foo-bar/a-1.0-py3-none-any.whl.metadata"));
    assert!(
        !rewritten.facts.files.contains_key("packages/foo-bar/b-1.0-py3-none-any.whl.metadata")
    );
}

#[test]
fn an_empty_page_stays_a_page() {
    let page = as_json(&rewritten(Upstream::json(&json!({"files": [], "versions": []}))));
    assert_eq!((&page["files"], &page["meta"]["api-version"]), (&json!([]), &json!("1.4")));
    for body in [
        "<!DOCTYPE html><html><body></body></html>",
        "<meta name='pypi:repository-version' content='1.0'><script>x()</script>",
    ] {
        assert_eq!(as_json(&rewritten(Upstream::html(body)))["files"], json!([]), "{body}");
    }
}

#[test]
fn what_is_no_index_is_malformed() {
    for (content_type, body) in [
        ("application/json", ""),
        ("text/html", "  \n"),
        ("application/json", "{\"files\":"),
        ("application/json", "[1]"),
        ("application/json", "{\"error\":\"not found\"}"),
        ("application/json", "{\"files\":{}}"),
        ("application/json", "{\"meta\":{\"api-version\":\"2.0\"},\"files\":[]}"),
        ("text/html", "<meta name='pypi:repository-version' content='2.0'><a href=a.zip>a</a>"),
        ("text/html", "<form action='/login'></form>"),
        ("text/html", "<script>go()</script><a href='/forgot'>Forgot your password?</a>"),
        ("text/plain", "no such thing"),
    ] {
        assert!(!malformed(Upstream::project(content_type, body)).is_empty(), "{body}");
    }
}

#[test]
fn of_two_files_of_one_name_the_first_wins() {
    let rewritten = rewritten(Upstream::html(
        "<a href='https://a.example/foo_bar-1.0.zip'>x</a>\
         <a href='https://b.example/foo_bar-1.0.zip'>x</a>",
    ));
    assert_eq!(anchors(&rewritten).len(), 1);
    let only = fact(&rewritten.facts, "packages/foo-bar/foo_bar-1.0.zip");
    assert_eq!(only.url, "https://a.example/foo_bar-1.0.zip");
}

#[test]
fn a_listed_signature_is_a_file_and_hides_the_sidecar() {
    let rewritten = rewritten(Upstream::html(
        "<a data-gpg-sig=true href='https://a.example/f-1.zip'>x</a>\
         <a href='https://b.example/f-1.zip.asc'>x</a>",
    ));
    let signature = fact(&rewritten.facts, "packages/foo-bar/f-1.zip.asc");
    assert_eq!(signature.url, "https://b.example/f-1.zip.asc");
}

#[test]
fn a_refused_file_takes_its_version_along_only_if_it_was_the_last() {
    let page = json!({
        "versions": ["1.0.0", "2.0", "3.0"],
        "files": [
            {"filename": "foo_bar-1.0.tar.gz", "url": "a", "size": 1},
            {"filename": "foo_bar-2.0.tar.gz", "url": "b", "size": 1},
            {"filename": "foo_bar-2.0-py3-none-any.whl", "url": "c", "size": 1}
        ]
    });
    let admits = |path: &str| path.strip_suffix(".whl").is_some();
    let rewrite = Rewrite { admits: &admits, ..Rewrite::default() };
    let rewritten = rewrite.of(&[Upstream::json(&page)]).unwrap();
    let page = as_json(&rewritten);
    assert_eq!(filenames(&page), ["foo_bar-2.0-py3-none-any.whl"]);
    // A version without files (all deleted upstream) was not taken away by us.
    assert_eq!(page["versions"], json!(["2.0", "3.0"]));
    assert_eq!(rewritten.facts.files.len(), 1);
}

#[test]
fn a_sidecar_that_a_policy_refuses_is_not_promised() {
    let admits = |path: &str| path.strip_suffix(".whl").is_some();
    let rewrite = Rewrite { admits: &admits, ..Rewrite::default() };
    let rewritten = rewrite.of(&[Upstream::json(&full_page())]).unwrap();
    let page = as_json(&rewritten);
    let file = &page["files"][0];
    assert_eq!((&file["core-metadata"], &file["gpg-sig"]), (&json!(false), &json!(false)));
    assert_eq!(file.get("provenance"), None);
    assert_eq!(rewritten.facts.files.keys().collect::<Vec<_>>(), [WHEEL]);
}

#[test]
fn a_page_of_which_nothing_is_left_says_so() {
    let rewrite = Rewrite { admits: &|_| false, ..Rewrite::default() };
    let all = rewrite.of(&[Upstream::json(&full_page())]);
    assert_eq!(all.unwrap_err(), DocumentError::AllDenied);
    assert!(rewrite.of(&[Upstream::json(&json!({"files": []}))]).is_ok());
}

#[test]
fn members_unite_by_file_name_and_the_first_wins() {
    let first = json!({
        "versions": ["1.0"],
        "project-status": {"status": "active"},
        "files": [{"filename": "f-1.0.zip", "url": "https://one.example/f-1.0.zip", "size": 1}]
    });
    let second = json!({
        "versions": ["1.0", "2.0"],
        "project-status": {"status": "archived"},
        "files": [
            {"filename": "f-1.0.zip", "url": "https://two.example/f-1.0.zip", "size": 1},
            {"filename": "f-2.0.zip", "url": "https://two.example/f-2.0.zip", "size": 2}
        ]
    });
    let upstreams = [Upstream::json(&first), Upstream::json(&second)];
    let rewritten = Rewrite::default().of(&upstreams).unwrap();
    let page = as_json(&rewritten);
    assert_eq!(filenames(&page), ["f-1.0.zip", "f-2.0.zip"]);
    assert_eq!(page["versions"], json!(["1.0", "2.0"]));
    assert_eq!(page["meta"]["api-version"], "1.4");
    assert_eq!(page["project-status"]["status"], "active");
    let one = fact(&rewritten.facts, "packages/foo-bar/f-1.0.zip");
    assert_eq!((one.document, one.url.as_str()), (0, "https://one.example/f-1.0.zip"));
    let two = fact(&rewritten.facts, "packages/foo-bar/f-2.0.zip");
    assert_eq!((two.document, two.url.as_str()), (1, "https://two.example/f-2.0.zip"));
}

#[test]
fn an_html_member_lowers_the_interface_of_the_whole() {
    let upstreams =
        [Upstream::json(&full_page()), Upstream::html("<a href='foo_bar-3.0.zip'>x</a>")];
    let page = as_json(&Rewrite::default().of(&upstreams).unwrap());
    assert_eq!(page["meta"]["api-version"], "1.0");
    assert_eq!(page.get("versions"), None);
    assert_eq!(filenames(&page).len(), 3);
    assert!(page["files"].as_array().unwrap().iter().all(|file| file.get("size").is_none()));
}

/// The JSON rendition fed back as an upstream document, as a proxy behind a proxy sees it.
#[test]
fn rewriting_our_own_page_changes_nothing() {
    let once = rewritten(Upstream::json(&full_page()));
    let twice = rewritten(Upstream {
        url: "https://proxy.example/api/v1/remote/pypi/simple/foo-bar/",
        ..Upstream::project("application/vnd.pypi.simple.v1+json", text(&once, "json"))
    });
    assert_eq!(as_json(&once), as_json(&twice));
    assert_eq!(text(&once, "html"), text(&twice, "html"));
}

#[test]
fn facts_survive_the_way_through_html() {
    let page = json!({
        "files": [
            {"filename": "foo_bar-1.0-py3-none-any.whl", "hashes": {"sha256": A}, "gpg-sig": true,
             "url": "https://files.example/foo_bar-1.0-py3-none-any.whl",
             "core-metadata": {"sha256": B}},
            {"filename": "foo bar-1!2.0+x&y.zip", "hashes": {"sha256": B},
             "url": "https://files.example/foo%20bar-1!2.0%2Bx&y.zip"}
        ]
    });
    let from_json = rewritten(Upstream::json(&page));
    let from_html = rewritten(Upstream {
        url: "https://proxy.example/simple/foo-bar/",
        ..Upstream::html(&text(&from_json, "html"))
    });
    let known = |facts: &Facts| -> BTreeSet<(String, String)> {
        let pairs = facts.files.iter();
        pairs.map(|(path, fact)| (path.clone(), format!("{:?}", fact.digests))).collect()
    };
    assert_eq!(known(&from_json.facts), known(&from_html.facts));
    assert_eq!(from_json.facts.files.len(), 4);
}

/// Link closure: what we write is classified by us and found in the facts.
#[test]
fn every_link_leads_to_a_file_that_the_facts_know() {
    let mut page = full_page();
    for filename in ["a b-1.0.zip", "ä-1!1.0.zip", "q'&%-1.0.zip", "c:d.zip", "x[1]^|.zip"] {
        let url = "https://files.example/f";
        page["files"].as_array_mut().unwrap().push(json!({"filename": filename, "url": url}));
    }
    let rewritten = rewritten(Upstream::json(&page));
    let repository = Url::parse(&format!("{REPOSITORY}/")).unwrap();
    let index = repository.join("simple/foo-bar/").unwrap();
    let json_page = as_json(&rewritten);
    let files = json_page["files"].as_array().unwrap();
    let in_json = files.iter().map(|file| file["url"].as_str().unwrap().to_owned());
    let in_html = anchors(&rewritten).into_iter().map(|anchor| anchor.href);
    let mut links: Vec<String> = in_json.chain(in_html).collect();
    assert_eq!(links.len(), 14);
    for file in files {
        links.extend(file.get("provenance").map(|link| link.as_str().unwrap().to_owned()));
        if file.get("core-metadata").is_some() {
            links.push(format!("{}.metadata", file["url"].as_str().unwrap()));
        }
    }
    for link in links {
        let url = index.join(&link).unwrap();
        let below = url.path().strip_prefix(repository.path()).unwrap().to_owned();
        let path = file_path(&below);
        assert!(rewritten.facts.files.contains_key(&path), "{link} is {path}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever upstream calls its files: what is listed can be fetched, what cannot be is not listed.
    #[test]
    fn links_of_any_file_name_close(names in vec("[ -~äß/]{0,12}[.](zip|whl|tar.gz)", 1..6)) {
        let url = "https://files.example/f";
        let files: Vec<Value> =
            names.iter().map(|name| json!({"filename": name, "url": url, "core-metadata": true})).collect();
        let rewritten = rewritten(Upstream::json(&json!({"files": files})));
        let index = Url::parse("https://proxy.example/simple/foo-bar/").unwrap();
        let anchors = anchors(&rewritten);
        let page = as_json(&rewritten);
        prop_assert_eq!(anchors.len(), page["files"].as_array().unwrap().len());
        prop_assert_eq!(anchors.len() * 2, rewritten.facts.files.len());
        for anchor in anchors {
            let link = index.join(&anchor.href).unwrap();
            for suffix in ["", ".metadata"] {
                let path = file_path(&format!("{}{suffix}", link.path()));
                prop_assert!(rewritten.facts.files.contains_key(&path), "{}", path);
            }
        }
    }

    #[test]
    fn any_document_is_rewritten_or_refused(body in "[ -~\\n]{0,200}") {
        for content_type in ["text/html", "application/json", ""] {
            if let Ok(rewritten) = Rewrite::default().of(&[Upstream::project(content_type, body.clone())]) {
                prop_assert_eq!(rewritten.renditions.len(), 3);
                prop_assert!(as_json(&rewritten)["files"].is_array());
            }
        }
    }
}

/// The canonical path of a link to a file, by the rules of the provider.
fn file_path(encoded: &str) -> String {
    let path = RepoPath::from_encoded(encoded, PathRules::default()).unwrap();
    let headers = HeaderMap::new();
    let request = PackageRequest {
        kind: RepositoryKind::Remote,
        method: &Method::GET,
        path: &path,
        query: None,
        headers: &headers,
        remote: None,
    };
    match PypiProvider::new().classify(&request) {
        Ok(Route::Serve(target)) if matches!(target.origin, Origin::Index { .. }) => {
            target.path.as_str().to_owned()
        }
        other => panic!("{encoded}: {other:?}"),
    }
}

fn list(content_type: &'static str, body: &str) -> Upstream {
    Upstream {
        kind: "project-list",
        path: "simple/",
        url: "https://index.example/root/simple/",
        content_type,
        body: body.to_owned(),
    }
}

#[test]
fn a_project_list_is_translated_both_ways() {
    let from_json = list(
        "application/vnd.pypi.simple.v1+json",
        r#"{"meta":{"api-version":"1.1"},"projects":[{"name":"Foo.Bar","_last-serial":1},{"name":"-bad"},{"name":"b"}]}"#,
    );
    let html_list = Rewrite { wanted: "html", ..Rewrite::default() }.of(&[from_json]).unwrap();
    let links: Vec<_> = anchors(&html_list).into_iter().map(|it| (it.href, it.text)).collect();
    let expected = [("foo-bar/", "Foo.Bar"), ("b/", "b")];
    assert_eq!(links, expected.map(|(href, text)| (href.to_owned(), text.to_owned())));

    let from_html = list("text/html", "<a href='/simple/foo-bar/'>Foo.Bar</a><a href='b/'> </a>");
    let json_list = Rewrite::default().of(&[from_html]).unwrap();
    let expected = json!({
        "meta": {"api-version": "1.4"},
        "projects": [{"name": "Foo.Bar"}, {"name": "b"}]
    });
    assert_eq!(as_json(&json_list), expected);
    assert!(json_list.facts.files.is_empty());
}

#[test]
fn project_lists_unite_under_the_first_spelling() {
    let lists = [
        list("application/json", r#"{"projects":[{"name":"Foo.Bar"}]}"#),
        list("text/html", "<a href='foo-bar/'>foo-bar</a><a href='c/'>c</a>"),
    ];
    let united = as_json(&Rewrite::default().of(&lists).unwrap());
    assert_eq!(united["projects"], json!([{"name": "Foo.Bar"}, {"name": "c"}]));
}

#[test]
fn a_login_page_is_no_project_list() {
    let login = list("text/html", "<form action='/login'></form>");
    let result = Rewrite::default().of(&[login]);
    assert!(matches!(result, Err(DocumentError::Malformed(_))));
    let broken = list("application/json", "{\"projects\":[{\"name\":1}]}");
    assert!(matches!(Rewrite::default().of(&[broken]), Err(DocumentError::Malformed(_))));
}

fn release(body: &Value) -> Upstream {
    Upstream {
        kind: "release",
        path: "pypi/foo-bar/json",
        url: "https://index.example/pypi/foo-bar/json",
        content_type: "application/json",
        body: body.to_string(),
    }
}

#[test]
fn the_json_description_links_absolutely_to_us() {
    let file = |name: &str| {
        json!({"filename": name, "url": format!("https://files.example/{name}"), "size": 3,
               "digests": {"sha256": A}, "upload_time_iso_8601": "2026-01-02T03:04:05Z"})
    };
    let body = json!({
        "info": {"name": "Foo.Bar", "url": "https://home.example/"},
        "releases": {"0.1": [], "1.0": [file("foo_bar-1.0.zip")], "2.0": [file("foo_bar-2.0.zip")]},
        "urls": [file("foo_bar-2.0.zip")]
    });
    let admits = |path: &str| !path.contains("1.0");
    let rewrite = Rewrite { admits: &admits, ..Rewrite::default() };
    let rewritten = rewrite.of(&[release(&body)]).unwrap();
    let page = as_json(&rewritten);
    let link = format!("{REPOSITORY}/packages/foo-bar/foo_bar-2.0.zip");
    assert_eq!(page["urls"][0]["url"], link.as_str());
    assert_eq!(page["releases"]["2.0"][0]["url"], link.as_str());
    assert_eq!(page["releases"]["2.0"][0]["size"], 3);
    assert_eq!(page["releases"].as_object().unwrap().keys().collect::<Vec<_>>(), ["0.1", "2.0"]);
    assert_eq!(page["info"], body["info"]);
    let known = fact(&rewritten.facts, "packages/foo-bar/foo_bar-2.0.zip");
    assert_eq!(known.url, "https://files.example/foo_bar-2.0.zip");
    assert_eq!(known.digests.blob_id().unwrap().to_hex(), A);
    let none = Rewrite { admits: &|_| false, ..Rewrite::default() }.of(&[release(&body)]);
    assert_eq!(none.unwrap_err(), DocumentError::AllDenied);
    let error = Rewrite::default().of(&[release(&json!({"message": "Not Found"}))]);
    assert!(matches!(error, Err(DocumentError::Malformed(_))));
}

//! What becomes of the documents of one forge.

mod support;

use artifact_core::{Algorithm, DocumentError, Timestamp};
use serde_json::{Value, json};
use support::{Case, FORGE, module, page, release, versions};

#[test]
fn what_is_right_already_stays_byte_for_byte() {
    for (request, document) in [
        ("v3/releases/a-b-1.0.0", release("a-b", "1.0.0")),
        ("v3/modules/a-b", module("a-b", &["1.1.0", "1.0.0"])),
        (
            "v3/releases?module=a-b",
            page(&[release("a-b", "1.0.0")], Some("/v3/releases?offset=20")),
        ),
        ("v3/modules?query=x", page(&[module("a-b", &["1.0.0"])], None)),
        ("v3/users/a", json!({"uri": "/v3/users/a", "slug": "a"})),
    ] {
        for text in [document.to_string(), format!(" {document:#}\n")] {
            assert_eq!(Case::remote(request, &text).text(), text);
        }
    }
}

#[test]
fn every_link_loses_its_host_and_its_prefix() {
    for prefix in ["https://forge.test", "http://other.test/api/forge", "/api/v1/remote/forge", ""]
    {
        let text = page(&[module("a-b", &["1.1.0", "1.0.0"])], Some("/v3/modules?offset=20&q=a+b"))
            .to_string()
            .replace("\"/v3/", &format!("\"{prefix}/v3/"));
        let expected =
            page(&[module("a-b", &["1.1.0", "1.0.0"])], Some("/v3/modules?offset=20&q=a+b"));
        assert_eq!(Case::remote("v3/modules?q=a", &text).json(), expected, "{prefix}");
    }
}

#[test]
fn fields_that_nobody_here_knows_survive_an_edit() {
    let text = r#"{ "slug":"a-b-1.0.0", "x" : [1e3, {"uri":"https://h/v3/users/a"}], "file_uri":"https:\/\/h\/x" ,"metadata":{"uri":"https://h/v3/x","file_uri":"q"},"\u0078":null}"#;
    let expected = r#"{ "slug":"a-b-1.0.0", "x" : [1e3, {"uri":"/v3/users/a"}], "file_uri":"/v3/files/a-b-1.0.0.tar.gz" ,"metadata":{"uri":"https://h/v3/x","file_uri":"q"},"\u0078":null}"#;
    assert_eq!(Case::remote("v3/releases/a-b-1.0.0", &text).text(), expected);
}

#[test]
fn a_release_says_where_its_file_is_and_what_it_hashes_to() {
    let fact = Case::remote("v3/releases/a-b-1.0.0", &release("a-b", "1.0.0"))
        .fact("v3/files/a-b-1.0.0.tar.gz");
    assert_eq!(fact.url, format!("{FORGE}/v3/files/a-b-1.0.0.tar.gz"));
    assert_eq!(fact.size, Some(10));
    assert_eq!(fact.published_at, Timestamp::from_rfc3339("2024-01-31T15:00:00Z"));
    let hex = |algorithm| fact.digests.get(algorithm).unwrap().to_hex();
    assert!(hex(Algorithm::Sha256).starts_with("e3b0c442"));
    assert!(hex(Algorithm::Md5).starts_with("d41d8cd9"));
}

#[test]
fn a_file_on_another_host_is_remembered_and_linked_as_ours() {
    let mut document = release("a-b", "1.0.0");
    document["file_uri"] = json!("https://cdn.test/dl/42?sig=x");
    document["file_sha256"] = json!("not hexadecimal");
    let case = Case::remote("v3/releases/a-b-1.0.0", &document);
    assert_eq!(case.json()["file_uri"], "/v3/files/a-b-1.0.0.tar.gz");
    let fact = case.fact("v3/files/a-b-1.0.0.tar.gz");
    assert_eq!(fact.url, "https://cdn.test/dl/42?sig=x");
    assert!(fact.digests.blob_id().is_none() && !fact.digests.is_empty());
}

#[test]
fn a_release_without_a_slug_is_known_by_its_file() {
    let document = json!({"version": "1.0.0", "file_uri": "/v3/files/a-b-1.0.0.tar.gz", "file_md5": "d41d8cd98f00b204e9800998ecf8427e"});
    let case = Case::remote("v3/releases/a-b-1.0.0", &document);
    assert_eq!(case.text(), document.to_string());
    assert!(!case.fact("v3/files/a-b-1.0.0.tar.gz").digests.is_empty());
}

#[test]
fn a_link_to_a_file_that_belongs_to_no_release_is_taken_out() {
    let mut document = page(&[release("a-b", "1.0.0")], None);
    document["results"][0]["slug"] = json!("../../x");
    document["results"][0]["file_uri"] = json!("https://evil.test/x");
    let case = Case::remote("v3/releases?module=a-b", &document);
    assert_eq!(case.json()["results"][0]["file_uri"], Value::Null);
    assert!(case.run().unwrap().facts.files.is_empty());
}

#[test]
fn what_a_policy_refuses_is_left_out_of_lists() {
    let denied = ["v3/files/a-b-1.1.0.tar.gz"];
    let list = page(&[release("a-b", "1.1.0"), release("a-b", "1.0.0")], None);
    let case = Case { denied: &denied, ..Case::remote("v3/releases?module=a-b", &list) };
    assert_eq!(versions(&case.json()["results"]), ["1.0.0"]);
    assert_eq!(case.run().unwrap().facts.files.len(), 1);

    let document = module("a-b", &["1.1.0", "1.0.0", "2.0.0-rc1"]);
    let case = Case { denied: &denied, ..Case::remote("v3/modules/a-b", &document) };
    let shown = case.json();
    assert_eq!(versions(&shown["releases"]), ["2.0.0-rc1", "1.0.0"]);
    assert_eq!(shown["current_release"]["version"], "1.0.0");
    assert_eq!(shown["homepage_url"], document["homepage_url"]);

    let search = page(&[module("a-b", &["1.1.0"]), document], None);
    let case = Case { denied: &denied, ..Case::remote("v3/modules?query=b", &search) };
    let shown = case.json();
    assert_eq!(shown["results"].as_array().unwrap().len(), 1, "a module without releases is none");
    assert_eq!(shown["results"][0]["current_release"]["version"], "1.0.0");
}

#[test]
fn when_everything_is_refused_the_answer_says_so() {
    let denied = ["v3/files/a-b-1.0.0.tar.gz"];
    for (request, document) in [
        ("v3/releases/a-b-1.0.0", release("a-b", "1.0.0")),
        ("v3/modules/a-b", module("a-b", &["1.0.0"])),
        ("v3/releases?module=a-b", page(&[release("a-b", "1.0.0")], None)),
    ] {
        let case = Case { denied: &denied, ..Case::remote(request, &document) };
        assert_eq!(case.run().unwrap_err(), DocumentError::AllDenied, "{request}");
    }
    let more = page(&[release("a-b", "1.0.0")], Some("/v3/releases?offset=20"));
    let case = Case { denied: &denied, ..Case::remote("v3/releases?module=a-b", &more) };
    assert_eq!(case.json()["results"], json!([]), "other pages may have something");
    let empty =
        Case { denied: &denied, ..Case::remote("v3/releases?module=a-c", &page(&[], None)) };
    assert_eq!(empty.json()["results"], json!([]));
}

#[test]
fn a_remote_has_no_companions_and_leaves_paging_to_upstream() {
    let list = page(&[release("a-b", "1.0.0")], Some("/v3/releases?offset=20"));
    let case = Case::remote("v3/releases?module=a-b", &list);
    let inspection = case.inspect(0).unwrap();
    assert!(inspection.companions.is_empty() && inspection.parts.is_empty());
    assert_eq!(inspection.facts.files.len(), 1);
}

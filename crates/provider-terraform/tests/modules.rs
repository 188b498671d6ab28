//! What becomes of the documents of a module registry.

mod support;

use artifact_core::{DocumentError, Provider};
use provider_terraform::TerraformProvider;
use serde_json::json;
use support::{BASE, Document, filled, filled_json, rewrite, target};

#[test]
fn the_versions_of_a_module_are_those_that_may_be_downloaded() {
    let body = r#"{"modules":[{"source":"x","versions":[{"version":"1.0"},{"version":"2.0.0","root":{}},{"version":"../x"}]}, {"other":1}]}"#;
    let documents = [Document::module("versions", body)];
    let rewritten = rewrite(&documents, &|path| !path.contains("/1.0/download")).unwrap();
    assert_eq!(
        filled(&rewritten, "registry"),
        r#"{"modules":[{"source":"x","versions":[{"version":"2.0.0","root":{}}]}, {"other":1}]}"#
    );
    assert!(matches!(rewrite(&documents, &|_| false), Err(DocumentError::AllDenied)));
    for bad in ["{}", r#"{"modules":[]}"#, r#"{"modules":[7]}"#, r#"{"modules":[{}]}"#, "<html>"] {
        let refused = Document::module("versions", bad).inspect();
        assert!(matches!(refused, Err(DocumentError::Malformed(_))), "{bad}");
    }
}

#[test]
fn united_modules_have_the_versions_of_all() {
    let list = |versions: &[&str]| {
        let versions: Vec<_> = versions.iter().map(|version| json!({"version": version})).collect();
        Document::module("versions", json!({"modules": [{"versions": versions}]}).to_string())
    };
    let rewritten =
        rewrite(&[list(&["1.10.0", "odd"]), list(&["1.9.0", "1.10.0"])], &|_| true).unwrap();
    assert_eq!(
        filled_json(&rewritten, "registry"),
        json!({"modules": [{"versions": [
            {"version": "1.9.0"}, {"version": "1.10.0"}, {"version": "odd"},
        ]}]})
    );
}

#[test]
fn an_archive_is_answered_in_the_header_and_in_the_body() {
    let ours = format!("{BASE}/v1/modules/acme/net/aws/1.0.0/archive");
    for (answer, address, url) in [
        ("https://h.test/m.tar.gz//sub?s=1", "m.tar.gz//sub", "https://h.test/m.tar.gz?s=1"),
        (r#"{"location":"https://h.test/m.zip"}"#, "m.zip", "https://h.test/m.zip"),
        ("./m.zip", "m.zip", "https://r.test/v1/modules/acme/net/aws/1.0.0/m.zip"),
        ("https://h.test/v1//*?archive=tar.gz\n", "v1.tar.gz//*", "https://h.test/v1"),
    ] {
        let document = Document::module("1.0.0/download", answer);
        assert!(document.inspect().is_ok());
        let rewritten = document.rewrite().unwrap();
        let expected = format!("{ours}/{address}");
        assert_eq!(filled(&rewritten, "header"), expected, "{answer}");
        assert_eq!(filled_json(&rewritten, "registry"), json!({"location": expected}));
        let (path, fact) = rewritten.facts.files.iter().next().unwrap();
        assert_eq!(fact.url, url, "{answer}");
        assert_eq!(target(&artifact_core::encode_path(path)).path.as_str(), path);
    }
}

#[test]
fn a_checksum_goes_with_the_archive() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let answer = format!("https://h.test/m.zip//x?checksum={digest}");
    let rewritten = Document::module("1.0.0/download", answer).rewrite().unwrap();
    assert!(filled(&rewritten, "header").ends_with(&format!("/m.zip//x?checksum={digest}")));
    assert_eq!(rewritten.facts.files.values().next().unwrap().digests.iter().count(), 1);
}

#[test]
fn a_module_that_is_no_archive_is_refused_with_its_address() {
    for address in ["git::https://h.test/a/b?ref=abc", "github.com/a/b", "https://h.test/page"] {
        let document = Document::module("1.0.0/download", address);
        assert!(document.inspect().is_ok(), "it is a sound answer, and says who has the version");
        match document.rewrite() {
            Err(DocumentError::Unusable(message)) => assert!(message.contains(address)),
            other => panic!("{address}: {other:?}"),
        }
    }
}

#[test]
fn a_refused_archive_has_no_address() {
    let documents = [Document::module("1.0.0/download", "https://h.test/m.zip")];
    let refused = rewrite(&documents, &|path| !path.contains("/archive/"));
    assert!(matches!(refused, Err(DocumentError::AllDenied)));
}

#[test]
fn only_the_download_of_a_module_travels_in_a_header() {
    let provider = TerraformProvider::new();
    let header = |raw: &str| match target(raw).shape {
        artifact_core::Shape::Document { kind, .. } => provider.header_of(kind),
        other => panic!("{other:?}"),
    };
    assert_eq!(header("v1/modules/acme/net/aws/1.0.0/download"), Some("x-terraform-get"));
    assert_eq!(header("v1/providers/acme/demo/1.0.0/download/linux/amd64"), None);
}

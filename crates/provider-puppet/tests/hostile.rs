//! Documents that nobody should send.

mod support;

use artifact_core::DocumentError;
use serde_json::json;
use support::{Case, module, page, release};

fn refusal(request: &str, text: &dyn ToString) -> String {
    let case = Case::remote(request, text);
    let inspected = case.inspect(0).map(drop);
    assert_eq!(case.run().map(drop), inspected, "both judge alike");
    match inspected {
        Err(DocumentError::Malformed(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_document_of_a_forge_is_refused_with_a_reason() {
    let twice = |name: &str| format!(r#"{{"slug":"a-b-1.0.0","{name}":"x","{name}":"y"}}"#);
    for (request, text, reason) in [
        (
            "v3/releases/a-b-1.0.0",
            String::new(),
            "it is not sound JSON: the text ends too early at byte 0",
        ),
        (
            "v3/releases/a-b-1.0.0",
            "<html>".to_owned(),
            "it is not sound JSON: not a value at byte 0",
        ),
        (
            "v3/releases/a-b-1.0.0",
            "{\"slug\":\"a-b-1.0.0\"".to_owned(),
            "it is not sound JSON: a comma is missing at byte 19",
        ),
        ("v3/releases/a-b-1.0.0", "[]".to_owned(), "it is no release of a forge"),
        (
            "v3/releases/a-b-1.0.0",
            "{\"message\":\"log in\"}".to_owned(),
            "it is no release of a forge",
        ),
        ("v3/releases/a-b-1.0.0", release("a-b", "1.0.1").to_string(), "it is about \"a-b-1.0.1\""),
        ("v3/modules/a-b", module("a-c", &["1.0.0"]).to_string(), "it is about \"a-c\""),
        ("v3/modules/a-b", "{}".to_owned(), "it is no module of a forge"),
        ("v3/releases?module=a-b", "{\"pagination\":{}}".to_owned(), "it is no list of a forge"),
        ("v3/modules?x", "[]".to_owned(), "it is no list of a forge"),
        ("v3/releases/a-b-1.0.0", twice("slug"), "\"slug\" is given twice"),
        ("v3/releases/a-b-1.0.0", twice("file_uri"), "\"file_uri\" is given twice"),
        ("v3/releases/a-b-1.0.0", twice("version"), "\"version\" is given twice"),
        (
            "v3/modules?x",
            "{\"results\":[],\"results\":[]}".to_owned(),
            "\"results\" is given twice",
        ),
        (
            "v3/modules/a-b",
            "{\"releases\":[],\"releases\":1}".to_owned(),
            "\"releases\" is given twice",
        ),
    ] {
        assert_eq!(refusal(request, &text), reason, "{text}");
    }
}

#[test]
fn depth_and_number_are_bounded() {
    let deep = format!("{}{}", "{\"module\":".repeat(100_000), "1");
    assert!(refusal("v3/releases/a-b-1.0.0", &deep).contains("nested too deeply"));
    let wide = format!("{{\"results\":[{}1]}}", "{},".repeat(300_000));
    assert_eq!(refusal("v3/modules?x", &wide), "it lists too much");
    let links = format!("{{\"slug\":\"a-b\",\"x\":[{}1]}}", r#"{"uri":"x/v3/y"},"#.repeat(300_000));
    assert_eq!(refusal("v3/modules/a-b", &links), "it lists too much");
}

#[test]
fn what_is_odd_but_harmless_passes() {
    for text in [
        json!({"results": [null, 1, "x", [], {}]}).to_string(),
        json!({"pagination": null, "results": []}).to_string(),
        json!({"pagination": {"next": 1, "total": "x"}, "results": []}).to_string(),
    ] {
        assert_eq!(Case::remote("v3/modules?x", &text).text(), text);
        Case::united("v3/modules?x", &[serde_json::from_str(&text).unwrap()]).json();
        Case::united("v3/modules?x&exclude_fields=a", &[serde_json::from_str(&text).unwrap()])
            .json();
    }
}

#[test]
fn a_link_never_leads_out_of_the_repository() {
    for link in [
        "https://evil.test/v3/files/../../x",
        "//evil.test/x",
        "javascript:alert(1)",
        "\\\\evil\\x",
        "/v3/files/../../etc/passwd",
        "http://[::1",
        "\u{0}",
        "",
    ] {
        let mut document = page(&[release("a-b", "1.0.0")], Some(link));
        document["results"][0]["file_uri"] = json!(link);
        let case = Case::remote("v3/releases?module=a-b", &document);
        assert_eq!(case.json()["results"][0]["file_uri"], "/v3/files/a-b-1.0.0.tar.gz", "{link}");
        let fact = case.fact("v3/files/a-b-1.0.0.tar.gz");
        assert!(fact.url.starts_with("http"), "{}", fact.url);
    }
}

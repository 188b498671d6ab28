//! What becomes of the documents of a provider registry.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

mod support;

use artifact_core::{DocumentError, Origin, Presence};
use serde_json::{Value, json};
use support::{BASE, Document, ZIP, checksums, description, filled, filled_json, rewrite, shasum};

fn unit(body: &Value) -> [Document; 3] {
    let digest = shasum("a");
    [
        Document::download(body.to_string()),
        Document::sums(&digest, checksums()),
        Document::signature(&digest, &b"\x89\x02\x33"[..]),
    ]
}

fn malformed<T: std::fmt::Debug>(result: Result<T, DocumentError>) -> String {
    match result {
        Err(DocumentError::Malformed(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn discovery_says_where_the_registries_are() {
    let path = ".well-known/terraform.json";
    let discovery =
        |body: &'static str| Document::new(path, "https://r.test/.well-known/terraform.json", body);
    let document = discovery(
        r#"{"providers.v1": "/api/p", "modules.v1": "https://m.test/m/?x#y", "login.v1": {"a": []}}"#,
    );
    let rewritten = document.rewrite().unwrap();
    let at = |path: &str| rewritten.facts.find(path).map(|fact| fact.url);
    assert_eq!(
        at("v1/providers/acme/demo/versions").as_deref(),
        Some("https://r.test/api/p/acme/demo/versions")
    );
    assert_eq!(at("v1/modules/a/b/c/versions").as_deref(), Some("https://m.test/m/a/b/c/versions"));
    assert_eq!(at("mirror/x"), None);
    assert_eq!(
        filled_json(&rewritten, "registry"),
        json!({
            "modules.v1": format!("{BASE}/v1/modules/"), "providers.v1": format!("{BASE}/v1/providers/"),
        })
    );
    let nothing = discovery("{}").rewrite().unwrap();
    assert_eq!(nothing.facts.find("v1/providers/acme/demo/versions"), None);
    for bad in [
        r#"{"providers.v1": "ftp://x/"}"#,
        r#"{"providers.v1":"/a/","providers.v1":"/b/"}"#,
        "<html>",
    ] {
        malformed(discovery(bad).inspect());
    }
}

#[test]
fn versions_that_clients_cannot_read_are_left_out_and_the_rest_is_untouched() {
    let good =
        r#"{"version":"1.0.0", "protocols" : ["5.0"],"platforms":[{"os":"linux","arch":"amd64"}]}"#;
    let sound = format!(r#"{{"id": "x", "versions": [ {good} ], "warnings": null}}"#);
    assert_eq!(filled(&Document::versions(sound.clone()).rewrite().unwrap(), "registry"), sound);

    let body = format!(
        r#"{{"id": "x", "versions": [{{"version":"v2"}},{good},7,{{"version":"1.0.0"}}], "warnings": null}}"#
    );
    let rewritten = Document::versions(body).rewrite().unwrap();
    let expected = format!(r#"{{"id": "x", "versions": [{good}], "warnings": null}}"#);
    assert_eq!(filled(&rewritten, "registry"), expected);
    assert_eq!(filled(&rewritten, "mirror"), r#"{"versions":{"1.0.0":{}}}"#);
}

#[test]
fn the_list_says_which_package_speaks_for_a_version() {
    let body = json!({"versions": [
        {"version": "1.0.0+b", "platforms": [{"os": "darwin", "arch": "arm64"}, {"os": "linux", "arch": "amd64"}]},
        {"version": "2.0.0"},
    ]});
    let rewritten = Document::versions(body.to_string()).rewrite().unwrap();
    let at = |version: &str| {
        rewritten
            .facts
            .find(&format!("v1/providers/acme/demo/{version}/archives"))
            .map(|fact| fact.url)
    };
    let base = "https://r.test/v1/providers/acme/demo";
    assert_eq!(at("1.0.0+b"), Some(format!("{base}/1.0.0%2Bb/download/darwin/arm64")));
    assert_eq!(at("2.0.0"), Some(format!("{base}/2.0.0/download/linux/amd64")));
    assert_eq!(at("3.0.0"), None);
}

#[test]
fn versions_and_platforms_that_a_policy_refuses_are_left_out() {
    let body = json!({"versions": [
        {"version": "1.0.0", "platforms": [{"os": "windows", "arch": "amd64"}, {"os": "linux", "arch": "amd64"}]},
        {"version": "2.0.0", "platforms": [{"os": "windows", "arch": "amd64"}]},
    ]});
    let documents = [Document::versions(body.to_string())];
    for refused in ["_windows_amd64.zip", "/download/windows/"] {
        let rewritten = rewrite(&documents, &|path| !path.contains(refused)).unwrap();
        assert_eq!(
            filled_json(&rewritten, "registry"),
            json!({"versions": [{"version": "1.0.0", "platforms": [{"os": "linux", "arch": "amd64"}]}]})
        );
        assert_eq!(filled(&rewritten, "mirror"), r#"{"versions":{"1.0.0":{}}}"#);
        let speaks = rewritten.facts.find("v1/providers/acme/demo/1.0.0/archives").unwrap();
        assert!(speaks.url.ends_with("/1.0.0/download/linux/amd64"));
        assert_eq!(rewritten.facts.find("v1/providers/acme/demo/2.0.0/archives"), None);
    }
    assert!(matches!(rewrite(&documents, &|_| false), Err(DocumentError::AllDenied)));
    let empty = [Document::versions(r#"{"versions":[]}"#)];
    assert!(rewrite(&empty, &|_| false).is_ok());
}

#[test]
fn united_versions_are_ascending_and_the_first_member_wins() {
    let list = |versions: &[&str], from: &str| {
        let versions: Vec<_> =
            versions.iter().map(|version| json!({"version": version, "from": from})).collect();
        Document::versions(json!({"id": from, "versions": versions}).to_string())
    };
    let documents = [list(&["10.0.0", "1.0.0"], "a"), list(&["1.0.0", "2.0.0", "2.0.0-rc.1"], "b")];
    let rewritten = rewrite(&documents, &|_| true).unwrap();
    let united = filled_json(&rewritten, "registry");
    let shown: Vec<_> = united["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            format!("{} {}", entry["version"].as_str().unwrap(), entry["from"].as_str().unwrap())
        })
        .collect();
    assert_eq!(shown, ["1.0.0 a", "2.0.0-rc.1 b", "2.0.0 b", "10.0.0 a"]);
    assert_eq!(united["id"], "a");
    let owner = |version: &str| {
        rewritten
            .facts
            .find(&format!("v1/providers/acme/demo/{version}/archives"))
            .unwrap()
            .document
    };
    assert_eq!((owner("1.0.0"), owner("2.0.0")), (0, 1));
}

#[test]
fn only_the_three_links_of_a_description_are_turned() {
    let body = description();
    let rewritten = rewrite(&unit(&body), &|_| true).unwrap();
    let below = format!("{BASE}/v1/providers/acme/demo/1.2.3");
    let digest = shasum("a");
    let mut expected = body;
    expected["download_url"] = json!(format!("{below}/package/linux/amd64/{ZIP}"));
    expected["shasums_url"] = json!(format!(
        "{below}/sums/linux/amd64/{digest}/terraform-provider-demo_1.2.3_SHA256SUMS"
    ));
    expected["shasums_signature_url"] = json!(format!(
        "{below}/signature/linux/amd64/{digest}/terraform-provider-demo_1.2.3_SHA256SUMS.sig"
    ));
    assert_eq!(filled_json(&rewritten, "registry"), expected);

    let zip =
        rewritten.facts.find(&format!("v1/providers/acme/demo/1.2.3/package/linux/amd64/{ZIP}"));
    let zip = zip.unwrap();
    assert_eq!(zip.url, format!("https://files.test/x/{ZIP}?token=1"));
    assert_eq!(zip.digests.blob_id().map(artifact_core::BlobId::to_hex), Some(digest));
}

#[test]
fn a_description_comes_with_its_checksums_and_their_signature() {
    let inspection = Document::download(description().to_string()).inspect().unwrap();
    let urls = [
        "https://files.test/x/terraform-provider-demo_1.2.3_SHA256SUMS",
        "https://r.test/v1/providers/acme/demo/1.2.3/files/terraform-provider-demo_1.2.3_SHA256SUMS.sig",
    ];
    for ((companion, part), url) in inspection.companions.iter().zip(&inspection.parts).zip(urls) {
        assert_eq!(companion.origin, Origin::Elsewhere(url.to_owned()));
        assert_eq!(companion.path, part.target.path);
        assert_eq!((part.presence, part.fact.url.as_str()), (Presence::BeforeServing, url));
        assert!(companion.path.as_str().contains(&shasum("a")));
    }
    assert_eq!((inspection.companions.len(), inspection.parts.len()), (2, 2));
    assert_eq!(inspection.facts.files.len(), 1);
    let of_all = Document::archives(description().to_string()).inspect().unwrap();
    assert_eq!(of_all.companions, inspection.companions);
}

#[test]
fn checksums_have_to_confirm_the_digest() {
    let digest = shasum("a");
    assert!(Document::sums(&digest, checksums()).inspect().is_ok());
    malformed(Document::sums(&shasum("e"), checksums()).inspect());
    malformed(Document::sums(&digest, "<html></html>").inspect());
    malformed(Document::sums(&digest, &b"\xff\xfe"[..]).inspect());
    let [download, sums, _] = unit(&description());
    malformed(rewrite(std::slice::from_ref(&download), &|_| true));
    let others = Document { body: checksums().replace(ZIP, "x.zip").into(), ..sums };
    let reason = malformed(rewrite(&[download, others], &|_| true));
    assert_eq!(reason, "the checksums do not confirm the digest of the package");
}

#[test]
fn checksums_and_signature_are_passed_on_byte_for_byte() {
    let [_, sums, signature] = unit(&description());
    for document in [sums, signature] {
        let rewritten = document.rewrite().unwrap();
        assert_eq!(rewritten.renditions[0].body.fill(BASE), document.body);
    }
}

#[test]
fn a_signature_is_binary() {
    for first in [0x88, 0x89, 0xc2] {
        assert!(Document::signature(&shasum("a"), vec![first, 0]).inspect().is_ok());
    }
    for body in [&b"-----BEGIN PGP SIGNATURE-----"[..], b"", b"<html>", b"\x99\x01", b"\xc6\x01"] {
        malformed(Document::signature(&shasum("a"), body).inspect());
    }
}

#[test]
fn a_description_that_cannot_be_relied_on_is_refused() {
    let changed = |field: &str, value: Value| {
        let mut body = description();
        body[field] = value;
        Document::download(body.to_string()).inspect()
    };
    for (field, value) in [
        ("os", json!("darwin")),
        ("arch", json!("AMD64")),
        ("filename", json!("../x.zip")),
        ("filename", json!("a/b.zip")),
        ("filename", json!("")),
        ("filename", json!("x".repeat(256))),
        ("shasum", json!("abc")),
        ("shasum", Value::Null),
        ("download_url", json!("ftp://files.test/x.zip")),
        ("download_url", json!("file:///etc/passwd")),
        ("shasums_url", json!("")),
        ("shasums_signature_url", json!(7)),
    ] {
        malformed(changed(field, value));
    }
    let text = description().to_string();
    let twice = text.replacen('{', r#"{"shasum":"x","#, 1);
    assert_eq!(
        malformed(Document::download(twice).inspect()),
        "the field \"shasum\" is written twice"
    );
}

#[test]
fn a_refused_package_cannot_be_reached() {
    let refuse = |path: &str| !path.contains("/package/linux/");
    let documents = unit(&description());
    assert!(matches!(rewrite(&documents, &refuse), Err(DocumentError::AllDenied)));
}

#[test]
fn a_mirror_lists_every_package_that_has_a_checksum() {
    let [download, sums, signature] = unit(&description());
    let documents = [Document::archives(download.body), sums, signature];
    let url = |os: &str, arch: &str| {
        format!(
            "{BASE}/v1/providers/acme/demo/1.2.3/package/{os}/{arch}/terraform-provider-demo_1.2.3_{os}_{arch}.zip"
        )
    };
    let entry = |digit: &str, os: &str, arch: &str| json!({"hashes": [format!("zh:{}", shasum(digit))], "url": url(os, arch)});
    let all = json!({"archives": {
        "darwin_arm64": entry("b", "darwin", "arm64"),
        "linux_amd64": entry("a", "linux", "amd64"),
        "windows_amd64": entry("c", "windows", "amd64"),
    }});
    assert_eq!(filled_json(&rewrite(&documents, &|_| true).unwrap(), "mirror"), all);

    let refuse = |path: &str| !path.contains("windows");
    let some = filled_json(&rewrite(&documents, &refuse).unwrap(), "mirror");
    assert_eq!(some["archives"].as_object().unwrap().len(), 2);
    assert!(matches!(rewrite(&documents, &|_| false), Err(DocumentError::AllDenied)));
    malformed(rewrite(&documents[..1], &|_| true));
}

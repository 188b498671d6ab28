//! What becomes of one packument.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

mod support;

use artifact_core::{Algorithm, DocumentError, Timestamp};
use serde_json::{Value, json};
use support::{BASE, Rewrite, filled, rendition};

/// Every oddity that old and new registries write, in an unusual layout.
const ODD: &str = r#"
{ "_id":"@s/n", "_rev": "7-x",
  "name" : "@s/n",
  "dist-tags": {"latest": "1.0.0" , "next":"2.0.0-b+1"},
  "versions": {
    "0.9.0": {"name":"@s/n","version":"0.9.0","bin":"./x.js","engines":["node >=0.4"],
       "license":{"type":"MIT"},"deprecated":false,
       "dist":{"shasum":"DA39A3EE5E6B4B0D3255BFEF95601890AFD80709","tarball":"https://registry.test/@s/n/-/n-0.9.0final.tgz"}},
    "1.0.0": {"name":"@s/n", "version":"1.0.0", "scripts":{"postinstall":"x"},
       "dist": { "tarball" : "../files/n-1.0.0.tgz?sig=a%20b#f", "unknown":[1.10, 1E+30],
         "attestations":{"url":"https://registry.test/-/npm/v1/attestations/@s%2fn@1.0.0","provenance":{}},
         "integrity":"sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==" } },
    "2.0.0-b+1": {"dist":{"tarball":"http:\/\/other.test\/x.tgz"}},
    "3.0.0": null
  },
  "time":{"created":"2020-01-01T00:00:00.000Z","1.0.0":"2020-01-02T00:00:00.000Z","modified":"2021-01-01T00:00:00.000Z","0.9.0":17},
  "readme":"\ud800 lone", "users": {"a":true}
}
"#;

#[test]
fn the_full_form_differs_in_links_only() {
    let expected = ODD
        .replace(
            "https://registry.test/@s/n/-/n-0.9.0final.tgz",
            &format!("{BASE}/@s/n/-/n-0.9.0.tgz"),
        )
        .replace("../files/n-1.0.0.tgz?sig=a%20b#f", &format!("{BASE}/@s/n/-/n-1.0.0.tgz"))
        .replace(
            "https://registry.test/-/npm/v1/attestations/@s%2fn@1.0.0",
            &format!("{BASE}/-/npm/v1/attestations/@s/n@1.0.0"),
        )
        .replace(r"http:\/\/other.test\/x.tgz", &format!("{BASE}/@s/n/-/n-2.0.0-b%2B1.tgz"));
    assert_eq!(Rewrite::of("@s/n", &[ODD]).text("full"), expected);
}

#[test]
fn the_abbreviated_form_keeps_what_an_installation_needs() {
    let form = Rewrite::of("@s/n", &[ODD]).text("abbreviated");
    let expected = format!(
        r#"{{"name":"@s/n","modified":"2021-01-01T00:00:00.000Z","dist-tags":{{"latest": "1.0.0" , "next":"2.0.0-b+1"}},"versions":{{"0.9.0":{{"name":"@s/n","version":"0.9.0","bin":"./x.js","engines":["node >=0.4"],"deprecated":false,"dist":{{"shasum":"DA39A3EE5E6B4B0D3255BFEF95601890AFD80709","tarball":"{BASE}/@s/n/-/n-0.9.0.tgz"}}}},"1.0.0":{{"name":"@s/n","version":"1.0.0","dist": {{ "tarball" : "{BASE}/@s/n/-/n-1.0.0.tgz", "unknown":[1.10, 1E+30],
         "attestations":{{"url":"{BASE}/-/npm/v1/attestations/@s/n@1.0.0","provenance":{{}}}},
         "integrity":"sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==" }},"hasInstallScript":true}},"2.0.0-b+1":{{"dist":{{"tarball":"{BASE}/@s/n/-/n-2.0.0-b%2B1.tgz"}}}},"3.0.0":null}},"time":{{"created":"2020-01-01T00:00:00.000Z","1.0.0":"2020-01-02T00:00:00.000Z","modified":"2021-01-01T00:00:00.000Z","0.9.0":17}}}}"#
    );
    assert_eq!(form, expected);
    let rewritten = Rewrite::of("@s/n", &[ODD]).run().unwrap();
    let content_type = rendition(&rewritten, "abbreviated").content_type;
    assert_eq!(content_type, "application/vnd.npm.install-v1+json");
}

#[test]
fn facts_say_where_files_are_and_what_they_must_be() {
    let facts = Rewrite::of("@s/n", &[ODD]).run().unwrap().facts;
    let signed = &facts.files["@s/n/-/n-1.0.0.tgz"];
    assert_eq!(signed.url, "https://registry.test/files/n-1.0.0.tgz?sig=a%20b");
    assert_eq!(signed.published_at, Timestamp::from_rfc3339("2020-01-02T00:00:00Z"));
    assert_eq!(&signed.digests.get(Algorithm::Sha512).unwrap().to_hex()[..12], "cf83e1357eef");
    let old = &facts.files["@s/n/-/n-0.9.0.tgz"];
    assert_eq!(old.published_at, None);
    assert!(old.digests.get(Algorithm::Sha1).is_some());
    let bare = &facts.files["@s/n/-/n-2.0.0-b+1.tgz"];
    assert_eq!(bare.url, "http://other.test/x.tgz");
    assert!(bare.digests.is_empty());
    assert!(!facts.files.contains_key("@s/n/-/n-3.0.0.tgz"));
}

#[test]
fn a_tarball_that_upstream_calls_differently_has_both_names() {
    let facts = Rewrite::of("@s/n", &[ODD]).run().unwrap().facts;
    let (ours, theirs) = ("@s/n/-/n-0.9.0.tgz", "@s/n/-/n-0.9.0final.tgz");
    assert_eq!(facts.files[ours], facts.files[theirs]);
    let denied = [theirs];
    let facts = Rewrite { denied: &denied, ..Rewrite::of("@s/n", &[ODD]) }.run().unwrap().facts;
    assert!(facts.files.contains_key(ours) && !facts.files.contains_key(theirs));
}

#[test]
fn the_name_that_upstream_gives_a_file_never_brings_a_hidden_version_back() {
    let text = r#"{"name":"n","versions":{
        "1.0.0":{"dist":{"tarball":"https://r.test/n/-/n-1.0.0.tgz"}},
        "2.0.0":{"dist":{"tarball":"https://r.test/n/-/n-1.0.0.tgz"}}}}"#;
    let shown = Rewrite { denied: &["n/-/n-1.0.0.tgz"], ..Rewrite::of("n", &[text]) };
    let facts = shown.run().unwrap().facts;
    assert_eq!(facts.files.keys().collect::<Vec<_>>(), ["n/-/n-2.0.0.tgz"]);
}

#[test]
fn one_version_or_tag_is_its_manifest() {
    for wanted in ["version:1.0.0", "version:latest"] {
        let manifest = Rewrite { wanted, ..Rewrite::of("@s/n", &[ODD]) }.json(wanted);
        assert_eq!(manifest["version"], "1.0.0");
        assert_eq!(manifest["dist"]["tarball"], format!("{BASE}/@s/n/-/n-1.0.0.tgz"));
        assert_eq!(manifest["scripts"]["postinstall"], "x");
    }
    let unknown = Rewrite { wanted: "version:9.9.9", ..Rewrite::of("@s/n", &[ODD]) };
    assert_eq!(
        unknown.run().unwrap_err(),
        DocumentError::Absent("the package @s/n has no version or tag \"9.9.9\"".to_owned())
    );
    let odd = Rewrite { wanted: "html", ..Rewrite::of("@s/n", &[ODD]) };
    assert!(matches!(odd.run(), Err(DocumentError::Absent(_))));
}

#[test]
fn tags_are_a_document_of_their_own() {
    let tags = Rewrite { wanted: "dist-tags", ..Rewrite::of("@s/n", &[ODD]) }.text("dist-tags");
    assert_eq!(tags, r#"{"latest":"1.0.0","next":"2.0.0-b+1"}"#);
}

fn releases(latest: &str, versions: &[&str]) -> String {
    let manifest = |version: &&str| {
        let tarball = format!("https://r.test/n/-/n-{version}.tgz");
        ((*version).to_owned(), json!({"version": version, "dist": {"tarball": tarball}}))
    };
    let time =
        versions.iter().map(|version| ((*version).to_owned(), json!("2020-01-01T00:00:00Z")));
    json!({
        "name": "n",
        "dist-tags": {"latest": latest, "old": versions[0], "new": latest},
        "versions": versions.iter().map(manifest).collect::<serde_json::Map<_, _>>(),
        "time": time.collect::<serde_json::Map<_, _>>(),
        "readme": "kept",
    })
    .to_string()
}

#[test]
fn a_hidden_latest_moves_to_the_highest_version_below() {
    type Row =
        (&'static str, &'static [&'static str], &'static [&'static str], Option<&'static str>);
    let table: [Row; 7] = [
        ("2.0.0", &["1.0.0", "1.9.0", "1.10.0", "2.0.0"], &["2.0.0"], Some("1.10.0")),
        ("2.0.0", &["1.0.0", "2.0.0", "3.0.0"], &["2.0.0"], Some("1.0.0")),
        ("2.0.0", &["1.0.0", "2.0.0-rc.1", "2.0.0"], &["2.0.0"], Some("1.0.0")),
        ("2.0.0", &["2.0.0-rc.1", "2.0.0"], &["2.0.0"], None),
        ("2.0.0-b", &["2.0.0-a", "2.0.0-b"], &["2.0.0-b"], Some("2.0.0-a")),
        ("1.0.0", &["1.0.0", "2.0.0"], &["1.0.0"], None),
        ("2.0.0", &["1.0.0", "2.0.0"], &["1.0.0"], Some("2.0.0")),
    ];
    for (latest, versions, hidden, expected) in table {
        let text = releases(latest, versions);
        let denied: Vec<String> = hidden.iter().map(|v| format!("n/-/n-{v}.tgz")).collect();
        let denied: Vec<&str> = denied.iter().map(String::as_str).collect();
        let rewrite = Rewrite { denied: &denied, ..Rewrite::of("n", &[&text]) };
        for form in ["full", "abbreviated"] {
            let shown = rewrite.json(form);
            let tags = shown["dist-tags"].as_object().unwrap();
            assert_eq!(
                tags.get("latest").and_then(Value::as_str),
                expected,
                "{latest} {versions:?}"
            );
            for (tag, version) in tags {
                assert!(shown["versions"].get(version.as_str().unwrap()).is_some(), "{tag}");
            }
            for version in hidden {
                assert!(shown["versions"].get(version).is_none(), "{version}");
                assert!(shown["time"].get(version).is_none(), "{version}");
            }
        }
        assert_eq!(rewrite.json("full")["readme"], "kept");
    }
}

#[test]
fn what_is_refused_is_said_to_be_refused() {
    let text = releases("2.0.0", &["1.0.0", "2.0.0"]);
    let all = ["n/-/n-1.0.0.tgz", "n/-/n-2.0.0.tgz"];
    let nothing_left = Rewrite { denied: &all, ..Rewrite::of("n", &[&text]) };
    assert_eq!(nothing_left.run().unwrap_err(), DocumentError::AllDenied);
    for wanted in ["version:2.0.0", "version:new"] {
        let one = Rewrite { wanted, denied: &all[1..], ..Rewrite::of("n", &[&text]) };
        assert_eq!(one.run().unwrap_err(), DocumentError::AllDenied, "{wanted}");
    }
    let moved = Rewrite { denied: &all[1..], ..Rewrite::of("n", &[&text]) };
    let moved = Rewrite { wanted: "version:latest", ..moved };
    assert_eq!(moved.json("version:latest")["version"], "1.0.0");
}

#[test]
fn a_dangling_tag_is_never_shown() {
    let text = r#"{"name":"n","dist-tags":{"latest":"9.0.0","x":"8.0.0","y":"1.0.0"},"versions":{"1.0.0":{}}}"#;
    let tags = Rewrite::of("n", &[text]).json("full")["dist-tags"].clone();
    assert_eq!(tags, json!({"latest": "1.0.0", "y": "1.0.0"}));
}

#[test]
fn an_unpublished_package_passes_as_it_is() {
    let text = r#"{"_id":"n","name":"n","time":{"created":"x","unpublished":{"name":"a"}}}"#;
    let rewrite = Rewrite::of("n", &[text]);
    assert_eq!(rewrite.text("full"), text);
    assert_eq!(
        rewrite.text("abbreviated"),
        r#"{"name":"n","time":{"created":"x","unpublished":{"name":"a"}}}"#
    );
    let empty = r#"{"name":"n","dist-tags":{"latest":"1.0.0"},"versions":{}}"#;
    assert_eq!(Rewrite::of("n", &[empty]).text("full"), empty);
}

#[test]
fn weird_types_stay_as_they_are() {
    for text in [
        r#"{"name":"n","time":"never","dist-tags":[],"versions":null}"#,
        r#"{"name":"n","dist-tags":{"latest":1},"versions":{"1.0.0":[],"2.0.0":{"dist":"x"}}}"#,
        r#"{"name":"n","versions":{"1.0.0":{"dist":{"tarball":null,"integrity":1,"attestations":[]}}}}"#,
        r#"{"name":"n","versions":{"1.0.0":{"dist":{"attestations":{"url":5}},"scripts":"x","gypfile":"y"}}}"#,
    ] {
        let rewrite = Rewrite::of("n", &[text]);
        assert_eq!(rewrite.text("full"), text);
        assert!(rewrite.json("abbreviated").is_object());
        assert!(rewrite.run().unwrap().facts.files.is_empty());
    }
}

#[test]
fn a_link_that_cannot_be_fetched_is_not_shown() {
    for link in ["ftp://x.test/n.tgz", "file:///etc/passwd", "http://", "javascript:1"] {
        let text = format!(
            r#"{{"name":"n","versions":{{"1.0.0":{{}},"2.0.0":{{"dist":{{"tarball":"{link}"}}}}}}}}"#
        );
        assert_eq!(
            Rewrite::of("n", &[&text]).json("full")["versions"],
            json!({"1.0.0": {}}),
            "{link}"
        );
    }
    let label =
        r#"{"name":"n","versions":{"../../x":{"dist":{"tarball":"https://x.test/n.tgz"}}}}"#;
    assert_eq!(
        Rewrite::of("n", &[label]).run().unwrap_err(),
        DocumentError::Malformed("none of its versions has a usable file".to_owned())
    );
}

#[test]
fn install_scripts_are_told_as_the_public_registry_does() {
    let table = [
        (r#"{"scripts":{"preinstall":"x"}}"#, json!({"hasInstallScript": true})),
        (r#"{"scripts":{"install":"x"}}"#, json!({"hasInstallScript": true})),
        (
            r#"{"scripts":{"postinstall":"x"},"hasInstallScript":false}"#,
            json!({"hasInstallScript": true}),
        ),
        (r#"{"scripts":{"test":"x","install":""}}"#, json!({})),
        (r#"{"gypfile":true}"#, json!({"hasInstallScript": true})),
        (r#"{"gypfile":false}"#, json!({})),
        (r#"{"hasInstallScript":true}"#, json!({"hasInstallScript": true})),
        (r#"{"hasInstallScript":false}"#, json!({"hasInstallScript": false})),
    ];
    for (manifest, expected) in table {
        let text = format!(r#"{{"name":"n","versions":{{"1.0.0":{manifest}}}}}"#);
        let form = Rewrite::of("n", &[&text]).json("abbreviated");
        assert_eq!(form["versions"]["1.0.0"], expected, "{manifest}");
    }
}

#[test]
fn every_key_of_the_abbreviated_form_survives() {
    let kept = [
        "name",
        "version",
        "deprecated",
        "dependencies",
        "acceptDependencies",
        "optionalDependencies",
        "devDependencies",
        "bundleDependencies",
        "bundledDependencies",
        "peerDependencies",
        "peerDependenciesMeta",
        "bin",
        "directories",
        "dist",
        "engines",
        "_hasShrinkwrap",
        "hasInstallScript",
        "funding",
        "cpu",
        "os",
        "libc",
    ];
    let dropped = ["readme", "scripts", "_npmUser", "exports", "keywords", "maintainers"];
    let manifest: serde_json::Map<_, _> =
        kept.iter().chain(&dropped).map(|key| ((*key).to_owned(), json!(["raw"]))).collect();
    let text = json!({"name": "n", "versions": {"1.0.0": manifest}}).to_string();
    let form = Rewrite::of("n", &[&text]).json("abbreviated");
    let mut found: Vec<&str> =
        form["versions"]["1.0.0"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = kept.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn what_is_no_packument_of_this_package_is_refused_with_the_reason() {
    let table = [
        ("", "it is not sound JSON: not an object at byte 0"),
        ("[]", "it is not sound JSON: not an object at byte 0"),
        ("<!doctype html>", "it is not sound JSON: not an object at byte 0"),
        (r#"{"name":"n"} x"#, "it is not sound JSON: something follows the document at byte 13"),
        (
            r#"{"name":"n","versions":{"1.0.0":{"dist":{"tarball":"h"#,
            "it is not sound JSON: a string without an end at byte 53",
        ),
        (r#"{"error":"not_found"}"#, "it does not name its package"),
        (r#"{"name":5}"#, "it does not name its package"),
        (r#"{"name":"m"}"#, "it is about the package \"m\""),
        (r#"{"name":"N"}"#, "it is about the package \"N\""),
        (r#"{"name":"n","versions":[]}"#, "its versions are not an object"),
        (r#"{"name":"n","name":"n"}"#, "\"name\" is given twice"),
        (r#"{"name":"n","versions":{},"version\u0073":{}}"#, "\"versions\" is given twice"),
        (r#"{"name":"n","versions":{"1":{},"1":{}}}"#, "\"1\" is given twice"),
        (r#"{"name":"n","versions":{"1":{"dist":{},"dist":{}}}}"#, "\"dist\" is given twice"),
        (
            r#"{"name":"n","versions":{"1":{"dist":{"tarball":"a","tarball":"b"}}}}"#,
            "\"tarball\" is given twice",
        ),
    ];
    for (text, reason) in table {
        let refused = Rewrite::of("n", &[text]).run().unwrap_err();
        assert_eq!(refused, DocumentError::Malformed(reason.to_owned()), "{text}");
    }
    assert!(matches!(Rewrite::of("n", &[]).run(), Err(DocumentError::Malformed(_))));
}

#[test]
fn a_large_packument_is_rewritten_whole() {
    let filler = "x".repeat(500);
    let versions: Vec<String> = (0..1000)
        .map(|n| {
            format!(
                r#""1.{n}.0":{{"version":"1.{n}.0","filler":"{filler}","dist":{{"tarball":"https://r.test/n/-/n-1.{n}.0.tgz"}}}}"#
            )
        })
        .collect();
    let text = format!(r#"{{"name":"n","versions":{{{}}}}}"#, versions.join(","));
    let rewritten = Rewrite::of("n", &[&text]).run().unwrap();
    assert_eq!(rewritten.facts.files.len(), 1000);
    assert_eq!(filled(&rewritten, "full").matches(BASE).count(), 1000);
    assert_eq!(filled(&rewritten, "abbreviated").matches(BASE).count(), 1000);
}

//! The index as a client sees it.

use crate::support::{
    A, B, Rewrite, Upstream, document, json, links, malformed, merged, rewritten, text, url,
    versions,
};
use artifact_core::{Algorithm, DocumentError, Provider, RepoPath, RepositoryKind, Timestamp};
use provider_helm::HelmProvider;
use serde_json::json;

/// An index with everything that one can have.
const FULL: &str = r#"apiVersion: v1
generated: 2023-05-21T19:24:43.123+02:00
publicKeys: [one, two, one]
annotations:
  note: 1.10
serverInfo:
  contextPath: /upstream
entries:
  app:
  - apiVersion: v2
    name: app
    version: 1.9.0
    appVersion: 1.10
    kubeVersion: ">=1.20"
    created: "2023-05-21T19:24:43Z"
    digest: sha256:AAAAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    description: folded
      over lines
    deprecated: yes
    home: https://home.example
    keywords: [a, 1e3, ~]
    sources:
    - https://source.example
    maintainers:
    - name: Me
      email: me@example.com
      phone: 1
    annotations:
      images: |
        - a
        - b
      enabled: true
      nothing:
    dependencies:
    - name: dep
      version: 1.0
      repository: oci://registry.example
      condition: dep.enabled
      tags: [x]
      enabled: false
      alias: d
      import-values:
      - data
      - child: a
        parent: b
    type: application
    unknown: {x: y}
    urls:
    - https://charts.example/root/charts/app-1.9.0.tgz
    - https://mirror.example/app-1.9.0.tgz
    - oci://registry.example/app:1.9.0
  - name: app
    version: 1.10.0
    appVersion: 2024-01-01
    created: yesterday
    digest: nonsense
    urls: [app-1.10.0.tgz]
"#;

#[test]
fn an_index_keeps_what_helm_knows_and_leads_to_us() {
    let expected = json!({
        "apiVersion": "v1",
        "generated": "2023-05-21T19:24:43.123+02:00",
        "publicKeys": ["one", "two"],
        "annotations": {"note": "1.10"},
        "entries": {"app": [
            {"name": "app", "version": "1.10.0", "appVersion": "2024-01-01", "urls": ["app-1.10.0.tgz"]},
            {
                "apiVersion": "v2",
                "name": "app",
                "version": "1.9.0",
                "appVersion": "1.10",
                "kubeVersion": ">=1.20",
                "created": "2023-05-21T19:24:43Z",
                "digest": A,
                "description": "folded over lines",
                "deprecated": true,
                "home": "https://home.example",
                "keywords": ["a", "1e3"],
                "sources": ["https://source.example"],
                "maintainers": [{"name": "Me", "email": "me@example.com"}],
                "annotations": {"images": "- a\n- b\n", "enabled": "true"},
                "dependencies": [{
                    "name": "dep", "version": "1.0", "repository": "oci://registry.example",
                    "condition": "dep.enabled", "tags": ["x"], "enabled": false, "alias": "d",
                    "import-values": ["data", {"child": "a", "parent": "b"}]
                }],
                "type": "application",
                "urls": [
                    "charts/app-1.9.0.tgz",
                    "_ext/app/1.9.0/app-1.9.0.tgz",
                    "oci://registry.example/app:1.9.0"
                ]
            }
        ]}
    });
    let rewritten = rewritten(FULL);
    assert_eq!(json(&rewritten), expected);
    assert_eq!(rewritten.renditions[0].content_type, "application/json");
}

#[test]
fn the_yaml_rendition_says_the_same() {
    let yaml = Rewrite { wanted: "yaml", ..Rewrite::default() }.of(&[Upstream::new(FULL)]).unwrap();
    assert_eq!(yaml.renditions[0].variant.as_str(), "yaml");
    assert_eq!(yaml.renditions[0].content_type, "application/yaml");
    let again = text(&yaml);
    assert!(
        again.starts_with("apiVersion: \"v1\"\nentries:\n  app:\n  - name: \"app\"\n"),
        "{again}"
    );
    assert_eq!(json(&rewritten(again)), json(&rewritten(FULL)));
}

#[test]
fn json_from_upstream_is_read_as_yaml_is() {
    let json_index = json!({
        "apiVersion": "v1",
        "entries": {"app": [null, {
            "name": "app", "version": 1.5, "deprecated": true, "urls": ["app.tgz"],
            "keywords": "none", "maintainers": {}, "annotations": [], "removed": "perhaps",
            "dependencies": [1, {"enabled": 3}]
        }]}
    });
    let body = json_index.to_string().replace("1.5", "1.50");
    let expected = json!([{
        "name": "app", "version": "1.50", "deprecated": true, "urls": ["app.tgz"],
        "dependencies": [{}]
    }]);
    assert_eq!(json(&rewritten(format!("\u{feff} {body}\n")))["entries"]["app"], expected);
}

#[test]
fn facts_tell_where_charts_and_their_provenance_are() {
    let facts = rewritten(FULL).facts;
    let base = "https://charts.example/root";
    for (path, expected) in [
        ("charts/app-1.9.0.tgz", format!("{base}/charts/app-1.9.0.tgz")),
        ("charts/app-1.9.0.tgz.prov", format!("{base}/charts/app-1.9.0.tgz.prov")),
        ("_ext/app/1.9.0/app-1.9.0.tgz", "https://mirror.example/app-1.9.0.tgz".to_owned()),
        (
            "_ext/app/1.9.0/app-1.9.0.tgz.prov",
            "https://mirror.example/app-1.9.0.tgz.prov".to_owned(),
        ),
        ("app-1.10.0.tgz", format!("{base}/app-1.10.0.tgz")),
    ] {
        assert_eq!(url(&facts, path), expected);
    }
    assert_eq!(facts.files.len(), 6);
    let chart = facts.find("charts/app-1.9.0.tgz").unwrap();
    assert_eq!(chart.digests.get(Algorithm::Sha256).unwrap().to_hex(), A);
    assert_eq!(chart.published_at, Timestamp::from_rfc3339("2023-05-21T19:24:43Z"));
    assert!(facts.find("charts/app-1.9.0.tgz.prov").unwrap().digests.is_empty());
    assert!(facts.find("app-1.10.0.tgz").unwrap().digests.is_empty());
}

#[test]
fn an_inspection_gives_the_same_facts() {
    let (upstream, path) = (Upstream::new(FULL), RepoPath::from_decoded("index.yaml").unwrap());
    let inspection = HelmProvider::new().inspect(&document(&upstream, &path)).unwrap();
    assert_eq!(inspection.facts.files, rewritten(FULL).facts.files);
    assert!(inspection.companions.is_empty() && inspection.parts.is_empty());
}

fn chart(version: &str, url: &str, digest: &str) -> String {
    format!("- {{name: app, version: '{version}', urls: ['{url}'], digest: {digest}}}\n")
}

fn index(name: &str, charts: &[String]) -> String {
    format!("apiVersion: v1\nentries:\n  {name}:\n  {}", charts.join("  "))
}

#[test]
fn versions_are_sorted_newest_first_and_those_that_helm_leaves_out_are_left_out() {
    let numbers = ["1.9.0", "v1.10.0", "2", "2.0.0-rc.1", "1.10.0+b", "latest", "1.2.3.4", ""];
    let charts: Vec<_> = numbers
        .iter()
        .enumerate()
        .map(|(at, number)| chart(number, &format!("{at}.tgz"), A))
        .collect();
    let index = json(&rewritten(index("app", &charts)));
    assert_eq!(versions(&index, "app"), ["2", "2.0.0-rc.1", "v1.10.0", "1.10.0+b", "1.9.0"]);
}

#[test]
fn an_empty_index_is_an_index() {
    for body in
        ["apiVersion: v1", "apiVersion: v1\nentries: {}\n", "apiVersion: v1\nentries:\n  app: []\n"]
    {
        let rewritten = rewritten(body);
        assert_eq!(json(&rewritten), json!({"apiVersion": "v1", "entries": {}}));
        assert!(rewritten.facts.files.is_empty());
    }
}

#[test]
fn members_are_united_by_exact_version_and_the_first_wins() {
    let one = index("app", &[chart("1.0.0", "app-1.0.0.tgz", A), chart("1.2.0", "x/y.tgz", A)]);
    let other = index("app", &[chart("1.0.0", "app-1.0.0.tgz", B), chart("v1.0.0", "v.tgz", B)]);
    let third = "apiVersion: v1\nentries:\n  lib:\n  - {name: lib, version: 1.1.0, urls: ['https://cdn.example/l.tgz']}\n";
    let keys = "publicKeys: [k1, k2]\ngenerated: '2024-01-01T00:00:00Z'\nannotations: {a: b}\n";
    let merged = merged(&[
        Upstream::of("one", one),
        Upstream::of("other", other + "publicKeys: [k2]\ngenerated: '2023-01-01T00:00:00Z'\n"),
        Upstream::of("third", third.to_owned() + keys),
    ]);
    let index = json(&merged);
    assert_eq!(versions(&index, "app"), ["1.2.0", "1.0.0", "v1.0.0"]);
    assert_eq!(index["entries"]["app"][1]["digest"], A);
    assert_eq!(
        links(&index),
        [
            "_m/one/x/y.tgz",
            "_m/one/app-1.0.0.tgz",
            "_m/other/v.tgz",
            "_m/third/_ext/lib/1.1.0/l.tgz"
        ]
    );
    assert_eq!(index["publicKeys"], json!(["k2", "k1"]));
    assert_eq!(index["generated"], "2024-01-01T00:00:00Z");
    assert_eq!(index.get("annotations"), None);
    let listed_by = |path| merged.facts.find(path).unwrap().document;
    assert_eq!(listed_by("app-1.0.0.tgz"), 0);
    assert_eq!(listed_by("v.tgz"), 1);
    assert_eq!(listed_by("_ext/lib/1.1.0/l.tgz"), 2);
}

#[test]
fn a_path_that_several_members_have_belongs_to_the_first() {
    let merged = merged(&[
        Upstream::of("one", index("lib", &[chart("1.0.0", "same.tgz", A)])),
        Upstream::of("other", index("app", &[chart("1.0.0", "same.tgz", B)])),
    ]);
    assert_eq!(links(&json(&merged)), ["_m/other/same.tgz", "_m/one/same.tgz"]);
    let fact = merged.facts.find("same.tgz").unwrap();
    assert_eq!(
        (fact.document, fact.digests.get(Algorithm::Sha256).unwrap().to_hex().as_str()),
        (0, A)
    );
}

#[test]
fn what_a_policy_refuses_is_left_out() {
    let body =
        index("app", &[chart("1.0.0", "app-1.0.0.tgz", A), chart("2.0.0", "app-2.0.0.tgz", A)]);
    let rewrite = |admits: &(dyn Fn(&str) -> bool + Send + Sync), kind| {
        Rewrite { kind, admits, ..Rewrite::default() }.of(&[Upstream::new(body.clone())])
    };
    for kind in [RepositoryKind::Remote, RepositoryKind::Virtual] {
        let some = rewrite(&|path| path != "app-2.0.0.tgz", kind).unwrap();
        assert_eq!(versions(&json(&some), "app"), ["1.0.0"]);
        assert!(some.facts.find("app-2.0.0.tgz").is_none());
        assert_eq!(rewrite(&|_| false, kind).unwrap_err(), DocumentError::AllDenied);
    }
}

#[test]
fn what_is_no_index_is_refused_with_its_reason() {
    for (body, reason) in [
        ("", "it is no index of charts: not an object at byte 0"),
        ("<html><body>Login</body></html>", "it is no index of charts: not an object at byte 0"),
        ("{\"error\":\"not found\"}", "it has no apiVersion"),
        ("apiVersion: ''\nentries: {}", "it has no apiVersion"),
        ("apiVersion: v1\nentries: []", "it is no index of charts: not an object at byte 29"),
        (
            "apiVersion: v1\nentries: {a: [], a: []}",
            "it is not sound YAML: a key is given twice in line 2",
        ),
        ("{\"apiVersion\":\"v1\",\"entries\":{\"a\":[],\"\\u0061\":[]}}", "\"a\" is given twice"),
        ("{\"apiVersion\":\"v1\",\"apiVersion\":\"v1\"}", "\"apiVersion\" is given twice"),
        (
            "{\"apiVersion\":\"v1\",\"entries\":{\"a\":[{\"urls\":[],\"name\":\"a\",\"urls\":[]}]}}",
            "\"urls\" is given twice",
        ),
        (
            "apiVersion: &v v1\nentries: *v",
            "it is not sound YAML: an alias is not allowed in line 2",
        ),
        (
            "apiVersion: v1\nentries:\n  a:\n  - {name: a, version: 1.0.0, urls: ['file:///x']}\n",
            "none of its charts has a usable link",
        ),
        (
            "apiVersion: v1\nentries:\n  a:\n  - {error: x}\n",
            "none of its charts has a usable link",
        ),
    ] {
        assert_eq!(malformed(body), reason, "{body}");
    }
    let broken = Upstream { member: "x", body: vec![b'a', b':', 0xff].into() };
    let refused = Rewrite::default().of(&[broken]).unwrap_err();
    assert_eq!(refused, DocumentError::Malformed("it is not valid UTF-8".to_owned()));
}

#[test]
fn hostile_indexes_are_refused_and_do_not_exhaust_us() {
    for body in [
        "[".repeat(1_000_000),
        format!("apiVersion: v1\nentries: {}", "{a: ".repeat(1000)),
        format!("{{\"apiVersion\":\"v1\",\"entries\":{}", "{\"a\":[".repeat(1000)),
        format!("{{\"apiVersion\":\"v1\",\"entries\":{{\"a\":[{}{{}}]}}}}", "{},".repeat(250_000)),
    ] {
        malformed(body);
    }
}

#[test]
fn names_that_lead_out_of_the_repository_are_left_out() {
    let index = r#"{"apiVersion":"v1","entries":{
        "../../x": [{"name":"x","version":"1.0.0","urls":["https://cdn.example/x.tgz"]}],
        "a/b": [{"name":"x","version":"1.0.0","urls":["https://cdn.example/x.tgz"]}],
        "good": [{"name":"good","version":"1.0.0","urls":["../..\\/..\\..\\x.tgz"]}]
    }}"#;
    assert_eq!(links(&json(&rewritten(index))), ["_ext/good/1.0.0/x.tgz"]);
}

#[test]
fn every_version_stands_on_a_line_of_its_own() {
    let index = text(&rewritten(FULL));
    assert!(index.ends_with("}\n"));
    assert_eq!(index.lines().filter(|line| line.contains("\"version\"")).count(), 2);
}

//! What becomes of the packuments of a virtual repository's members.

mod support;

use serde_json::json;
use support::{BASE, Rewrite};

const FIRST: &str = r#"{"_id":"n","_rev":"1-a","name":"n","readme":"first",
  "dist-tags":{"latest":"1.1.0"},
  "versions":{
    "1.0.0":{"from":"first","dist":{"tarball":"https://a.test/n-1.0.0.tgz"}},
    "1.1.0":{"from":"first","dist":{"tarball":"https://a.test/n-1.1.0.tgz"}}},
  "time":{"created":"2020-01-01T00:00:00Z","modified":"2020-06-01T00:00:00Z","1.0.0":"2020-01-01T00:00:00Z","1.1.0":"2020-02-02T00:00:00Z"}}"#;
const SECOND: &str = r#"{"_id":"n","_rev":"9-b","name":"n","readme":"second",
  "dist-tags":{"latest":"2.0.0","next":"2.0.0","gone":"0.1.0"},
  "versions":{
    "1.0.0":{"from":"second","dist":{"tarball":"https://b.test/n-1.0.0.tgz"}},
    "2.0.0":{"from":"second","dist":{"tarball":"https://b.test/n-2.0.0.tgz"}}},
  "time":{"created":"2019-01-01T00:00:00Z","modified":"2022-06-01T02:00:00+02:00","1.0.0":"2019-01-01T00:00:00Z","2.0.0":"2022-02-02T00:00:00Z"}}"#;

#[test]
fn versions_are_united_and_the_first_member_wins() {
    let rewrite = Rewrite::of("n", &[FIRST, SECOND]);
    let full = rewrite.json("full");
    let link = |version: &str| json!({"tarball": format!("{BASE}/n/-/n-{version}.tgz")});
    assert_eq!(
        full,
        json!({
            "_id": "n", "_rev": "0-virtual", "name": "n", "readme": "first",
            "dist-tags": {"latest": "1.1.0", "next": "2.0.0"},
            "versions": {
                "1.0.0": {"from": "first", "dist": link("1.0.0")},
                "1.1.0": {"from": "first", "dist": link("1.1.0")},
                "2.0.0": {"from": "second", "dist": link("2.0.0")},
            },
            "time": {
                "created": "2020-01-01T00:00:00Z",
                "modified": "2022-06-01T02:00:00+02:00",
                "1.0.0": "2020-01-01T00:00:00Z",
                "1.1.0": "2020-02-02T00:00:00Z",
                "2.0.0": "2022-02-02T00:00:00Z",
            },
        })
    );
    let facts = rewrite.run().unwrap().facts;
    let of = |version: &str| &facts.files[&format!("n/-/n-{version}.tgz")];
    assert_eq!((of("1.0.0").document, of("1.0.0").url.as_str()), (0, "https://a.test/n-1.0.0.tgz"));
    assert_eq!((of("2.0.0").document, of("2.0.0").url.as_str()), (1, "https://b.test/n-2.0.0.tgz"));
    assert_eq!(facts.files.len(), 3);
}

#[test]
fn the_abbreviated_form_is_merged_alike() {
    let rewrite = Rewrite::of("n", &[FIRST, SECOND]);
    let (full, short) = (rewrite.json("full"), rewrite.json("abbreviated"));
    assert_eq!(short["dist-tags"], full["dist-tags"]);
    assert_eq!(short["time"], full["time"]);
    assert_eq!(short["modified"], full["time"]["modified"]);
    assert_eq!(short["versions"]["2.0.0"]["dist"], full["versions"]["2.0.0"]["dist"]);
    assert_eq!(short["versions"].as_object().unwrap().len(), 3);
}

#[test]
fn a_document_merged_with_itself_is_itself() {
    let alone = Rewrite::of("n", &[FIRST]).run().unwrap();
    let twice = Rewrite::of("n", &[FIRST, FIRST]).run().unwrap();
    assert_eq!(alone.facts.files, twice.facts.files);
    let mut expected = Rewrite::of("n", &[FIRST]).json("full");
    expected["_rev"] = json!("0-virtual");
    assert_eq!(Rewrite::of("n", &[FIRST, FIRST]).json("full"), expected);
}

#[test]
fn a_member_that_lists_nothing_changes_nothing() {
    let unpublished = r#"{"name":"n","time":{"unpublished":{}}}"#;
    let alone = Rewrite::of("n", &[FIRST]);
    for documents in [[unpublished, FIRST], [FIRST, unpublished]] {
        let merged = Rewrite::of("n", &documents);
        assert_eq!(merged.text("full"), alone.text("full"));
        assert_eq!(merged.text("abbreviated"), alone.text("abbreviated"));
    }
    let facts = Rewrite::of("n", &[unpublished, FIRST]).run().unwrap().facts;
    assert!(facts.files.values().all(|fact| fact.document == 1));
    let nobody = Rewrite::of("n", &[unpublished, unpublished]);
    assert_eq!(nobody.text("full"), unpublished);
}

#[test]
fn parts_that_the_first_member_lacks_come_from_others() {
    let bare = r#"{"name":"n","versions":{"0.1.0":{}}}"#;
    let full = Rewrite::of("n", &[bare, SECOND]).json("full");
    assert_eq!(full["dist-tags"]["latest"], "2.0.0");
    assert_eq!(full["time"]["2.0.0"], "2022-02-02T00:00:00Z");
    assert_eq!(full["dist-tags"]["gone"], "0.1.0");
    let short = Rewrite::of("n", &[bare, SECOND]).json("abbreviated");
    assert_eq!(short["dist-tags"], full["dist-tags"]);
    assert_eq!(short["time"], full["time"]);
}

#[test]
fn a_version_refused_by_policy_is_refused_in_every_member() {
    let denied = ["n/-/n-1.0.0.tgz", "n/-/n-1.1.0.tgz"];
    let rewrite = Rewrite { denied: &denied, ..Rewrite::of("n", &[FIRST, SECOND]) };
    let full = rewrite.json("full");
    assert_eq!(full["versions"].as_object().unwrap().keys().collect::<Vec<_>>(), ["2.0.0"]);
    // Above the hidden 1.1.0, therefore no substitute.
    assert_eq!(full["dist-tags"], json!({"next": "2.0.0"}));
    assert!(full["time"].get("1.0.0").is_none());
}

#[test]
fn one_unsound_member_spoils_the_merge() {
    assert!(Rewrite::of("n", &[FIRST, "{"]).run().is_err());
    assert!(Rewrite::of("n", &[FIRST, r#"{"name":"m"}"#]).run().is_err());
}

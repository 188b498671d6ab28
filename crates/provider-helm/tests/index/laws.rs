//! What holds for every index.

use crate::support::{Rewrite, Upstream, classify, json, links, merged, path_of, rewritten, text};
use artifact_core::{Origin, RepositoryKind, Route, Shape};
use proptest::prelude::*;
use serde_json::{Value, json};

fn any_link() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z:+% /.?#-]{0,12}(\\.tgz)?",
        "(https://charts\\.example/root/|https://cdn\\.example/|/root/|_ext/|_m/)[a-z/%+.:]{0,8}\\.tgz(\\?a=b)?",
        "oci://registry\\.example/[a-z]{1,3}",
    ]
}

fn any_text() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<String>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        Just(json!(["x"])),
        Just(json!({"x": "y"})),
    ]
}

fn any_version() -> impl Strategy<Value = Value> {
    let number = "v?[0-3](\\.[0-9]{1,2}){0,2}(-[a-z0-9]{1,2})?(\\+[a-z])?";
    let fields = (any_text(), any_text(), any_text(), any_text());
    (number, prop::collection::vec(any_link(), 0..3), fields).prop_map(
        |(number, urls, (description, keywords, removed, annotation))| {
            json!({
                "name": "app", "version": number, "urls": urls, "description": description,
                "keywords": [keywords], "removed": removed, "annotations": {"note": annotation},
                "maintainers": [{"name": "x", "nonsense": 1}]
            })
        },
    )
}

fn any_index() -> impl Strategy<Value = String> {
    let sure = json!([{"name": "sure", "version": "1.0.0", "urls": ["sure.tgz"]}]);
    let versions = prop::collection::vec(any_version(), 0..6);
    prop::collection::hash_map("[a-z./ -]{1,6}", versions, 0..4).prop_map(move |charts| {
        let mut charts: serde_json::Map<String, Value> =
            charts.into_iter().map(|(name, versions)| (name, versions.into())).collect();
        charts.insert("sure".to_owned(), sure.clone());
        json!({"apiVersion": "v1", "entries": charts}).to_string()
    })
}

proptest! {
    #[test]
    fn every_link_is_a_chart_that_the_facts_list(index in any_index()) {
        let rewritten = rewritten(index);
        for link in links(&json(&rewritten)).iter().filter(|link| !link.starts_with("oci:")) {
            let path = path_of(link);
            for path in [path.to_string(), format!("{path}.prov")] {
                let Ok(Route::Serve(target)) = classify(&path) else { panic!("{path}") };
                prop_assert_eq!(&target.shape, &Shape::File);
                let is_listed = matches!(target.origin, Origin::Index { .. });
                prop_assert!(is_listed, "{}", path);
                prop_assert!(rewritten.facts.find(target.path.as_str()).is_some(), "{}", path);
            }
        }
    }

    #[test]
    fn rewriting_again_changes_nothing(index in any_index()) {
        let once = text(&rewritten(index));
        prop_assert_eq!(text(&rewritten(once.clone())), once);
    }

    #[test]
    fn a_merge_of_one_is_that_one_behind_its_member(index in any_index()) {
        let alone = rewritten(index.clone());
        let merged = merged(&[Upstream::of("only", index)]);
        let behind: Vec<_> = links(&json(&alone))
            .iter()
            .map(|link| {
                let path = link.trim_start_matches("./");
                if link.starts_with("oci:") { link.clone() } else { format!("_m/only/{path}") }
            })
            .collect();
        prop_assert_eq!(links(&json(&merged)), behind);
        prop_assert_eq!(merged.facts.files, alone.facts.files);
    }

    #[test]
    fn a_member_twice_is_a_member_once(index in any_index()) {
        let once = Upstream::of("one", index);
        prop_assert_eq!(text(&merged(&[once.clone(), once.clone()])), text(&merged(&[once])));
    }

    #[test]
    fn both_renditions_say_the_same(index in any_index()) {
        let yaml = Rewrite { wanted: "yaml", kind: RepositoryKind::Remote, admits: &|_| true };
        let yaml = text(&yaml.of(&[Upstream::new(index.clone())]).unwrap());
        prop_assert_eq!(json(&rewritten(yaml)), json(&rewritten(index)));
    }

    #[test]
    fn any_text_is_an_index_or_refused(body in "(apiVersion: v1\n|entries:\n|  a:\n|  - |name: a|version: 1|urls: \\[x.tgz\\]|[ -~\n]){0,8}") {
        let _ = Rewrite::default().of(&[Upstream::new(body)]);
    }
}

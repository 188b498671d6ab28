//! Laws that hold for every packument.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

mod support;

use std::collections::BTreeMap;

use artifact_core::{Origin, Route, Shape};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use support::{BASE, Rewrite, classify, filled};

const NAMES: [&str; 3] = ["n", "@scope/n", "@S/a.b_c"];

fn any_version() -> impl Strategy<Value = String> {
    "(0|1|2)\\.[0-3]\\.[0-3](-(rc|b)\\.[0-2])?(\\+x)?|[a-z./ ]{1,4}"
}

fn any_link() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => "https://r\\.test/[a-z]{1,3}/-/[a-z]{1,2}-[0-9.]{1,5}\\.tgz(\\?s=[a-z])?".prop_map(Value::from),
        1 => "\\.\\./[a-z]{1,4}\\.tgz".prop_map(Value::from),
        1 => Just(json!("ftp://r.test/x.tgz")),
        1 => Just(json!(7)),
        1 => Just(Value::Null),
    ]
}

fn any_manifest() -> impl Strategy<Value = Value> {
    (any_link(), any::<bool>(), any::<String>(), any::<bool>()).prop_map(
        |(tarball, attested, text, installs)| {
            let mut dist = json!({"tarball": tarball, "integrity": text});
            if attested {
                dist["attestations"] = json!({"url": "https://r.test/a", "provenance": {}});
            }
            let scripts = if installs { json!({"install": "x"}) } else { json!({}) };
            json!({"name": "n", "readme": text, "os": ["linux"], "scripts": scripts, "dist": dist})
        },
    )
}

fn any_packument() -> impl Strategy<Value = Value> {
    let versions = prop::collection::btree_map(any_version(), any_manifest(), 0..6);
    (versions, any_version(), any::<bool>(), any::<String>()).prop_map(
        |(versions, latest, dated, readme)| {
            let time: Map<_, _> =
                versions.keys().map(|key| (key.clone(), json!("2020-01-01T00:00:00Z"))).collect();
            let versions: Map<_, _> = versions.into_iter().collect();
            let tags = json!({"latest": latest});
            let mut text = json!({"dist-tags": tags, "versions": versions, "readme": readme});
            if dated {
                text["time"] = Value::Object(time);
            }
            text
        },
    )
}

fn links(text: &str) -> BTreeMap<String, String> {
    let document: Value = serde_json::from_str(text).unwrap();
    let mut links = BTreeMap::new();
    for (label, manifest) in document["versions"].as_object().into_iter().flatten() {
        for pointer in ["/dist/tarball", "/dist/attestations/url"] {
            if let Some(link) = manifest.pointer(pointer).and_then(Value::as_str) {
                links.insert(format!("{label}{pointer}"), link.to_owned());
            }
        }
    }
    links
}

proptest! {
    #[test]
    fn every_link_leads_to_something_that_the_facts_know(
        mut packument in any_packument(),
        name in prop::sample::select(&NAMES[..]),
        pretty in any::<bool>(),
    ) {
        packument["name"] = json!(name);
        let text = if pretty { format!("{packument:#}") } else { packument.to_string() };
        let Ok(rewritten) = Rewrite::of(name, &[&text]).run() else { return Ok(()) };
        for form in ["full", "abbreviated"] {
            for (place, link) in links(&filled(&rewritten, form)) {
                let raw = link.strip_prefix(BASE).expect("a link to us");
                let Ok(Route::Serve(found)) = classify(raw) else { panic!("{link} has no route") };
                prop_assert_eq!(found.package.as_deref(), Some(name));
                prop_assert_eq!(found.shape, Shape::File);
                if place.ends_with("/tarball") {
                    let is_listed = matches!(found.origin, Origin::Index { .. });
                    prop_assert!(is_listed);
                    prop_assert!(rewritten.facts.files.contains_key(found.path.as_str()), "{}", link);
                }
            }
        }
        for (path, fact) in &rewritten.facts.files {
            let Ok(Route::Serve(found)) = classify(&artifact_core::encode_path(path)) else {
                panic!("{path} has no route")
            };
            prop_assert_eq!(found.path.as_str(), path.as_str());
            prop_assert!(fact.url.starts_with("https://r.test/") || fact.url.starts_with("https://registry.test/"));
        }
    }

    #[test]
    fn rewriting_our_own_output_changes_nothing(
        mut packument in any_packument(),
        name in prop::sample::select(&NAMES[..]),
    ) {
        packument["name"] = json!(name);
        let text = packument.to_string();
        let Ok(once) = Rewrite::of(name, &[&text]).run() else { return Ok(()) };
        let full = filled(&once, "full");
        let again = Rewrite::of(name, &[&full]).run().unwrap();
        prop_assert_eq!(filled(&again, "full"), full);
        prop_assert_eq!(filled(&again, "abbreviated"), filled(&once, "abbreviated"));
    }

    #[test]
    fn what_has_no_link_and_is_all_shown_stays_byte_for_byte(
        mut packument in any_packument(),
        pretty in any::<bool>(),
    ) {
        packument["name"] = json!("n");
        packument["dist-tags"] = json!({});
        for manifest in packument["versions"].as_object_mut().unwrap().values_mut() {
            manifest["dist"] = json!({"tarball": 1});
        }
        let text = if pretty { format!("{packument:#}") } else { packument.to_string() };
        prop_assert_eq!(Rewrite::of("n", &[&text]).text("full"), text);
    }

    #[test]
    fn a_packument_cut_short_is_never_accepted(mut packument in any_packument(), cut in 0.0..1.0f64) {
        packument["name"] = json!("n");
        let text = packument.to_string();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place within a short text")]
        let mut at = (text.len() as f64 * cut) as usize;
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        prop_assert!(Rewrite::of("n", &[&text[..at]]).run().is_err());
    }

    #[test]
    fn merging_one_document_is_rewriting_it(mut packument in any_packument()) {
        packument["name"] = json!("n");
        let text = packument.to_string();
        let idle = r#"{"name":"n"}"#;
        let (alone, merged) = (Rewrite::of("n", &[&text]).run(), Rewrite::of("n", &[&text, idle]).run());
        match (alone, merged) {
            (Ok(alone), Ok(merged)) => {
                prop_assert_eq!(alone.renditions, merged.renditions);
                prop_assert_eq!(alone.facts.files, merged.facts.files);
            }
            (alone, merged) => prop_assert_eq!(alone.map(drop), merged.map(drop)),
        }
    }
}

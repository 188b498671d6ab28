//! Laws that hold for every document.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

mod support;

use artifact_core::{DocumentError, Route};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{
    Document, below_base, checksums, classify, description, filled, filled_json, rewrite, shasum,
};

fn any_version() -> impl Strategy<Value = String> {
    "(0|1|2)\\.[0-3]\\.[0-3](-(rc|b)\\.[0-2])?(\\+x)?|[a-z./ ]{1,4}"
}

fn any_platform() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => ("linux|darwin|windows", "amd64|arm64").prop_map(|(os, arch)| json!({"os": os, "arch": arch})),
        1 => Just(json!({"os": "Odd one", "arch": "x"})),
        1 => Just(json!(7)),
    ]
}

fn any_versions() -> impl Strategy<Value = String> {
    let platforms = prop::option::of(prop::collection::vec(any_platform(), 0..4));
    let entry = (any_version(), platforms, any::<String>());
    (prop::collection::vec(entry, 0..6), any::<bool>()).prop_map(|(entries, pretty)| {
        let entries: Vec<_> = entries
            .into_iter()
            .map(|(version, platforms, text)| match platforms {
                Some(platforms) => json!({"version": version, "platforms": platforms, "x": text}),
                None => json!({"version": version, "x": text}),
            })
            .collect();
        let document = json!({"versions": entries, "warnings": null});
        if pretty { format!("{document:#}") } else { document.to_string() }
    })
}

fn any_description() -> impl Strategy<Value = Value> {
    let file = "[a-zA-Z0-9_.+ %~]{1,20}";
    let query = prop::option::of("[a-z]=[a-z0-9]{1,5}");
    (file, file, query, any::<String>(), any::<bool>()).prop_map(
        |(zip, sums, query, text, extra)| {
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            let mut body = description();
            body["filename"] = json!(zip);
            body["download_url"] = json!(format!("https://files.test/{zip}{query}"));
            body["shasums_url"] = json!(format!("/x/{sums}{query}"));
            body["signing_keys"] = json!({"gpg_public_keys": [{"ascii_armor": text}]});
            if extra {
                body["Shasum"] = json!(text);
            }
            body
        },
    )
}

fn unit(body: &str, filename: &str) -> Vec<Document> {
    let digest = shasum("a");
    let sums = format!("{}{digest}  {filename}\n", checksums());
    vec![Document::download(body.to_owned()), Document::sums(&digest, sums)]
}

proptest! {
    #[test]
    fn every_link_leads_to_something_that_the_facts_know(body in any_description()) {
        let filename = body["filename"].as_str().unwrap().to_owned();
        let Ok(rewritten) = rewrite(&unit(&body.to_string(), &filename), &|_| true) else { return Ok(()) };
        let ours = filled_json(&rewritten, "registry");
        for field in ["download_url", "shasums_url", "shasums_signature_url"] {
            let link = below_base(ours[field].as_str().unwrap());
            let Ok(Route::Serve(found)) = classify(&link) else { panic!("{link} has no route") };
            let fact = rewritten.facts.files.get(found.path.as_str());
            prop_assert!(fact.is_some_and(|fact| fact.url.starts_with("https://")), "{}", link);
        }
        let mut restored = ours;
        for field in ["download_url", "shasums_url", "shasums_signature_url"] {
            restored[field] = body[field].clone();
        }
        prop_assert_eq!(restored, body, "nothing else is touched");
    }

    #[test]
    fn turning_our_own_links_changes_nothing(body in any_description()) {
        let filename = body["filename"].as_str().unwrap().to_owned();
        let Ok(once) = rewrite(&unit(&body.to_string(), &filename), &|_| true) else { return Ok(()) };
        let once = filled(&once, "registry");
        let again = rewrite(&unit(&once, &filename), &|_| true).unwrap();
        prop_assert_eq!(filled(&again, "registry"), once);
    }

    #[test]
    fn a_list_of_our_own_is_passed_on_as_it_is(body in any_versions()) {
        let once = filled(&Document::versions(body).rewrite().unwrap(), "registry");
        let again = Document::versions(once.clone()).rewrite().unwrap();
        prop_assert_eq!(filled(&again, "registry"), once);
    }

    #[test]
    fn merging_with_an_empty_list_or_with_itself_adds_nothing(body in any_versions()) {
        let one = Document::versions(body);
        let alone = one.rewrite().unwrap();
        let sorted = |rewritten: &_| {
            let mut versions: Vec<_> = filled_json(rewritten, "registry")["versions"]
                .as_array().unwrap().iter().map(Value::to_string).collect();
            versions.sort();
            versions
        };
        for other in [Document::versions(r#"{"versions":[]}"#), one.clone()] {
            let merged = rewrite(&[one.clone(), other], &|_| true).unwrap();
            prop_assert_eq!(sorted(&merged), sorted(&alone));
            prop_assert_eq!(&merged.facts.files, &alone.facts.files);
        }
    }

    #[test]
    fn every_listed_version_has_a_package_that_speaks_for_it(body in any_versions()) {
        let rewritten = Document::versions(body).rewrite().unwrap();
        let mirrored = filled_json(&rewritten, "mirror");
        let versions = mirrored["versions"].as_object().unwrap();
        for version in versions.keys() {
            let raw = format!("mirror/r.test/acme/demo/{}.json", artifact_core::encode_path(version));
            let Ok(Route::Serve(found)) = classify(&raw) else { panic!("{raw} has no route") };
            prop_assert!(rewritten.facts.files.contains_key(found.path.as_str()));
        }
        prop_assert_eq!(rewritten.facts.files.len(), versions.len());
    }

    #[test]
    fn a_list_cut_short_is_never_accepted(body in any_versions(), cut in 0.0..1.0f64) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place within a short text")]
        let mut at = (body.trim_end().len() as f64 * cut) as usize;
        while !body.is_char_boundary(at) {
            at -= 1;
        }
        let refused = Document::versions(body[..at].to_owned()).inspect();
        prop_assert!(matches!(refused, Err(DocumentError::Malformed(_))));
    }

    #[test]
    fn what_passes_inspection_is_understood_and_nothing_panics(
        body in prop_oneof![
            any::<Vec<u8>>(),
            any::<String>().prop_map(String::into_bytes),
            r#"[\[\]{}:,"a-z0-9.]{0,40}"#.prop_map(String::into_bytes),
        ],
    ) {
        let digest = shasum("a");
        for document in [
            Document::new(".well-known/terraform.json", "https://r.test/", body.clone()),
            Document::versions(body.clone()),
            Document::download(body.clone()),
            Document::archives(body.clone()),
            Document::sums(&digest, body.clone()),
            Document::signature(&digest, body.clone()),
            Document::module("versions", body.clone()),
            Document::module("1.0.0/download", body.clone()),
        ] {
            if let Err(error) = document.inspect() {
                prop_assert!(matches!(error, DocumentError::Malformed(_)));
                continue;
            }
            let rewritten = document.rewrite();
            let is_fine = matches!(rewritten, Ok(_) | Err(DocumentError::Unusable(_)));
            prop_assert!(is_fine, "{:?}", rewritten);
        }
    }
}

#[test]
fn deep_nesting_is_refused_and_repetition_is_read_in_one_pass() {
    let deep = format!(r#"{{"versions":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(Document::versions(deep).inspect(), Err(DocumentError::Malformed(_))));
    let entry = r#"{"version":"1.0.0","platforms":[{"os":"linux","arch":"amd64"}]}"#;
    let same = format!(r#"{{"versions":[{}]}}"#, vec![entry; 100_000].join(","));
    let rewritten = Document::versions(same).rewrite().unwrap();
    assert_eq!(filled(&rewritten, "mirror"), r#"{"versions":{"1.0.0":{}}}"#);
    let line = format!("{}  {}\n", shasum("a"), "x".repeat(1000));
    assert!(Document::sums(&shasum("a"), line.repeat(10_000)).inspect().is_ok());
}

//! What holds for every document.

mod support;

use std::collections::HashSet;

use artifact_core::{Origin, RepositoryKind, Route, Shape};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Case, classify, page, release, text_of};

fn any_link() -> impl Strategy<Value = String> {
    prop_oneof![
        "/v3/files/[a-z]{1,3}-[a-z]{1,3}-[0-9]\\.0\\.0\\.tar\\.gz",
        "https?://[a-z]{1,5}\\.test/[a-z0-9/?=.]{0,20}",
        "/[a-z]{1,3}/v3/files/[a-z]{0,5}",
        any::<String>(),
    ]
}

fn any_release() -> impl Strategy<Value = Value> {
    ("[0-3]\\.[0-9]{1,2}\\.0(-rc[0-9])?", any_link(), any::<bool>(), any::<String>()).prop_map(
        |(version, link, is_hashed, text)| {
            let mut release = release("a-b", &version);
            if let Some(fields) = release.as_object_mut() {
                fields.insert("file_uri".to_owned(), json!(link));
                fields.insert("readme".to_owned(), json!(text));
                fields.retain(|name, _| is_hashed || name != "file_sha256");
            }
            release
        },
    )
}

fn any_page() -> impl Strategy<Value = Value> {
    prop::collection::vec(any_release(), 0..6).prop_map(|releases| page(&releases, None))
}

fn file_links(value: &Value, links: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(name, _)| *name != "metadata") {
                if let ("file_uri", Some(link)) = (name.as_str(), member.as_str()) {
                    links.push(link.to_owned());
                }
                file_links(member, links);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| file_links(element, links)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn every_link_to_a_file_is_ours_and_its_facts_are_known(
        list in any_page(),
        is_united in any::<bool>(),
        pretty in any::<bool>(),
    ) {
        let request = "v3/releases?module=a-b&limit=100";
        let text = if pretty { format!("{list:#}") } else { list.to_string() };
        let case = if is_united {
            Case::united(request, std::slice::from_ref(&list))
        } else {
            Case::remote(request, &text)
        };
        let rewritten = case.run().unwrap();
        let mut links = Vec::new();
        file_links(&serde_json::from_str(&text_of(&rewritten)).unwrap(), &mut links);
        for link in links {
            let raw = link.strip_prefix('/').unwrap();
            let Ok(Route::Serve(found)) = classify(case.kind, raw) else { panic!("{link}") };
            prop_assert_eq!(&found.shape, &Shape::File);
            prop_assert!(matches!(found.origin, Origin::Index { .. }), "it comes from where a document says");
            prop_assert!(rewritten.facts.find(found.path.as_str()).is_some(), "{}", link);
        }
    }

    #[test]
    fn rewriting_our_own_output_changes_nothing(list in any_page(), kind in prop::sample::select(&RepositoryKind::ALL[..])) {
        let request = "v3/releases?limit=100&module=a-b";
        let once = match kind {
            RepositoryKind::Virtual => Case::united(request, &[list]).text(),
            _ => Case::remote(request, &list).text(),
        };
        prop_assert_eq!(Case::remote(request, &once).text(), once.clone());
        let parsed: Value = serde_json::from_str(&once).unwrap();
        let entries = parsed["results"].as_array().unwrap();
        let distinct: HashSet<_> = entries.iter().map(|entry| entry["slug"].to_string()).collect();
        let again = Case::united(request, std::slice::from_ref(&parsed)).json();
        prop_assert_eq!(again["results"].as_array().unwrap().len(), distinct.len());
    }

    #[test]
    fn merging_one_list_or_the_same_twice_gives_the_same(list in any_page()) {
        let request = "v3/releases?module=a-b&limit=100";
        let once = Case::united(request, std::slice::from_ref(&list)).text();
        let twice = Case::united(request, &[list.clone(), list.clone()]).text();
        let beside_nothing = Case::united(request, &[page(&[], None), list]).text();
        prop_assert_eq!(&once, &twice);
        prop_assert_eq!(&once, &beside_nothing);
    }

    #[test]
    fn the_pages_of_a_union_are_the_union(list in any_page(), limit in 1..4u32) {
        let whole = Case::united("v3/releases?module=a-b&limit=100", std::slice::from_ref(&list)).json();
        let mut request = format!("v3/releases?module=a-b&limit={limit}");
        let mut gathered = Vec::new();
        loop {
            let part = Case::united(&request, std::slice::from_ref(&list)).json();
            gathered.extend(part["results"].as_array().unwrap().iter().cloned());
            let Some(next) = part["pagination"]["next"].as_str() else { break };
            request = next.strip_prefix('/').unwrap().to_owned();
        }
        prop_assert_eq!(&gathered, whole["results"].as_array().unwrap());
        prop_assert_eq!(Some(gathered.len() as u64), whole["pagination"]["total"].as_u64());
    }

    #[test]
    fn a_document_cut_short_is_never_accepted(list in any_page(), cut in 0.0..1.0f64) {
        let text = list.to_string();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place within a short text")]
        let mut at = (text.len() as f64 * cut) as usize;
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        prop_assert!(Case::remote("v3/releases?module=a-b", &&text[..at]).inspect(0).is_err());
    }

    #[test]
    fn any_text_is_judged_without_a_panic(text in "[\\[\\]{}:,\"a-z_/0-9.-]{0,60}") {
        for request in ["v3/releases?module=a-b", "v3/modules/a-b", "v3/releases/a-b-1.0.0", "v3/users/a"] {
            let _ = Case::remote(request, &text).run();
        }
    }
}

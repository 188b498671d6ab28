//! What a remote serves.

use crate::support::{Index, body, inspected, passed_on, record};

#[test]
fn an_index_is_served_byte_for_byte_and_needs_no_key() {
    let index = Index::of("one", &record("a", "1.0-r0", "x86_64", "abc"));
    let served = passed_on(&index).unwrap();
    assert_eq!(body(&served), index.body);
}

#[test]
fn packages_beside_their_index_are_below_the_base_url() {
    let index = Index::of("one", &record("a", "1.0-r0", "x86_64", "abc"));
    assert!(passed_on(&index).unwrap().facts.files.is_empty());
}

#[test]
fn a_package_for_every_architecture_is_in_a_directory_of_its_own() {
    let index = Index::of("one", &record("a+b", "1.0-r0", "noarch", "abc"));
    let facts = passed_on(&index).unwrap().facts;
    for path in ["v3.22/main/x86_64/a+b-1.0-r0.apk", "v3.22/main/noarch/a+b-1.0-r0.apk"] {
        let fact = facts.find(path).unwrap();
        let url = "https://one.example/alpine/v3.22/main/noarch/a%2Bb-1.0-r0.apk";
        assert_eq!((fact.url.as_str(), fact.size, fact.document), (url, Some(1200), 0));
    }
    assert_eq!(facts.files.len(), 2);
}

#[test]
fn a_cached_package_can_be_compared_with_a_new_index() {
    let text = [record("a", "1.0-r0", "x86_64", "abc"), record("b", "2", "noarch", "def")];
    let inspection = inspected(&Index::of("one", &text.concat())).unwrap();
    assert!(inspection.companions.is_empty() && inspection.parts.is_empty());
    let mut paths: Vec<_> = inspection.facts.files.keys().map(String::as_str).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "v3.22/main/noarch/b-2.apk",
            "v3.22/main/x86_64/a-1.0-r0.apk",
            "v3.22/main/x86_64/b-2.apk"
        ]
    );
    assert!(inspection.facts.files.values().all(|fact| fact.size == Some(1200)));
}

#[test]
fn an_empty_index_is_an_index() {
    assert!(inspected(&Index::of("one", "")).unwrap().facts.files.is_empty());
}

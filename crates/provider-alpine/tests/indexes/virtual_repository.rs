//! What a virtual repository serves.

use artifact_core::{DocumentError, RepositoryKind};

use crate::support::{Asking, Index, Locked, PATH, body, merged, record, text};

fn served(indexes: &[Index]) -> String {
    text(&body(&merged(indexes)))
}

#[test]
fn packages_of_all_members_are_listed_in_their_very_words() {
    let (one, other) = (record("a", "1.0-r0", "x86_64", "abc"), record("b", "2", "x86_64", "def"));
    assert_eq!(served(&[Index::of("one", &one), Index::of("two", &other)]), one + &other);
}

#[test]
fn the_first_member_wins_what_two_have_and_other_versions_stay() {
    let first = record("a", "1.0-r0", "x86_64", "first");
    let second = record("a", "1.0-r0", "x86_64", "second");
    let newer = record("a", "1.1-r0", "x86_64", "newer");
    let indexes = [Index::of("one", &first), Index::of("two", &[second, newer.clone()].concat())];
    assert_eq!(served(&indexes), first + &newer);
    let facts = merged(&indexes).facts;
    let document = |path| facts.find(path).unwrap().document;
    assert_eq!(document("v3.22/main/x86_64/a-1.0-r0.apk"), 0);
    assert_eq!(document("v3.22/main/x86_64/a-1.1-r0.apk"), 1);
}

#[test]
fn packages_that_share_a_file_name_are_one() {
    let (one, other) = (record("a", "1-2", "x86_64", "abc"), record("a-1", "2", "x86_64", "def"));
    assert_eq!(served(&[Index::of("one", &one), Index::of("two", &other)]), one);
}

#[test]
fn a_package_for_every_architecture_is_looked_for_beside_the_index() {
    let index = Index::of("one", &record("a", "1", "noarch", "abc"));
    assert_eq!(served(std::slice::from_ref(&index)), record("a", "1", "x86_64", "abc"));
    let fact = merged(&[index]).facts.find("v3.22/main/x86_64/a-1.apk").unwrap();
    assert_eq!(fact.url, "https://one.example/alpine/v3.22/main/noarch/a-1.apk");
}

#[test]
fn a_foreign_architecture_is_left_as_it_is() {
    let foreign = record("a", "1", "x86", "abc");
    assert_eq!(served(&[Index::of("one", &foreign)]), foreign);
}

#[test]
fn what_a_policy_refuses_is_not_listed() {
    let (one, other) = (record("a", "1", "x86_64", "abc"), record("b", "2", "x86_64", "def"));
    let asking = Asking { admits: &|path| !path.ends_with("/b-2.apk"), ..Asking::default() };
    let served = asking.rewrite(&[Index::of("one", &(one.clone() + &other))]).unwrap();
    assert_eq!(text(&body(&served)), one);
    assert!(served.facts.find("v3.22/main/x86_64/b-2.apk").is_none());
}

#[test]
fn members_without_packages_make_an_index_without_packages() {
    assert_eq!(served(&[Index::of("one", ""), Index::of("two", "")]), "");
}

#[test]
fn an_index_at_the_root_has_no_architecture_of_its_own() {
    let asking = Asking { path: "APKINDEX.tar.gz", ..Asking::default() };
    let noarch = record("a", "1", "noarch", "abc");
    let served = asking.rewrite(&[Index::of("one", &noarch)]).unwrap();
    assert_eq!(text(&body(&served)), noarch);
    assert!(served.facts.find("a-1.apk").is_some());
}

#[test]
fn without_a_key_there_is_no_index_rather_than_an_unsigned_one() {
    let index = Index::of("one", &record("a", "1", "x86_64", "abc"));
    let asking = |signer| Asking { signer, ..Asking::default() };
    for (signer, reason) in [(None, "there is no key"), (Some(&Locked as _), "locked away")] {
        let error = asking(signer).rewrite(std::slice::from_ref(&index)).unwrap_err();
        assert!(
            matches!(&error, DocumentError::Unsigned(text) if text.contains(reason)),
            "{error}"
        );
    }
}

#[test]
fn a_member_whose_index_is_unreadable_stops_everything() {
    let bad = Index { body: "not gzip".into(), ..Index::of("two", "") };
    let good = Index::of("one", &record("a", "1", "x86_64", "abc"));
    let asking = Asking { kind: RepositoryKind::Virtual, path: PATH, ..Asking::default() };
    let error = asking.rewrite(&[good, bad]).unwrap_err();
    assert!(matches!(error, DocumentError::Malformed(_)), "{error}");
}

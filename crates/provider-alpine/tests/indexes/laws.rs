//! What holds for every index.

use artifact_core::{
    Origin, PackageRequest, Provider as _, RepoPath, RepositoryKind, Rewritten, Route, Target,
};
use http::{HeaderMap, Method};
use proptest::prelude::*;
use provider_alpine::AlpineProvider;

use crate::support::{Index, PATH, body, merged, passed_on, record, text};

fn target(kind: RepositoryKind, path: &str) -> Target {
    let path = RepoPath::from_decoded(path).unwrap();
    let (method, headers) = (&Method::GET, &HeaderMap::new());
    let request = PackageRequest { kind, method, path: &path, query: None, headers, remote: None };
    match AlpineProvider::new().classify(&request) {
        Ok(Route::Serve(target)) => target,
        other => panic!("{path}: {other:?}"),
    }
}

/// Where a client looks for the packages of an index.
fn links(served: &Rewritten) -> Vec<String> {
    let text = text(&body(served));
    let field = |record: &str, letter: &str| {
        record.lines().find_map(|line| line.strip_prefix(letter)).unwrap_or_default().to_owned()
    };
    text.split("\n\n")
        .filter(|record| !record.is_empty())
        .map(|record| {
            let [name, version] = [field(record, "P:"), field(record, "V:")];
            format!("v3.22/main/{}/{name}-{version}.apk", field(record, "A:"))
        })
        .collect()
}

fn indexes() -> impl Strategy<Value = Vec<Index>> {
    let package = ("[a-c]{1,2}", "[12](\\.[0-3])?-r[01]");
    let member = prop::collection::vec(package, 0..6);
    prop::collection::vec(member, 1..4).prop_map(|members| {
        let names = ["one", "two", "three"];
        let text = |packages: Vec<(String, String)>, member: &str| {
            let line = |(name, version): (String, String)| {
                let architecture = if name.ends_with('c') { "noarch" } else { "x86_64" };
                record(&name, &version, architecture, member)
            };
            packages.into_iter().map(line).collect::<String>()
        };
        let index = |(packages, member)| Index::of(member, &text(packages, member));
        members.into_iter().zip(names).map(index).collect()
    })
}

proptest! {
    #[test]
    fn every_link_of_a_merged_index_is_classified_and_known(indexes in indexes()) {
        let served = merged(&indexes);
        for link in links(&served) {
            let target = target(RepositoryKind::Virtual, &link);
            let Origin::Index { index, .. } = target.origin else { panic!("{link}") };
            prop_assert_eq!(index.path.as_str(), PATH);
            let fact = served.facts.find(&link).unwrap();
            prop_assert!(fact.document < indexes.len());
            // The member's own record is the one that is shown.
            let member = indexes[fact.document].member;
            let url = fact.url.strip_prefix(&format!("https://{member}.example/alpine/"));
            prop_assert!(url.is_some_and(|url| url.starts_with("v3.22/main/")));
        }
    }

    #[test]
    fn every_link_of_a_remote_leads_to_upstreams_own_place(indexes in indexes()) {
        for index in &indexes {
            let served = passed_on(index).unwrap();
            for link in links(&served) {
                let target = target(RepositoryKind::Remote, &link);
                match (served.facts.find(&link), target.origin) {
                    (Some(fact), _) => prop_assert!(fact.url.ends_with(&link), "{}", fact.url),
                    (None, Origin::Index { unlisted, .. }) => {
                        prop_assert_eq!(unlisted.as_deref(), Some(link.as_str()));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    #[test]
    fn the_same_members_make_the_same_bytes(indexes in indexes()) {
        prop_assert_eq!(body(&merged(&indexes)), body(&merged(&indexes)));
    }

    #[test]
    fn merging_a_merged_index_changes_nothing(indexes in indexes()) {
        let once = text(&body(&merged(&indexes)));
        prop_assert_eq!(&once, &text(&body(&merged(&[Index::of("merged", &once)]))));
    }

    #[test]
    fn nothing_is_lost_and_nothing_is_there_twice(indexes in indexes()) {
        let mut merged_links = links(&merged(&indexes));
        let mut expected: Vec<_> = indexes
            .iter()
            .flat_map(|index| links(&passed_on(index).unwrap()))
            .map(|link| link.replace("/noarch/", "/x86_64/"))
            .collect();
        expected.sort();
        expected.dedup();
        merged_links.sort();
        prop_assert_eq!(merged_links, expected);
    }
}

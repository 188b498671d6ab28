//! What becomes of the documents of a virtual repository's members.

mod support;

use artifact_core::DocumentError;
use serde_json::{Value, json};
use support::{Case, FORGE, module, page, release, versions};

fn releases(versions: &[&str], source: &str) -> Vec<Value> {
    let of = |version: &&str| {
        let mut release = release("a-b", version);
        release.as_object_mut()?.insert("source".to_owned(), json!(source));
        Some(release)
    };
    versions.iter().filter_map(of).collect()
}

#[test]
fn versions_are_united_and_the_first_member_wins() {
    let first = page(&releases(&["1.0.0", "1.1.0"], "first"), None);
    let second = page(&releases(&["1.10.0", "1.9.0", "1.0.0"], "second"), None);
    let case = Case::united("v3/releases?module=a-b&sort_by=version", &[first, second]);
    let list = case.json();
    assert_eq!(versions(&list["results"]), ["1.10.0", "1.9.0", "1.1.0", "1.0.0"]);
    assert_eq!(list["results"][3]["source"], "first");
    assert_eq!(
        list["pagination"],
        json!({
            "limit": 20, "offset": 0, "total": 4,
            "first": "/v3/releases?limit=20&module=a-b&offset=0&sort_by=version",
            "previous": null,
            "current": "/v3/releases?limit=20&module=a-b&offset=0&sort_by=version",
            "next": null,
        })
    );
    assert_eq!(case.fact("v3/files/a-b-1.0.0.tar.gz").document, 0);
    let fact = case.fact("v3/files/a-b-1.9.0.tar.gz");
    assert_eq!((fact.document, fact.url), (1, format!("{FORGE}/v3/files/a-b-1.9.0.tar.gz")));
}

#[test]
fn the_union_is_paged_anew() {
    let first = page(&releases(&["3.0.0", "1.0.0"], "first"), None);
    let second = page(&releases(&["2.0.0"], "second"), None);
    let case = Case::united("v3/releases?module=a-b&limit=1&offset=1&x=%26", &[first, second]);
    let list = case.json();
    assert_eq!(versions(&list["results"]), ["2.0.0"]);
    let link = |offset| format!("/v3/releases?limit=1&module=a-b&offset={offset}&x=%26");
    let pagination = &list["pagination"];
    for (name, offset) in [("first", 0), ("previous", 0), ("current", 1), ("next", 2)] {
        assert_eq!(pagination[name], link(offset), "{name}");
    }
    assert_eq!(pagination["total"], 3);
    let far = Case::united("v3/releases?module=a-b&offset=100", &[page(&[], None)]).json();
    assert_eq!((&far["results"], &far["pagination"]["next"]), (&json!([]), &Value::Null));
}

#[test]
fn every_page_of_a_member_is_read() {
    let first =
        page(&releases(&["3.0.0"], "first"), Some("/v3/releases?evil=1&limit=7&offset=100"));
    let other = page(&releases(&["0.1.0"], "other"), None);
    let asked = std::cell::RefCell::new(Vec::new());
    let case =
        Case::united("v3/releases?module=a-b", &[first, other]).gathered(|position, reference| {
            asked.borrow_mut().push((position, reference.to_owned()));
            let is_last = reference.contains("offset=200");
            let (version, next) =
                if is_last { ("1.0.0", None) } else { ("2.0.0", Some("?offset=200")) };
            Some(page(&releases(&[version], "first"), next))
        });
    let reference = |offset| format!("v3/releases?limit=100&module=a-b&offset={offset}");
    assert_eq!(*asked.borrow(), [(0, reference(100)), (0, reference(200))]);
    assert_eq!(versions(&case.json()["results"]), ["3.0.0", "2.0.0", "1.0.0", "0.1.0"]);
    assert_eq!(case.fact("v3/files/a-b-0.1.0.tar.gz").document, 3);
}

#[test]
fn a_list_of_which_a_page_is_missing_is_never_shown() {
    let first = page(&releases(&["3.0.0"], "first"), Some("/v3/releases?offset=100"));
    let case = Case::united("v3/releases?module=a-b", &[first]);
    assert!(matches!(case.run(), Err(DocumentError::Malformed(_))));
    for next in ["/v3/releases", "/v3/releases?offset=0", "?offset=x", "?offset=99999999999"] {
        let first = page(&releases(&["3.0.0"], "first"), Some(next));
        let case = Case::united("v3/releases?module=a-b", &[first]);
        assert!(matches!(case.inspect(0), Err(DocumentError::Malformed(_))), "{next}");
    }
}

#[test]
fn the_order_and_the_fields_are_what_the_client_asked_for() {
    let mut all = releases(&["1.0.0", "2.0.0", "3.0.0"], "x");
    for (release, (downloads, day)) in all.iter_mut().zip([(5, "30"), (9, "01"), (7, "12")]) {
        release["downloads"] = json!(downloads);
        release["created_at"] = json!(format!("2024-01-{day} 07:00:00 -0800"));
    }
    let sorted = |order: &str| {
        let request = format!("v3/releases?module=a-b&sort_by={order}");
        let list = Case::united(&request, &[page(&all, None)]).json();
        versions(&list["results"])
            .iter()
            .map(|version| version.as_bytes()[0] - b'0')
            .collect::<Vec<_>>()
    };
    assert_eq!(sorted("downloads"), [2, 3, 1]);
    assert_eq!(sorted("release_date"), [1, 3, 2]);
    assert_eq!(sorted("anything"), [3, 2, 1]);

    let request =
        "v3/releases?module=a-b&limit=1&include_fields=slug,version,readme&exclude_fields=readme";
    let list = Case::united(request, &[page(&all, None)]).json();
    assert_eq!(list["results"], json!([{"slug": "a-b-3.0.0", "version": "3.0.0"}]));
}

#[test]
fn a_search_takes_turns_among_members_and_goes_no_further_than_needed() {
    let found =
        |names: &[&str]| names.iter().map(|name| module(name, &["1.0.0"])).collect::<Vec<_>>();
    let mut first = page(&found(&["a-one", "a-two"]), Some("/v3/modules?offset=100"));
    first["pagination"]["total"] = json!(250);
    let second = page(&found(&["a-two", "b-three"]), None);
    let request = "v3/modules?query=x&limit=2";
    let case = Case::united(request, &[first, second])
        .gathered(|_, reference| panic!("{reference} is not needed"));
    let list = case.json();
    let slugs: Vec<_> =
        list["results"].as_array().unwrap().iter().map(|entry| &entry["slug"]).collect();
    assert_eq!(slugs, ["a-one", "a-two"]);
    assert_eq!(list["pagination"]["total"], 252);
    assert_eq!(list["pagination"]["next"], "/v3/modules?limit=2&offset=2&query=x");
}

#[test]
fn the_releases_of_a_module_are_united_and_the_best_is_recommended() {
    let first = module("a-b", &["1.0.0"]);
    let second = module("a-b", &["2.0.0", "3.0.0-rc1", "1.0.0"]);
    let case = Case::united("v3/modules/a-b", &[first.clone(), second.clone()]);
    let united = case.json();
    assert_eq!(versions(&united["releases"]), ["3.0.0-rc1", "2.0.0", "1.0.0"]);
    assert_eq!(
        united["current_release"], second["current_release"],
        "with all that is known of it"
    );
    assert_eq!(united["homepage_url"], first["homepage_url"]);
    assert_eq!(case.fact("v3/files/a-b-1.0.0.tar.gz").document, 0);
    assert_eq!(case.fact("v3/files/a-b-2.0.0.tar.gz").document, 1);

    let turned = Case::united("v3/modules/a-b", &[second.clone(), first.clone()]).json();
    assert_eq!(turned, second, "nothing new");
    let bare = json!({"slug": "a-b", "current_release": null});
    let grown = Case::united("v3/modules/a-b", &[bare, first.clone()]).json();
    assert_eq!(grown["releases"], first["releases"]);
    assert_eq!(grown["current_release"], first["current_release"]);
}

#[test]
fn the_fields_of_a_module_are_chosen_after_it_was_united() {
    let request = "v3/modules/a-b?include_fields=slug,releases";
    let members = [module("a-b", &["1.0.0"]), module("a-b", &["2.0.0"])];
    let united = Case::united(request, &members).json();
    assert_eq!(united.as_object().unwrap().len(), 2);
    assert_eq!(versions(&united["releases"]), ["2.0.0", "1.0.0"]);
}

#[test]
fn a_release_is_that_of_the_first_member() {
    let mut second = release("a-b", "1.0.0");
    second["file_sha256"] = json!("0".repeat(64));
    let first = release("a-b", "1.0.0");
    let case = Case::united("v3/releases/a-b-1.0.0", &[first.clone(), second]);
    assert_eq!(case.text(), first.to_string());
    let fact = case.fact("v3/files/a-b-1.0.0.tar.gz");
    assert_eq!(fact.document, 0);
    assert!(fact.digests.blob_id().unwrap().to_hex().starts_with("e3b0"));
}

#[test]
fn what_a_policy_refuses_is_refused_in_every_member() {
    let denied = ["v3/files/a-b-1.0.0.tar.gz"];
    let first = page(&releases(&["1.0.0"], "first"), None);
    let second = page(&releases(&["1.0.0", "2.0.0"], "second"), None);
    let request = "v3/releases?module=a-b";
    let case = Case { denied: &denied, ..Case::united(request, &[first.clone(), second]) };
    assert_eq!(versions(&case.json()["results"]), ["2.0.0"]);
    assert_eq!(case.json()["pagination"]["total"], 1);
    let case = Case { denied: &denied, ..Case::united(request, &[first]) };
    assert_eq!(case.run().unwrap_err(), DocumentError::AllDenied);
}

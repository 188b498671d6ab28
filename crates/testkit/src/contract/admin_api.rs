//! Contract of `AdminApi`.
//!
//! A backend stamps the suite with a factory that gives an empty server with the package
//! types `generic`, which can be hosted, and `npm`, which cannot be or is not asked to be; whatever
//! must outlive the test comes with it:
//!
//! ```text
//! async fn make() -> (Arc<dyn AdminApi>, TempDir) { … }
//! testkit::admin_api_contract!(make);
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    reason = "the clauses are the bodies of tests: a panic is their verdict"
)]

use admin_types::{
    AdminApi, CheckStatus, Condition, HealthStatus, Kind, ListQuery, ObjectQuery, Outcome, Problem,
    RemoteRepository, Repository, Selection, Sort, SortKey, State, StatsQuery, Versioned, Write,
};
use serde_json::{Value, json};

/// Stamps one test per clause of the `AdminApi` contract. The argument names an
/// `async fn() -> (Arc<dyn AdminApi>, impl Any)`.
#[macro_export]
macro_rules! admin_api_contract {
    ($make:path) => {
        $crate::admin_api_contract! {
            @clauses $make;
            a_minimal_remote_gets_the_defaults,
            a_full_remote_is_given_back_as_it_was_written,
            what_is_not_there_is_a_404,
            every_invalid_field_is_reported_at_once,
            an_unknown_field_is_refused_with_a_suggestion,
            a_document_must_be_an_object,
            a_name_is_unique_over_all_kinds,
            a_replacement_creates_what_is_missing,
            the_same_content_again_keeps_the_entity_tag,
            a_change_moves_the_entity_tag,
            a_field_that_is_left_out_of_a_replacement_gets_its_default,
            what_was_read_can_be_written_again,
            read_only_fields_cannot_be_changed,
            an_outdated_entity_tag_is_refused,
            if_none_match_any_only_creates,
            a_password_never_comes_back,
            a_merge_patch_touches_its_fields_only,
            name_and_package_type_are_settled,
            a_rehearsal_stores_nothing,
            members_exist_match_and_form_no_cycle,
            members_keep_their_order,
            a_member_cannot_be_deleted,
            a_deleted_repository_is_gone,
            a_local_repository_counts_what_it_holds,
            pages_are_stable_under_changes,
            lists_are_filtered_and_ordered,
            foreign_cursors_are_refused,
            an_empty_repository_holds_nothing,
            statistics_without_traffic_have_no_ratio,
            health_names_every_part_and_every_remote,
        }
    };
    (@clauses $make:path; $($clause:ident),+ $(,)?) => { $(
        #[tokio::test]
        async fn $clause() {
            let (api, _server) = $make().await;
            $crate::contract::admin_api::$clause(&*api).await;
        }
    )+ };
}

fn remote(name: &str) -> Value {
    json!({"name": name, "package_type": "npm", "base_url": "http://127.0.0.1:9/"})
}

async fn create(api: &dyn AdminApi, kind: Kind, document: Value) -> Versioned<Repository> {
    let written = api.write(kind, Write::create(document)).await.unwrap();
    assert_eq!(written.outcome, Outcome::Created);
    written.repository
}

async fn create_remote(api: &dyn AdminApi, name: &str) -> Versioned<Repository> {
    create(api, Kind::Remote, remote(name)).await
}

async fn refused(api: &dyn AdminApi, kind: Kind, write: Write) -> Problem {
    api.write(kind, write).await.unwrap_err()
}

async fn count(api: &dyn AdminApi, kind: Kind) -> u64 {
    api.list(kind, ListQuery::default()).await.unwrap().total.unwrap()
}

fn as_remote(repository: &Versioned<Repository>) -> &RemoteRepository {
    let Repository::Remote(remote) = &repository.value else {
        panic!("{repository:?} is no remote");
    };
    remote
}

fn names(items: &[Repository]) -> Vec<&str> {
    items.iter().map(Repository::name).collect()
}

fn codes(problem: &Problem) -> Vec<(&str, &str)> {
    let mut codes: Vec<_> =
        problem.errors.iter().map(|error| (&*error.pointer, &*error.code)).collect();
    codes.sort_unstable();
    codes
}

/// Name, package type and base URL are enough.
pub async fn a_minimal_remote_gets_the_defaults(api: &dyn AdminApi) {
    let created = create_remote(api, "npm").await;
    assert!(created.etag.starts_with('"') && created.etag.ends_with('"'), "{}", created.etag);
    let found = api.get(Kind::Remote, "npm").await.unwrap();
    assert_eq!(found, created);
    let remote = as_remote(&found);
    assert_eq!((remote.name.as_str(), remote.package_type.as_str()), ("npm", "npm"));
    assert_eq!(remote.base_url, "http://127.0.0.1:9/");
    assert_eq!(remote.immutable_ttl, 0);
    assert!(remote.mutable_ttl > 0);
    assert!(remote.patterns.is_empty() && !remote.has_password && !remote.offline);
    assert_eq!((remote.username.as_str(), remote.description.as_str()), ("", ""));
    assert!(remote.url.ends_with("/api/v1/remote/npm"), "{}", remote.url);
    assert_eq!(remote.created_at, remote.updated_at);
    assert_eq!(remote.status.state, State::Ok);
}

/// Nothing is normalised or reordered.
pub async fn a_full_remote_is_given_back_as_it_was_written(api: &dyn AdminApi) {
    let document = json!({
        "name": "files", "package_type": "generic", "base_url": "HTTP://Host.example:80/a//b",
        "description": "Dateien ü", "immutable_ttl": 60, "mutable_ttl": 0,
        "patterns": ["^z", "^a"], "blocklist": ["b$"], "mutable_patterns": ["m"],
        "immutable_patterns": ["i", "i"], "ban_tags_enabled": true, "ban_tags": ["latest"],
        "allowed_hosts": ["10.0.0.1:81", "cdn.example"], "ca_certificates": "",
        "strict_freshness": true, "verify_before_serve": true, "forbidden_means_missing": true,
        "offline": true, "username": "svc", "private": true, "managed_by": "terraform",
    });
    create(api, Kind::Remote, document.clone()).await;
    let found = api.get(Kind::Remote, "files").await.unwrap();
    let shown = serde_json::to_value(&found.value).unwrap();
    for (name, value) in document.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name}");
    }
}

/// Another kind is not there either.
pub async fn what_is_not_there_is_a_404(api: &dyn AdminApi) {
    create_remote(api, "npm").await;
    let path = || Selection::Path("a".to_owned());
    let any = Condition::Any;
    for (kind, name) in [(Kind::Remote, "other"), (Kind::Local, "npm"), (Kind::Virtual, "npm")] {
        let patch = Write::merge(name, json!({"description": "x"}));
        let statuses = [
            api.get(kind, name).await.unwrap_err().status,
            refused(api, kind, patch).await.status,
            api.delete(kind, name, any.clone(), false).await.unwrap_err().status,
            api.objects(kind, name, ObjectQuery::default()).await.unwrap_err().status,
            api.evict(kind, name, path(), false).await.unwrap_err().status,
        ];
        assert_eq!(statuses, [404; 5], "{kind} {name}");
    }
    assert_eq!(count(api, Kind::Remote).await, 1);
}

/// One answer is enough to repair the whole document.
pub async fn every_invalid_field_is_reported_at_once(api: &dyn AdminApi) {
    let document = json!({
        "name": "Bad Name", "package_type": "cobol", "base_url": "ftp://user:hunter2@host/?x",
        "mutable_ttl": -1, "immutable_ttl": "60", "patterns": ["ok", "(unclosed", 3],
        "blocklist": "x", "offline": "no", "allowed_hosts": ["a/b"], "username": "a:b",
        "ca_certificates": "x", "password": 7,
    });
    let problem = refused(api, Kind::Remote, Write::create(document)).await;
    assert_eq!(problem.status, 422);
    assert_eq!(
        codes(&problem),
        [
            ("#/allowed_hosts/0", "bad_host"),
            ("#/base_url", "bad_url"),
            ("#/blocklist", "wrong_type"),
            ("#/ca_certificates", "bad_pem"),
            ("#/immutable_ttl", "wrong_type"),
            ("#/mutable_ttl", "out_of_range"),
            ("#/name", "bad_name"),
            ("#/offline", "wrong_type"),
            ("#/package_type", "unknown_package_type"),
            ("#/password", "wrong_type"),
            ("#/patterns/1", "bad_regex"),
            ("#/patterns/2", "wrong_type"),
            ("#/username", "bad_value"),
        ]
    );
    assert!(!format!("{problem:?}").contains("hunter2"));
    let problem = refused(api, Kind::Remote, Write::create(json!({}))).await;
    assert_eq!(
        codes(&problem),
        [("#/base_url", "required"), ("#/name", "required"), ("#/package_type", "required")]
    );
    assert_eq!(count(api, Kind::Remote).await, 0);
}

/// A misspelt field is not silently ignored.
pub async fn an_unknown_field_is_refused_with_a_suggestion(api: &dyn AdminApi) {
    let mut document = remote("npm");
    document["mutable_tll"] = json!(1);
    let problem = refused(api, Kind::Remote, Write::create(document)).await;
    assert_eq!((problem.status, problem.code_at("#/mutable_tll")), (422, Some("unknown_field")));
    assert!(problem.errors[0].detail.contains("\"mutable_ttl\""), "{problem}");
    let members = json!({"name": "files", "package_type": "generic", "members": []});
    let problem = refused(api, Kind::Local, Write::create(members)).await;
    assert_eq!(problem.code_at("#/members"), Some("unknown_field"));
}

/// Lists and texts are no repositories.
pub async fn a_document_must_be_an_object(api: &dyn AdminApi) {
    create_remote(api, "npm").await;
    for document in [json!([]), json!("npm"), json!(null)] {
        for write in [
            Write::create(document.clone()),
            Write::replace("npm", document.clone()),
            Write::merge("npm", document.clone()),
        ] {
            let problem = refused(api, Kind::Remote, write).await;
            assert_eq!((problem.status, problem.code_at("#")), (422, Some("wrong_type")));
        }
    }
}

/// Paths of container images carry no kind.
pub async fn a_name_is_unique_over_all_kinds(api: &dyn AdminApi) {
    create_remote(api, "npm").await;
    let local = json!({"name": "npm", "package_type": "generic"});
    for (kind, write) in [
        (Kind::Remote, Write::create(remote("npm"))),
        (Kind::Local, Write::create(local.clone())),
        (Kind::Local, Write::replace("npm", local)),
    ] {
        let problem = refused(api, kind, write).await;
        assert_eq!((problem.status, problem.code_at("#/name")), (409, Some("duplicate")));
    }
    assert_eq!(count(api, Kind::Local).await, 0);
}

/// The document need not repeat the name in the path.
pub async fn a_replacement_creates_what_is_missing(api: &dyn AdminApi) {
    let document = json!({"package_type": "generic"});
    let written = api.write(Kind::Local, Write::replace("files", document)).await.unwrap();
    assert_eq!(written.outcome, Outcome::Created);
    assert_eq!(written.repository.value.name(), "files");
    assert_eq!(api.get(Kind::Local, "files").await.unwrap(), written.repository);
}

/// A declarative tool may repeat itself.
pub async fn the_same_content_again_keeps_the_entity_tag(api: &dyn AdminApi) {
    let created = create_remote(api, "npm").await;
    for write in [
        Write::replace("npm", remote("npm")),
        Write::merge("npm", json!({})),
        Write::merge("npm", json!({"description": ""})),
    ] {
        let written = api.write(Kind::Remote, write).await.unwrap();
        assert_ne!(written.outcome, Outcome::Created);
        assert_eq!(written.repository, created);
    }
    assert_eq!(api.get(Kind::Remote, "npm").await.unwrap(), created);
}

/// Every change is seen by who holds the old tag.
pub async fn a_change_moves_the_entity_tag(api: &dyn AdminApi) {
    let created = create_remote(api, "npm").await;
    let mut document = remote("npm");
    document["mutable_ttl"] = json!(7);
    let written = api.write(Kind::Remote, Write::replace("npm", document)).await.unwrap();
    assert_eq!(written.outcome, Outcome::Replaced);
    assert_ne!(written.repository.etag, created.etag);
    assert_eq!(as_remote(&written.repository).mutable_ttl, 7);
    assert_eq!(as_remote(&written.repository).created_at, as_remote(&created).created_at);
    assert_eq!(api.get(Kind::Remote, "npm").await.unwrap(), written.repository);
}

/// `PUT` replaces, it does not merge.
pub async fn a_field_that_is_left_out_of_a_replacement_gets_its_default(api: &dyn AdminApi) {
    let mut document = remote("npm");
    document["description"] = json!("text");
    document["blocklist"] = json!(["x"]);
    create(api, Kind::Remote, document).await;
    let written = api.write(Kind::Remote, Write::replace("npm", remote("npm"))).await.unwrap();
    let remote = as_remote(&written.repository);
    assert!(remote.description.is_empty() && remote.blocklist.is_empty());
}

/// Read, change one field, write.
pub async fn what_was_read_can_be_written_again(api: &dyn AdminApi) {
    let local = json!({"name": "files", "package_type": "generic"});
    let virtual_ = json!({"name": "all", "package_type": "generic", "members": ["files"]});
    let mut remote = remote("npm");
    remote["password"] = json!("hunter2");
    for (kind, document) in
        [(Kind::Remote, remote), (Kind::Local, local), (Kind::Virtual, virtual_)]
    {
        let created = create(api, kind, document).await;
        let shown = serde_json::to_value(&created.value).unwrap();
        let name = created.value.name();
        let written = api.write(kind, Write::replace(name, shown.clone())).await.unwrap();
        assert_eq!(written.repository, created, "{kind}");
        let mut changed = shown;
        changed["description"] = json!("changed");
        let written = api.write(kind, Write::replace(name, changed)).await.unwrap();
        assert_ne!(written.repository.etag, created.etag, "{kind}");
    }
}

/// What would be lost is refused.
pub async fn read_only_fields_cannot_be_changed(api: &dyn AdminApi) {
    create_remote(api, "npm").await;
    let patch = json!({
        "url": "http://elsewhere/", "has_password": true, "created_at": "2000-01-01T00:00:00Z",
        "updated_at": 1, "credentials_updated_at": "2000-01-01T00:00:00Z",
    });
    let problem = refused(api, Kind::Remote, Write::merge("npm", patch)).await;
    assert_eq!(problem.status, 422);
    assert_eq!(
        codes(&problem),
        [
            ("#/created_at", "read_only_field"),
            ("#/credentials_updated_at", "read_only_field"),
            ("#/has_password", "read_only_field"),
            ("#/updated_at", "read_only_field"),
            ("#/url", "read_only_field"),
        ]
    );
}

/// Two operators cannot overwrite each other unknowingly.
pub async fn an_outdated_entity_tag_is_refused(api: &dyn AdminApi) {
    let created = create_remote(api, "npm").await;
    let current = || Condition::IfMatch(created.etag.clone());
    let patch = |text: &str| Write::merge("npm", json!({"description": text})).on(current());
    let changed = api.write(Kind::Remote, patch("one")).await.unwrap();
    assert_eq!(refused(api, Kind::Remote, patch("two")).await.status, 412);
    let replace = Write::replace("npm", remote("npm")).on(current());
    assert_eq!(refused(api, Kind::Remote, replace).await.status, 412);
    let absent = Write::replace("new", remote("new")).on(Condition::IfMatch("*".into()));
    assert_eq!(refused(api, Kind::Remote, absent).await.status, 412);
    let deleted = api.delete(Kind::Remote, "npm", current(), false).await;
    assert_eq!(deleted.unwrap_err().status, 412);
    let newest = Condition::IfMatch(changed.repository.etag);
    api.delete(Kind::Remote, "npm", newest, false).await.unwrap();
}

/// Creating twice does not overwrite.
pub async fn if_none_match_any_only_creates(api: &dyn AdminApi) {
    let write = || Write::replace("npm", remote("npm")).on(Condition::IfNoneMatchAny);
    assert_eq!(api.write(Kind::Remote, write()).await.unwrap().outcome, Outcome::Created);
    assert_eq!(refused(api, Kind::Remote, write()).await.status, 412);
}

/// Omitted keeps it, `null` clears it, a string sets it.
pub async fn a_password_never_comes_back(api: &dyn AdminApi) {
    let mut document = remote("npm");
    document["username"] = json!("svc");
    document["password"] = json!("hunter2");
    let created = create(api, Kind::Remote, document.clone()).await;
    assert!(as_remote(&created).has_password);
    assert!(as_remote(&created).credentials_updated_at.is_some());
    assert!(!serde_json::to_string(&created.value).unwrap().contains("hunter2"));

    let again = api.write(Kind::Remote, Write::replace("npm", document.clone())).await.unwrap();
    assert_eq!(again.repository, created);
    document.as_object_mut().unwrap().remove("password");
    let kept = api.write(Kind::Remote, Write::replace("npm", document)).await.unwrap();
    assert_eq!(kept.repository, created);
    let patched = Write::merge("npm", json!({"description": "x"}));
    let patched = api.write(Kind::Remote, patched).await.unwrap();
    assert!(as_remote(&patched.repository).has_password);

    let cleared = Write::merge("npm", json!({"password": null}));
    let cleared = api.write(Kind::Remote, cleared).await.unwrap();
    let shown = as_remote(&cleared.repository);
    assert_eq!((shown.has_password, shown.username.as_str()), (false, "svc"));
    assert_eq!(shown.credentials_updated_at, None);
}

/// Lists are replaced as a whole, `null` gives the default back.
pub async fn a_merge_patch_touches_its_fields_only(api: &dyn AdminApi) {
    let mut document = remote("npm");
    document["blocklist"] = json!(["a", "b"]);
    document["mutable_ttl"] = json!(7);
    document["description"] = json!("kept");
    create(api, Kind::Remote, document).await;
    let default = as_remote(&create_remote(api, "plain").await).mutable_ttl;
    let patch = json!({"blocklist": ["c"], "mutable_ttl": null});
    let written = api.write(Kind::Remote, Write::merge("npm", patch)).await.unwrap();
    let remote = as_remote(&written.repository);
    assert_eq!(remote.blocklist, ["c"]);
    assert_eq!(remote.mutable_ttl, default);
    assert_eq!(remote.description, "kept");
}

/// Declarative tools create anew on the 409.
pub async fn name_and_package_type_are_settled(api: &dyn AdminApi) {
    create_remote(api, "npm").await;
    let mut retyped = remote("npm");
    retyped["package_type"] = json!("generic");
    for write in
        [Write::replace("npm", retyped), Write::merge("npm", json!({"package_type": "generic"}))]
    {
        let problem = refused(api, Kind::Remote, write).await;
        assert_eq!(problem.status, 409);
        assert_eq!(problem.code_at("#/package_type"), Some("immutable_field"));
    }
    for write in
        [Write::replace("npm", remote("other")), Write::merge("npm", json!({"name": "other"}))]
    {
        let problem = refused(api, Kind::Remote, write).await;
        assert_eq!((problem.status, problem.code_at("#/name")), (422, Some("immutable_field")));
    }
}

/// A rehearsal says what would be stored, or what would be wrong.
pub async fn a_rehearsal_stores_nothing(api: &dyn AdminApi) {
    let rehearsed = Write::create(remote("npm")).rehearsed();
    let written = api.write(Kind::Remote, rehearsed).await.unwrap();
    assert_eq!(written.repository.value.name(), "npm");
    assert_eq!(written.repository.etag, "");
    assert_eq!(count(api, Kind::Remote).await, 0);
    let invalid = Write::create(json!({"name": "npm"})).rehearsed();
    assert_eq!(refused(api, Kind::Remote, invalid).await.status, 422);

    let created = create_remote(api, "npm").await;
    let patch = Write::merge("npm", json!({"description": "x"})).rehearsed();
    let written = api.write(Kind::Remote, patch).await.unwrap();
    assert_eq!(as_remote(&written.repository).description, "x");
    api.delete(Kind::Remote, "npm", Condition::Any, true).await.unwrap();
    assert_eq!(api.get(Kind::Remote, "npm").await.unwrap(), created);
}

/// Each violation points at its member.
pub async fn members_exist_match_and_form_no_cycle(api: &dyn AdminApi) {
    create_remote(api, "one").await;
    create(api, Kind::Local, json!({"name": "files", "package_type": "generic"})).await;
    let virtual_ = |name: &str, members: &[&str]| json!({"name": name, "package_type": "npm", "members": members});
    create(api, Kind::Virtual, virtual_("inner", &["one"])).await;
    create(api, Kind::Virtual, virtual_("outer", &["inner", "one"])).await;
    let members = virtual_("inner", &["one", "nowhere", "files", "outer", "inner", "one"]);
    let problem = refused(api, Kind::Virtual, Write::replace("inner", members)).await;
    assert_eq!(problem.status, 422);
    assert_eq!(
        codes(&problem),
        [
            ("#/members/1", "unknown_member"),
            ("#/members/2", "type_mismatch"),
            ("#/members/3", "cycle"),
            ("#/members/4", "cycle"),
            ("#/members/5", "duplicate"),
        ]
    );
    let without = json!({"name": "all", "package_type": "npm"});
    let problem = refused(api, Kind::Virtual, Write::create(without)).await;
    assert_eq!(problem.code_at("#/members"), Some("required"));
}

/// Precedence is the order that was written.
pub async fn members_keep_their_order(api: &dyn AdminApi) {
    for name in ["a", "b", "c"] {
        create_remote(api, name).await;
    }
    let document = json!({"name": "all", "package_type": "npm", "members": ["c", "a", "b"]});
    create(api, Kind::Virtual, document).await;
    let found = api.get(Kind::Virtual, "all").await.unwrap();
    let Repository::Virtual(found) = found.value else { panic!("{found:?} is not virtual") };
    assert_eq!(found.members, ["c", "a", "b"]);
    assert!(!found.merge_versions);
    assert_eq!(found.status.state, State::Ok);
}

/// A virtual repository never shrinks by accident.
pub async fn a_member_cannot_be_deleted(api: &dyn AdminApi) {
    create_remote(api, "one").await;
    let document = json!({"name": "all", "package_type": "npm", "members": ["one"]});
    create(api, Kind::Virtual, document).await;
    for dry_run in [true, false] {
        let problem = api.delete(Kind::Remote, "one", Condition::Any, dry_run).await.unwrap_err();
        assert_eq!(problem.status, 409);
        assert!(problem.detail.contains("all"), "{problem}");
    }
    api.delete(Kind::Virtual, "all", Condition::Any, false).await.unwrap();
    api.delete(Kind::Remote, "one", Condition::Any, false).await.unwrap();
}

/// And its name is free, under another tag.
pub async fn a_deleted_repository_is_gone(api: &dyn AdminApi) {
    let first = create_remote(api, "npm").await;
    api.delete(Kind::Remote, "npm", Condition::Any, false).await.unwrap();
    assert_eq!(api.get(Kind::Remote, "npm").await.unwrap_err().status, 404);
    let again = api.delete(Kind::Remote, "npm", Condition::Any, false).await;
    assert_eq!(again.unwrap_err().status, 404);
    let second = create_remote(api, "npm").await;
    assert_ne!(first.etag, second.etag);
}

/// Nothing yet.
pub async fn a_local_repository_counts_what_it_holds(api: &dyn AdminApi) {
    let document = json!({"name": "files", "package_type": "generic", "allow_overwrite": true});
    let created = create(api, Kind::Local, document).await;
    let Repository::Local(local) = created.value else { panic!("{created:?} is not local") };
    assert!(local.allow_overwrite);
    assert_eq!((local.objects, local.stored_bytes), (0, 0));
    assert_eq!(local.status.state, State::Ok);
    assert!(local.url.ends_with("/api/v1/local/files"), "{}", local.url);
}

/// Inserts and deletes between two pages neither repeat nor hide a repository.
pub async fn pages_are_stable_under_changes(api: &dyn AdminApi) {
    for name in ["b", "d", "f", "h", "j"] {
        create_remote(api, name).await;
    }
    let query = ListQuery { limit: 2, ..ListQuery::default() };
    let first = api.list(Kind::Remote, query.clone()).await.unwrap();
    assert_eq!((names(&first.items), first.total), (vec!["b", "d"], Some(5)));

    create_remote(api, "a").await;
    create_remote(api, "e").await;
    api.delete(Kind::Remote, "d", Condition::Any, false).await.unwrap();
    let query = ListQuery { cursor: first.next_cursor, ..query };
    let second = api.list(Kind::Remote, query.clone()).await.unwrap();
    assert_eq!(names(&second.items), ["e", "f"]);
    let query = ListQuery { cursor: second.next_cursor, ..query };
    let third = api.list(Kind::Remote, query).await.unwrap();
    assert_eq!((names(&third.items), third.next_cursor), (vec!["h", "j"], None));
}

/// Filters restrict, the order is the one asked for.
pub async fn lists_are_filtered_and_ordered(api: &dyn AdminApi) {
    create_remote(api, "alpha").await;
    let mut beta = remote("beta");
    beta["description"] = json!("the Alphabet");
    beta["managed_by"] = json!("terraform");
    create(api, Kind::Remote, beta).await;
    let mut gamma = remote("gamma");
    gamma["package_type"] = json!("generic");
    create(api, Kind::Remote, gamma).await;
    let text = |text: &str| Some(text.to_owned());
    let by_name = Sort { key: SortKey::Name, descending: true };
    let by_size = Sort { key: SortKey::SizeBytes, descending: true };
    let base = ListQuery::default();
    for (query, expected) in [
        (base.clone(), vec!["alpha", "beta", "gamma"]),
        (ListQuery { sort: by_name, ..base.clone() }, vec!["gamma", "beta", "alpha"]),
        (ListQuery { sort: by_size, ..base.clone() }, vec!["alpha", "beta", "gamma"]),
        (ListQuery { q: text("ALPHA"), ..base.clone() }, vec!["alpha", "beta"]),
        (ListQuery { package_type: text("generic"), ..base.clone() }, vec!["gamma"]),
        (ListQuery { managed_by: text("terraform"), ..base.clone() }, vec!["beta"]),
        (ListQuery { name: text("alpha"), ..base.clone() }, vec!["alpha"]),
    ] {
        let page = api.list(Kind::Remote, query.clone()).await.unwrap();
        assert_eq!(names(&page.items), expected, "{query:?}");
        assert_eq!(page.total, u64::try_from(expected.len()).ok(), "{query:?}");
    }
}

/// A cursor is good for the listing that it came from.
pub async fn foreign_cursors_are_refused(api: &dyn AdminApi) {
    create_remote(api, "a").await;
    create_remote(api, "b").await;
    let query = ListQuery { limit: 1, ..ListQuery::default() };
    let cursor = api.list(Kind::Remote, query).await.unwrap().next_cursor;
    let descending = Sort { key: SortKey::Name, descending: true };
    let other_order = ListQuery { cursor, sort: descending, ..ListQuery::default() };
    assert_eq!(api.list(Kind::Remote, other_order).await.unwrap_err().status, 400);
    let broken = Some("no cursor".to_owned());
    let list = ListQuery { cursor: broken.clone(), ..ListQuery::default() };
    assert_eq!(api.list(Kind::Remote, list).await.unwrap_err().status, 400);
    let objects = ObjectQuery { cursor: broken, ..ObjectQuery::default() };
    assert_eq!(api.objects(Kind::Remote, "a", objects).await.unwrap_err().status, 400);
}

/// A single path must be there, a prefix may match nothing and says so.
pub async fn an_empty_repository_holds_nothing(api: &dyn AdminApi) {
    create_remote(api, "npm").await;
    let page = api.objects(Kind::Remote, "npm", ObjectQuery::default()).await.unwrap();
    assert!(page.items.is_empty() && page.prefixes.is_empty() && page.next_cursor.is_none());
    let path = |text: &str| Selection::Path(text.to_owned());
    let missing = api.evict(Kind::Remote, "npm", path("a/b"), false).await;
    assert_eq!(missing.unwrap_err().status, 404);
    let malformed = api.evict(Kind::Remote, "npm", path("../b"), false).await;
    assert_eq!(malformed.unwrap_err().status, 400);
    for dry_run in [true, false] {
        let all = Selection::Prefix(String::new());
        let evicted = api.evict(Kind::Remote, "npm", all, dry_run).await.unwrap();
        assert_eq!((evicted.objects, evicted.bytes, evicted.dry_run), (0, 0, dry_run));
    }
}

/// Not zero: nothing is known.
pub async fn statistics_without_traffic_have_no_ratio(api: &dyn AdminApi) {
    create_remote(api, "npm").await;
    create(api, Kind::Local, json!({"name": "files", "package_type": "generic"})).await;
    let query = StatsQuery { window_seconds: 600, repository: None };
    let stats = api.stats(query).await.unwrap();
    assert_eq!((stats.window_seconds, stats.requests.total), (600, 0));
    assert_eq!((stats.hit_ratio, stats.byte_hit_ratio), (None, None));
    let listed: Vec<_> = stats.repositories.iter().map(|one| (&*one.name, one.kind)).collect();
    assert_eq!(listed, [("files", Kind::Local), ("npm", Kind::Remote)]);

    let one = |name: &str| StatsQuery { window_seconds: 600, repository: Some(name.to_owned()) };
    assert_eq!(api.stats(one("npm")).await.unwrap().repositories.len(), 1);
    assert_eq!(api.stats(one("other")).await.unwrap_err().status, 404);
}

/// A healthy server says what it looked at.
pub async fn health_names_every_part_and_every_remote(api: &dyn AdminApi) {
    create_remote(api, "npm").await;
    let health = api.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Ok);
    assert!(!health.version.is_empty());
    for name in ["storage", "metadata", "spool", "remote/npm"] {
        let check = health.check(name).unwrap();
        assert_eq!(check.status, CheckStatus::Ok, "{name}");
    }
    assert!(health.check("access").is_some());
}

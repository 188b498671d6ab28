//! The management interface over in-memory ports: the shared contract, and what only the
//! engine can show.

#![expect(clippy::unwrap_used, reason = "a panic is the verdict of a test")]

use std::sync::Arc;
use std::time::Duration;

use admin_types::{
    AdminApi, CheckStatus, CollectorApi, HealthStatus, Kind, ListQuery, ObjectQuery, ObjectState,
    Outcome, Repository, Selection, SnippetApi, State, StatsQuery, TokenApi, TokenQuery, Write,
};
use artifact_core::ports::{
    MetaStore, NewRepository, NewToken, OriginState, Precondition, RepositoryStore, RowStore,
    StatBucket, StatStore, TokenId, TokenStore,
};
use artifact_core::{
    ArtifactRow, BlobId, Class, Clock, Definition, Digests, Provider, Remote, RepoPath,
    RepositoryId, RowKey, SystemClock, Timestamp, Variant,
};
use artifact_engine::admin::{Access, Admin, ServerInfo, token_hash};
use artifact_engine::{Engine, EngineParts, Settings};
use cas_store::{FileSpool, MemoryStore, Quota};
use serde_json::json;
use tempfile::TempDir;
use testkit::{MemoryMetaStore, ScriptedUpstream};
use ttl_cache::MemoryTtlCache;

/// An engine over ports in memory, and a way around it.
struct Bench {
    admin: Arc<Admin>,
    engine: Arc<Engine>,
    meta: Arc<MemoryMetaStore>,
    upstream: Arc<ScriptedUpstream>,
    directory: TempDir,
}

impl Bench {
    async fn new(settings: Settings) -> Self {
        let directory = TempDir::new().unwrap();
        let meta = Arc::new(MemoryMetaStore::default());
        let upstream = Arc::new(ScriptedUpstream::new());
        let providers: [Arc<dyn Provider>; 2] = [
            Arc::new(provider_generic::GenericProvider::new()),
            Arc::new(provider_npm::NpmProvider::new()),
        ];
        let parts = EngineParts {
            meta: Arc::clone(&meta) as Arc<dyn MetaStore>,
            blobs: Arc::new(MemoryStore::default()),
            staging: Arc::new(MemoryStore::default()),
            spool: Arc::new(FileSpool::open(directory.path(), Quota::default()).unwrap()),
            ttl: Arc::new(MemoryTtlCache::default()),
            upstream: Arc::clone(&upstream) as _,
            peers: None,
            providers: providers.into_iter().collect(),
            signer: None,
            clock: Arc::new(SystemClock),
        };
        let engine = Engine::start(parts, settings).await.unwrap();
        let started_at = SystemClock.now();
        let server = ServerInfo { version: "1.2.3".into(), started_at, access: Access::Open };
        let admin = Arc::new(Admin::new(Arc::clone(&engine), server));
        Self { admin, engine, meta, upstream, directory }
    }

    async fn create(&self, kind: Kind, document: serde_json::Value) -> RepositoryId {
        let written = self.admin.write(kind, Write::create(document)).await.unwrap();
        let snapshot = self.engine.configuration().snapshot();
        snapshot.find(written.repository.value.name()).unwrap().id()
    }

    async fn remote(&self, name: &str) -> RepositoryId {
        let document =
            json!({"name": name, "package_type": "npm", "base_url": "http://127.0.0.1:9"});
        self.create(Kind::Remote, document).await
    }

    async fn publish(&self, repository: RepositoryId, path: &str, size: u64, fresh: bool) {
        let now = SystemClock.now();
        let expires_at = if fresh { None } else { Some(Timestamp::from_seconds(1)) };
        let row = ArtifactRow {
            key: RowKey {
                repository,
                path: RepoPath::from_decoded(path).unwrap(),
                variant: Variant::SOURCE,
            },
            // One blob per size: a blob's size is settled by its bytes.
            blob: BlobId::from_bytes([u8::try_from(size).unwrap(); 32]),
            size,
            class: Class::Mutable,
            content_type: Some("text/plain".into()),
            upstream_etag: None,
            upstream_last_modified: None,
            upstream_url: Some("http://127.0.0.1:9/x".into()),
            checksums: Digests::default(),
            fetched_at: now,
            validated_at: now,
            expires_at,
            generation: 0,
        };
        self.meta.publish(row, Precondition::Any).await.unwrap();
    }
}

mod contract {
    use super::*;

    async fn make() -> (Arc<dyn AdminApi>, TempDir) {
        let bench = Bench::new(Settings::default()).await;
        (bench.admin, bench.directory)
    }

    async fn make_collector() -> (Arc<dyn CollectorApi>, TempDir) {
        let bench = Bench::new(Settings::default()).await;
        (bench.admin, bench.directory)
    }

    async fn make_tokens() -> (Arc<dyn TokenApi>, TempDir) {
        let bench = Bench::new(Settings::default()).await;
        (bench.admin, bench.directory)
    }

    testkit::admin_api_contract!(make);

    mod collector {
        testkit::collector_api_contract!(super::make_collector);
    }

    mod tokens {
        testkit::token_api_contract!(super::make_tokens);
    }
}

#[tokio::test]
async fn a_private_member_is_never_shown_by_a_public_virtual_repository() {
    let bench = Bench::new(Settings::default()).await;
    let url = "http://127.0.0.1:9";
    let remote = |name: &str, private: bool| json!({"name": name, "package_type": "npm", "base_url": url, "private": private});
    let all = |private: bool, members: &[&str]| json!({"name": "all", "package_type": "npm", "members": members, "private": private});
    bench.create(Kind::Remote, remote("secret", true)).await;
    bench.create(Kind::Remote, remote("open", false)).await;
    let write = |kind, write| bench.admin.write(kind, write);

    let document = all(false, &["open", "secret"]);
    let problem = write(Kind::Virtual, Write::create(document)).await.unwrap_err();
    assert_eq!((problem.status, problem.code_at("#/members/1")), (422, Some("exposed")));
    bench.create(Kind::Virtual, all(true, &["open", "secret"])).await;
    let problem = write(Kind::Virtual, Write::merge("all", json!({"private": false}))).await;
    assert_eq!(problem.unwrap_err().code_at("#/members/1"), Some("exposed"));
    write(Kind::Virtual, Write::replace("all", all(false, &["open"]))).await.unwrap();
    let problem = write(Kind::Remote, Write::merge("open", json!({"private": true}))).await;
    assert_eq!(problem.unwrap_err().code_at("#/private"), Some("exposed"));

    // Two replicas at once may store what neither would have accepted.
    let racing = NewRepository {
        name: "open".parse().unwrap(),
        package_type: "npm".parse().unwrap(),
        description: String::new(),
        managed_by: String::new(),
        private: true,
        definition: Definition::Remote(Box::new(Remote::new(url))),
    };
    bench.meta.put_repository(racing, Precondition::Any, SystemClock.now()).await.unwrap();
    bench.engine.configuration().reload().await.unwrap();
    let snapshot = bench.engine.configuration().snapshot();
    let private = ["secret", "open", "all", "absent"].map(|name| snapshot.is_private(name));
    assert_eq!(private, [true, true, true, false]);
}

#[tokio::test]
async fn the_name_of_the_administrator_is_no_name_of_a_token() {
    let bench = Bench::new(Settings::default()).await;
    let document = json!({"name": "administrator", "scopes": ["read:*"]});
    let problem = bench.admin.create_token(document).await.unwrap_err();
    assert_eq!((problem.status, problem.code_at("#/name")), (422, Some("bad_name")));
}

#[tokio::test]
async fn tokens_that_ended_a_month_ago_are_not_listed_for_ever() {
    let bench = Bench::new(Settings::default()).await;
    let ended = NewToken {
        id: TokenId::new(),
        name: "old".parse().unwrap(),
        hash: token_hash(b"old"),
        scopes: "admin".parse().unwrap(),
        created_at: Timestamp::EPOCH,
        expires_at: Some(SystemClock.now().minus(Duration::from_secs(31 * 86_400))),
    };
    bench.meta.create_token(&ended).await.unwrap();
    bench.admin.create_token(json!({"name": "new", "scopes": ["read:*"]})).await.unwrap();
    let page = bench.admin.tokens(TokenQuery::default()).await.unwrap();
    let names: Vec<_> = page.items.iter().map(|token| &*token.name).collect();
    assert_eq!(names, ["new"]);
}

#[tokio::test(start_paused = true)]
async fn uses_of_tokens_are_written_now_and_then_and_at_the_end() {
    let bench = Bench::new(Settings::default()).await;
    let created = bench.admin.create_token(json!({"name": "ci", "scopes": ["read:*"]})).await;
    let id: TokenId = created.unwrap().token.id.parse().unwrap();
    let used_at = SystemClock.now();
    bench.engine.token_uses().note(id, used_at);
    bench.engine.shutdown(Duration::from_secs(5)).await;
    let [token] = &bench.meta.tokens(None, 10).await.unwrap()[..] else { panic!("one token") };
    assert_eq!(token.last_used_at, Some(used_at));
}

#[tokio::test]
async fn an_open_server_says_what_is_private_in_vain() {
    let bench = Bench::new(Settings::default()).await;
    let document = json!({"name": "secret", "package_type": "generic", "private": true});
    bench.create(Kind::Local, document).await;
    let health = bench.admin.health().await.unwrap();
    let access = health.check("access").unwrap();
    assert_eq!(access.status, CheckStatus::Warning);
    assert!(access.detail.as_ref().unwrap().ends_with("read the private repositories secret"));
}

#[tokio::test]
async fn a_kept_password_never_follows_the_remote_to_another_origin() {
    let bench = Bench::new(Settings::default()).await;
    let document = json!({
        "name": "npm", "package_type": "npm", "base_url": "http://127.0.0.1:9/a",
        "username": "svc", "password": "hunter2"
    });
    bench.create(Kind::Remote, document).await;
    let move_to = |patch| bench.admin.write(Kind::Remote, Write::merge("npm", patch));
    let problem = move_to(json!({"base_url": "http://127.0.0.1:10/a"})).await.unwrap_err();
    assert_eq!((problem.status, &*problem.errors[0].pointer), (422, "#/password"));
    move_to(json!({"base_url": "http://127.0.0.1:9/b"})).await.unwrap();
    move_to(json!({"base_url": "http://127.0.0.1:10/a", "password": "hunter3"})).await.unwrap();
    move_to(json!({"base_url": "http://127.0.0.1:11/a", "password": null})).await.unwrap();
}

#[tokio::test]
async fn a_write_is_in_force_when_it_is_answered() {
    let bench = Bench::new(Settings::default()).await;
    let id = bench.remote("npm").await;
    let patch = Write::merge("npm", json!({"blocklist": ["x"]}));
    bench.admin.write(Kind::Remote, patch).await.unwrap();
    let snapshot = bench.engine.configuration().snapshot();
    assert!(snapshot.by_id(id).unwrap().rules.denial("x").is_some());
    bench.admin.delete(Kind::Remote, "npm", admin_types::Condition::Any, false).await.unwrap();
    assert!(bench.engine.configuration().snapshot().find("npm").is_none());
}

#[tokio::test]
async fn a_write_that_changes_nothing_says_so_and_stores_nothing() {
    let bench = Bench::new(Settings::default()).await;
    bench.remote("npm").await;
    let generation = bench.engine.configuration().snapshot().generation();
    let write = Write::merge("npm", json!({"offline": false}));
    let written = bench.admin.write(Kind::Remote, write).await.unwrap();
    assert_eq!(written.outcome, Outcome::Unchanged);
    bench.engine.configuration().reload().await.unwrap();
    assert_eq!(bench.engine.configuration().snapshot().generation(), generation);
}

#[tokio::test]
async fn an_address_is_a_path_until_a_public_url_is_known() {
    let public =
        Settings { public_url: Some("https://artifacts.example".into()), ..Settings::default() };
    for (settings, expected) in [
        (Settings::default(), "/api/v1/remote/npm"),
        (public, "https://artifacts.example/api/v1/remote/npm"),
    ] {
        let bench = Bench::new(settings).await;
        bench.remote("npm").await;
        let found = bench.admin.get(Kind::Remote, "npm").await.unwrap();
        assert_eq!(found.value.url(), expected);
    }
}

#[tokio::test]
async fn what_the_listener_made_of_an_address_may_be_written_again() {
    let bench = Bench::new(Settings::default()).await;
    bench.remote("npm").await;
    let found = bench.admin.get(Kind::Remote, "npm").await.unwrap();
    let shown = found.value.under_origin("http://localhost:8000");
    let write = Write::replace("npm", serde_json::to_value(shown).unwrap());
    let written = bench.admin.write(Kind::Remote, write).await.unwrap();
    assert_eq!(written.repository.etag, found.etag);
}

#[tokio::test]
async fn objects_are_listed_folded_and_evicted() {
    let bench = Bench::new(Settings::default()).await;
    let id = bench.remote("npm").await;
    for (path, size, fresh) in
        [("a/one", 1, true), ("a/two", 2, false), ("b", 4, true), ("c", 8, true)]
    {
        bench.publish(id, path, size, fresh).await;
    }
    let admin = &bench.admin;
    let query = ObjectQuery { delimiter: Some('/'), limit: 2, ..ObjectQuery::default() };
    let page = admin.objects(Kind::Remote, "npm", query.clone()).await.unwrap();
    let folder = &page.prefixes[0];
    assert_eq!((folder.prefix.as_str(), folder.objects, folder.at_least), ("a/", 2, false));
    assert_eq!((page.items[0].path.as_str(), page.items[0].size_bytes), ("b", 4));
    assert_eq!(page.items[0].sha256, "04".repeat(32));
    let query = ObjectQuery { cursor: page.next_cursor, ..query };
    let page = admin.objects(Kind::Remote, "npm", query).await.unwrap();
    assert_eq!((page.items.len(), page.next_cursor), (1, None));

    let of_state = async |state| {
        let query = ObjectQuery { state: Some(state), ..ObjectQuery::default() };
        let page = admin.objects(Kind::Remote, "npm", query).await.unwrap();
        assert!(page.items.iter().all(|object| object.state == state));
        page.items.len()
    };
    assert_eq!(of_state(ObjectState::Fresh).await, 3);
    assert_eq!(of_state(ObjectState::Stale).await, 1);
    assert_eq!(of_state(ObjectState::Negative).await, 0);

    let evict = async |selection, dry_run| {
        let evicted = admin.evict(Kind::Remote, "npm", selection, dry_run).await;
        evicted.map(|evicted| (evicted.objects, evicted.bytes)).map_err(|problem| problem.status)
    };
    assert_eq!(evict(Selection::Prefix("a/".into()), true).await, Ok((2, 3)));
    assert_eq!(evict(Selection::Prefix("a/".into()), false).await, Ok((2, 3)));
    assert_eq!(evict(Selection::Path("b".into()), false).await, Ok((1, 4)));
    assert_eq!(evict(Selection::Path("b".into()), false).await, Err(404));
    assert_eq!(evict(Selection::Prefix(String::new()), true).await, Ok((1, 8)));
}

#[tokio::test]
async fn an_upstream_that_is_down_degrades_its_virtual_and_the_health() {
    let bench = Bench::new(Settings::default()).await;
    let id = bench.remote("one").await;
    bench.remote("two").await;
    let members = json!({"name": "all", "package_type": "npm", "members": ["one", "two"]});
    bench.create(Kind::Virtual, members).await;
    let wait = Duration::from_secs(40);
    bench.upstream.set_state(id, OriginState::CoolDown { retry_after: wait });

    let remote = bench.admin.get(Kind::Remote, "one").await.unwrap().value;
    assert_eq!(remote.status().state, State::RateLimited);
    let all = bench.admin.get(Kind::Virtual, "all").await.unwrap().value;
    assert_eq!(all.status().state, State::Degraded);
    assert_eq!(all.status().members.len(), 1);
    assert_eq!(all.status().members[0].name, "one");
    let health = bench.admin.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Degraded);
    let check = health.check("remote/one").unwrap();
    assert_eq!(check.status, CheckStatus::Down);
    assert_eq!(check.reason.as_deref(), Some("rate_limited"));
    assert!(check.detail.as_ref().unwrap().contains("40 s"));

    let offline = Write::merge("one", json!({"offline": true}));
    bench.admin.write(Kind::Remote, offline).await.unwrap();
    assert_eq!(bench.admin.health().await.unwrap().status, HealthStatus::Ok);
}

#[tokio::test]
async fn open_access_is_a_warning_and_no_fault() {
    let bench = Bench::new(Settings::default()).await;
    let health = bench.admin.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Ok);
    assert_eq!(health.version, "1.2.3");
    let access = health.check("access").unwrap();
    assert_eq!((access.status, access.reason.as_deref()), (CheckStatus::Warning, Some("open")));
}

#[tokio::test]
async fn statistics_sum_the_window_and_what_is_stored() {
    let bench = Bench::new(Settings::default()).await;
    let (one, two) = (bench.remote("one").await, bench.remote("two").await);
    bench.publish(one, "a", 5, true).await;
    bench.publish(two, "a", 5, true).await;
    let (now, width) = (SystemClock.now(), Duration::from_secs(60));
    let bucket = |hits, misses| StatBucket {
        hits,
        misses,
        bytes_served: 10,
        bytes_hit: 5,
        ..StatBucket::default()
    };
    let counters = vec![(one, bucket(3, 1)), (two, bucket(1, 3))];
    bench.meta.add_statistics(now, width, counters).await.unwrap();
    let yesterday = Timestamp::from_millis(now.as_millis() - 86_400_000);
    bench.meta.add_statistics(yesterday, width, vec![(one, bucket(100, 0))]).await.unwrap();

    let query = |repository: Option<&str>| StatsQuery {
        window_seconds: 3600,
        repository: repository.map(ToOwned::to_owned),
    };
    let stats = bench.admin.stats(query(None)).await.unwrap();
    assert_eq!((stats.requests.total, stats.requests.hit), (8, 4));
    assert_eq!((stats.hit_ratio, stats.byte_hit_ratio), (Some(0.5), Some(0.5)));
    assert_eq!((stats.storage.objects, stats.storage.logical_bytes), (2, 10));
    assert_eq!(stats.storage.stored_bytes, 5, "two rows share one blob");
    let ratios: Vec<_> = stats.repositories.iter().map(|one| one.hit_ratio).collect();
    assert_eq!(ratios, [Some(0.75), Some(0.25)]);
    let stats = bench.admin.stats(query(Some("one"))).await.unwrap();
    assert_eq!((stats.requests.total, stats.storage.objects), (4, 1));
}

#[tokio::test]
async fn a_local_repository_tells_its_size() {
    let bench = Bench::new(Settings::default()).await;
    let document = json!({"name": "files", "package_type": "generic"});
    let id = bench.create(Kind::Local, document).await;
    bench.publish(id, "a", 5, true).await;
    let found = bench.admin.get(Kind::Local, "files").await.unwrap().value;
    let Repository::Local(local) = found else { panic!("{found:?} is not local") };
    assert_eq!((local.objects, local.stored_bytes), (1, 5));
}

#[tokio::test]
async fn a_type_without_hosting_cannot_be_local() {
    let bench = Bench::new(Settings::default()).await;
    let write = Write::create(json!({"name": "packages", "package_type": "npm"}));
    let problem = bench.admin.write(Kind::Local, write).await.unwrap_err();
    assert_eq!(problem.code_at("#/package_type"), Some("not_hostable"));
}

#[tokio::test]
async fn snippets_carry_the_address_that_is_known() {
    let bench = Bench::new(Settings::default()).await;
    bench.remote("npm").await;
    let origin = "http://host:8000";
    let all = bench.admin.snippets("npm", None, origin).await.unwrap();
    assert_eq!((all.origin.as_str(), all.warnings.len()), (origin, 1));
    assert!(all.snippets[0].body.contains("http://host:8000/api/v1/remote/npm"));
    let client = all.snippets[0].client.clone();
    let some = bench.admin.snippets("npm", Some(&client), origin).await.unwrap();
    assert!(some.snippets.iter().all(|snippet| snippet.client == client));
    let none = bench.admin.snippets("npm", Some("telnet"), origin).await;
    assert_eq!(none.unwrap_err().status, 404);
    assert_eq!(bench.admin.snippets("other", None, origin).await.unwrap_err().status, 404);
}

#[tokio::test]
async fn writes_at_the_same_time_are_judged_one_after_the_other() {
    let bench = Bench::new(Settings::default()).await;
    let create = |name: &str| {
        let admin = Arc::clone(&bench.admin);
        let document = json!({"name": name, "package_type": "npm", "base_url": "http://h.example"});
        async move { admin.write(Kind::Remote, Write::create(document)).await }
    };
    let results = futures_util::future::join_all((0..4).map(|_| create("same"))).await;
    let statuses: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().map_or_else(|problem| problem.status, |_| 201))
        .collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 3, "{statuses:?}");
}

#[tokio::test]
async fn what_another_replica_made_is_shown_as_loaded() {
    let bench = Bench::new(Settings::default()).await;
    let made = |name: &str| NewRepository {
        name: name.parse().unwrap(),
        package_type: "npm".parse().unwrap(),
        description: String::new(),
        managed_by: String::new(),
        private: false,
        definition: Definition::Remote(Box::new(Remote::new("http://127.0.0.1:9/"))),
    };
    for name in ["one", "two"] {
        let put = bench.meta.put_repository(made(name), Precondition::Any, SystemClock.now());
        put.await.unwrap();
        let listed = bench.admin.list(Kind::Remote, ListQuery::default()).await.unwrap();
        assert!(listed.items.iter().all(|remote| remote.status().state == State::Ok), "{listed:?}");
        let shown = bench.admin.get(Kind::Remote, name).await.unwrap();
        assert_eq!(shown.value.status().state, State::Ok);
    }
}

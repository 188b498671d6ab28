//! Documents and what belongs to them: companions, parts, files that they contradict, owners.

use artifact_core::{Definition, ErrorKind, RepositoryKind, Virtual};
use artifact_engine::CacheResult;
use http::StatusCode;
use testkit::Script;
use testkit::contract::blob_store::id_of;

use crate::world::{World, at, on_remote};

/// Longer than documents are fresh and served while they are revalidated.
const EXPIRED: i64 = 400;

fn hash(body: &str) -> String {
    id_of(body.as_bytes()).to_hex()
}

async fn catalog() -> World {
    let world = World::new().await;
    world.remote("r", "catalog").await;
    world
}

/// Two upstreams behind the virtual repository `v`.
async fn pair(package_type: &str, merge_versions: bool) -> World {
    let world = World::new().await;
    for name in ["one", "two"] {
        let remote = artifact_core::Remote::new(format!("http://upstream.example/{name}/"));
        world.put(name, package_type, Definition::Remote(Box::new(remote))).await;
    }
    let members = ["one", "two"].map(|name| name.parse().unwrap()).to_vec();
    let definition = Definition::Virtual(Virtual { members, merge_versions, deployment: None });
    world.put("v", package_type, definition).await;
    world
}

fn on_virtual(path: &str) -> String {
    at(RepositoryKind::Virtual, "v", path)
}

#[tokio::test(start_paused = true)]
async fn a_document_that_cannot_be_read_never_takes_the_place_of_one_that_can() {
    let world = catalog().await;
    world.upstream.on("/index", Script::ok("broken"));
    let error = world.get(&on_remote("index")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Upstream);
    assert!(error.public().contains("it says so"), "{}", error.public());
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    world.upstream.on("/index", Script::ok("file files/a -"));
    assert_eq!(world.get(&on_remote("index")).await.unwrap().text(), "files/a\n");
    world.pass(EXPIRED);
    world.upstream.on("/index", Script::ok("broken"));
    let stale = world.get(&on_remote("index")).await.unwrap();
    assert_eq!((stale.text(), stale.result()), ("files/a\n", CacheResult::Stale));
    assert!(!world.stored_blob(b"broken").await);
}

#[tokio::test(start_paused = true)]
async fn a_document_is_read_together_with_its_companions() {
    let world = catalog().await;
    world.upstream.on("/index", Script::ok("file files/a -\npage page/2\npage page/none"));
    world.upstream.on("/page/2", Script::ok("file files/b -\npage page/3\npage page/2"));
    world.upstream.on("/page/3", Script::ok("file files/c -\npage index"));
    world.upstream.on("/page/none", Script::status(StatusCode::NOT_FOUND));
    world.upstream.on("/files/c", Script::ok("c"));
    let whole = world.get(&on_remote("index")).await.unwrap();
    assert_eq!(whole.text(), "files/a\nfiles/b\nfiles/c\n");
    assert_eq!(world.get(&on_remote("files/c")).await.unwrap().text(), "c");
    let hit = world.get(&on_remote("index")).await.unwrap();
    assert_eq!(hit.result(), CacheResult::Hit);
    assert_eq!((world.upstream.count("/index"), world.upstream.count("/page/3")), (1, 1));
    // A companion that changes changes what is made of it.
    world.upstream.on("/page/3", Script::ok("file files/d -"));
    world.pass(EXPIRED);
    let changed = world.get(&on_remote("index")).await.unwrap();
    assert_eq!(changed.text(), "files/a\nfiles/b\nfiles/d\n");
    assert_ne!(changed.header("etag"), whole.header("etag"));
}

#[tokio::test(start_paused = true)]
async fn an_index_whose_parts_are_gone_never_replaces_one_whose_parts_are_there() {
    let world = catalog().await;
    let index = |body: &str, file: &str| {
        Script::ok(format!("file {file} -\npart replacing part/{} {}", hash(body), hash(body)))
    };
    world.upstream.on("/index", index("first", "files/1"));
    assert_eq!(world.get(&on_remote("index")).await.unwrap().text(), "files/1\n");
    // Upstream is being updated: the index is new, its part is not there yet.
    world.pass(EXPIRED);
    world.upstream.on("/index", index("second", "files/2"));
    let during = world.get(&on_remote("index")).await.unwrap();
    assert_eq!((during.text(), during.result()), ("files/1\n", CacheResult::Stale));
    // Or it is there and is another file.
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    world.pass(EXPIRED);
    let path = format!("/part/{}", hash("second"));
    world.upstream.on(&path, Script::ok("half a file"));
    assert_eq!(world.get(&on_remote("index")).await.unwrap().text(), "files/1\n");
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    world.pass(EXPIRED);
    world.upstream.on(&path, Script::ok("second"));
    assert_eq!(world.get(&on_remote("index")).await.unwrap().text(), "files/2\n");
    // The part was fetched before the index was served.
    let part = world.get(&on_remote(path.trim_start_matches('/'))).await.unwrap();
    assert_eq!((part.text(), part.result()), ("second", CacheResult::Hit));
}

#[tokio::test(start_paused = true)]
async fn a_part_that_goes_with_its_document_is_fetched_with_every_change_of_it() {
    let world = catalog().await;
    let index = |file: &str| Script::ok(format!("file {file} -\npart with part/signature -"));
    world.upstream.on("/index", index("files/1"));
    world.upstream.on("/part/signature", Script::ok("signature of 1"));
    world.get(&on_remote("index")).await.unwrap();
    let signature = world.get(&on_remote("part/signature")).await.unwrap();
    assert_eq!((signature.text(), signature.result()), ("signature of 1", CacheResult::Hit));
    world.pass(EXPIRED);
    world.upstream.on("/index", index("files/2"));
    world.upstream.on("/part/signature", Script::ok("signature of 2"));
    world.get(&on_remote("index")).await.unwrap();
    assert_eq!(world.get(&on_remote("part/signature")).await.unwrap().text(), "signature of 2");
    // Upstream signs no longer.
    world.pass(EXPIRED);
    world.upstream.on("/index", index("files/3"));
    world.upstream.on("/part/signature", Script::status(StatusCode::NOT_FOUND));
    assert_eq!(world.get(&on_remote("index")).await.unwrap().text(), "files/3\n");
    let gone = world.get(&on_remote("part/signature")).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_cached_file_that_the_newest_index_contradicts_is_fetched_again() {
    for (package_type, expected) in [("catalog", "rebuilt"), ("owned", "first")] {
        let world = World::new().await;
        world.remote("r", package_type).await;
        let index = |body: &str| {
            Script::ok(format!("file files/a {}\nfile files/b {}", hash(body), hash("b")))
        };
        world.upstream.on("/index", index("first"));
        world.upstream.on("/files/a", Script::ok("first"));
        world.upstream.on("/files/b", Script::ok("b"));
        for file in ["files/a", "files/b"] {
            world.get(&on_remote(file)).await.unwrap();
        }
        world.pass(EXPIRED);
        world.upstream.on("/index", index("rebuilt"));
        world.upstream.on("/files/a", Script::ok("rebuilt"));
        world.get(&on_remote("index")).await.unwrap();
        assert_eq!(world.get(&on_remote("files/a")).await.unwrap().text(), expected);
        let other = world.get(&on_remote("files/b")).await.unwrap();
        assert_eq!(other.result(), CacheResult::Hit, "only the contradicted file is dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_newer_than_the_cached_index_makes_that_be_read_again() {
    let world = catalog().await;
    world.upstream.on("/index", Script::ok(format!("file files/a {}", hash("old"))));
    world.get(&on_remote("index")).await.unwrap();
    world.upstream.on("/index", Script::ok(format!("file files/a {}", hash("new"))));
    world.upstream.on("/files/a", Script::ok("new"));
    let answer = world.get(&on_remote("files/a")).await.unwrap();
    assert_eq!(answer.text(), "new");
    assert_eq!(world.upstream.count("/index"), 2);
}

#[tokio::test(start_paused = true)]
async fn what_no_index_lists_is_asked_for_where_the_type_says_so() {
    let world = catalog().await;
    world.upstream.on("/index", Script::ok("file files/a -"));
    for path in ["/loose/x", "/files/x"] {
        world.upstream.on(path, Script::ok("x"));
    }
    assert_eq!(world.get(&on_remote("loose/x")).await.unwrap().text(), "x");
    let error = world.get(&on_remote("files/x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // Without any index, too; but not when the index cannot be had.
    let world = catalog().await;
    world.upstream.on("/index", Script::status(StatusCode::NOT_FOUND));
    world.upstream.on("/loose/x", Script::ok("x"));
    assert_eq!(world.get(&on_remote("loose/x")).await.unwrap().text(), "x");
    world.upstream.on("/index", Script::status(StatusCode::BAD_GATEWAY));
    world.upstream.on("/loose/y", Script::ok("y"));
    tokio::time::advance(std::time::Duration::from_secs(3600)).await;
    let error = world.get(&on_remote("loose/y")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Upstream);
}

#[tokio::test(start_paused = true)]
async fn what_upstream_offers_to_relay_is_asked_of_it_and_the_rest_where_it_is() {
    let asked_host = |world: &World| {
        let asked = world.upstream.requests().pop().unwrap();
        asked.url.host_str().unwrap().to_owned()
    };
    let world = catalog().await;
    world.upstream.on("/index", Script::ok(""));
    for path in ["/relayed/x", "/relayed/y", "/relayed/z"] {
        world.upstream.on(path, Script::ok(path.to_owned()));
    }
    assert_eq!(world.get(&on_remote("relayed/x")).await.unwrap().text(), "/relayed/x");
    assert_eq!(asked_host(&world), "upstream.example");
    world.get(&on_remote("relayed/y")).await.unwrap();
    assert_eq!(world.upstream.count("/index"), 1, "an offer is remembered");

    let world = catalog().await;
    world.upstream.on("/index", Script::status(StatusCode::NOT_FOUND));
    for path in ["/relayed/x", "/relayed/y", "/relayed/z"] {
        world.upstream.on(path, Script::ok(path.to_owned()));
    }
    assert_eq!(world.get(&on_remote("relayed/x")).await.unwrap().text(), "/relayed/x");
    assert_eq!(asked_host(&world), "elsewhere.example");
    world.get(&on_remote("relayed/y")).await.unwrap();
    assert_eq!(world.upstream.count("/index"), 1, "and so is its absence");
    // An upstream that fails does not say that it has no offer.
    world.upstream.on("/index", Script::status(StatusCode::BAD_GATEWAY));
    tokio::time::advance(std::time::Duration::from_secs(3600)).await;
    let error = world.get(&on_remote("relayed/z")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Upstream);
    assert_eq!(world.upstream.count("/relayed/z"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_united_index_names_the_member_of_every_file() {
    let world = pair("catalog", false).await;
    for member in ["one", "two"] {
        world.upstream.on(&format!("/{member}/index"), Script::ok("file files/a -"));
        world.upstream.on(&format!("/{member}/files/a"), Script::ok("a"));
    }
    let index = world.get(&on_virtual("index")).await.unwrap();
    assert_eq!(index.text(), "_m/one/files/a\n");
    let file = world.get(&on_virtual("_m/two/files/a")).await.unwrap();
    assert_eq!((file.text(), file.header("x-artifact-member")), ("a", Some("two")));
    for path in ["_m/three/files/a", "_m/two", "_m/two/index", "_m/two/files/none"] {
        let error = world.get(&on_virtual(path)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_the_name_has_every_version_of_it() {
    for (merge_versions, expected) in [(false, ErrorKind::NotFound), (true, ErrorKind::Internal)] {
        let world = pair("owned", merge_versions).await;
        world.upstream.on("/one/named/n/list", Script::ok("1"));
        world.upstream.on("/two/named/n/list", Script::ok("2"));
        world.upstream.on("/one/named/n/2", Script::status(StatusCode::NOT_FOUND));
        world.upstream.on("/one/named/n/2.info", Script::status(StatusCode::NOT_FOUND));
        world.upstream.on("/two/named/n/2.info", Script::ok("2"));
        world.upstream.on("/two/named/n/2", Script::ok("two's"));
        match world.get(&on_virtual("named/n/2")).await {
            Ok(answer) => {
                assert!(merge_versions, "the first member has the name");
                assert_eq!(answer.text(), "two's");
                assert_eq!(answer.header("x-artifact-member"), Some("two"));
            }
            Err(error) => assert_eq!(error.kind(), expected),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_only_a_later_member_has_comes_from_there_unless_an_earlier_one_fails() {
    let world = pair("owned", false).await;
    for path in ["list", "2.info"] {
        let path = format!("/one/named/n/{path}");
        world.upstream.on(&path, Script::status(StatusCode::NOT_FOUND));
    }
    world.upstream.on("/two/named/n/list", Script::status(StatusCode::NOT_FOUND));
    world.upstream.on("/two/named/n/2.info", Script::ok("2"));
    world.upstream.on("/two/named/n/2", Script::ok("two's"));
    assert_eq!(world.get(&on_virtual("named/n/2")).await.unwrap().text(), "two's");
    world.upstream.on("/one/named/m/list", Script::status(StatusCode::BAD_GATEWAY));
    let error = world.get(&on_virtual("named/m/2")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Upstream);
}

fn set(world: &World, host: &str, list: &str) {
    let part = format!("part serving set/part {}", hash(list));
    world.upstream.on(&format!("{host}/set/index"), Script::ok(part));
    world.upstream.on(&format!("{host}/set/part"), Script::ok(list.to_owned()));
}

async fn merged(world: &World) -> String {
    let index = world.get(&on_virtual("set/index")).await.unwrap();
    world.get(&on_virtual(index.text())).await.unwrap().text().to_owned()
}

#[tokio::test]
async fn a_set_is_assembled_once_per_change_of_what_it_is_made_of() {
    let world = pair("catalog", false).await;
    set(&world, "/one", "a -\n");
    set(&world, "/two", "b -\n");
    assert_eq!(merged(&world).await, "_m/one/a -\n_m/two/b -\n");
    let first = world.get(&on_virtual("set/index")).await.unwrap();
    assert_eq!(first.result(), CacheResult::Hit);
    set(&world, "/two", "c -\n");
    world.pass(EXPIRED);
    assert_eq!(merged(&world).await, "_m/one/a -\n_m/two/c -\n");
    // Who still has the old index finds what it names.
    let old = world.get(&on_virtual(first.text())).await.unwrap();
    assert_eq!(old.text(), "_m/one/a -\n_m/two/b -\n");
    assert_eq!(world.upstream.count("/one/set/part"), 1);
    assert_eq!(world.upstream.count("/two/set/part"), 2);
}

#[tokio::test]
async fn a_set_never_shrinks_because_a_member_fails() {
    let world = pair("catalog", false).await;
    set(&world, "/one", "a -\n");
    world.upstream.on("/two/set/index", Script::status(StatusCode::BAD_GATEWAY));
    let error = world.get(&on_virtual("set/index")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Upstream);
    // The failure is remembered for a moment.
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    set(&world, "/two", "b -\n");
    assert_eq!(merged(&world).await, "_m/one/a -\n_m/two/b -\n");
    world.pass(EXPIRED);
    world.upstream.on("/two/set/index", Script::status(StatusCode::BAD_GATEWAY));
    assert_eq!(merged(&world).await, "_m/one/a -\n_m/two/b -\n");
}

#[tokio::test]
async fn packages_that_a_new_set_lists_with_other_digests_are_fetched_again() {
    let world = pair("catalog", false).await;
    set(&world, "/one", &format!("loose/p {}\n", hash("first")));
    world.upstream.on("/one/index", Script::status(StatusCode::NOT_FOUND));
    world.upstream.on("/one/loose/p", Script::ok("first"));
    let on_one = |path: &str| at(RepositoryKind::Remote, "one", path);
    world.get(&on_one("set/index")).await.unwrap();
    assert_eq!(world.get(&on_one("loose/p")).await.unwrap().text(), "first");
    set(&world, "/one", &format!("loose/p {}\n", hash("rebuilt")));
    world.upstream.on("/one/loose/p", Script::ok("rebuilt"));
    world.pass(EXPIRED);
    world.get(&on_one("set/index")).await.unwrap();
    assert_eq!(world.get(&on_one("loose/p")).await.unwrap().text(), "rebuilt");
}

#[tokio::test]
async fn an_index_that_leads_elsewhere_is_replaced_by_one_that_leads_to_us() {
    let world = catalog().await;
    world.upstream.on("/far/away/p", Script::ok("from far away"));
    set(&world, "", "elsewhere http://elsewhere.example/far/away/\n");
    let index = world.get(&on_remote("set/index")).await.unwrap();
    assert!(index.text().starts_with("set/"), "{}", index.text());
    let list = world.get(&on_remote(index.text())).await.unwrap();
    assert_eq!(list.text(), "set/ext/\n");
    let file = world.get(&on_remote("set/ext/p")).await.unwrap();
    assert_eq!(file.text(), "from far away");
    let asked = world.upstream.requests().pop().unwrap();
    assert_eq!(asked.url.as_str(), "http://elsewhere.example/far/away/p");
    assert_eq!(asked.trust, artifact_core::ports::Trust::Index);
    assert_eq!(world.get(&on_remote("set/index")).await.unwrap().result(), CacheResult::Hit);
    // A process that has not surveyed it yet does so before it serves anything of it.
    let beside = world.beside(artifact_engine::Settings::default(), None).await;
    assert_eq!(beside.get(&on_remote("set/ext/p")).await.unwrap().text(), "from far away");
    assert_eq!(beside.get(&on_remote("set/index")).await.unwrap().text(), index.text());
    // The set through a virtual repository names the member and leads there.
    let members = vec!["r".parse().unwrap()];
    let definition =
        Definition::Virtual(Virtual { members, merge_versions: false, deployment: None });
    world.put("v", "catalog", definition).await;
    assert_eq!(merged(&world).await, "_m/r/set/ext/\n");
    let file = world.get(&on_virtual("anywhere/_m/r/set/ext/p")).await.unwrap();
    assert_eq!((file.text(), file.result()), ("from far away", CacheResult::Hit));
}

#[tokio::test]
async fn files_of_a_set_stay_until_nobody_can_know_of_them() {
    const DAY: i64 = 24 * 3600;
    let world = pair("catalog", false).await;
    set(&world, "/one", "a -\n");
    set(&world, "/two", "b -\n");
    let mut indexes = Vec::new();
    for list in ["1 -\n", "2 -\n", "3 -\n"] {
        set(&world, "/two", list);
        world.pass(3 * DAY);
        indexes.push(world.get(&on_virtual("set/index")).await.unwrap().text().to_owned());
    }
    // The second was shown until a moment ago, however long ago it was made; the first was not.
    for index in &indexes[1..] {
        assert!(world.get(&on_virtual(index)).await.is_ok());
    }
    let first = world.get(&on_virtual(&indexes[0])).await.unwrap_err();
    assert_eq!(first.kind(), ErrorKind::NotFound);
}

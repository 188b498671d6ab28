//! Documents that upstream sends in pages.

use artifact_core::ErrorKind;
use http::StatusCode;
use http::header::{ETAG, LINK};
use testkit::Script;

use crate::world::{World, on_remote};

async fn catalog() -> World {
    let world = World::new().await;
    world.remote("r", "addressed").await;
    world
}

fn page(line: &str, next: &str) -> Script {
    let link = format!("<{next}>; rel=\"next\"");
    Script::ok(line.to_owned()).header(LINK, &link).header(ETAG, "\"of the page\"")
}

#[tokio::test(start_paused = true)]
async fn pages_are_one_document_that_is_never_confirmed_by_its_first() {
    let world = catalog().await;
    world.upstream.on("/index", page("file files/a -\n", "/more/2"));
    world.upstream.on("/more/2", page("file files/b -\n", "3?x=1"));
    world.upstream.on("/more/3", Script::ok("file files/c -\n"));
    for asked in [3, 3] {
        let answer = world.get(&on_remote("index")).await.unwrap();
        assert_eq!(answer.text(), "files/a\nfiles/b\nfiles/c\n");
        assert_eq!(world.upstream.requests().len(), asked);
    }
    world.pass(400);
    world.upstream.on("/more/3", Script::ok("file files/d -\n"));
    world.get(&on_remote("index")).await.unwrap();
    world.pass(1);
    assert_eq!(world.get(&on_remote("index")).await.unwrap().text(), "files/a\nfiles/b\nfiles/d\n");
    let requests = world.upstream.requests();
    assert!(requests.iter().all(|request| request.conditions.etag.is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_cannot_be_had_leaves_no_half_of_a_list() {
    for (name, last) in [
        ("missing", Script::status(StatusCode::NOT_FOUND)),
        ("failing", Script::status(StatusCode::BAD_GATEWAY)),
        ("elsewhere", page("file files/b -\n", "http://other.example/3")),
        ("endless", page("file files/b -\n", "/2")),
    ] {
        let world = catalog().await;
        world.upstream.on("/index", page("file files/a -\n", "/2"));
        world.upstream.on("/2", last);
        let error = world.get(&on_remote("index")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Upstream, "{name}");
        assert!(!world.upstream.requests().iter().any(|request| request.url.path() == "/3"));
    }
}

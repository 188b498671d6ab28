//! What takes the place of documents that upstream does not have.

use artifact_core::ErrorKind;
use http::StatusCode;
use http::header::LOCATION;
use testkit::Script;

use crate::world::{World, on_remote};

async fn catalog() -> World {
    let world = World::new().await;
    world.remote("r", "addressed").await;
    world
}

#[tokio::test(start_paused = true)]
async fn another_document_or_a_body_takes_the_place_of_an_absent_one() {
    let world = catalog().await;
    for _ in 0..2 {
        assert_eq!(world.get(&on_remote("page/first")).await.unwrap().text(), "files/none\n");
    }
    assert_eq!(world.upstream.requests().len(), 2, "absences are remembered");
    world.pass(60);
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    world.upstream.on("/page/second", Script::ok("file files/second -\n"));
    assert_eq!(world.get(&on_remote("page/first")).await.unwrap().text(), "files/second\n");
    let absent = world.get(&on_remote("page/other")).await.unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn something_else_is_an_absence_and_a_failure_is_none() {
    let world = catalog().await;
    let see_other = Script::status(StatusCode::SEE_OTHER).header(LOCATION, "/elsewhere");
    world.upstream.on("/page/first", see_other);
    world.upstream.on("/page/second", Script::ok("file files/second -\n"));
    assert_eq!(world.get(&on_remote("page/first")).await.unwrap().text(), "files/second\n");
    assert_eq!(world.upstream.count("/elsewhere"), 0);

    let world = catalog().await;
    world.upstream.on("/page/first", Script::status(StatusCode::BAD_GATEWAY));
    let error = world.get(&on_remote("page/first")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Upstream);
    assert_eq!(world.upstream.count("/page/second"), 0);
}

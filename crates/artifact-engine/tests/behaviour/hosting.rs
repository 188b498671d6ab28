//! Local repositories.

use artifact_core::{ErrorKind, RepositoryKind};
use artifact_engine::Settings;
use http::{Method, StatusCode};

use crate::world::{World, at};

fn on_local(path: &str) -> String {
    at(RepositoryKind::Local, "l", path)
}

async fn hosted(allow_overwrite: bool) -> World {
    let world = World::new().await;
    world.local("l", allow_overwrite).await;
    world
}

#[tokio::test]
async fn an_upload_is_there_with_all_its_checksums() {
    let world = hosted(false).await;
    let created = world.put_file(&on_local("d/a.txt"), &[], b"hello").await.unwrap();
    assert_eq!(created.status, StatusCode::CREATED);
    let got = world.get(&on_local("d/a.txt")).await.unwrap();
    assert_eq!(got.text(), "hello");
    assert_eq!(got.header("etag"), created.header("etag"));
    assert_eq!(got.header("x-checksum-md5"), Some("5d41402abc4b2a76b9719d911017c592"));
    let sha256 = got.header("x-checksum-sha256").unwrap().to_owned();
    let side = world.get(&on_local("d/a.txt.sha256")).await.unwrap();
    assert_eq!(side.text().trim(), sha256);
    let absent = world.get(&on_local("d/b.txt.sha256")).await.unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn the_same_bytes_again_are_welcome_and_other_bytes_are_not() {
    let world = hosted(false).await;
    world.put_file(&on_local("a"), &[], b"one").await.unwrap();
    let again = world.put_file(&on_local("a"), &[], b"one").await.unwrap();
    assert_eq!(again.status, StatusCode::OK);
    let error = world.put_file(&on_local("a"), &[], b"two").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(world.get(&on_local("a")).await.unwrap().text(), "one");
}

#[tokio::test]
async fn a_repository_that_allows_it_replaces() {
    let world = hosted(true).await;
    world.put_file(&on_local("a"), &[], b"one").await.unwrap();
    let replaced = world.put_file(&on_local("a"), &[], b"two").await.unwrap();
    assert_eq!(replaced.status, StatusCode::OK);
    assert_eq!(world.get(&on_local("a")).await.unwrap().text(), "two");
}

#[tokio::test]
async fn a_wrong_digest_stores_nothing() {
    let world = hosted(false).await;
    let wrong = "0".repeat(64);
    let error =
        world.put_file(&on_local("a"), &[("x-checksum-sha256", &wrong)], b"one").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unprocessable);
    assert_eq!(world.get(&on_local("a")).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!world.stored_blob(b"one").await);
}

#[tokio::test]
async fn conditions_guard_writes() {
    let world = hosted(true).await;
    let created = world.put_file(&on_local("a"), &[("if-none-match", "*")], b"one").await.unwrap();
    let etag = created.header("etag").unwrap().to_owned();
    for headers in [[("if-none-match", "*")], [("if-match", "\"other\"")]] {
        let error = world.put_file(&on_local("a"), &headers, b"two").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PreconditionFailed, "{headers:?}");
    }
    let replaced = world.put_file(&on_local("a"), &[("if-match", &etag)], b"two").await.unwrap();
    assert_eq!(replaced.status, StatusCode::OK);
    let delete = [("if-match", etag.as_str())];
    let error = world.send(&Method::DELETE, &on_local("a"), &delete, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
}

#[tokio::test]
async fn a_deleted_file_is_gone() {
    let world = hosted(false).await;
    world.put_file(&on_local("a"), &[], b"one").await.unwrap();
    let deleted = world.send(&Method::DELETE, &on_local("a"), &[], None).await.unwrap();
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(world.get(&on_local("a")).await.unwrap_err().kind(), ErrorKind::NotFound);
    let again = world.send(&Method::DELETE, &on_local("a"), &[], None).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn the_same_bytes_again_are_not_acknowledged_when_they_were_deleted_meanwhile() {
    let world = hosted(false).await;
    world.put_file(&on_local("a"), &[], b"one").await.unwrap();
    // Deleted by another replica: this one still remembers the row.
    let other = world.beside(Settings::default(), None).await;
    other.send(&Method::DELETE, &on_local("a"), &[], None).await.unwrap();
    let error = world.put_file(&on_local("a"), &[], b"one").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let again = world.put_file(&on_local("a"), &[], b"one").await.unwrap();
    assert_eq!(again.status, StatusCode::CREATED);
    assert_eq!(other.get(&on_local("a")).await.unwrap().text(), "one");
}

#[tokio::test]
async fn directories_are_listed() {
    let world = hosted(false).await;
    world.put_file(&on_local("d/a.txt"), &[], b"hello").await.unwrap();
    world.put_file(&on_local("d/e/b.txt"), &[], b"x").await.unwrap();
    let json = world.get_with(&on_local("d/"), &[("accept", "application/json")]).await.unwrap();
    assert!(
        json.text().contains("a.txt")
            && json.text().contains("\"name\":\"e\"")
            && !json.text().contains("b.txt")
    );
    let html = world.get_with(&on_local(""), &[("accept", "text/html")]).await.unwrap();
    assert!(html.header("content-type").unwrap().starts_with("text/html"));
    assert!(html.text().contains("d/"));
    let error = world.get(&on_local("nothing/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn writes_elsewhere_are_refused() {
    let world = hosted(false).await;
    world.remote("r", "generic").await;
    world.virtual_of("v", "generic", &["l"]).await;
    for (kind, name) in [(RepositoryKind::Remote, "r"), (RepositoryKind::Virtual, "v")] {
        let error = world.put_file(&at(kind, name, "a"), &[], b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MethodNotAllowed);
    }
    let error = world.put_file(&on_local("d/"), &[], b"x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadRequest);
}

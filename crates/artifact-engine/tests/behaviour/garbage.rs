//! Collecting garbage, from the engine's side.

use std::time::Duration;

use artifact_core::ports::{BlobStore, Durability, LostFiles, RowStore, RunOutcome, Selector};
use artifact_core::{ErrorKind, RepositoryId, RepositoryKind};
use artifact_engine::{CollectionRequest, CollectorSettings, Settings};
use cas_store::Quota;
use testkit::Script;
use testkit::contract::blob_store::id_of;

use crate::world::{World, at, on_remote};

const DAY_SECONDS: i64 = 24 * 3600;

/// A world whose collector runs only when it is asked to.
async fn world() -> World {
    let collector = CollectorSettings { interval: Duration::ZERO, ..CollectorSettings::default() };
    let settings = Settings { collector, ..Settings::default() };
    let world = World::with(settings, Quota { bytes: 1 << 30, reserve: 0 }).await;
    world.catch_up();
    world
}

async fn evict(world: &World, repository: RepositoryId, path: &str) {
    let selector = Selector::Path(artifact_core::RepoPath::from_decoded(path).unwrap());
    world.meta.evict(repository, &selector, false).await.unwrap();
    world.engine.forget(repository, &selector);
}

/// Pins are taken away behind the answer.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

async fn collect(world: &World) -> artifact_core::ports::CollectorRun {
    settle().await;
    world.engine.collector().run(CollectionRequest::Scheduled).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn evicted_bytes_are_condemned_after_a_day_and_deleted_after_another() {
    let world = world().await;
    let id = world.remote("r", "generic").await;
    world.upstream.on("/a.bin", Script::ok("garbage"));
    world.upstream.on("/b.bin", Script::ok("needed"));
    world.get(&on_remote("a.bin")).await.unwrap();
    world.get(&on_remote("b.bin")).await.unwrap();
    settle().await;
    evict(&world, id, "a.bin").await;
    assert_eq!(collect(&world).await.reviewed.condemned, 0);
    world.pass(DAY_SECONDS + 60);
    let condemning = collect(&world).await;
    assert_eq!((condemning.reviewed.condemned, condemning.reviewed.kept), (1, 1));
    assert!(world.stored_blob(b"garbage").await);
    world.pass(DAY_SECONDS);
    let deleting = collect(&world).await;
    assert_eq!((deleting.reclaimed.blobs, deleting.reclaimed.bytes), (1, 7));
    assert_eq!(deleting.outcome, RunOutcome::Completed);
    assert!(!world.stored_blob(b"garbage").await);
    assert!(world.stored_blob(b"needed").await);
    let look = world.engine.collector().look().await.unwrap();
    assert_eq!((look.history.reclaimed_blobs, look.history.epoch), (1, 1));
    assert_eq!(world.blobs.epoch().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_condemned_blob_that_is_fetched_again_is_kept() {
    let world = world().await;
    let id = world.remote("r", "generic").await;
    world.upstream.on("/a.bin", Script::ok("wanted again"));
    world.get(&on_remote("a.bin")).await.unwrap();
    settle().await;
    evict(&world, id, "a.bin").await;
    world.pass(DAY_SECONDS + 60);
    assert_eq!(collect(&world).await.reviewed.condemned, 1);
    world.get(&on_remote("a.bin")).await.unwrap();
    world.pass(2 * DAY_SECONDS);
    assert_eq!(collect(&world).await.reclaimed.blobs, 0);
    assert!(world.stored_blob(b"wanted again").await);
}

#[tokio::test(start_paused = true)]
async fn a_blob_that_two_repositories_hold_stays_until_both_let_go() {
    let world = world().await;
    let remote = world.remote("r", "generic").await;
    world.local("l", true).await;
    world.upstream.on("/a.bin", Script::ok("shared"));
    world.get(&on_remote("a.bin")).await.unwrap();
    let hosted = at(RepositoryKind::Local, "l", "b.bin");
    world.put_file(&hosted, &[], b"shared").await.unwrap();
    settle().await;
    evict(&world, remote, "a.bin").await;
    world.pass(DAY_SECONDS + 60);
    collect(&world).await;
    world.pass(DAY_SECONDS + 60);
    collect(&world).await;
    assert_eq!(world.get(&hosted).await.unwrap().text(), "shared");
    world.send(&http::Method::DELETE, &hosted, &[], None).await.unwrap();
    for _ in 0..2 {
        world.pass(DAY_SECONDS + 60);
        collect(&world).await;
    }
    assert!(!world.stored_blob(b"shared").await);
}

#[tokio::test(start_paused = true)]
async fn metadata_older_than_what_the_store_has_seen_stops_the_collector_until_somebody_looked() {
    let world = world().await;
    let id = world.remote("r", "generic").await;
    world.upstream.on("/a.bin", Script::ok("garbage"));
    world.get(&on_remote("a.bin")).await.unwrap();
    settle().await;
    evict(&world, id, "a.bin").await;
    world.blobs.set_epoch(41).await.unwrap();
    world.pass(DAY_SECONDS + 60);
    collect(&world).await;
    world.pass(DAY_SECONDS + 60);
    let refused = collect(&world).await;
    assert!(matches!(&refused.outcome, RunOutcome::Stopped(reason) if reason.contains("restored")));
    assert!(world.stored_blob(b"garbage").await);
    let confirmed = world.engine.collector().run(CollectionRequest::Confirmed).await.unwrap();
    assert_eq!((confirmed.outcome, confirmed.reclaimed.blobs), (RunOutcome::Completed, 1));
    assert_eq!(world.blobs.epoch().await.unwrap(), 42);
}

#[tokio::test(start_paused = true)]
async fn bytes_without_an_entry_are_found_and_collected_in_their_time() {
    let world = world().await;
    let orphan = world.directory().join("orphan");
    std::fs::write(&orphan, b"orphan").unwrap();
    world.blobs.put_file(id_of(b"orphan"), &orphan, 6, Durability::Cache).await.unwrap();
    assert_eq!(collect(&world).await.adopted, 0, "too young to be an orphan");
    world.pass(7 * DAY_SECONDS + 60);
    assert_eq!(collect(&world).await.adopted, 1);
    assert!(world.stored_blob(b"orphan").await);
    world.pass(DAY_SECONDS + 60);
    assert_eq!(collect(&world).await.reclaimed.blobs, 1);
    assert!(!world.stored_blob(b"orphan").await);
}

#[tokio::test(start_paused = true)]
async fn files_whose_bytes_are_lost_are_found_fetched_again_and_told_of() {
    let world = world().await;
    world.remote("r", "generic").await;
    world.local("l", true).await;
    let hosted = at(RepositoryKind::Local, "l", "h.bin");
    world.put_file(&hosted, &[], b"hosted").await.unwrap();
    for (name, body) in [("a.bin", "cached"), ("b.bin", "kept")] {
        world.upstream.on(&format!("/{name}"), Script::ok(body));
        world.get(&on_remote(name)).await.unwrap();
    }
    for body in ["hosted", "cached"] {
        assert!(world.blobs.delete(id_of(body.as_bytes())).await.unwrap());
    }
    world.pass(7 * DAY_SECONDS + 60);
    assert_eq!(collect(&world).await.outcome, RunOutcome::Completed);
    let lost = || async { world.engine.collector().look().await.unwrap().lost };
    let found = lost().await;
    assert_eq!((found.cached, found.hosted), (1, 1));
    assert_eq!(
        (found.listed[0].repository.as_str(), found.listed[0].path.as_str()),
        ("l", "h.bin")
    );
    assert_eq!(world.get(&on_remote("a.bin")).await.unwrap().text(), "cached");
    assert_eq!((lost().await.cached, world.upstream.count("/a.bin")), (0, 2));
    assert_eq!(world.get(&hosted).await.unwrap_err().kind(), ErrorKind::Unavailable);
    world.put_file(&hosted, &[], b"hosted").await.unwrap();
    assert_eq!(lost().await, LostFiles::default());
    assert_eq!(world.get(&hosted).await.unwrap().text(), "hosted");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_come_back_or_are_damaged_are_noticed_by_the_next_comparison() {
    let world = world().await;
    world.local("l", true).await;
    let hosted = at(RepositoryKind::Local, "l", "h.bin");
    world.put_file(&hosted, &[], b"hosted").await.unwrap();
    let store = |bytes: &'static [u8]| {
        let (world, file) = (&world, world.directory().join("restored"));
        async move {
            std::fs::write(&file, bytes).unwrap();
            let (id, size) = (id_of(b"hosted"), bytes.len() as u64);
            world.blobs.put_file(id, &file, size, Durability::Cache).await.unwrap();
        }
    };
    for (bytes, expected) in [(&b"host"[..], 1), (b"hosted", 0)] {
        store(bytes).await;
        world.pass(7 * DAY_SECONDS + 60);
        collect(&world).await;
        assert_eq!(world.engine.collector().look().await.unwrap().lost.hosted, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_metadata_store_that_fails_ends_the_run_and_deletes_nothing() {
    let world = world().await;
    world.meta.fail_with(Some(ErrorKind::Unavailable));
    let run = collect(&world).await;
    assert!(matches!(run.outcome, RunOutcome::Failed(_)));
}

#[tokio::test(start_paused = true)]
async fn the_collector_runs_by_itself() {
    let collector =
        CollectorSettings { interval: Duration::from_secs(60), ..CollectorSettings::default() };
    let settings = Settings { collector, ..Settings::default() };
    let world = World::with(settings, Quota { bytes: 1 << 30, reserve: 0 }).await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(world.engine.collector().look().await.unwrap().history.last_run.is_some());
}

#[tokio::test(start_paused = true)]
async fn over_the_quota_the_least_used_files_go_and_hosted_ones_stay() {
    let settings = Settings { storage_quota: Some(2500), ..Settings::default() };
    let world = World::with(settings, Quota { bytes: 1 << 30, reserve: 0 }).await;
    world.remote("r", "generic").await;
    world.local("l", true).await;
    let hosted = at(RepositoryKind::Local, "l", "a.bin");
    world.put_file(&hosted, &[], &[1; 1000]).await.unwrap();
    for (name, byte) in [("a", 2), ("b", 3), ("c", 4)] {
        world.pass(60);
        world.upstream.on(&format!("/{name}.bin"), Script::ok(vec![byte; 1000]));
        world.get(&on_remote(&format!("{name}.bin"))).await.unwrap();
    }
    // What was served is recorded before the hours pass.
    tokio::time::sleep(Duration::from_secs(11)).await;
    world.pass(2 * 3600);
    world.get(&on_remote("a.bin")).await.unwrap();
    // Long enough for the access to be recorded and the quota to be looked at.
    tokio::time::sleep(Duration::from_secs(75)).await;
    assert_eq!(world.get(&hosted).await.unwrap().body.unwrap(), vec![1; 1000]);
    assert_eq!(
        world.get(&on_remote("a.bin")).await.unwrap().header("cache-status"),
        Some("artifactapi; hit")
    );
    let count = |name: &str| world.upstream.count(&format!("/{name}.bin"));
    world.get(&on_remote("b.bin")).await.unwrap();
    assert_eq!((count("a"), count("b")), (1, 2), "the one not used for the longest time went");
}

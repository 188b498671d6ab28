//! The writer over a store in memory, on paused time.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use artifact_core::ports::AccessLogRecord;
use artifact_core::{BlobId, ErrorKind, Timestamp};
use tempfile::TempDir;
use testkit::MemoryMetaStore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::writer::{BATCH, RETRY};
use super::*;

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

fn record(number: usize) -> AccessLogRecord {
    AccessLogRecord {
        received_at: Timestamp::from_seconds(1_800_000_000),
        request_id: number.to_string(),
        principal: "administrator".to_owned(),
        client: Some("192.0.2.1".to_owned()),
        method: "GET".to_owned(),
        repository: Some("r".to_owned()),
        path: "/api/v1/remote/r/\"ü\"".to_owned(),
        blob: Some(BlobId::from_bytes([7; 32])),
        status: 200,
        cache: "hit",
        bytes_sent: u64::MAX,
        complete: true,
        duration: std::time::Duration::from_micros(1234),
        user_agent: None,
    }
}

/// A running writer.
struct World {
    meta: Arc<MemoryMetaStore>,
    queue: AccessLogQueue,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl World {
    async fn over(meta: &Arc<MemoryMetaStore>, directory: &Path, limit: u64) -> Self {
        let spill = Spill::open(directory.join("spill"), limit).await.unwrap();
        let (queue, records) = AccessLogQueue::new();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let store = Arc::clone(meta) as Arc<dyn artifact_core::ports::MetaStore>;
        tasks.spawn(Writer::new(queue.clone(), records, store, spill, stop.clone()).run());
        Self { meta: Arc::clone(meta), queue, stop, tasks }
    }

    async fn new(directory: &TempDir) -> Self {
        Self::over(&Arc::default(), directory.path(), spill::LIMIT).await
    }

    /// Sends records and waits until the writer has done what it does with them.
    async fn send(&self, numbers: std::ops::Range<usize>) {
        numbers.for_each(|number| self.queue.try_send(record(number)));
        tokio::time::sleep(2 * SECOND).await;
    }

    fn written(&self) -> usize {
        self.meta.access_log().len()
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.queue.finished().await;
    }
}

fn numbers(log: &[AccessLogRecord]) -> Vec<usize> {
    log.iter().map(|record| record.request_id.parse().unwrap()).collect()
}

fn files(directory: &TempDir, state: &str) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(directory.path().join("spill")).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == state));
    paths.sort();
    paths
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_is_written_at_once_and_a_small_one_after_a_second() {
    let directory = TempDir::new().unwrap();
    let world = World::new(&directory).await;
    (0..=BATCH).for_each(|number| world.queue.try_send(record(number)));
    tokio::time::sleep(SECOND / 2).await;
    assert_eq!(world.written(), BATCH);
    tokio::time::sleep(SECOND / 4).await;
    assert_eq!(world.written(), BATCH);
    tokio::time::sleep(SECOND / 2).await;
    assert_eq!(world.written(), BATCH + 1);
    assert_eq!(world.meta.calls(), 2);
    assert_eq!(numbers(&world.meta.access_log()), (0..=BATCH).collect::<Vec<_>>());
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_bridged_on_disk_and_replayed_in_order_exactly_once() {
    let directory = TempDir::new().unwrap();
    let world = World::new(&directory).await;
    world.meta.fail_with(Some(ErrorKind::Unavailable));
    world.send(0..700).await;
    world.send(700..710).await;
    assert_eq!((world.written(), files(&directory, "batch").len()), (0, 3));
    for file in files(&directory, "batch") {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(world.queue.spilled_bytes() >= 3 * 4096);
    world.meta.fail_with(None);
    world.send(710..720).await;
    tokio::time::sleep(2 * RETRY).await;
    let log = world.meta.access_log();
    assert_eq!(numbers(&log), (0..720).collect::<Vec<_>>());
    assert_eq!(log.first(), Some(&record(0)), "whole");
    assert_eq!((files(&directory, "batch").len(), world.queue.spilled_bytes()), (0, 0));
    world.send(720..721).await;
    assert_eq!((world.written(), world.queue.dropped()), (721, 0));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_left_at_the_end_is_written_or_waits_for_the_next_start() {
    let directory = TempDir::new().unwrap();
    let world = World::new(&directory).await;
    let (meta, queue) = (Arc::clone(&world.meta), world.queue.clone());
    (0..1200).for_each(|number| world.queue.try_send(record(number)));
    world.end().await;
    assert_eq!(numbers(&meta.access_log()), (0..1200).collect::<Vec<_>>());
    queue.try_send(record(0));
    assert_eq!(queue.dropped(), 1, "what comes too late is counted");

    let world = World::over(&meta, directory.path(), spill::LIMIT).await;
    meta.fail_with(Some(ErrorKind::Unavailable));
    (1200..2400).for_each(|number| world.queue.try_send(record(number)));
    world.end().await;
    assert_eq!((meta.access_log().len(), files(&directory, "batch").len()), (1200, 3));

    meta.fail_with(None);
    let world = World::over(&meta, directory.path(), spill::LIMIT).await;
    world.send(2400..2401).await;
    assert_eq!(numbers(&meta.access_log()), (0..2401).collect::<Vec<_>>());
    assert!(files(&directory, "batch").is_empty());
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_was_written_before_its_file_was_removed_is_not_written_twice() {
    let directory = TempDir::new().unwrap();
    let world = World::new(&directory).await;
    world.meta.fail_with(Some(ErrorKind::Unavailable));
    world.send(0..3).await;
    let file = files(&directory, "batch").remove(0);
    let kept = std::fs::read(&file).unwrap();
    world.meta.fail_with(None);
    tokio::time::sleep(2 * RETRY).await;
    let meta = Arc::clone(&world.meta);
    world.end().await;
    assert!(!file.exists());

    std::fs::write(&file, kept).unwrap();
    let world = World::over(&meta, directory.path(), spill::LIMIT).await;
    tokio::time::sleep(SECOND).await;
    assert!(!file.exists());
    assert_eq!(world.written(), 3);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_of_the_disk_records_are_dropped_and_counted() {
    let directory = TempDir::new().unwrap();
    let world = World::over(&Arc::default(), directory.path(), 2 * 4096).await;
    world.meta.fail_with(Some(ErrorKind::Unavailable));
    world.send(0..2).await;
    world.send(2..4).await;
    world.send(4..9).await;
    assert_eq!(world.queue.dropped(), 5);
    assert_eq!(files(&directory, "batch").len(), 2);
    world.meta.fail_with(None);
    tokio::time::sleep(2 * RETRY).await;
    assert_eq!(numbers(&world.meta.access_log()), [0, 1, 2, 3]);
    world.end().await;
}

#[tokio::test]
async fn a_full_queue_drops_and_counts() {
    let (queue, records) = AccessLogQueue::new();
    (0..65_540).for_each(|number| queue.try_send(record(number)));
    assert_eq!((queue.waiting(), queue.dropped()), (65_536, 4));
    drop(records);
}

#[tokio::test(start_paused = true)]
async fn damaged_and_unfinished_files_hold_nothing_up() {
    let directory = TempDir::new().unwrap();
    let world = World::new(&directory).await;
    world.meta.fail_with(Some(ErrorKind::Unavailable));
    world.send(0..1).await;
    world.send(1..2).await;
    let meta = Arc::clone(&world.meta);
    world.end().await;
    let first = files(&directory, "batch").remove(0);
    let text = std::fs::read(&first).unwrap();
    std::fs::write(&first, &text[..text.len() / 2]).unwrap();
    std::fs::write(first.with_extension("partial"), "[").unwrap();
    std::fs::write(first.with_file_name("notes.txt"), "not ours").unwrap();

    meta.fail_with(None);
    let world = World::over(&meta, directory.path(), spill::LIMIT).await;
    world.send(2..3).await;
    assert_eq!(numbers(&meta.access_log()), [1, 2]);
    assert_eq!(files(&directory, "damaged").len(), 1);
    assert_eq!((files(&directory, "batch").len(), files(&directory, "partial").len()), (0, 0));
    assert_eq!(files(&directory, "txt").len(), 1);
    assert_eq!(world.queue.spilled_bytes(), 4096, "what was set aside counts until it is removed");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_the_store_refuses_again_and_again_gives_way() {
    let directory = TempDir::new().unwrap();
    let world = World::new(&directory).await;
    world.meta.fail_with(Some(ErrorKind::Internal));
    world.send(0..1).await;
    tokio::time::sleep(4 * RETRY).await;
    assert_eq!(files(&directory, "damaged").len(), 1);
    world.meta.fail_with(None);
    world.send(1..2).await;
    assert_eq!(numbers(&world.meta.access_log()), [1]);
    world.end().await;
}

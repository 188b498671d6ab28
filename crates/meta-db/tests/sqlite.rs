//! What SQLite adds to the contract: files that outlive the process, keys, references.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail like the tests")]

use std::path::Path;
use std::time::Duration;

use artifact_core::ports::{
    AccessLog, AccessLogRecord, BlobIndex, ChangeFeed, ChangedRows, Claimed, CollectorRun,
    CollectorStore, EraseBytes, GarbagePass, MetaStore, NewRepository, Precondition, Published,
    Reclaimed, RepositoryStore, Reviewed, RowStore, RunOutcome, Selector, StatBucket, StatStore,
    Upload, UploadId, UploadStore,
};
use artifact_core::{
    ArtifactRow, BlobId, Class, Clock, Credential, Definition, Digests, ErrorKind, Local, Remote,
    RepoPath, RepositoryId, RowKey, Secret, SystemClock, Timestamp, Variant,
};
use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use meta_db::{EncryptionKey, SqliteStore};
use rusqlite::Connection;
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, EncryptionKey::from_bytes([7; 32])).unwrap()
}

fn statistics(directory: &Path) -> Connection {
    Connection::open(directory.join("statistics.sqlite3")).unwrap()
}

fn count(connection: &Connection, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    connection.query_row(&sql, [], |row| row.get(0)).unwrap()
}

fn metadata(directory: &Path) -> Connection {
    let connection = Connection::open(directory.join("metadata.sqlite3")).unwrap();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    connection
}

fn row(repository: RepositoryId, path: &str, blob: u8) -> ArtifactRow {
    let path = RepoPath::from_decoded(path).unwrap();
    ArtifactRow {
        key: RowKey { repository, path, variant: Variant::SOURCE },
        blob: BlobId::from_bytes([blob; 32]),
        size: 10,
        class: Class::Immutable,
        content_type: None,
        upstream_etag: None,
        upstream_last_modified: None,
        upstream_url: None,
        checksums: Digests::new(),
        fetched_at: NOW,
        validated_at: NOW,
        expires_at: None,
        generation: 0,
    }
}

fn local(name: &str) -> NewRepository {
    NewRepository {
        name: name.parse().unwrap(),
        package_type: "generic".parse().unwrap(),
        description: String::new(),
        managed_by: String::new(),
        private: false,
        definition: Definition::Local(Local::default()),
    }
}

fn remote(name: &str) -> NewRepository {
    let definition = Definition::Remote(Box::new(Remote {
        base_url: "https://registry.example".to_owned(),
        immutable_ttl: Duration::ZERO,
        mutable_ttl: Duration::from_secs(300),
        patterns: Vec::new(),
        blocklist: Vec::new(),
        mutable_patterns: Vec::new(),
        immutable_patterns: Vec::new(),
        ban_tags_enabled: false,
        ban_tags: Vec::new(),
        credential: Some(Credential {
            username: "robot".to_owned(),
            secret: Secret::new("correct horse battery staple"),
            updated_at: NOW,
        }),
        allowed_hosts: Vec::new(),
        ca_certificates: String::new(),
        strict_freshness: false,
        verify_before_serve: false,
        forbidden_means_missing: false,
        offline: false,
    }));
    NewRepository { definition, ..local(name) }
}

async fn create(store: &SqliteStore, new: NewRepository) -> RepositoryId {
    match store.put_repository(new, Precondition::Any, NOW).await.unwrap() {
        Published::Stored(repository) => repository.id,
        Published::Conflict(_) => panic!("not created"),
    }
}

async fn publish(store: &SqliteStore, row: ArtifactRow) -> ArtifactRow {
    match store.publish(row, Precondition::Any).await.unwrap() {
        Published::Stored(row) => row,
        Published::Conflict(_) => panic!("not published"),
    }
}

fn condemn(connection: &Connection, blob: u8) {
    let changed = connection
        .execute(
            "UPDATE blob SET state = 'condemned', condemned_at = 1 WHERE sha256 = ?1",
            [[blob; 32]],
        )
        .unwrap();
    assert_eq!(changed, 1);
}

fn state(connection: &Connection, blob: u8) -> String {
    connection
        .query_row("SELECT state FROM blob WHERE sha256 = ?1", [[blob; 32]], |row| row.get(0))
        .unwrap()
}

/// When a queued blob changed last.
fn changed_at(connection: &Connection, blob: u8) -> Option<i64> {
    let sql = "SELECT changed_at FROM gc_queue WHERE sha256 = ?1";
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([[blob; 32]], |row| row.get(0)).unwrap().next().map(Result::unwrap)
}

fn changed_just_now(connection: &Connection, blob: u8) -> bool {
    let now = SystemClock.now().as_millis();
    changed_at(connection, blob).is_some_and(|at| (now - 60_000..=now + 1000).contains(&at))
}

fn empty_queue(connection: &Connection) {
    connection.execute("DELETE FROM gc_queue", []).unwrap();
}

#[tokio::test]
async fn everything_is_there_after_a_reopen() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let id = create(&store, remote("a")).await;
    let published = publish(&store, row(id, "x", 1)).await;
    let bucket = StatBucket { hits: 3, ..StatBucket::default() };
    store.add_statistics(NOW, Duration::from_secs(60), vec![(id, bucket)]).await.unwrap();
    let before = store.repositories().await.unwrap();
    drop(store);

    let store = open(directory.path());
    assert_eq!(store.repositories().await.unwrap(), before);
    assert_eq!(store.row(&published.key).await.unwrap(), Some(published));
    assert_eq!(store.statistics_since(NOW).await.unwrap(), [(id, bucket)]);
}

#[tokio::test]
async fn an_acknowledged_publish_is_on_disk_while_the_store_still_runs() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let id = create(&store, local("a")).await;
    let published = publish(&store, row(id, "x", 1)).await;

    // What a crash at this moment would leave behind: the files as they are.
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let name = file.unwrap().file_name();
        // The index of the log is lost in a crash; it is made anew.
        if !name.to_string_lossy().ends_with("-shm") {
            std::fs::copy(directory.path().join(&name), copy.path().join(&name)).unwrap();
        }
    }
    let survivor = open(copy.path());
    assert_eq!(survivor.row(&published.key).await.unwrap(), Some(published));
}

#[tokio::test]
async fn another_key_cannot_read_a_credential_and_the_error_names_the_repository() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    create(&store, remote("private")).await;
    drop(store);
    let other = EncryptionKey::from_bytes([8; 32]);
    let store = SqliteStore::open(directory.path(), other).unwrap();
    let error = store.repositories().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.public().contains("\"private\""), "{error}");
    assert!(store.check().await.is_ok());
}

#[tokio::test]
async fn a_credential_cannot_be_moved_to_another_repository() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    create(&store, remote("a")).await;
    create(&store, remote("b")).await;
    let swap = "UPDATE repository SET secret = (SELECT secret FROM repository WHERE name = 'a')
                WHERE name = 'b'";
    metadata(directory.path()).execute(swap, []).unwrap();
    assert_eq!(store.repositories().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn no_file_holds_a_secret_in_the_clear() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    create(&store, remote("a")).await;
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!content.windows(13).any(|window| window == b"correct horse"));
    }
    assert!(format!("{store:?}").contains("EncryptionKey(…)"), "{store:?}");
}

#[tokio::test]
async fn the_files_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    create(&store, local("a")).await;
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
    }
}

#[tokio::test]
async fn a_claim_on_an_upload_ends_with_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let upload = Upload {
        id: UploadId::random(),
        repository: create(&store, local("a")).await,
        name: "name".to_owned(),
        size: 0,
        state: "state".to_owned(),
        finished_as: None,
        created_at: NOW,
        updated_at: NOW,
    };
    store.create_upload(&upload).await.unwrap();
    let until = NOW.plus(Duration::from_secs(20));
    let claimed = Claimed::Upload(upload.clone());
    assert_eq!(store.claim_upload(upload.id, "former", NOW, until).await.unwrap(), claimed);
    let busy = store.claim_upload(upload.id, "next", NOW, until).await.unwrap();
    assert_eq!(busy, Claimed::Busy);
    drop(store);
    let store = open(directory.path());
    assert_eq!(store.claim_upload(upload.id, "next", NOW, until).await.unwrap(), claimed);
    assert!(!store.finish_upload(upload.id, "former", "digest", NOW).await.unwrap());
}

#[tokio::test]
async fn a_definition_written_by_a_newer_version_is_still_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    create(&store, local("a")).await;
    let newer = r#"UPDATE repository SET definition =
        '{"kind":"local","allow_overwrite":true,"quota":{"bytes":1}}'"#;
    metadata(directory.path()).execute(newer, []).unwrap();
    let read = store.repositories().await.unwrap().repositories;
    assert_eq!(read[0].definition, Definition::Local(Local { allow_overwrite: true }));
}

#[tokio::test]
async fn an_unusable_directory_is_unavailable() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = SqliteStore::open(&file, EncryptionKey::from_bytes([7; 32])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_unavailable_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("metadata.sqlite3");
    let content = "not a database".repeat(1000);
    std::fs::write(&file, &content).unwrap();
    let error =
        SqliteStore::open(directory.path(), EncryptionKey::from_bytes([7; 32])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), content);
}

#[tokio::test]
async fn a_new_blob_and_one_that_lost_a_reference_are_queued_for_review() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let connection = metadata(directory.path());
    let id = create(&store, local("a")).await;
    publish(&store, row(id, "x", 1)).await;
    assert!(changed_just_now(&connection, 1));

    empty_queue(&connection);
    publish(&store, row(id, "x", 1)).await;
    assert_eq!(changed_at(&connection, 1), None, "nothing was lost");
    publish(&store, row(id, "x", 2)).await;
    assert!(changed_just_now(&connection, 1), "replaced by other bytes");

    empty_queue(&connection);
    store.evict(id, &Selector::Prefix(String::new()), false).await.unwrap();
    assert!(changed_just_now(&connection, 2), "evicted");
}

#[tokio::test]
async fn deleting_a_repository_queues_its_blobs_for_review() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let connection = metadata(directory.path());
    let id = create(&store, local("a")).await;
    publish(&store, row(id, "x", 1)).await;
    empty_queue(&connection);
    store.delete_repository(&"a".parse().unwrap(), Precondition::Any).await.unwrap();
    assert!(changed_just_now(&connection, 1));
}

#[tokio::test]
async fn the_last_change_is_moved_forward_and_never_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let connection = metadata(directory.path());
    let id = create(&store, local("a")).await;
    publish(&store, row(id, "x", 1)).await;
    connection.execute("UPDATE gc_queue SET changed_at = changed_at + 864000000", []).unwrap();
    let ahead = changed_at(&connection, 1);
    store.evict(id, &Selector::Prefix(String::new()), false).await.unwrap();
    assert_eq!(changed_at(&connection, 1), ahead);
}

#[tokio::test]
async fn a_condemned_blob_lives_again_when_it_is_referred_to() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let connection = metadata(directory.path());
    let id = create(&store, local("a")).await;
    publish(&store, row(id, "x", 1)).await;
    publish(&store, row(id, "y", 2)).await;
    for (path, blob) in [("new", 1), ("y", 1)] {
        condemn(&connection, blob);
        empty_queue(&connection);
        publish(&store, row(id, path, blob)).await;
        assert_eq!(state(&connection, blob), "live", "{path}");
        assert!(changed_just_now(&connection, blob), "{path}");
    }
}

#[tokio::test]
async fn a_blob_that_is_referred_to_cannot_be_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let connection = metadata(directory.path());
    let id = create(&store, local("a")).await;
    publish(&store, row(id, "x", 1)).await;
    let delete = "DELETE FROM blob";
    assert!(connection.execute(delete, []).is_err());
    store.evict(id, &Selector::Prefix(String::new()), false).await.unwrap();
    assert_eq!(connection.execute(delete, []).unwrap(), 1);
    assert_eq!(store.usage().await.unwrap().1, 0);
}

/// A pass to which everything that happened is due.
fn at_once() -> GarbagePass {
    GarbagePass {
        now: SystemClock.now().plus(Duration::from_secs(1)),
        review_delay: Duration::ZERO,
        delete_delay: Duration::ZERO,
        limit: 100,
    }
}

/// Says that whatever it is asked for is gone.
#[derive(Debug)]
struct Gone;

#[async_trait]
impl EraseBytes for Gone {
    async fn erase(&self, ids: &[BlobId]) -> Vec<BlobId> {
        ids.to_vec()
    }
}

/// Says that it has begun, and never ends.
#[derive(Debug, Default)]
struct Stuck(tokio::sync::Notify);

#[async_trait]
impl EraseBytes for Stuck {
    async fn erase(&self, _ids: &[BlobId]) -> Vec<BlobId> {
        self.0.notify_one();
        std::future::pending().await
    }
}

async fn collect(store: &SqliteStore) -> (Reviewed, Reclaimed) {
    let reviewed = store.review(at_once()).await.unwrap();
    (reviewed, store.reclaim(at_once(), &Gone).await.unwrap())
}

#[tokio::test]
async fn a_queue_of_the_first_version_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let connection = metadata(directory.path());
    connection.execute_batch(include_str!("../../../migrations/sqlite/V1__metadata.sql")).unwrap();
    let blobs = "INSERT INTO blob (sha256, size) VALUES (?1, 10)";
    connection.execute(blobs, [[1_u8; 32]]).unwrap();
    connection
        .execute_batch(include_str!("../../../migrations/sqlite/V2__replicas_and_garbage.sql"))
        .unwrap();
    assert!(changed_just_now(&connection, 1));
    connection.execute("UPDATE blob SET state = 'condemned', condemned_at = 1", []).unwrap();
    assert_eq!(changed_at(&connection, 1), None);
}

#[tokio::test]
async fn a_blob_with_a_parent_is_kept_until_its_parent_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let connection = metadata(directory.path());
    let id = create(&store, local("a")).await;
    publish(&store, row(id, "parent", 1)).await;
    publish(&store, row(id, "child", 2)).await;
    let refer = "INSERT INTO blob_reference (parent, child) VALUES (?1, ?2)";
    connection.execute(refer, [[1_u8; 32], [2; 32]]).unwrap();
    store.evict(id, &Selector::Prefix("child".to_owned()), false).await.unwrap();
    let (reviewed, reclaimed) = collect(&store).await;
    assert_eq!((reviewed, reclaimed.blobs), (Reviewed { kept: 2, condemned: 0 }, 0));

    store.evict(id, &Selector::Prefix(String::new()), false).await.unwrap();
    assert_eq!(changed_at(&connection, 2), None);
    let (reviewed, reclaimed) = collect(&store).await;
    assert_eq!((reviewed.condemned, reclaimed.blobs), (1, 1), "the parent");
    assert_eq!(count(&connection, "blob_reference"), 0);
    assert!(changed_just_now(&connection, 2), "the child has lost its parent");
    let (reviewed, reclaimed) = collect(&store).await;
    assert_eq!((reviewed.condemned, reclaimed.blobs), (1, 1), "the child");
    assert_eq!(store.usage().await.unwrap().1, 0);
}

#[tokio::test]
async fn a_condemned_child_is_revived_and_a_dropped_one_queued() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let connection = metadata(directory.path());
    let id = create(&store, local("a")).await;
    publish(&store, row(id, "parent", 1)).await;
    connection.execute("INSERT INTO blob (sha256, size) VALUES (?1, 10)", [[2_u8; 32]]).unwrap();
    condemn(&connection, 2);
    let refer = "INSERT INTO blob_reference (parent, child) VALUES (?1, ?2)";
    connection.execute(refer, [[1_u8; 32], [2; 32]]).unwrap();
    assert_eq!(state(&connection, 2), "live");
    assert!(changed_just_now(&connection, 2));
    assert!(connection.execute("UPDATE blob_reference SET child = parent", []).is_err());
    assert!(connection.execute(refer, [[1_u8; 32], [1; 32]]).is_err(), "of itself");
    assert!(connection.execute(refer, [[1_u8; 32], [3; 32]]).is_err(), "unknown child");

    empty_queue(&connection);
    connection.execute("DELETE FROM blob_reference", []).unwrap();
    assert!(changed_just_now(&connection, 2));
}

#[tokio::test]
async fn a_condemned_child_of_a_parent_is_revived_rather_than_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let connection = metadata(directory.path());
    let id = create(&store, local("a")).await;
    publish(&store, row(id, "parent", 1)).await;
    connection.execute("INSERT INTO blob (sha256, size) VALUES (?1, 10)", [[2_u8; 32]]).unwrap();
    let refer = "INSERT INTO blob_reference (parent, child) VALUES (?1, ?2)";
    connection.execute(refer, [[1_u8; 32], [2; 32]]).unwrap();
    condemn(&connection, 2);
    let reclaimed = store.reclaim(at_once(), &Gone).await.unwrap();
    assert_eq!(reclaimed, Reclaimed { revived: 1, ..Reclaimed::default() });
    assert_eq!(state(&connection, 2), "live");
}

#[tokio::test]
async fn pins_that_have_ended_are_removed_with_their_blob_or_by_the_next_run() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let connection = metadata(directory.path());
    let id = create(&store, local("a")).await;
    publish(&store, row(id, "x", 1)).await;
    let now = SystemClock.now();
    for blob in [1, 2] {
        let blob = BlobId::from_bytes([blob; 32]);
        store.pin(blob, "ended", now).await.unwrap();
        store.pin(blob, "lasting", now.plus(Duration::from_secs(3600))).await.unwrap();
    }
    store.review(at_once()).await.unwrap();
    assert_eq!(count(&connection, "pin"), 3);
    let run = CollectorRun {
        replica: "one".to_owned(),
        started_at: now,
        finished_at: now.plus(Duration::from_secs(1)),
        reviewed: Reviewed::default(),
        reclaimed: Reclaimed::default(),
        adopted: 0,
        outcome: RunOutcome::Completed,
    };
    store.record_run(&run).await.unwrap();
    assert_eq!(count(&connection, "pin WHERE owner = 'lasting'"), 2);
    assert_eq!(count(&connection, "pin"), 2);
}

#[tokio::test]
async fn a_deletion_whose_caller_went_away_is_in_doubt_and_writers_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let connection = metadata(directory.path());
    let id = create(&store, local("a")).await;
    publish(&store, row(id, "x", 1)).await;
    store.evict(id, &Selector::Prefix(String::new()), false).await.unwrap();
    store.review(at_once()).await.unwrap();
    let bytes = Stuck::default();
    tokio::select! {
        _ = store.reclaim(at_once(), &bytes) => panic!("it cannot end"),
        () = bytes.0.notified() => {}
    }
    publish(&store, row(id, "y", 2)).await;
    let failures = count(&connection, "blob WHERE delete_failures = 1 AND delete_failed_at > 0");
    assert_eq!(failures, 1);
    let pinned = store.pin(BlobId::from_bytes([1; 32]), "me", NOW).await;
    assert_eq!(pinned.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_deletion_that_was_given_up_before_it_began_has_not_failed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let connection = metadata(directory.path());
    let id = create(&store, local("a")).await;
    publish(&store, row(id, "x", 1)).await;
    store.evict(id, &Selector::Prefix(String::new()), false).await.unwrap();
    store.review(at_once()).await.unwrap();
    // Another process keeps the writer waiting until the caller is gone.
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(store.reclaim(at_once(), &Gone).now_or_never().is_none());
    connection.execute_batch("COMMIT").unwrap();
    publish(&store, row(id, "y", 2)).await;
    assert_eq!(count(&connection, "blob WHERE delete_failures = 0"), 2);
    assert_eq!(store.reclaim(at_once(), &Gone).await.unwrap().blobs, 1);
}

fn record(seconds: i64) -> AccessLogRecord {
    AccessLogRecord {
        received_at: NOW.plus(Duration::from_secs(seconds.unsigned_abs())),
        request_id: "01890a5d".to_owned(),
        principal: String::new(),
        client: Some("2001:db8::1".to_owned()),
        method: "GET".to_owned(),
        repository: Some("a".to_owned()),
        path: "/a/x".to_owned(),
        blob: Some(BlobId::from_bytes([1; 32])),
        status: 206,
        cache: "hit",
        bytes_sent: 10,
        complete: true,
        duration: Duration::from_micros(1500),
        user_agent: None,
    }
}

#[tokio::test]
async fn a_record_of_the_access_log_is_kept_whole() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.append(Uuid::new_v4(), &[record(1)]).await.unwrap();
    let kept: String = statistics(directory.path())
        .query_row(
            "SELECT json_array(received_at, request_id, principal, client, method, repository,
                path, hex(sha256), status, cache, bytes_sent, complete, duration_micros,
                user_agent)
             FROM access_log",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let expected = format!(
        "[1800000001000,\"01890a5d\",\"\",\"2001:db8::1\",\"GET\",\"a\",\"/a/x\",\"{}\",206,\
         \"hit\",10,1,1500,null]",
        "01".repeat(32)
    );
    assert_eq!(kept, expected);
}

#[tokio::test]
async fn a_batch_is_in_the_access_log_once_however_often_it_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (batch, records) = (Uuid::new_v4(), [record(0), record(1)]);
    for _ in 0..3 {
        store.append(batch, &records).await.unwrap();
    }
    store.append(Uuid::new_v4(), &records).await.unwrap();
    store.append(Uuid::new_v4(), &[]).await.unwrap();
    let connection = statistics(directory.path());
    assert_eq!(count(&connection, "access_log"), 4);
    assert_eq!(count(&connection, "access_log_batch"), 2);
}

#[tokio::test]
async fn whole_days_of_the_access_log_are_forgotten_with_their_batches() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let connection = statistics(directory.path());
    // 1 800 000 000 is at 08:00 of its day.
    let records = [-9, -8, 0, 15, 16, 40].map(|hours: i64| AccessLogRecord {
        received_at: Timestamp::from_seconds(NOW.as_seconds() + hours * 3600),
        ..record(0)
    });
    for record in &records {
        store.append(Uuid::new_v4(), std::slice::from_ref(record)).await.unwrap();
    }
    for (hours, left) in [(-8, 5), (15, 5), (16, 2), (39, 2), (40, 1), (100, 0)] {
        let moment = Timestamp::from_seconds(NOW.as_seconds() + hours * 3600);
        store.forget_days_before(moment).await.unwrap();
        assert_eq!(count(&connection, "access_log"), left, "{hours}");
        assert_eq!(count(&connection, "access_log_batch"), left, "{hours}");
    }
}

#[tokio::test]
async fn more_records_than_one_transaction_takes_are_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.append(Uuid::new_v4(), &vec![record(0); 25_000]).await.unwrap();
    store.forget_days_before(NOW.plus(Duration::from_secs(86_400))).await.unwrap();
    assert_eq!(count(&statistics(directory.path()), "access_log"), 0);
}

#[tokio::test]
async fn one_process_has_nobody_to_tell_it_of_changes() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut wake_ups = store.wake_ups();
    let before = store.changes(None).await.unwrap();
    let id = create(&store, local("a")).await;
    publish(&store, row(id, "x", 1)).await;
    store.evict(id, &Selector::Prefix(String::new()), false).await.unwrap();
    let after = store.changes(Some(before.until)).await.unwrap();
    assert_eq!(after.rows, ChangedRows::Listed(Vec::new()));
    assert_eq!(after.configuration, before.configuration + 1);
    assert_eq!(wake_ups.next().now_or_never(), None);
}

//! What SQLite adds to the contract: files that outlive the process, keys, references.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail like the tests")]

use std::path::Path;
use std::time::Duration;

use artifact_core::ports::{
    MetaStore, NewRepository, Precondition, Published, RepositoryStore, RowStore, Selector,
    StatBucket, StatStore,
};
use artifact_core::{
    ArtifactRow, BlobId, Class, Credential, Definition, Digests, ErrorKind, Local, Remote,
    RepoPath, RepositoryId, RowKey, Secret, Timestamp, Variant,
};
use meta_db::{EncryptionKey, SqliteStore};
use rusqlite::Connection;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const DAY_MILLIS: i64 = 86_400_000;

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, EncryptionKey::from_bytes([7; 32])).unwrap()
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

/// How long after now a blob is to be reviewed, if it is queued.
fn review_in(connection: &Connection, blob: u8) -> Option<i64> {
    let sql = "SELECT review_after - unixepoch() * 1000 FROM gc_queue WHERE sha256 = ?1";
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([[blob; 32]], |row| row.get(0)).unwrap().next().map(Result::unwrap)
}

fn is_about_a_day(review_in: Option<i64>) -> bool {
    review_in.is_some_and(|span| (DAY_MILLIS - 60_000..=DAY_MILLIS + 1000).contains(&span))
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
async fn a_new_blob_and_one_that_lost_a_reference_are_reviewed_after_a_day() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let connection = metadata(directory.path());
    let id = create(&store, local("a")).await;
    publish(&store, row(id, "x", 1)).await;
    assert!(is_about_a_day(review_in(&connection, 1)));

    empty_queue(&connection);
    publish(&store, row(id, "x", 1)).await;
    assert_eq!(review_in(&connection, 1), None, "nothing was lost");
    publish(&store, row(id, "x", 2)).await;
    assert!(is_about_a_day(review_in(&connection, 1)), "replaced by other bytes");

    empty_queue(&connection);
    store.evict(id, &Selector::Prefix(String::new()), false).await.unwrap();
    assert!(is_about_a_day(review_in(&connection, 2)), "evicted");
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
    assert!(is_about_a_day(review_in(&connection, 1)));
}

#[tokio::test]
async fn a_review_is_moved_forward_and_never_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let connection = metadata(directory.path());
    let id = create(&store, local("a")).await;
    publish(&store, row(id, "x", 1)).await;
    let far = "UPDATE gc_queue SET review_after = review_after + 864000000, attempts = 5";
    connection.execute(far, []).unwrap();
    store.evict(id, &Selector::Prefix(String::new()), false).await.unwrap();
    assert!(review_in(&connection, 1).is_some_and(|span| span > 10 * DAY_MILLIS));
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
        assert!(is_about_a_day(review_in(&connection, blob)), "{path}");
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

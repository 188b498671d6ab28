//! The configuration that is kept for a start without the database.

use std::os::unix::fs::PermissionsExt;

use artifact_core::ErrorKind;
use artifact_core::ports::RepositoryStore;
use tokio::net::TcpListener;

use crate::support::{Database, create, local, remote};

/// Makes the database unreachable for replicas that start from now on.
async fn hide(database: &mut Database) {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    database.settings.port = closed.local_addr().unwrap().port();
}

#[tokio::test]
async fn a_replica_starts_with_the_configuration_that_was_read_last() {
    let Some(mut database) = Database::migrated().await else { return };
    let store = database.store();
    assert!(!store.has_snapshot());
    create(&store, local("a")).await;
    store.repositories().await.unwrap();
    create(&store, remote("b")).await;
    let last = store.repositories().await.unwrap();
    hide(&mut database).await;
    let late = database.store();
    assert!(late.has_snapshot());
    assert_eq!(late.repositories().await.unwrap(), last);
    assert_eq!(late.configuration_generation().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn without_a_snapshot_the_failure_is_told() {
    let Some(mut database) = Database::migrated().await else { return };
    hide(&mut database).await;
    let store = database.store();
    assert_eq!(store.repositories().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn the_file_is_private_and_holds_no_secret_in_the_clear() {
    let Some(database) = Database::migrated().await else { return };
    let store = database.store();
    create(&store, remote("a")).await;
    store.repositories().await.unwrap();
    let text = std::fs::read_to_string(database.snapshot_file()).unwrap();
    assert!(text.contains("registry.example") && !text.contains("correct horse"));
    let mode = std::fs::metadata(database.snapshot_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn an_unchanged_configuration_is_not_written_again() {
    let Some(database) = Database::migrated().await else { return };
    let store = database.store();
    create(&store, local("a")).await;
    store.repositories().await.unwrap();
    std::fs::remove_file(database.snapshot_file()).unwrap();
    store.repositories().await.unwrap();
    assert!(!store.has_snapshot());
    create(&store, local("b")).await;
    store.repositories().await.unwrap();
    assert!(store.has_snapshot());
}

#[tokio::test]
async fn a_process_that_has_read_the_database_never_goes_back_to_the_file() {
    let Some(database) = Database::migrated().await else { return };
    let store = database.store();
    create(&store, local("a")).await;
    store.repositories().await.unwrap();
    let break_it = "ALTER TABLE repository RENAME TO hidden";
    database.client().await.batch_execute(break_it).await.unwrap();
    assert!(store.repositories().await.is_err());
    assert!(database.store().repositories().await.is_ok());
}

#[tokio::test]
async fn a_damaged_file_is_named_and_left_alone() {
    let Some(mut database) = Database::migrated().await else { return };
    std::fs::write(database.snapshot_file(), "damaged").unwrap();
    hide(&mut database).await;
    let error = database.store().repositories().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("configuration.json"), "{source}");
    assert_eq!(std::fs::read_to_string(database.snapshot_file()).unwrap(), "damaged");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_fails_nobody() {
    let Some(database) = Database::migrated().await else { return };
    let store = database.store();
    create(&store, local("a")).await;
    std::fs::create_dir(database.snapshot_file()).unwrap();
    assert_eq!(store.repositories().await.unwrap().repositories.len(), 1);
}

//! Starting: many replicas at once, and every reason not to start told apart.

use std::time::{Duration, Instant};

use artifact_core::Secret;
use artifact_core::ports::MetaStore;
use futures_util::future::join_all;
use meta_db::{PostgresError, PostgresStore};
use tokio::net::TcpListener;

use crate::support::Database;

/// Every refusal must come within this.
const SOON: Duration = Duration::from_secs(5);

async fn refusal(database: &Database) -> PostgresError {
    let began = Instant::now();
    let error = database.store().prepare().await.unwrap_err();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_replicas_prepare_an_empty_database_at_once() {
    let Some(database) = Database::empty().await else { return };
    let stores: Vec<_> = (0..10).map(|_| database.store()).collect();
    for prepared in join_all(stores.iter().map(PostgresStore::prepare)).await {
        prepared.unwrap();
    }
    stores[0].check().await.unwrap();
    stores[0].prepare().await.unwrap();
    let migrations = "SELECT count(*), max(version)::bigint FROM refinery_schema_history";
    let applied = database.client().await.query_one(migrations, &[]).await.unwrap();
    // Each of them once: they are numbered without gaps.
    assert_eq!(applied.get::<_, i64>(0), applied.get::<_, i64>(1));
}

#[tokio::test]
async fn a_replica_waits_for_another_one_that_migrates() {
    let Some(database) = Database::empty().await else { return };
    let other = database.client().await;
    other.execute("SELECT pg_advisory_lock(1635019125, 1)", &[]).await.unwrap();
    let store = database.store();
    let mut preparing = Box::pin(store.prepare());
    let early = tokio::time::timeout(Duration::from_millis(500), preparing.as_mut()).await;
    assert!(early.is_err(), "the lock does not lock");
    other.execute("SELECT pg_advisory_unlock(1635019125, 1)", &[]).await.unwrap();
    preparing.await.unwrap();
}

#[tokio::test]
async fn a_migration_that_was_broken_off_is_done_anew() {
    let Some(database) = Database::empty().await else { return };
    for millis in [5, 20, 40, 80] {
        let limit = Duration::from_millis(millis);
        let _ = tokio::time::timeout(limit, database.store().prepare()).await;
    }
    let store = database.store();
    store.prepare().await.unwrap();
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_schema_with_later_additions_is_accepted() {
    let Some(database) = Database::migrated().await else { return };
    let newer = "ALTER TABLE blob ADD COLUMN from_the_future text;
        INSERT INTO refinery_schema_history VALUES
        (99, 'future', '2030-01-01T00:00:00Z', '1234567890')";
    database.client().await.batch_execute(newer).await.unwrap();
    let store = database.store();
    store.prepare().await.unwrap();
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_schema_that_is_not_the_one_we_know_is_refused() {
    let Some(database) = Database::migrated().await else { return };
    let other = "UPDATE refinery_schema_history SET checksum = '1'";
    database.client().await.batch_execute(other).await.unwrap();
    let error = refusal(&database).await;
    assert!(matches!(error, PostgresError::Schema { .. }), "{error:?}");
}

#[tokio::test]
async fn tables_of_somebody_else_are_refused_and_left_alone() {
    let Some(database) = Database::empty().await else { return };
    let client = database.client().await;
    client.batch_execute("CREATE TABLE blob (theirs text)").await.unwrap();
    let error = refusal(&database).await;
    assert!(matches!(error, PostgresError::Schema { .. }), "{error:?}");
    let tables = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    let tables: String = client.query_one(tables, &[]).await.unwrap().get(0);
    assert_eq!(tables, "blob refinery_schema_history");
}

#[tokio::test]
async fn a_host_where_nothing_listens_is_unreachable() {
    let Some(mut database) = Database::migrated().await else { return };
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    database.settings.port = closed.local_addr().unwrap().port();
    drop(closed);
    let error = refusal(&database).await;
    assert!(matches!(error, PostgresError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_host_that_never_answers_is_unreachable() {
    let Some(mut database) = Database::migrated().await else { return };
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    database.settings.port = silent.local_addr().unwrap().port();
    let error = refusal(&database).await;
    assert!(matches!(error, PostgresError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_unreachable() {
    let Some(mut database) = Database::migrated().await else { return };
    database.settings.host = "does-not-exist.invalid".to_owned();
    let error = refusal(&database).await;
    assert!(matches!(error, PostgresError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn wrong_credentials_are_told_and_never_shown() {
    let Some(mut database) = Database::migrated().await else { return };
    database.settings.password = Secret::new("hunter2");
    let error = refusal(&database).await;
    assert!(matches!(error, PostgresError::Credentials { .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("hunter2"));
    database.settings.user = "nobody".to_owned();
    let error = refusal(&database).await;
    assert!(matches!(error, PostgresError::Credentials { .. }), "{error:?}");
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_named() {
    let Some(mut database) = Database::migrated().await else { return };
    database.settings.database = "missing".to_owned();
    let error = refusal(&database).await;
    assert!(matches!(error, PostgresError::NoDatabase { .. }), "{error:?}");
    assert!(error.to_string().contains("\"missing\""), "{error}");
}

#[tokio::test]
async fn a_user_who_may_create_no_tables_is_told_so() {
    let Some(mut database) = Database::empty().await else { return };
    let role = format!("guest_{}", uuid::Uuid::new_v4().simple());
    // The default since version 15.
    let make = format!(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE {role} LOGIN PASSWORD 'guest'"
    );
    database.client().await.batch_execute(&make).await.unwrap();
    database.settings.user = role;
    database.settings.password = Secret::new("guest");
    let error = refusal(&database).await;
    assert!(matches!(error, PostgresError::Forbidden { .. }), "{error:?}");
}

#[tokio::test]
async fn a_replica_with_another_encryption_key_is_refused() {
    let Some(database) = Database::migrated().await else { return };
    let error = database.store_with([8; 32]).prepare().await.unwrap_err();
    assert!(matches!(error, PostgresError::OtherKey), "{error:?}");
    assert!(error.to_string().contains("SECRET_KEY"), "{error}");
    database.store().prepare().await.unwrap();
}

#[tokio::test]
async fn encryption_that_the_server_does_not_offer_is_told_apart() {
    let Some(mut database) = Database::migrated().await else { return };
    database.settings.tls = meta_db::TlsMode::Require;
    let error = refusal(&database).await;
    assert!(matches!(error, PostgresError::Tls(_)), "{error:?}");
    database.settings.tls = meta_db::TlsMode::Prefer;
    database.store().prepare().await.unwrap();
}

#[tokio::test]
async fn debug_output_shows_no_password_and_no_key() {
    let Some(mut database) = Database::migrated().await else { return };
    database.settings.password = Secret::new("hunter2");
    let text = format!("{:?} {:?}", database.settings, database.store());
    assert!(!text.contains("hunter2") && text.contains("EncryptionKey(…)"), "{text}");
}

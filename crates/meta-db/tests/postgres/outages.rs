//! A server that is frozen, killed or away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use artifact_core::ErrorKind;
use artifact_core::ports::{ChangeFeed, MetaStore, RepositoryStore, RowStore};
use futures_util::StreamExt;
use futures_util::future::join_all;
use testkit::services::PostgresServer;
use tokio::time::timeout;

use crate::support::{Database, PATIENCE, create, eventually, local, publish, row};

/// A server of its own, with a database that is ready.
async fn server() -> Option<(Arc<PostgresServer>, Database)> {
    let server = tokio::task::spawn_blocking(PostgresServer::start).await.unwrap().unwrap()?;
    let database = Database::on(&server, &server.create_database().await);
    database.store().prepare().await.unwrap();
    Some((Arc::new(server), database))
}

async fn on(server: &Arc<PostgresServer>, act: fn(&PostgresServer)) {
    let server = Arc::clone(server);
    tokio::task::spawn_blocking(move || act(&server)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_fails_reads_in_time_and_is_used_again_when_it_is_back() {
    let Some((server, database)) = server().await else { return };
    let store = database.store();
    let repository = create(&store, local("a")).await;
    let key = publish(&store, row(repository, "x", 1)).await.key;
    store.row(&key).await.unwrap();
    on(&server, PostgresServer::freeze).await;

    let began = Instant::now();
    let reads = join_all((0..20).map(|_| store.row(&key))).await;
    assert!(began.elapsed() < Duration::from_millis(2600), "{:?}", began.elapsed());
    for read in reads {
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    // By now it is known: nobody else waits, but for one who finds out whether it is back.
    let began = Instant::now();
    let reads = join_all((0..20).map(|_| store.row(&key))).await;
    assert!(reads.iter().all(Result::is_err));
    assert!(began.elapsed() < Duration::from_millis(2600), "{:?}", began.elapsed());
    let quick = Instant::now();
    let quickly = join_all((0..20).map(|_| timeout(Duration::from_millis(200), store.row(&key))));
    assert!(quickly.await.iter().filter(|read| read.is_ok()).count() >= 19);
    assert!(quick.elapsed() < Duration::from_secs(1));

    on(&server, PostgresServer::thaw).await;
    assert!(eventually(|| store.row(&key)).await.is_some());
    eventually(|| store.check()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_unavailable_at_once_and_used_again_after_its_restart() {
    let Some((server, database)) = server().await else { return };
    let store = database.store();
    let repository = create(&store, local("a")).await;
    let key = publish(&store, row(repository, "x", 1)).await.key;
    on(&server, PostgresServer::stop).await;
    for _ in 0..5 {
        let began = Instant::now();
        let error = store.row(&key).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    }
    on(&server, PostgresServer::restart).await;
    assert!(eventually(|| store.row(&key)).await.is_some());
    eventually(|| store.check()).await;
}

#[tokio::test]
async fn a_read_whose_connection_was_broken_is_tried_once_more() {
    let Some(database) = Database::migrated().await else { return };
    let store = database.store();
    create(&store, local("a")).await;
    let client = database.client().await;
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for _ in 0..10 {
        store.configuration_generation().await.unwrap();
        let killed: i64 = client.query_one(kill, &[]).await.unwrap().get(0);
        assert!(killed > 0);
        store.configuration_generation().await.unwrap();
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_a_working_store() {
    let Some(database) = Database::migrated().await else { return };
    let store = database.store();
    let repository = create(&store, local("a")).await;
    for micros in (0..3000).step_by(50) {
        let limit = Duration::from_micros(micros);
        let _ = timeout(limit, store.publish(row(repository, "x", 1), any())).await;
    }
    publish(&store, row(repository, "x", 2)).await;
    store.check().await.unwrap();
}

fn any() -> artifact_core::ports::Precondition {
    artifact_core::ports::Precondition::Any
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_arrive_from_other_replicas_and_go_on_after_a_restart_of_the_server() {
    let Some((server, database)) = server().await else { return };
    let (store, other) = (database.store(), database.store());
    let mut hints = store.wake_ups();
    // The first one says that the connection is there.
    timeout(PATIENCE, hints.next()).await.unwrap().unwrap();
    let repository = create(&other, local("a")).await;
    timeout(PATIENCE, hints.next()).await.unwrap().unwrap();
    publish(&other, row(repository, "x", 1)).await;
    publish(&other, row(repository, "x", 2)).await;
    timeout(PATIENCE, hints.next()).await.unwrap().unwrap();

    on(&server, PostgresServer::restart).await;
    timeout(PATIENCE, hints.next()).await.unwrap().expect("the stream goes on");
    eventually(|| other.check()).await;
    create(&other, local("b")).await;
    timeout(PATIENCE, hints.next()).await.unwrap().unwrap();
    drop(store);
    assert_eq!(timeout(PATIENCE, hints.next()).await.unwrap(), None);
}

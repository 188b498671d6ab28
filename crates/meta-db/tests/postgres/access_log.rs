//! Partitions of the access log.

use std::time::Duration;

use artifact_core::Timestamp;
use artifact_core::ports::{AccessLog, AccessLogRecord};
use futures_util::future::join_all;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::support::{Database, NOW, id};

const DAY: Duration = Duration::from_secs(86_400);

fn record(received_at: Timestamp, path: &str) -> AccessLogRecord {
    AccessLogRecord {
        received_at,
        request_id: "r1".to_owned(),
        principal: String::new(),
        client: Some("192.0.2.1".to_owned()),
        method: "GET".to_owned(),
        repository: Some("a".to_owned()),
        path: path.to_owned(),
        blob: Some(id(1)),
        status: 200,
        cache: "hit",
        bytes_sent: 10,
        complete: true,
        duration: Duration::from_micros(1500),
        user_agent: None,
    }
}

async fn partitions(client: &Client) -> Vec<String> {
    let sql = "SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'access_log'::regclass ORDER BY 1";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn count(client: &Client) -> i64 {
    client.query_one("SELECT count(*) FROM access_log", &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_make_the_partitions_of_new_days_side_by_side() {
    let Some(database) = Database::migrated().await else { return };
    let stores = [database.store(), database.store()];
    let days: Vec<_> = (0..4).map(|n| record(NOW.plus(DAY * n), "x")).collect();
    let appends = (0..16).map(|n| stores[n % 2].append(Uuid::new_v4(), &days));
    for appended in join_all(appends).await {
        appended.unwrap();
    }
    let client = database.client().await;
    assert_eq!(count(&client).await, 64);
    let expected: Vec<_> = (15..19).map(|day| format!("access_log_202701{day}")).collect();
    assert_eq!(partitions(&client).await, expected);
}

#[tokio::test]
async fn forgotten_days_are_dropped_whole() {
    let Some(database) = Database::migrated().await else { return };
    let store = database.store();
    let days: Vec<_> = (0..4).map(|n| record(NOW.plus(DAY * n), "x")).collect();
    let batch = Uuid::new_v4();
    store.append(batch, &days).await.unwrap();
    store.forget_days_before(NOW.plus(DAY * 2)).await.unwrap();
    let client = database.client().await;
    assert_eq!(partitions(&client).await, ["access_log_20270117", "access_log_20270118"]);
    assert_eq!(count(&client).await, 2);
    store.append(batch, &days).await.unwrap();
    assert_eq!(count(&client).await, 2, "the batch is still known");
    store.forget_days_before(NOW.plus(DAY * 4)).await.unwrap();
    let batches = "SELECT count(*) FROM access_log_batch";
    assert_eq!(client.query_one(batches, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn what_a_client_sends_never_spoils_a_batch() {
    let Some(database) = Database::migrated().await else { return };
    let store = database.store();
    let records = [record(NOW, "a\0b"), record(NOW, "\u{FFFF}'\\\n\t")];
    store.append(Uuid::new_v4(), &records).await.unwrap();
    let client = database.client().await;
    let rows = client.query("SELECT path FROM access_log ORDER BY path", &[]).await.unwrap();
    let paths: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(
        paths.contains(&"a\u{FFFD}b".to_owned()) && paths.contains(&"\u{FFFF}'\\\n\t".to_owned())
    );
}

#[tokio::test]
async fn appended_days_are_no_table_scan_for_one_of_them() {
    let Some(database) = Database::migrated().await else { return };
    let store = database.store();
    let days: Vec<_> = (0..4).map(|n| record(NOW.plus(DAY * n), "x")).collect();
    store.append(Uuid::new_v4(), &days).await.unwrap();
    let client = database.client().await;
    let (start, end) = (NOW.as_millis(), NOW.plus(Duration::from_secs(60)).as_millis());
    let explain = format!(
        "EXPLAIN SELECT * FROM access_log WHERE received_at >= {start} AND received_at < {end}"
    );
    let plan = client.query(&explain, &[]).await.unwrap();
    let plan: String = plan.iter().map(|row| row.get::<_, &str>(0)).collect();
    assert!(
        plan.contains("access_log_20270115") && !plan.contains("access_log_20270116"),
        "{plan}"
    );
}

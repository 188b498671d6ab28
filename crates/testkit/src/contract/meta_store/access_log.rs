//! Records of requests. The port only writes: what is kept is tested beside each store.

use std::time::Duration;

use artifact_core::ports::{AccessLogRecord, MetaStore};
use futures_util::future::try_join_all;
use uuid::Uuid;

use super::{NOW, at, blob};

/// A record in which everything is known, and one in which nothing is.
fn records() -> Vec<AccessLogRecord> {
    let known = AccessLogRecord {
        received_at: NOW,
        request_id: "01890a5d".to_owned(),
        principal: "ci \"robot\" 'x'".to_owned(),
        client: Some("2001:db8::1".to_owned()),
        method: "GET".to_owned(),
        repository: Some("a".to_owned()),
        path: "/a/ünï,code\t\\N".to_owned(),
        blob: Some(blob("x")),
        status: 200,
        cache: "hit",
        bytes_sent: 10,
        complete: true,
        duration: Duration::from_micros(1500),
        user_agent: Some("client/1".to_owned()),
    };
    let unknown = AccessLogRecord {
        received_at: at(1),
        principal: String::new(),
        client: None,
        repository: None,
        blob: None,
        status: 404,
        complete: false,
        duration: Duration::ZERO,
        user_agent: None,
        ..known.clone()
    };
    vec![known, unknown]
}

/// Also at the same time, and also a batch of nothing.
pub async fn a_batch_of_records_may_be_appended_twice(store: &dyn MetaStore) {
    let (batch, records) = (Uuid::new_v4(), records());
    store.append(batch, &records).await.unwrap();
    try_join_all((0..5).map(|_| store.append(batch, &records))).await.unwrap();
    let other = Uuid::new_v4();
    try_join_all((0..5).map(|_| store.append(other, &records))).await.unwrap();
    store.append(Uuid::new_v4(), &[]).await.unwrap();
}

/// A batch that waited for an outage to end may span days, long ago and to come.
pub async fn a_batch_may_span_many_days(store: &dyn MetaStore) {
    let dated = |days: i64| AccessLogRecord {
        received_at: at(days * 86_400),
        ..records().into_iter().next().unwrap()
    };
    let batch: Vec<_> = [-400, -1, 0, 1, 2].map(dated).to_vec();
    store.append(Uuid::new_v4(), &batch).await.unwrap();
}

/// Forgetting what is not there is no failure, and the log goes on.
pub async fn days_of_the_log_are_forgotten_and_it_goes_on(store: &dyn MetaStore) {
    store.forget_days_before(NOW).await.unwrap();
    store.append(Uuid::new_v4(), &records()).await.unwrap();
    for days in [0, 1, 30] {
        store.forget_days_before(at(days * 86_400)).await.unwrap();
    }
    store.append(Uuid::new_v4(), &records()).await.unwrap();
}

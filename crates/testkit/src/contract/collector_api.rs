//! Contract of `CollectorApi`, stamped like that of `AdminApi` with a factory that gives an empty
//! server: `testkit::collector_api_contract!(make)`.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "the clauses are the bodies of tests: a panic is their verdict"
)]

use admin_types::{BlobCount, CollectQuery, CollectorApi, CollectorState, RunOutcome};

/// Stamps one test per clause of the `CollectorApi` contract. The argument names an
/// `async fn() -> (Arc<dyn CollectorApi>, impl Any)`.
#[macro_export]
macro_rules! collector_api_contract {
    ($make:path) => {
        $crate::collector_api_contract! {
            @clauses $make;
            an_empty_server_has_nothing_to_collect,
            a_rehearsal_is_no_run,
            a_run_is_remembered,
        }
    };
    (@clauses $make:path; $($clause:ident),+ $(,)?) => { $(
        #[tokio::test]
        async fn $clause() {
            let (api, _server) = $make().await;
            $crate::contract::collector_api::$clause(&*api).await;
        }
    )+ };
}

const NOTHING: BlobCount = BlobCount { blobs: 0, bytes: 0, at_least: false };

/// Every count is zero.
pub async fn an_empty_server_has_nothing_to_collect(api: &dyn CollectorApi) {
    let collector = api.collector().await.unwrap();
    assert_eq!(collector.state, CollectorState::Idle);
    assert_eq!(
        (collector.stored, collector.condemned, collector.reclaimed),
        (NOTHING, NOTHING, NOTHING)
    );
    assert_eq!((collector.epoch, collector.last_run), (0, None));
}

/// Counting leaves no trace.
pub async fn a_rehearsal_is_no_run(api: &dyn CollectorApi) {
    let query = CollectQuery { dry_run: true, confirm: false };
    let run = api.collect(query).await.unwrap();
    assert_eq!((run.outcome, run.deleted), (RunOutcome::Rehearsed, NOTHING));
    assert_eq!(api.collector().await.unwrap().last_run, None);
}

/// The answer of a run is what is remembered of it.
pub async fn a_run_is_remembered(api: &dyn CollectorApi) {
    for confirm in [false, true] {
        let run = api.collect(CollectQuery { dry_run: false, confirm }).await.unwrap();
        assert_eq!((run.outcome, run.deleted, run.failed), (RunOutcome::Completed, NOTHING, 0));
        assert_eq!(api.collector().await.unwrap().last_run, Some(run));
    }
}

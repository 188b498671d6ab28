//! The books of the collectors.

use std::time::Duration;

use artifact_core::Timestamp;
use artifact_core::ports::{
    CollectorHistory, CollectorRun, MetaStore, Reclaimed, Restoration, Reviewed, RunOutcome,
};
use futures_util::future::try_join_all;

use super::{NOW, at};

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

fn run(outcome: RunOutcome) -> CollectorRun {
    CollectorRun {
        replica: "replica \"1\"".to_owned(),
        started_at: NOW,
        finished_at: at(60),
        reviewed: Reviewed { kept: 1, condemned: 2 },
        reclaimed: Reclaimed { blobs: 3, bytes: 4, revived: 5, failed: 6 },
        adopted: 7,
        outcome,
    }
}

/// Nothing was done yet.
pub async fn a_new_store_has_no_collector_history(store: &dyn MetaStore) {
    assert_eq!(store.history().await.unwrap(), CollectorHistory::default());
}

/// The blob store usually shows the last epoch, or an earlier one after a crash.
pub async fn every_epoch_is_later_than_the_last(store: &dyn MetaStore) {
    for (seen, expected) in [(0, 1), (1, 2), (1, 3), (3, 4)] {
        let epoch = store.advance_epoch(seen, Restoration::Refuse).await.unwrap();
        assert_eq!(epoch, Some(expected));
        assert_eq!(store.history().await.unwrap().epoch, expected);
    }
}

/// A database restored from a backup may lack references to what is stored.
pub async fn a_store_that_was_restored_refuses_to_collect(store: &dyn MetaStore) {
    store.advance_epoch(0, Restoration::Refuse).await.unwrap();
    assert_eq!(store.advance_epoch(2, Restoration::Refuse).await.unwrap(), None);
    assert_eq!(store.history().await.unwrap().epoch, 1);
    assert_eq!(store.advance_epoch(2, Restoration::Accept).await.unwrap(), Some(3));
    assert_eq!(store.advance_epoch(3, Restoration::Refuse).await.unwrap(), Some(4));
    assert_eq!(store.advance_epoch(1, Restoration::Accept).await.unwrap(), Some(5));
}

/// Two runs never share an epoch.
pub async fn concurrent_epochs_differ(store: &dyn MetaStore) {
    let advances = (0..20).map(|_| store.advance_epoch(0, Restoration::Refuse));
    let mut epochs: Vec<_> = try_join_all(advances).await.unwrap().into_iter().flatten().collect();
    epochs.sort_unstable();
    assert_eq!(epochs, (1..=20).collect::<Vec<_>>());
}

/// One replica compares, whoever asks first.
pub async fn of_many_who_claim_a_sweep_one_gets_it(store: &dyn MetaStore) {
    for now in [NOW, NOW.plus(WEEK)] {
        let claims = try_join_all((0..20).map(|_| store.claim_sweep(now, WEEK))).await.unwrap();
        assert_eq!(claims.into_iter().filter(|claimed| *claimed).count(), 1);
        assert_eq!(store.history().await.unwrap().swept_at, Some(now));
    }
}

/// The span counts from the last sweep.
pub async fn a_sweep_is_claimed_once_per_span(store: &dyn MetaStore) {
    let almost = Timestamp::from_millis(NOW.plus(WEEK).as_millis() - 1);
    assert!(store.claim_sweep(NOW, WEEK).await.unwrap());
    assert!(!store.claim_sweep(almost, WEEK).await.unwrap());
    assert_eq!(store.history().await.unwrap().swept_at, Some(NOW));
    assert!(store.claim_sweep(almost, Duration::ZERO).await.unwrap());
    assert!(!store.claim_sweep(NOW.plus(WEEK), WEEK).await.unwrap());
}

/// Whatever its outcome was.
pub async fn the_last_run_is_given_back_whole(store: &dyn MetaStore) {
    let reason = || "zu viel: 20 % — \"x\"\n".to_owned();
    for outcome in [
        RunOutcome::Completed,
        RunOutcome::Stopped(reason()),
        RunOutcome::Failed(reason()),
        RunOutcome::Failed(String::new()),
    ] {
        let run = run(outcome);
        store.record_run(&run).await.unwrap();
        assert_eq!(store.history().await.unwrap().last_run, Some(run));
    }
}

/// Runs add up over all replicas, and touch nothing else of the history.
pub async fn what_runs_deleted_adds_up(store: &dyn MetaStore) {
    store.advance_epoch(0, Restoration::Refuse).await.unwrap();
    store.claim_sweep(NOW, WEEK).await.unwrap();
    try_join_all((0..10).map(|_| async { store.record_run(&run(RunOutcome::Completed)).await }))
        .await
        .unwrap();
    let expected = CollectorHistory {
        epoch: 1,
        last_run: Some(run(RunOutcome::Completed)),
        reclaimed_blobs: 30,
        reclaimed_bytes: 40,
        swept_at: Some(NOW),
    };
    assert_eq!(store.history().await.unwrap(), expected);
}

//! What other replicas are told. A store of one process has nothing to tell about rows, so what
//! is listed is tested beside the stores that list something.

use artifact_core::ports::{ChangedRows, MetaStore, Precondition};
use futures_util::{FutureExt, StreamExt};

use super::{create, key, publish_all};

/// The generation is that of the configuration.
pub async fn changes_tell_the_generation_of_the_configuration(store: &dyn MetaStore) {
    let mut since = None;
    for name in ["a", "b", "c"] {
        create(store, name).await;
        let changes = store.changes(since).await.unwrap();
        assert_eq!(changes.configuration, store.configuration_generation().await.unwrap());
        since = Some(changes.until);
    }
}

/// Who has just started has cached nothing that could be outdated.
pub async fn without_a_moment_only_the_present_is_told(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    publish_all(store, repository, &["x"]).await;
    store.remove(&key(repository, "x"), Precondition::Any).await.unwrap();
    let changes = store.changes(None).await.unwrap();
    assert_eq!(changes.rows, ChangedRows::Listed(Vec::new()));
}

/// Passing it again and again leaves no gap.
pub async fn the_moment_of_an_answer_never_goes_back(store: &dyn MetaStore) {
    let mut last = store.changes(None).await.unwrap().until;
    for _ in 0..10 {
        let until = store.changes(Some(last)).await.unwrap().until;
        assert!(until >= last);
        last = until;
    }
}

/// Only old changes are forgotten; the configuration is none of them.
pub async fn forgetting_changes_keeps_the_configuration(store: &dyn MetaStore) {
    create(store, "a").await;
    let before = store.changes(None).await.unwrap();
    store.forget_changes().await.unwrap();
    let after = store.changes(Some(before.until)).await.unwrap();
    assert_eq!(after.configuration, before.configuration);
}

/// Whether it hints or not, and however many listen.
pub async fn wake_ups_do_not_end_while_the_store_lives(store: &dyn MetaStore) {
    let mut streams = [store.wake_ups(), store.wake_ups()];
    for name in ["a", "b", "c"] {
        create(store, name).await;
        for wake_ups in &mut streams {
            assert_ne!(wake_ups.next().now_or_never(), Some(None), "the stream has ended");
        }
    }
}

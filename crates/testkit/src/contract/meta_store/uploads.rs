//! Uploads that take several requests.

use std::time::Duration;

use artifact_core::ports::{
    Claimed, IdlePass, MetaStore, Precondition, Upload, UploadId, UploadProgress,
};
use artifact_core::{ErrorKind, RepositoryId, Timestamp};
use futures_util::future::join_all;

use super::{NOW, at, create};

const MINUTE: Duration = Duration::from_secs(60);

fn upload(repository: RepositoryId) -> Upload {
    Upload {
        id: UploadId::random(),
        repository,
        name: "team/app".to_owned(),
        size: 0,
        state: String::new(),
        finished_as: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

async fn begin(store: &dyn MetaStore, repository: RepositoryId) -> Upload {
    let upload = upload(repository);
    store.create_upload(&upload).await.unwrap();
    upload
}

/// Claims until a minute from `now`.
async fn claim(store: &dyn MetaStore, upload: &Upload, owner: &str, now: Timestamp) -> Claimed {
    store.claim_upload(upload.id, owner, now, now.plus(MINUTE)).await.unwrap()
}

fn progress(size: u64, now: Timestamp) -> UploadProgress {
    let state = format!("{{\"at\": {size}}}");
    UploadProgress { size, state, now, claimed_until: now.plus(MINUTE) }
}

/// Whatever is idle at `now`, a minute after its last progress.
async fn idle(store: &dyn MetaStore, now: Timestamp) -> Vec<Upload> {
    let idle_since = Timestamp::from_millis(now.as_millis() - 60_000);
    store.idle_uploads(IdlePass { now, idle_since, limit: 100 }).await.unwrap()
}

/// Nothing is left out, complete or not.
pub async fn a_created_upload_is_given_back_whole(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let plain = begin(store, repository).await;
    let full = Upload {
        name: "Ünïcode/\u{10FFFF}".to_owned(),
        size: u64::from(u32::MAX) + 1,
        state: "s".repeat(Upload::MAX_STATE),
        finished_as: Some("sha256:00".to_owned()),
        updated_at: at(60),
        ..upload(repository)
    };
    store.create_upload(&full).await.unwrap();
    for expected in [plain, full] {
        assert_eq!(store.upload(expected.id).await.unwrap(), Some(expected));
    }
}

/// Absence is an answer and no failure.
pub async fn an_absent_upload_is_none(store: &dyn MetaStore) {
    let unknown = upload(create(store, "a").await);
    assert_eq!(store.upload(unknown.id).await.unwrap(), None);
    assert_eq!(claim(store, &unknown, "a", NOW).await, Claimed::Absent);
    assert!(!store.advance_upload(unknown.id, "a", &progress(1, NOW)).await.unwrap());
    assert!(!store.finish_upload(unknown.id, "a", "d", NOW).await.unwrap());
    assert!(!store.remove_upload(unknown.id).await.unwrap());
    store.release_upload(unknown.id, "a").await.unwrap();
}

/// A repository that was deleted meanwhile is told apart from a failure.
pub async fn an_upload_needs_its_repository(store: &dyn MetaStore) {
    let orphan = upload(RepositoryId(4711));
    let error = store.create_upload(&orphan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(store.upload(orphan.id).await.unwrap(), None);
}

/// What is there stays as it is.
pub async fn an_id_of_an_upload_is_used_once(store: &dyn MetaStore) {
    let first = begin(store, create(store, "a").await).await;
    let second = Upload { name: "other".to_owned(), ..first.clone() };
    let error = store.create_upload(&second).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(store.upload(first.id).await.unwrap(), Some(first));
}

/// Before they reach a database that could not hold them.
pub async fn texts_of_an_upload_are_bounded(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let long = "x".repeat(Upload::MAX_NAME + 1);
    for refused in [
        Upload { name: long.clone(), ..upload(repository) },
        Upload { name: "a\0".to_owned(), ..upload(repository) },
        Upload { state: "s".repeat(Upload::MAX_STATE + 1), ..upload(repository) },
        Upload { finished_as: Some(long.clone()), ..upload(repository) },
    ] {
        let error = store.create_upload(&refused).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unprocessable);
        assert_eq!(store.upload(refused.id).await.unwrap(), None);
    }
    let held = begin(store, repository).await;
    let error = store.claim_upload(held.id, &long, NOW, NOW).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unprocessable);
    claim(store, &held, "a", NOW).await;
    let state = "s".repeat(Upload::MAX_STATE + 1);
    let too_much = UploadProgress { state, ..progress(1, NOW) };
    assert!(store.advance_upload(held.id, "a", &too_much).await.is_err());
    assert!(store.finish_upload(held.id, "a", &long, NOW).await.is_err());
    assert_eq!(store.upload(held.id).await.unwrap(), Some(held));
}

/// Should its owner vanish, the claim ends by itself.
pub async fn a_claimed_upload_is_busy_until_its_claim_ends(store: &dyn MetaStore) {
    let held = begin(store, create(store, "a").await).await;
    assert_eq!(claim(store, &held, "a", NOW).await, Claimed::Upload(held.clone()));
    let almost = Timestamp::from_millis(at(60).as_millis() - 1);
    assert_eq!(claim(store, &held, "b", almost).await, Claimed::Busy);
    assert_eq!(claim(store, &held, "b", at(60)).await, Claimed::Upload(held.clone()));
    assert_eq!(claim(store, &held, "a", at(60)).await, Claimed::Busy);
}

/// Claiming again is not being in one's own way.
pub async fn a_claim_of_ones_own_is_prolonged(store: &dyn MetaStore) {
    let held = begin(store, create(store, "a").await).await;
    for seconds in [0, 50] {
        assert_eq!(claim(store, &held, "a", at(seconds)).await, Claimed::Upload(held.clone()));
    }
    assert_eq!(claim(store, &held, "b", at(100)).await, Claimed::Busy);
}

/// One writer, however many ask at once.
pub async fn of_many_who_claim_an_upload_one_gets_it(store: &dyn MetaStore) {
    let held = begin(store, create(store, "a").await).await;
    for now in [NOW, at(60)] {
        let owners: Vec<_> = (0..20).map(|n| format!("{n} at {now:?}")).collect();
        let claims = owners.iter().map(|owner| claim(store, &held, owner, now));
        let claims = join_all(claims).await;
        let won = claims.iter().filter(|it| matches!(it, Claimed::Upload(_))).count();
        let busy = claims.iter().filter(|it| **it == Claimed::Busy).count();
        assert_eq!((won, busy), (1, 19));
    }
}

/// Who goes on with it begins there.
pub async fn progress_of_an_upload_is_recorded_and_prolongs_the_claim(store: &dyn MetaStore) {
    let held = begin(store, create(store, "a").await).await;
    claim(store, &held, "a", NOW).await;
    for (size, seconds) in [(5, 30), (9, 80), (7, 90)] {
        assert!(store.advance_upload(held.id, "a", &progress(size, at(seconds))).await.unwrap());
        let state = format!("{{\"at\": {size}}}");
        let expected = Upload { size, state, updated_at: at(seconds), ..held.clone() };
        assert_eq!(store.upload(held.id).await.unwrap(), Some(expected));
    }
    assert_eq!(claim(store, &held, "b", at(140)).await, Claimed::Busy);
    let Claimed::Upload(taken_over) = claim(store, &held, "b", at(150)).await else {
        panic!("not claimed");
    };
    assert_eq!(Some(taken_over), store.upload(held.id).await.unwrap());
}

/// Somebody else may have gone on with it since, or finished it.
pub async fn progress_of_a_lost_claim_changes_nothing(store: &dyn MetaStore) {
    let held = begin(store, create(store, "a").await).await;
    let late = progress(5, at(70));
    assert!(!store.advance_upload(held.id, "a", &late).await.unwrap(), "never claimed");
    claim(store, &held, "a", NOW).await;
    claim(store, &held, "b", at(60)).await;
    assert!(!store.advance_upload(held.id, "a", &late).await.unwrap());
    assert!(!store.finish_upload(held.id, "a", "d", at(70)).await.unwrap());
    store.release_upload(held.id, "a").await.unwrap();
    assert_eq!(claim(store, &held, "a", at(70)).await, Claimed::Busy);
    assert_eq!(store.upload(held.id).await.unwrap(), Some(held));
}

/// A slow client to whom nobody was faster need not begin anew.
pub async fn a_claim_that_ended_and_that_nobody_took_goes_on(store: &dyn MetaStore) {
    let held = begin(store, create(store, "a").await).await;
    claim(store, &held, "a", NOW).await;
    assert!(store.advance_upload(held.id, "a", &progress(5, at(600))).await.unwrap());
    assert_eq!(claim(store, &held, "b", at(650)).await, Claimed::Busy);
}

/// The next request need not wait for the end of the claim.
pub async fn a_released_upload_can_be_claimed_at_once(store: &dyn MetaStore) {
    let held = begin(store, create(store, "a").await).await;
    claim(store, &held, "a", NOW).await;
    store.release_upload(held.id, "b").await.unwrap();
    assert_eq!(claim(store, &held, "b", NOW).await, Claimed::Busy);
    store.release_upload(held.id, "a").await.unwrap();
    assert!(!store.advance_upload(held.id, "a", &progress(5, NOW)).await.unwrap());
    assert_eq!(claim(store, &held, "b", NOW).await, Claimed::Upload(held));
}

/// An answer that was lost can be given again, and nobody writes to it any more.
pub async fn a_finished_upload_tells_what_it_became(store: &dyn MetaStore) {
    let held = begin(store, create(store, "a").await).await;
    claim(store, &held, "a", NOW).await;
    assert!(store.finish_upload(held.id, "a", "sha256:00", at(30)).await.unwrap());
    let finished_as = Some("sha256:00".to_owned());
    let expected = Upload { finished_as, updated_at: at(30), ..held.clone() };
    for owner in ["a", "b"] {
        let claimed = claim(store, &held, owner, at(40)).await;
        assert_eq!(claimed, Claimed::Finished(expected.clone()));
        assert!(!store.advance_upload(held.id, owner, &progress(5, at(40))).await.unwrap());
        assert!(!store.finish_upload(held.id, owner, "other", at(40)).await.unwrap());
    }
    assert_eq!(store.upload(held.id).await.unwrap(), Some(expected));
}

/// And not there twice.
pub async fn a_removed_upload_is_gone(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let (held, other) = (begin(store, repository).await, begin(store, repository).await);
    claim(store, &held, "a", NOW).await;
    assert!(store.remove_upload(held.id).await.unwrap());
    assert!(!store.remove_upload(held.id).await.unwrap());
    assert_eq!(store.upload(held.id).await.unwrap(), None);
    assert_eq!(claim(store, &held, "a", NOW).await, Claimed::Absent);
    assert_eq!(store.upload(other.id).await.unwrap(), Some(other));
}

/// Complete or not, but for those that somebody writes to.
pub async fn idle_uploads_are_told_oldest_first(store: &dyn MetaStore) {
    let repository = create(store, "a").await;
    let mut uploads = Vec::new();
    for seconds in [30, 10, 20, 0, 40] {
        let begun = Upload { updated_at: at(seconds), ..upload(repository) };
        store.create_upload(&begun).await.unwrap();
        uploads.push(begun);
    }
    claim(store, &uploads[0], "a", at(20)).await;
    claim(store, &uploads[1], "a", at(10)).await;
    assert!(store.finish_upload(uploads[1].id, "a", "d", at(10)).await.unwrap());
    let ids = |idle: &[Upload]| idle.iter().map(|upload| upload.id).collect::<Vec<_>>();
    let expected = |indexes: &[usize]| indexes.iter().map(|n| uploads[*n].id).collect::<Vec<_>>();
    for (seconds, indexes) in
        [(60, &[][..]), (61, &[3]), (79, &[3, 1]), (95, &[3, 1, 2, 0]), (1000, &[3, 1, 2, 0, 4])]
    {
        assert_eq!(ids(&idle(store, at(seconds)).await), expected(indexes), "{seconds}");
    }
    claim(store, &uploads[0], "b", at(90)).await;
    assert_eq!(ids(&idle(store, at(149)).await), expected(&[3, 1, 2, 4]));
    let pass = IdlePass { now: at(149), idle_since: at(149), limit: 2 };
    assert_eq!(ids(&store.idle_uploads(pass).await.unwrap()), expected(&[3, 1]));
}

/// Nobody can finish them; what is staged must not be forgotten.
pub async fn uploads_of_a_deleted_repository_are_idle_at_once(store: &dyn MetaStore) {
    let (gone, stays) = (create(store, "gone").await, create(store, "stays").await);
    let (orphan, held) = (begin(store, gone).await, begin(store, gone).await);
    begin(store, stays).await;
    claim(store, &held, "a", NOW).await;
    assert!(idle(store, NOW).await.is_empty());
    store.delete_repository(&"gone".parse().unwrap(), Precondition::Any).await.unwrap();
    assert_eq!(idle(store, NOW).await, std::slice::from_ref(&orphan));
    assert_eq!(claim(store, &orphan, "b", NOW).await, Claimed::Upload(orphan.clone()));
    assert!(idle(store, NOW).await.is_empty());
    assert!(store.remove_upload(orphan.id).await.unwrap());
    store.release_upload(held.id, "a").await.unwrap();
    assert_eq!(idle(store, NOW).await, [held]);
}

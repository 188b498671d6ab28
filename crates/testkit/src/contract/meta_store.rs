//! Contract of `MetaStore`.
//!
//! A backend stamps the suite with a factory that makes it in an empty directory:
//!
//! ```text
//! async fn make(directory: &Path) -> SqliteStore { … }
//! testkit::meta_store_contract!(make);
//! ```
//!
//! A backend that needs a server says `if_present`; its factory gives an `Option`, and without a
//! server there is nothing to hold to the contract.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "the clauses are the bodies of tests: a panic is their verdict"
)]

mod access_log;
mod accounting;
mod bytes;
mod changes;
mod collector;
mod eviction;
mod garbage;
mod keys;
mod listing;
mod lost_blobs;
mod repositories;
mod row_sets;
mod rows;
mod statistics;
mod tokens;
mod uploads;

use std::time::Duration;

use artifact_core::ports::{MetaStore, NewRepository, Precondition, Published};
use artifact_core::{
    ArtifactRow, BlobId, Class, Credential, Definition, Digests, Local, Remote, RepoPath,
    Repository, RepositoryId, RowKey, Secret, Timestamp, Variant,
};

pub use access_log::*;
pub use accounting::*;
pub use changes::*;
pub use collector::*;
pub use eviction::*;
pub use garbage::*;
pub use keys::*;
pub use listing::*;
pub use lost_blobs::*;
pub use repositories::*;
pub use row_sets::*;
pub use rows::*;
pub use statistics::*;
pub use tokens::*;
pub use uploads::*;

/// Stamps one test per clause of the `MetaStore` contract. The argument names a
/// function from an empty directory to a future of the store, or after `if_present` to one of
/// perhaps a store.
#[macro_export]
macro_rules! meta_store_contract {
    ($make:path) => {
        $crate::meta_store_contract! { @all always $make }
    };
    (if_present $make:path) => {
        $crate::meta_store_contract! { @all if_present $make }
    };
    (@all $presence:ident $make:path) => {
        $crate::meta_store_contract! {
            @clauses $presence $make;
            an_absent_row_is_none,
            a_published_row_is_given_back_whole,
            a_row_without_optional_facts_is_given_back_whole,
            every_publish_increases_the_generation,
            publishing_if_absent_conflicts_with_what_is_there,
            publishing_if_unchanged_needs_that_generation,
            variants_of_a_path_are_rows_of_their_own,
            a_row_needs_its_repository,
            a_blob_never_changes_its_size,
            of_many_concurrent_publishes_if_absent_exactly_one_is_stored,
            of_many_concurrent_publishes_if_unchanged_exactly_one_is_stored,
            a_validation_changes_only_what_upstream_confirmed,
            a_validation_of_another_generation_changes_nothing,
            a_removed_row_is_gone_and_given_back,
            removing_needs_the_precondition,
            evicting_a_path_takes_every_variant_and_nothing_else,
            evicting_a_prefix_is_literal_and_minds_the_case,
            evicting_everything_stays_within_the_repository,
            a_dry_run_counts_and_removes_nothing,
            the_rows_unused_for_longest_are_evicted_first,
            rows_that_were_used_lately_are_not_evicted,
            only_rows_of_the_named_repositories_are_evicted,
            an_eviction_stops_when_there_is_room_enough,
            an_eviction_takes_no_more_rows_than_its_limit,
            variants_are_evicted_one_by_one,
            evicted_rows_leave_the_usage_and_their_blobs_to_the_collector,
            a_listing_is_in_order_of_bytes,
            a_listing_shows_every_variant,
            a_prefix_of_a_listing_is_literal,
            a_listing_pages_without_gaps_or_repeats,
            a_page_never_ends_between_the_variants_of_a_path,
            groups_are_folded_and_summed,
            sums_end_at_an_equal_share_for_each_group,
            folded_pages_continue_behind_a_group,
            a_directory_is_folded_above_itself_and_shown_below,
            a_listing_can_be_restricted_to_fresh_or_stale_rows,
            a_listing_knows_only_its_repository,
            accesses_add_up_and_survive_a_new_publish,
            accesses_of_a_row_that_is_gone_are_dropped,
            usage_follows_every_change,
            stored_bytes_count_a_shared_blob_once,
            a_created_repository_is_given_back_whole,
            replacing_increases_the_revision_and_keeps_the_identity,
            putting_the_same_again_changes_nothing,
            setting_the_same_secret_again_changes_nothing,
            a_new_secret_is_a_change,
            preconditions_of_a_repository_hold,
            kind_and_package_type_never_change,
            concurrent_creations_store_exactly_one,
            deleting_takes_the_rows_along,
            deleting_needs_the_precondition,
            ids_are_never_reused,
            the_configuration_is_in_order_of_name,
            statistics_of_one_span_add_up,
            statistics_since_a_moment_include_its_span,
            forgotten_statistics_are_gone,
            a_new_store_has_no_signing_keys,
            a_kept_signing_key_is_given_back_whole,
            a_signing_key_is_never_replaced,
            of_many_signing_keys_kept_at_once_all_get_the_same,
            a_created_token_is_given_back_whole_and_found_by_its_hash,
            a_name_belongs_to_one_token_in_force,
            a_token_that_ended_gives_its_name_up,
            of_many_tokens_created_at_once_with_one_name_exactly_one_is_stored,
            a_revoked_token_is_found_and_says_so,
            tokens_are_listed_in_order_of_name,
            uses_of_tokens_are_recorded_to_the_minute,
            tokens_that_ended_before_a_moment_are_forgotten,
            a_new_store_has_no_collector_history,
            every_epoch_is_later_than_the_last,
            a_store_that_was_restored_refuses_to_collect,
            concurrent_epochs_differ,
            of_many_who_claim_a_sweep_one_gets_it,
            a_sweep_is_claimed_once_per_span,
            the_last_run_is_given_back_whole,
            what_runs_deleted_adds_up,
            changes_tell_the_generation_of_the_configuration,
            without_a_moment_only_the_present_is_told,
            the_moment_of_an_answer_never_goes_back,
            forgetting_changes_keeps_the_configuration,
            wake_ups_do_not_end_while_the_store_lives,
            a_batch_of_records_may_be_appended_twice,
            a_batch_may_span_many_days,
            days_of_the_log_are_forgotten_and_it_goes_on,
            a_blob_is_left_alone_until_its_review_is_due,
            what_nothing_needs_is_condemned_and_still_there,
            a_referenced_blob_is_never_condemned,
            a_kept_blob_is_reviewed_again_when_it_loses_its_reference,
            a_replaced_blob_is_reviewed,
            a_row_published_again_queues_nothing,
            evicted_blobs_are_reviewed,
            deleting_a_repository_queues_its_blobs,
            a_review_takes_the_oldest_first_and_no_more_than_its_limit,
            a_survey_counts_and_changes_nothing,
            a_survey_counts_no_further_than_its_limit,
            a_pin_on_an_unknown_blob_finds_it_absent,
            a_pin_on_an_indexed_blob_finds_it_live,
            a_pin_makes_a_condemned_blob_live_again,
            a_pinned_blob_is_not_condemned_before_its_pin_ends,
            the_review_delay_counts_from_the_end_of_the_last_pin,
            a_pin_that_precedes_its_blob_holds,
            a_pin_that_has_ended_protects_nothing,
            a_later_end_of_a_pin_replaces_an_earlier_one,
            pins_of_two_owners_do_not_touch_each_other,
            taking_a_pin_away_queues_the_blob_for_review,
            a_review_during_a_pin_puts_nothing_off_for_longer_than_the_pin,
            taking_away_a_pin_that_is_not_there_changes_nothing,
            of_many_concurrent_pins_one_revives,
            a_condemned_blob_is_kept_until_its_deletion_is_due,
            a_reclaimed_blob_leaves_neither_bytes_nor_entry,
            without_a_condemned_blob_nothing_is_erased,
            a_condemned_blob_that_is_referred_to_is_live_again,
            a_deletion_takes_the_oldest_first_and_no_more_than_its_limit,
            bytes_that_were_not_erased_are_left_alone_for_a_minute,
            every_failure_doubles_the_rest_up_to_a_day,
            a_pin_right_after_a_failed_deletion_is_refused,
            a_deletion_may_fail_for_some_of_its_blobs,
            an_answer_about_other_blobs_deletes_nothing,
            rows_are_read_while_bytes_are_erased,
            a_row_published_during_the_deletion_of_its_blob_has_an_entry,
            a_stored_blob_without_an_entry_is_adopted_and_deleted_when_due,
            a_blob_that_is_indexed_is_not_adopted,
            live_blobs_are_told_in_order_of_id,
            lost_files_are_counted_and_hosted_ones_listed,
            a_mark_goes_when_a_row_is_published_with_the_blob,
            a_mark_stays_when_a_row_is_confirmed,
            a_row_published_after_the_look_is_not_marked,
            bytes_that_are_there_again_are_lost_no_more,
            a_lost_blob_without_references_is_collected,
            a_row_published_beside_a_review_has_a_live_blob,
            a_writer_waits_for_a_deletion_under_way_and_stores_the_bytes_again,
            bytes_stored_after_absent_was_seen_outlive_every_deletion,
            a_blob_adopted_while_its_writer_is_about_to_publish_survives,
            a_row_published_after_its_blob_was_adopted_revives_it,
            two_collectors_at_once_delete_each_blob_once,
            a_second_collector_does_not_touch_a_deletion_under_way,
            a_reference_removed_beside_a_review_is_not_forgotten,
            a_promised_blob_outlives_the_collector_until_its_reference_arrives,
            a_deletion_that_lost_its_answer_is_finished_by_the_next,
            a_writer_after_a_deletion_that_lost_its_answer_looks_for_the_bytes,
            an_eviction_beside_a_publish_leaves_a_whole_row_or_none,
            writers_and_collectors_at_once_lose_nothing,
            random_histories_lose_nothing_and_leave_nothing,
            rows_of_a_set_are_published_together,
            nothing_of_a_set_is_written_when_a_condition_does_not_hold,
            nothing_of_a_set_is_written_when_something_is_missing,
            the_first_that_exists_is_needed,
            what_may_be_absent_is_needed_if_it_is_there,
            a_row_of_the_set_itself_may_be_needed,
            a_set_needs_its_repository,
            a_malformed_set_is_refused,
            a_blob_of_another_size_spoils_the_whole_set,
            generations_of_a_set_go_on,
            a_row_of_a_set_with_the_same_bytes_stays,
            a_changed_description_of_the_same_bytes_is_taken_over,
            lost_bytes_of_a_set_that_is_published_again_are_lost_no_more,
            a_first_row_with_other_bytes_has_other_needs_and_another_relation,
            a_first_row_that_stays_gets_the_needs_and_the_relation_of_its_set,
            related_rows_are_told_in_order_of_path,
            a_row_is_found_by_its_digest_and_the_end_of_its_path,
            a_row_is_found_by_another_digest_that_is_its_name,
            a_needed_row_is_not_removed,
            a_row_may_go_when_what_needed_it_is_gone,
            an_operator_may_evict_a_needed_row,
            aliases_with_the_same_bytes_go_with_the_row,
            a_row_among_its_aliases_is_removed_once,
            only_rows_that_stay_keep_what_they_need,
            removing_an_unneeded_row_needs_the_precondition,
            what_belongs_to_a_row_goes_with_it,
            a_promised_row_is_given_up_when_its_promise_is_old,
            a_row_without_a_promise_is_never_given_up,
            the_latest_promise_counts,
            a_row_that_is_gone_cannot_be_promised,
            a_promised_row_that_is_published_without_one_stays,
            a_row_with_other_bytes_is_promised_like_a_new_one,
            a_needed_row_is_given_up_a_while_after_it_is_needed_no_more,
            a_row_that_is_to_be_kept_stays_when_it_is_needed_no_more,
            a_row_that_was_never_promised_is_given_up_after_it_was_needed,
            what_a_row_needed_that_is_given_up_is_promised_anew,
            the_oldest_promises_are_looked_at_first_and_no_more_than_the_limit,
            rows_of_all_repositories_are_given_up,
            sets_that_need_the_same_rows_are_published_at_once,
            sets_with_the_same_alias_are_published_one_after_the_other,
            of_many_sets_with_an_absent_alias_exactly_one_is_stored,
            a_set_beside_giving_up_has_what_it_needs_or_is_not_stored,
            a_promise_beside_giving_up_holds_or_is_refused,
            a_set_beside_the_removal_of_what_it_needs_keeps_it_or_is_not_stored,
            a_new_alias_beside_the_removal_of_its_row_goes_with_it_or_stays_with_it,
            a_set_beside_the_deletion_of_its_repository_is_stored_before_or_not_at_all,
            publishers_removers_and_those_who_give_up_lose_nothing,
            a_set_published_beside_a_review_has_live_blobs,
            a_created_upload_is_given_back_whole,
            an_absent_upload_is_none,
            an_upload_needs_its_repository,
            an_id_of_an_upload_is_used_once,
            texts_of_an_upload_are_bounded,
            a_claimed_upload_is_busy_until_its_claim_ends,
            a_claim_of_ones_own_is_prolonged,
            of_many_who_claim_an_upload_one_gets_it,
            progress_of_an_upload_is_recorded_and_prolongs_the_claim,
            progress_of_a_lost_claim_changes_nothing,
            a_claim_that_ended_and_that_nobody_took_goes_on,
            a_released_upload_can_be_claimed_at_once,
            a_finished_upload_tells_what_it_became,
            a_removed_upload_is_gone,
            idle_uploads_are_told_oldest_first,
            uploads_of_a_deleted_repository_are_idle_at_once,
            a_check_passes,
        }
    };
    (@clauses $presence:ident $make:path; $($clause:ident),+ $(,)?) => { $(
        #[tokio::test]
        async fn $clause() {
            let directory = $crate::contract::meta_store::empty_directory();
            let made = $make(directory.path()).await;
            $crate::meta_store_contract! { @hold $presence made $clause }
        }
    )+ };
    (@hold always $made:ident $clause:ident) => {
        $crate::contract::meta_store::$clause(&$made).await;
    };
    (@hold if_present $made:ident $clause:ident) => {
        if let Some(store) = $made {
            $crate::contract::meta_store::$clause(&store).await;
        }
    };
}

/// A directory that is removed when dropped.
pub fn empty_directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The store answers.
pub async fn a_check_passes(store: &dyn MetaStore) {
    store.check().await.unwrap();
    store.check().await.unwrap();
}

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

fn path(text: &str) -> RepoPath {
    RepoPath::from_decoded(text).unwrap()
}

fn key(repository: RepositoryId, text: &str) -> RowKey {
    RowKey { repository, path: path(text), variant: Variant::SOURCE }
}

/// A row of 10 bytes; the blob follows from the path alone.
fn row(repository: RepositoryId, text: &str) -> ArtifactRow {
    ArtifactRow {
        key: key(repository, text),
        blob: blob(text),
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

fn variant(mut row: ArtifactRow, name: &'static str) -> ArtifactRow {
    row.key.variant = Variant::new(name);
    row
}

fn blob(seed: &str) -> BlobId {
    let digest = ring::digest::digest(&ring::digest::SHA256, seed.as_bytes());
    BlobId::from_bytes(digest.as_ref().try_into().unwrap())
}

async fn publish(store: &dyn MetaStore, row: ArtifactRow) -> ArtifactRow {
    stored(store.publish(row, Precondition::Any).await.unwrap())
}

async fn publish_all(store: &dyn MetaStore, repository: RepositoryId, paths: &[&str]) {
    for path in paths {
        publish(store, row(repository, path)).await;
    }
}

fn stored<T: std::fmt::Debug>(published: Published<T>) -> T {
    match published {
        Published::Stored(value) => value,
        conflict @ Published::Conflict(_) => panic!("not stored: {conflict:?}"),
    }
}

fn is_stored<T>(published: &Published<T>) -> bool {
    matches!(published, Published::Stored(_))
}

fn local(name: &str) -> NewRepository {
    NewRepository {
        name: name.parse().unwrap(),
        package_type: "generic".parse().unwrap(),
        description: String::new(),
        managed_by: String::new(),
        private: false,
        definition: Definition::Local(Local::default()),
    }
}

/// A remote in which nothing has its default.
fn remote(name: &str) -> NewRepository {
    let texts = |text: &str| vec![format!("^{text}"), "\"quoted\" %_".to_owned()];
    let definition = Definition::Remote(Box::new(Remote {
        base_url: "https://registry.example/npm".to_owned(),
        immutable_ttl: Duration::from_secs(86_400),
        mutable_ttl: Duration::from_secs(300),
        patterns: texts("patterns"),
        blocklist: texts("blocklist"),
        mutable_patterns: texts("mutable"),
        immutable_patterns: texts("immutable"),
        ban_tags_enabled: true,
        ban_tags: vec!["latest".to_owned()],
        credential: Some(Credential {
            username: "robot".to_owned(),
            secret: Secret::new("pässword"),
            updated_at: NOW,
        }),
        allowed_hosts: vec!["files.example:8443".to_owned()],
        ca_certificates: "-----BEGIN CERTIFICATE-----\n".to_owned(),
        strict_freshness: true,
        verify_before_serve: true,
        forbidden_means_missing: true,
        offline: true,
    }));
    let description = "Ünïcode".to_owned();
    let managed_by = "terraform".to_owned();
    NewRepository { description, managed_by, private: true, definition, ..local(name) }
}

fn credential(repository: &mut NewRepository) -> &mut Credential {
    match &mut repository.definition {
        Definition::Remote(remote) => remote.credential.as_mut().unwrap(),
        other => panic!("not a remote: {other:?}"),
    }
}

async fn put(store: &dyn MetaStore, repository: NewRepository) -> Repository {
    stored(store.put_repository(repository, Precondition::Any, NOW).await.unwrap())
}

async fn create(store: &dyn MetaStore, name: &str) -> RepositoryId {
    put(store, local(name)).await.id
}

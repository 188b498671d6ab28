//! Crashes, and races of writers, readers and collectors: the engine over real stores, stopped
//! at the points where it matters.
//!
//! Every test runs on both databases and both blob stores. A point at which the product can be
//! stopped is global to the process, so the tests of this one run one after the other.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

mod client;
mod collectors;
mod crashes;
mod database;
mod door;
mod hold;
mod readers;
mod references;
mod storage;
mod world;
mod writers;

/// Stamps the tests for every pair of a database and a blob store.
macro_rules! on_all_stores {
    ($($test:path as $name:ident),+ $(,)?) => {
        on_all_stores! { @on sqlite_and_files Sqlite Files $($test as $name),+ }
        on_all_stores! { @on sqlite_and_s3 Sqlite S3 $($test as $name),+ }
        on_all_stores! { @on postgresql_and_files Postgres Files $($test as $name),+ }
        on_all_stores! { @on postgresql_and_s3 Postgres S3 $($test as $name),+ }
    };
    (@on $stores:ident $database:ident $storage:ident $($test:path as $name:ident),+) => {
        mod $stores { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                let alone = fail::FailScenario::setup();
                let database = crate::database::Kind::$database;
                let storage = crate::storage::Kind::$storage;
                if let Some(places) = crate::world::Places::new(database, storage).await {
                    $test(places).await;
                }
                alone.teardown();
            }
        )+ }
    };
}

on_all_stores! {
    crate::writers::publish_beside_review
        as race_01_a_publish_beside_a_review_has_a_live_blob,
    crate::writers::publish_beside_deletion
        as race_02_a_publish_waits_for_a_deletion_and_stores_the_bytes_again,
    crate::writers::bytes_after_absent
        as race_03_bytes_stored_after_absent_was_seen_are_out_of_reach_of_an_older_deletion,
    crate::writers::deletion_in_doubt
        as race_03_a_deletion_that_nobody_waits_for_any_more_keeps_writers_away,
    crate::writers::dead_upload
        as race_04_an_upload_that_dies_before_the_database_is_swept,
    crate::writers::adopted_before_publish
        as race_05_a_blob_adopted_while_its_writer_is_about_to_publish_survives,
    crate::readers::condemned_before_open
        as race_06_a_reader_who_looked_the_row_up_finds_the_bytes_until_their_deletion_is_due,
    crate::readers::deleted_while_streaming
        as race_07_a_download_whose_bytes_are_deleted_meanwhile_ends_whole_or_breaks,
    crate::collectors::two_at_once
        as race_08_two_collectors_delete_each_blob_once,
    crate::collectors::reference_removed_beside_review
        as race_09_a_reference_removed_beside_a_review_is_not_forgotten,
    crate::references::promised
        as race_10_a_promised_blob_outlives_the_collector_until_its_reference_arrives,
    crate::collectors::crash_after_deletion
        as race_11_a_deletion_that_ends_before_its_commit_is_finished_or_undone_by_a_writer,
    crate::writers::eviction_beside_publish
        as race_12_an_eviction_beside_a_publish_leaves_a_whole_file_or_none,
    crate::collectors::restored_metadata
        as race_13_metadata_restored_from_a_backup_stop_the_collector,
    crate::collectors::too_much_at_once
        as race_13_a_collector_that_would_delete_much_at_once_stops,
    crate::references::older_replica
        as race_14_references_written_by_an_older_replica_obey_the_rules,
    crate::references::older_replica_beside_deletion
        as race_14_an_older_replica_cannot_refer_to_a_blob_that_is_being_deleted,
    crate::crashes::after_head
        as a_crash_after_the_head_leaves_nothing_half_written,
    crate::crashes::mid_body
        as a_crash_in_the_middle_of_the_body_leaves_nothing_half_written,
    crate::crashes::before_hash_check
        as a_crash_before_the_hash_is_checked_leaves_nothing_half_written,
    crate::crashes::after_bytes_before_database
        as a_crash_between_bytes_and_database_leaves_nothing_that_can_be_seen,
    crate::crashes::inside_publish
        as a_crash_inside_the_publishing_transaction_leaves_nothing_that_can_be_seen,
}

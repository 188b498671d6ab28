//! Contract of `MetaStore`.
//!
//! A backend stamps the suite with a factory that makes it in an empty directory:
//!
//! ```text
//! async fn make(directory: &Path) -> SqliteStore { … }
//! testkit::meta_store_contract!(make);
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "the clauses are the bodies of tests: a panic is their verdict"
)]

mod accounting;
mod eviction;
mod listing;
mod repositories;
mod rows;
mod statistics;

use std::time::Duration;

use artifact_core::ports::{MetaStore, NewRepository, Precondition, Published};
use artifact_core::{
    ArtifactRow, BlobId, Class, Credential, Definition, Digests, Local, Remote, RepoPath,
    Repository, RepositoryId, RowKey, Secret, Timestamp, Variant,
};

pub use accounting::*;
pub use eviction::*;
pub use listing::*;
pub use repositories::*;
pub use rows::*;
pub use statistics::*;

/// Stamps one test per clause of the `MetaStore` contract. The argument names a
/// function from an empty directory to a future of the store.
#[macro_export]
macro_rules! meta_store_contract {
    ($make:path) => {
        $crate::meta_store_contract! {
            @clauses $make;
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
            a_listing_is_in_order_of_bytes,
            a_listing_shows_every_variant,
            a_prefix_of_a_listing_is_literal,
            a_listing_pages_without_gaps_or_repeats,
            a_page_never_ends_between_the_variants_of_a_path,
            groups_are_folded_and_summed,
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
            a_check_passes,
        }
    };
    (@clauses $make:path; $($clause:ident),+ $(,)?) => { $(
        #[tokio::test]
        async fn $clause() {
            let directory = $crate::contract::meta_store::empty_directory();
            let store = $make(directory.path()).await;
            $crate::contract::meta_store::$clause(&store).await;
        }
    )+ };
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
    NewRepository { description, managed_by: "terraform".to_owned(), definition, ..local(name) }
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

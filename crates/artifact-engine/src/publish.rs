//! Making fetched bytes ours: bytes first, then the row.

use std::path::Path;
use std::sync::Arc;

use artifact_core::ports::{Durability, Precondition, Published, Validation};
use artifact_core::{ArtifactRow, BlobId, Class, Digests, Result};
use http::HeaderMap;
use http::header::{ETAG, LAST_MODIFIED};

use crate::flight::{Job, salt};
use crate::rows::HotRow;
use crate::shared::Shared;
use crate::storing::{self, NewBlob};
use crate::verdict::text;

/// Verified bytes and what is known about them.
pub(crate) struct Fetched<'a> {
    pub(crate) job: &'a Job,
    pub(crate) blob: BlobId,
    pub(crate) size: u64,
    pub(crate) digests: Digests,
    pub(crate) content_type: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) headers: &'a HeaderMap,
}

/// Stores the file at `source` and its row. When somebody else wrote the row meanwhile, the
/// first bytes of an immutable path win and the last of a mutable one.
pub(crate) async fn publish(
    shared: &Shared,
    fetched: Fetched<'_>,
    source: &Path,
) -> Result<Arc<HotRow>> {
    let (id, size) = (fetched.blob, fetched.size);
    let blob = NewBlob { id, source, size, durability: Durability::Cache };
    storing::store(shared, blob, write_row(shared, fetched)).await
}

async fn write_row(shared: &Shared, fetched: Fetched<'_>) -> Result<Arc<HotRow>> {
    let mut precondition = fetched
        .job
        .replaces()
        .map_or(Precondition::Absent, |replaced| Precondition::Unchanged(replaced.row.generation));
    let row = row_of(shared, fetched);
    loop {
        let current = match shared.parts.meta.publish(row.clone(), precondition).await? {
            Published::Stored(stored) => return Ok(shared.rows.keep(stored)),
            Published::Conflict(current) => current,
        };
        precondition = match current {
            None => Precondition::Absent,
            Some(current) if current.blob == row.blob => return Ok(shared.rows.keep(current)),
            Some(current) if row.class == Class::Immutable => {
                tracing::error!(
                    event = "upstream_mutated", path = %row.key.path, first = %current.blob, now = %row.blob,
                    "upstream changed an immutable file, the first bytes are kept"
                );
                return Ok(shared.rows.keep(current));
            }
            Some(current) => Precondition::Unchanged(current.generation),
        };
    }
}

fn row_of(shared: &Shared, fetched: Fetched<'_>) -> ArtifactRow {
    let Fetched { job, headers, .. } = fetched;
    let now = shared.parts.clock.now();
    ArtifactRow {
        key: job.key.clone(),
        blob: fetched.blob,
        size: fetched.size,
        class: job.class,
        content_type: fetched.content_type,
        upstream_etag: text(headers, &ETAG).map(ToOwned::to_owned),
        upstream_last_modified: text(headers, &LAST_MODIFIED).map(ToOwned::to_owned),
        upstream_url: fetched.url,
        checksums: fetched.digests,
        fetched_at: now,
        validated_at: now,
        expires_at: job.lifetimes.expiry(job.class, now, headers, salt(fetched.blob.as_bytes())),
        generation: 0,
    }
}

/// Records that upstream confirmed a copy. A metadata store that fails costs another
/// confirmation later, not this answer.
pub(crate) async fn confirm(
    shared: &Shared,
    held: &Arc<HotRow>,
    validation: Validation,
) -> Arc<HotRow> {
    let row = &held.row;
    let unrecorded = validation.clone();
    match shared.parts.meta.validate(&row.key, row.generation, validation).await {
        Ok(Some(confirmed)) => shared.rows.keep(confirmed),
        Ok(None) => Arc::clone(held),
        Err(error) => {
            tracing::warn!(%error, path = %row.key.path, "confirmation could not be recorded");
            shared.rows.keep(confirmed_in_memory(row.clone(), unrecorded))
        }
    }
}

/// The row as it would be stored, under the generation that is: good until the metadata store
/// is back and the next confirmation finds out.
fn confirmed_in_memory(mut row: ArtifactRow, validation: Validation) -> ArtifactRow {
    row.validated_at = validation.validated_at;
    row.expires_at = validation.expires_at;
    row.upstream_etag = validation.upstream_etag.or(row.upstream_etag);
    row.upstream_last_modified = validation.upstream_last_modified.or(row.upstream_last_modified);
    row
}

/// Removes a row whose document upstream has withdrawn.
pub(crate) async fn withdraw(shared: &Shared, held: &HotRow) -> Result<()> {
    let precondition = Precondition::Unchanged(held.row.generation);
    shared.parts.meta.remove(&held.row.key, precondition).await?;
    shared.rows.forget(&held.row.key);
    Ok(())
}

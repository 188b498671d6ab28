//! Bytes that a remote holds under another path than that which is asked for: of another package, or what a name led to.
//!
//! Only what is asked for by its digest is looked for, so what is found is right, whatever it was called. Who may read one
//! package of a remote may read all that its rules admit.

use std::sync::Arc;

use artifact_core::ports::{Precondition, Published};
use artifact_core::{ArtifactRow, Class, Digest, Origin, Result};

use crate::remote::Wanted;
use crate::rows::HotRow;
use crate::shared::Shared;
use crate::storing;

/// The row of what is wanted, made of one with the same bytes. `None` if there is none, or none that can be used: then
/// upstream is asked.
pub(crate) async fn adopt(shared: &Shared, wanted: &Wanted<'_>) -> Option<Arc<HotRow>> {
    let Origin::Addressed { digest, .. } = &wanted.target.origin else { return None };
    if wanted.class != Class::Immutable {
        return None;
    }
    let adopted = async {
        match find(shared, wanted, digest).await? {
            Some(row) => publish(shared, wanted, row).await,
            None => Ok(None),
        }
    };
    adopted.await.unwrap_or_else(|error| {
        tracing::debug!(%error, path = %wanted.key.path, "a copy could not be used");
        None
    })
}

/// The same file of another package, else what a name led to: only of that did upstream say the media type in answer to
/// the same question.
async fn find(
    shared: &Shared,
    wanted: &Wanted<'_>,
    digest: &Digest,
) -> Result<Option<ArtifactRow>> {
    let (meta, repository) = (&shared.parts.meta, wanted.mounted.id());
    let is_admitted = |row: &ArtifactRow| wanted.mounted.denial(row.key.path.as_str()).is_none();
    let package = wanted.target.package.as_deref().unwrap_or_default();
    if let Some(ending) = wanted.key.path.as_str().strip_prefix(package) {
        let same = meta.row_with_digest(repository, digest, ending).await?;
        if let Some(row) = same.filter(is_admitted) {
            return Ok(Some(row));
        }
    }
    let any = meta.row_with_digest(repository, digest, "").await?;
    Ok(any.filter(|row| row.class == Class::Mutable && is_admitted(row)))
}

async fn publish(
    shared: &Shared,
    wanted: &Wanted<'_>,
    found: ArtifactRow,
) -> Result<Option<Arc<HotRow>>> {
    let (blob, size) = (found.blob, found.size);
    let now = shared.parts.clock.now();
    let content_type = wanted.target.content_type.map(ToOwned::to_owned).or(found.content_type);
    let row = ArtifactRow {
        key: wanted.key.clone(),
        class: wanted.class,
        content_type,
        upstream_etag: None,
        upstream_last_modified: None,
        fetched_at: now,
        validated_at: now,
        expires_at: None,
        generation: 0,
        ..found
    };
    let publish = shared.parts.meta.publish(row, Precondition::Absent);
    match storing::refer_to_stored(shared, blob, size, publish).await? {
        Some(Published::Stored(row) | Published::Conflict(Some(row))) => {
            Ok(Some(shared.rows.keep(row)))
        }
        Some(Published::Conflict(None)) | None => Ok(None),
    }
}

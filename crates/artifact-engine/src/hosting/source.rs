//! Files that are here already: they become visible under another name without being sent again.

use artifact_core::ports::{Precondition, PublishedSet, RowSet};
use artifact_core::{ArtifactRow, Beginning, Definition, Digest, Outcome, Result, RowKey, Source};

use super::{Conversation, key};
use crate::mount::Mount;
use crate::request::Reply;
use crate::storing;

/// Stands for a name where only what follows one matters.
const ANY_NAME: &str = "x";

impl Conversation<'_> {
    /// Makes the file of `source` visible under the name of `beginning`; `None` if it is not here, or
    /// not for this client, which then sends it.
    pub(super) async fn take_over(
        &self,
        beginning: &Beginning,
        source: &Source,
    ) -> Result<Option<Reply>> {
        let Some(row) = self.find(source).await? else { return Ok(None) };
        let path = self.rules.file_path(&beginning.name, &source.digest);
        let (blob, size) = (row.blob, row.size);
        let now = self.shared.parts.clock.now();
        let row = ArtifactRow {
            key: self.key(&path),
            fetched_at: now,
            validated_at: now,
            generation: 0,
            ..row
        };
        let set = RowSet {
            rows: vec![(row, Precondition::Any)],
            promised_at: Some(now),
            ..RowSet::default()
        };
        let publish = self.shared.parts.meta.publish_set(set);
        let taken = storing::refer_to_stored(self.shared, blob, size, publish).await?;
        let Some(PublishedSet::Stored(rows)) = taken else { return Ok(None) };
        for row in rows {
            self.shared.rows.keep(row);
        }
        let (name, digest) = (beginning.name.as_str(), &source.digest);
        Ok(Some(self.word(&Outcome::FileStored { name, digest })))
    }

    async fn find(&self, source: &Source) -> Result<Option<ArtifactRow>> {
        let mounted = self.call.mounted;
        let Some(from) = &source.from else {
            return self.find_under_any_name(&source.digest).await;
        };
        let place = match self.call.request.mount {
            Mount::Root => Some((mounted.name(), from.as_str())),
            Mount::Package(_) | Mount::Registry => from.split_once('/'),
        };
        let Some((repository, name)) = place else { return Ok(None) };
        // What a private repository holds is told only by itself. Those that are not hosted, or not in this
        // way, have other rules for what a path means.
        let Some(other) = self.call.snapshot.find(repository).filter(|other| {
            matches!(other.repository.definition, Definition::Local(_))
                && other.repository.package_type == mounted.repository.package_type
                && (other.id() == mounted.id() || !self.call.snapshot.is_private(repository))
        }) else {
            return Ok(None);
        };
        let path = self.rules.file_path(name, &source.digest);
        self.stored(&key(other, &path)).await
    }

    /// Of the same repository only: it has one rule about who may read it.
    async fn find_under_any_name(&self, digest: &Digest) -> Result<Option<ArtifactRow>> {
        let meta = &self.shared.parts.meta;
        let ending = self.rules.file_path(ANY_NAME, digest);
        let ending = ending.as_str().strip_prefix(ANY_NAME).unwrap_or_default();
        meta.row_with_digest(self.call.mounted.id(), digest, ending).await
    }

    /// As the store has it now: a row that is only remembered may be gone.
    async fn stored(&self, key: &RowKey) -> Result<Option<ArtifactRow>> {
        self.shared.parts.meta.row(key).await
    }
}

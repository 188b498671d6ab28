//! What repositories hold: listing and evicting.

use admin_types::{
    Evicted, Kind, Object, ObjectPage, ObjectPrefix, ObjectQuery, ObjectState, Problem, Selection,
    decode_cursor, encode_cursor,
};
use artifact_core::ports::{ListedRow, Listing, Prefix, RowQuery, Selector, StateFilter};
use artifact_core::{RepoPath, Repository, Timestamp};

use super::Admin;
use super::problem::from_error;
use super::view::{kind_of, moment};

/// Objects that the sums of a page's folded prefixes add up together: a page takes milliseconds
/// however much lies below it.
const SUMMED: usize = 100_000;

impl Admin {
    pub(super) async fn list_objects(
        &self,
        kind: Kind,
        name: &str,
        query: ObjectQuery,
    ) -> Result<ObjectPage, Problem> {
        let now = self.now();
        let after = query.cursor.as_deref().map(decode_cursor).transpose()?;
        let repository = self.stored_one(kind, name).await?;
        let state = match query.state {
            None => None,
            Some(ObjectState::Fresh) => Some(StateFilter::FreshAt(now)),
            Some(ObjectState::Stale) => Some(StateFilter::StaleAt(now)),
            // Neither remembered absences nor unfinished files are objects.
            Some(ObjectState::Negative | ObjectState::Incomplete) => {
                return Ok(ObjectPage::default());
            }
        };
        let query = RowQuery {
            repository: repository.id,
            prefix: query.prefix,
            delimiter: query.delimiter,
            after,
            state,
            limit: query.limit,
            summed: SUMMED,
        };
        let listing = self.meta().list(&query).await.map_err(from_error)?;
        Ok(page(&repository, listing, now))
    }

    pub(super) async fn evict_objects(
        &self,
        kind: Kind,
        name: &str,
        selection: Selection,
        dry_run: bool,
    ) -> Result<Evicted, Problem> {
        let selector = selector(selection)?;
        let repository = self.stored_one(kind, name).await?;
        let evicted = self.meta().evict(repository.id, &selector, dry_run).await;
        let evicted = evicted.map_err(from_error)?;
        if let Selector::Path(path) = &selector
            && evicted.objects == 0
        {
            return Err(Problem::not_found(format!("{kind} {name} does not hold {path}")));
        }
        if !dry_run {
            self.engine.forget(repository.id, &selector);
        }
        Ok(Evicted { objects: evicted.objects, bytes: evicted.bytes, dry_run })
    }
}

fn selector(selection: Selection) -> Result<Selector, Problem> {
    match selection {
        Selection::Prefix(prefix) => Ok(Selector::Prefix(prefix)),
        Selection::Path(path) => match RepoPath::from_decoded(&path) {
            Ok(path) => Ok(Selector::Path(path)),
            Err(error) => Err(Problem::bad_request(error.to_string())),
        },
    }
}

fn page(repository: &Repository, listing: Listing, now: Timestamp) -> ObjectPage {
    ObjectPage {
        items: listing.rows.into_iter().map(|listed| object(repository, listed, now)).collect(),
        prefixes: listing.prefixes.into_iter().map(folded).collect(),
        next_cursor: listing.next.as_deref().map(encode_cursor),
        total: None,
    }
}

fn folded(prefix: Prefix) -> ObjectPrefix {
    ObjectPrefix {
        prefix: prefix.prefix,
        objects: prefix.objects,
        size_bytes: prefix.bytes,
        at_least: prefix.at_least,
    }
}

fn object(repository: &Repository, listed: ListedRow, now: Timestamp) -> Object {
    let row = listed.row;
    let is_fresh = row.expires_at.is_none_or(|expires_at| expires_at > now);
    Object {
        repository: repository.name.to_string(),
        kind: kind_of(repository),
        path: row.key.path.to_string(),
        variant: row.key.variant.to_string(),
        size_bytes: row.size,
        content_type: row.content_type,
        sha256: row.blob.to_hex(),
        class: row.class.name().to_owned(),
        state: if is_fresh { ObjectState::Fresh } else { ObjectState::Stale },
        cached_at: row.fetched_at.to_rfc3339(),
        validated_at: row.validated_at.to_rfc3339(),
        expires_at: moment(row.expires_at),
        last_accessed_at: moment(listed.accessed_at),
        hits: listed.hits,
        upstream_url: row.upstream_url,
    }
}

//! What there is of a name, and what is said of a document.

use std::sync::Arc;

use artifact_core::ports::{RelatedRow, RowQuery};
use artifact_core::{
    Error, ErrorKind, Fault, Intent, ListRequest, Outcome, Publishing, RelationRequest, Result,
    Target,
};
use bytes::Bytes;

use super::Conversation;
use crate::request::Reply;
use crate::shared::Shared;
use crate::snapshot::Mounted;

/// Entries that are read at once.
const PAGE: usize = 1000;
/// Related documents that are read for one answer.
const RELATED_LIMIT: usize = 1000;
/// The descriptors of one answer have about this many bytes at most: clients read 4 MiB, and what stands between
/// descriptors counts as well.
const RELATED_BYTES: usize = (3 << 20) - (64 << 10);

impl Conversation<'_> {
    pub(super) async fn list(&self, request: &ListRequest) -> Result<Reply> {
        let Some((entries, has_more)) = list(self.shared, self.call.mounted, request).await? else {
            let text = "nothing of this name is in this repository";
            return Err(self.fault(ErrorKind::NotFound, Fault::UnknownName, text));
        };
        Ok(self.word(&Outcome::List { request, entries: &entries, has_more }))
    }

    pub(super) async fn relate(&self, request: &RelationRequest) -> Result<Reply> {
        let (rows, has_more) = related(self.shared, self.call.mounted, request).await?;
        Ok(self.word(&Outcome::Related { request, rows: &rows, has_more }))
    }
}

/// A document of a hosted repository, made of what it holds: what a virtual repository merges with those of
/// its other members.
pub(crate) async fn document(
    shared: &Arc<Shared>,
    mounted: &Mounted,
    target: &Target,
) -> Result<Bytes> {
    let absent = || Error::new(ErrorKind::NotFound, "nothing of this name is in this repository");
    let rules = mounted.provider.publishing().ok_or_else(absent)?;
    let worded = match rules.document(target) {
        Some(Intent::List(request)) => {
            let (entries, has_more) = list(shared, mounted, &request).await?.ok_or_else(absent)?;
            if has_more {
                let text = "a hosted repository has more of this name than can be merged";
                return Err(Error::new(ErrorKind::Unprocessable, text));
            }
            let outcome = Outcome::List { request: &request, entries: &entries, has_more };
            rules.word(&outcome, &mounted.path())
        }
        Some(Intent::Relate(request)) => return all_related(shared, mounted, rules, request).await,
        _ => return Err(absent()),
    };
    Ok(worded.body)
}

/// All related documents: the bodies of all pages, one behind the other.
async fn all_related(
    shared: &Shared,
    mounted: &Mounted,
    rules: &dyn Publishing,
    mut request: RelationRequest,
) -> Result<Bytes> {
    let mut all = Vec::new();
    loop {
        let (rows, has_more) = related(shared, mounted, &request).await?;
        let outcome = Outcome::Related { request: &request, rows: &rows, has_more };
        all.extend_from_slice(&rules.word(&outcome, &mounted.path()).body);
        if all.len() as u64 > mounted.provider.defaults().document_limit {
            let text = "a hosted repository says more of this document than can be merged";
            return Err(Error::new(ErrorKind::Unprocessable, text));
        }
        match rows.last().filter(|_| has_more) {
            Some(last) => request.after = Some(last.path.as_str().to_owned()),
            None => return Ok(all.into()),
        }
    }
}

/// Whether there is a row whose path begins with `witness`.
pub(crate) async fn holds(shared: &Shared, mounted: &Mounted, witness: &str) -> Result<bool> {
    let page = shared.parts.meta.list(&query(mounted, witness, None, 1)).await?;
    Ok(!page.rows.is_empty())
}

/// A page, and whether there is more; `None` if there is nothing of the name.
async fn list(
    shared: &Shared,
    mounted: &Mounted,
    request: &ListRequest,
) -> Result<Option<(Vec<String>, bool)>> {
    if !holds(shared, mounted, &request.witness).await? {
        return Ok(None);
    }
    let meta = &shared.parts.meta;
    let mut entries = Vec::new();
    let mut after = request.after.as_ref().map(|entry| format!("{}{entry}", request.prefix));
    let mut goes_on = request.limit > 0;
    while goes_on && entries.len() <= request.limit {
        // One more than asked for, to know whether there are more.
        let limit = (request.limit - entries.len() + 1).min(PAGE);
        let page = meta.list(&query(mounted, &request.prefix, after.take(), limit)).await?;
        let shown = |path: &str| path.strip_prefix(&request.prefix).map(str::to_owned);
        entries.extend(page.rows.iter().filter_map(|listed| shown(listed.row.key.path.as_str())));
        after = page.next;
        goes_on = after.is_some();
    }
    let has_more = request.limit > 0 && entries.len() > request.limit;
    entries.truncate(request.limit);
    Ok(Some((entries, has_more)))
}

/// The related documents, and whether there are more.
async fn related(
    shared: &Shared,
    mounted: &Mounted,
    request: &RelationRequest,
) -> Result<(Vec<RelatedRow>, bool)> {
    let (subject, after) = (request.subject.as_str(), request.after.as_deref());
    let mut rows = shared.parts.meta.related(mounted.id(), subject, after, RELATED_LIMIT).await?;
    let mut has_more = rows.len() == RELATED_LIMIT;
    let mut bytes = 0_usize;
    let fits = |row: &&RelatedRow| {
        bytes = bytes.saturating_add(row.descriptor.len());
        bytes <= RELATED_BYTES
    };
    let fitting = rows.iter().take_while(fits).count().max(1);
    if fitting < rows.len() {
        rows.truncate(fitting);
        has_more = true;
    }
    Ok((rows, has_more))
}

fn query(mounted: &Mounted, prefix: &str, after: Option<String>, limit: usize) -> RowQuery {
    RowQuery {
        repository: mounted.id(),
        prefix: prefix.to_owned(),
        delimiter: None,
        after,
        state: None,
        limit,
        summed: 0,
    }
}
